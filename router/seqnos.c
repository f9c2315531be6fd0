#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* Seqno requests: how a newer sequence number is got when the only routes are not feasible.
 * docs/protocol/routing.md, "Seqno requests". */

struct seqno_entry {
    struct list in_dest;
    struct list by_age; /* in router.seqno_entries, oldest first */
    struct dest *dest;  /* with an extra, in which it hangs */
    struct router_id rid;
    uint16_t seqno;
    usec_t made;
    /* Who asked us, and whom we asked. When full, the one longest ago goes. */
    struct seqno_peers {
        uint8_t len;
        struct seqno_peer {
            peer_id peer;
            usec_t at;
        } v[SEQNO_PEERS_MAX];
    } requesters, targets;
};

static struct seqno_entry *entry_find(const struct extra *x, const struct router_id *rid,
                                      uint16_t seqno)
{
    list_foreach (pos, &x->seqno_entries) {
        struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        if (e->seqno == seqno && memcmp(e->rid.b, rid->b, sizeof(rid->b)) == 0)
            return e;
    }
    return NULL;
}

static void entry_free(struct router *r, struct seqno_entry *e)
{
    list_del(&e->in_dest);
    list_del(&e->by_age);
    extra_of(r, e->dest)->seqno_entries_len--;
    r->seqno_entries_len--;
    free(e);
}

static struct seqno_entry *entry_get(struct router *r, struct dest *d, const struct router_id *rid,
                                     uint16_t seqno, usec_t now)
{
    struct extra *x = extra_get(r, d);
    struct seqno_entry *e = x ? entry_find(x, rid, seqno) : NULL;
    if (e || !x)
        return e;
    if (x->seqno_entries_len >= SEQNO_PER_DEST_MAX) {
        entry_free(r, list_entry(x->seqno_entries.next, struct seqno_entry, in_dest));
    } else if (r->seqno_entries_len >= MAX(r->limits.seqno_entries, 1U)) {
        struct seqno_entry *oldest = list_entry(r->seqno_entries.next, struct seqno_entry, by_age);
        struct dest *other = oldest->dest;
        dest_hold(other);
        entry_free(r, oldest);
        dest_release(r, other); /* never d: its caller holds it */
    }
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->dest = d;
    e->rid = *rid;
    e->seqno = seqno;
    e->made = now;
    list_push_back(&x->seqno_entries, &e->in_dest);
    list_push_back(&r->seqno_entries, &e->by_age);
    x->seqno_entries_len++;
    r->seqno_entries_len++;
    return e;
}

void seqno_entries_free(struct router *r, struct dest *d)
{
    struct extra *x = extra_of(r, d);
    if (!x)
        return;
    list_foreach_safe (pos, &x->seqno_entries)
        entry_free(r, list_entry(pos, struct seqno_entry, in_dest));
}

void seqno_entries_expire(struct router *r, usec_t now)
{
    for (unsigned n = 0; n < SLICE && seqno_entries_deadline(r) <= now; n++) {
        struct seqno_entry *e = list_entry(r->seqno_entries.next, struct seqno_entry, by_age);
        struct dest *d = e->dest;
        dest_hold(d);
        entry_free(r, e);
        dest_release(r, d);
    }
}

usec_t seqno_entries_deadline(const struct router *r)
{
    const struct seqno_entry *e = list_first(&r->seqno_entries, struct seqno_entry, by_age);
    return e ? e->made + SEQNO_ENTRY_LIFE : USEC_NEVER;
}

static void peers_add(struct seqno_peers *p, const struct neighbour *nb, usec_t now)
{
    uint8_t at = 0;
    for (uint8_t i = 0; i < p->len; i++) {
        if (p->v[i].peer == nb->id) {
            p->v[i].at = now;
            return;
        }
        if (p->v[i].at < p->v[at].at)
            at = i;
    }
    if (p->len < SEQNO_PEERS_MAX)
        at = p->len++;
    p->v[at] = (struct seqno_peer){.peer = nb->id, .at = now};
}

static bool peers_lately(const struct seqno_peers *p, const struct neighbour *nb, usec_t now)
{
    for (uint8_t i = 0; i < p->len; i++)
        if (p->v[i].peer == nb->id)
            return now - p->v[i].at < SEQNO_REPEAT_GUARD;
    return false;
}

static void send_request(struct router *r, struct seqno_entry *e, const struct neighbour *to,
                         uint8_t hops, usec_t now)
{
    struct tlv t = {
        .type = TLV_SEQNO_REQUEST,
        .seqno_request = {
            .seqno = e->seqno, .hop_count = hops, .subnet = e->dest->subnet, .router_id = e->rid}};
    peers_add(&e->targets, to, now);
    output_control(r, to, &t);
}

/* Announces the selected route to those who asked for what it has, but not again to those in
 * `told`. Returns neighbour_bit() of those who got it. */
static uint32_t answer(struct router *r, struct dest *d, const struct seqno_entry *e, uint32_t told,
                       usec_t now)
{
    uint32_t to = 0;
    for (uint8_t i = 0; i < e->requesters.len; i++) {
        const struct neighbour *nb = neighbour_find(r, e->requesters.v[i].peer);
        if (nb)
            to |= neighbour_bit(nb);
    }
    return announce_route(r, d, to & ~told, now);
}

static bool asked_by_anyone_lately(const struct seqno_entry *e, usec_t now)
{
    for (uint8_t i = 0; i < e->requesters.len; i++)
        if (now - e->requesters.v[i].at < SEQNO_REPEAT_GUARD)
            return true;
    return false;
}

/* A request is satisfied by the seqno it asks for and by every newer one. An entry for exactly this
 * seqno keeps its requesters, others have got what they wanted. What stays open goes on to the next
 * hop that we have now: who was asked before may have lost its route since, or the newer seqno came
 * over a route that is not the best. */
void seqno_answer(struct router *r, struct dest *d, const struct tlv_update *u, uint32_t told,
                  usec_t now)
{
    const struct extra *x = dest_extra(r, d);
    const struct route *sel = dest_selected(r, d);
    const struct neighbour *next_hop = route_nb(r, sel);
    const struct router_id *rid = source_rid(r, route_source(r, sel));
    list_foreach (pos, &x->seqno_entries) {
        struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        bool same = memcmp(e->rid.b, rid->b, sizeof(e->rid.b)) == 0;
        if (same && seqno_lt(sel->seqno, e->seqno)) {
            if (asked_by_anyone_lately(e, now) && !peers_lately(&e->requesters, next_hop, now) &&
                !peers_lately(&e->targets, next_hop, now))
                send_request(r, e, next_hop, SEQNO_HOPS, now);
            continue;
        }
        if (memcmp(e->rid.b, u->router_id.b, sizeof(e->rid.b)) != 0)
            continue;
        told |= answer(r, d, e, told, now);
        if (e->seqno != u->seqno)
            e->requesters.len = 0;
    }
}

static void peers_del(struct seqno_peers *p, const struct neighbour *nb)
{
    for (uint8_t i = 0; i < p->len; i++) {
        if (p->v[i].peer == nb->id) {
            p->v[i] = p->v[--p->len];
            return;
        }
    }
}

void seqno_peer_forget(const struct router *r, const struct dest *d, const struct neighbour *nb)
{
    const struct extra *x = dest_extra(r, d);
    list_foreach (pos, &x->seqno_entries) {
        struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        peers_del(&e->targets, nb);
        peers_del(&e->requesters, nb);
    }
}

/* --- own requests ---------------------------------------------------------------------------- */

/* Each repeat asks for one more than the one before: who passed a request on does not look at the
 * same one again for a minute, and the origin raises its seqno by one whatever is asked for. */
static uint16_t wanted_seqno(const struct source *s, unsigned repeat)
{
    return (uint16_t)((s->announced ? s->seqno + 1u : 1u) + repeat);
}

static void retry_arm(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_get(r, d);
    if (!x)
        return;
    x->retries = 0;
    x->retry_at = now + SEQNO_RETRY_FIRST;
    extra_arm(r, x);
}

void seqno_ask(struct router *r, struct dest *d, const struct source *s, struct neighbour *to,
               usec_t now)
{
    struct seqno_entry *e = entry_get(r, d, source_rid(r, s), wanted_seqno(s, 0), now);
    if (!e)
        return;
    send_request(r, e, to, SEQNO_HOPS, now);
    if (!d->selected)
        retry_arm(r, d, now);
}

static bool can_ask(const struct router *r, const struct route *rt)
{
    return route_usable(r, rt) && !route_source(r, rt)->refused;
}

/* Only neighbours with a finite route can know a newer seqno; about the last router id that was
 * seen with one. */
static bool ask_list(struct router *r, struct dest *d, unsigned repeat, usec_t now)
{
    const struct source *s = source_at(r, d->last_source);
    size_t finite = 0;
    route_foreach(r, rt, d) finite += can_ask(r, rt);
    if (!s || finite == 0)
        return false;
    struct seqno_entry *e = entry_get(r, d, source_rid(r, s), wanted_seqno(s, repeat), now);
    if (!e)
        return false;
    route_foreach(r, asked, d)
    {
        const struct neighbour *nb = route_nb(r, asked);
        if (can_ask(r, asked) && !peers_lately(&e->requesters, nb, now) &&
            !peers_lately(&e->targets, nb, now))
            send_request(r, e, nb, SEQNO_HOPS, now);
    }
    return true;
}

void seqno_ask_all(struct router *r, struct dest *d, usec_t now)
{
    if (ask_list(r, d, 0, now))
        retry_arm(r, d, now);
}

/* Those again who were asked before: some have only shown a route that we could not keep. */
static void ask_same(struct router *r, struct dest *d, unsigned repeat, usec_t now)
{
    const struct source *s = source_at(r, d->last_source);
    struct seqno_entry *before =
        entry_find(dest_extra(r, d), source_rid(r, s), wanted_seqno(s, repeat - 1));
    if (!before)
        return;
    struct seqno_peers asked = before->targets;
    struct seqno_entry *e = entry_get(r, d, source_rid(r, s), wanted_seqno(s, repeat), now);
    for (uint8_t i = 0; e && i < asked.len; i++) {
        struct neighbour *nb = neighbour_find(r, asked.v[i].peer);
        if (nb)
            send_request(r, e, nb, SEQNO_HOPS, now);
    }
}

/* While packets wait, or it is in use, and nothing is feasible: those again who were asked, and
 * those who have come. */
void seqno_retry(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_of(r, d);
    x->retry_at = USEC_NEVER;
    bool needed =
        !list_empty(&dest_extra(r, dest_home(r, d))->parked_out) || dest_in_use(r, d, now);
    if (d->selected || !d->last_source || !needed || x->retries >= SEQNO_RETRIES)
        return;
    x->retries++;
    ask_same(r, d, x->retries, now);
    (void)ask_list(r, d, x->retries, now);
    if (x->retries < SEQNO_RETRIES) {
        x->retry_at = now + (SEQNO_RETRY_FIRST << x->retries);
        extra_arm(r, x);
    }
}

/* --- requests of others ---------------------------------------------------------------------- */

/* For our own /64 and router id. */
static void own_seqno_wanted(struct router *r, struct neighbour *from, uint16_t seqno, usec_t now)
{
    bool newer = seqno_gt(seqno, r->seqno);
    if (newer && now - r->bumped_at >= SEQNO_BUMP_HOLD_DOWN) {
        r->seqno++; /* by one, whatever was asked for */
        r->bumped_at = now;
        r->stats.seqno_bump++;
        announce_own(r, NULL);
        return;
    }
    if (newer) {
        r->stats.seqno_unhandled++; /* all were told a moment ago */
        return;
    }
    r->stats.seqno_reply_local++;
    announce_own(r, from);
}

/* A neighbour to pass the request on to: the first in list order with a feasible route, else the
 * first with a finite one; not who asked, and none that was asked the same a moment ago: there the
 * answer is under way, or there is none. */
static struct neighbour *forward_target(const struct router *r, const struct dest *d,
                                        const struct neighbour *from, const struct seqno_entry *e,
                                        usec_t now, bool *ret_feasible)
{
    struct neighbour *finite = NULL;
    route_foreach(r, rt, d)
    {
        struct neighbour *nb = route_nb(r, rt);
        if (nb == from || !can_ask(r, rt) ||
            (e && (peers_lately(&e->requesters, nb, now) || peers_lately(&e->targets, nb, now))))
            continue;
        if (source_feasible(route_source(r, rt), rt->seqno, rt->metric)) {
            *ret_feasible = true;
            return nb;
        }
        if (!finite)
            finite = nb;
    }
    *ret_feasible = false;
    return finite;
}

static void forward(struct router *r, struct dest *d, struct neighbour *from,
                    const struct tlv_seqno_request *q, usec_t now)
{
    bool feasible;
    struct seqno_entry *e = entry_find(dest_extra(r, d), &q->router_id, q->seqno);
    if (e)
        peers_add(&e->requesters, from, now); /* gets the answer too, when one is on its way */
    struct neighbour *to = forward_target(r, d, from, e, now, &feasible);
    if (!to) {
        r->stats.seqno_unhandled++;
        if (!d->selected)
            announce_none(r, &d->subnet, from);
        return;
    }
    if (!bucket_take(&from->seqno_forwards, SEQNO_FORWARDS_PER_SEC, SEQNO_FORWARDS_BURST, now)) {
        r->stats.limit_seqno_requests++;
        return;
    }
    e = entry_get(r, d, &q->router_id, q->seqno, now);
    if (!e)
        return;
    peers_add(&e->requesters, from, now);
    if (feasible)
        r->stats.seqno_forward_feasible++;
    else
        r->stats.seqno_forward_unfeasible++;
    send_request(r, e, to, (uint8_t)(q->hop_count - 1), now);
}

/* Does the selected route satisfy the request? Not for its own next hop, which has lost it. */
static bool can_answer(const struct router *r, const struct dest *d, const struct neighbour *from,
                       const struct tlv_seqno_request *q)
{
    const struct route *rt = dest_selected(r, d);
    if (!route_usable(r, rt) || rt->nb == from->slot)
        return false;
    return memcmp(source_rid(r, route_source(r, rt))->b, q->router_id.b, sizeof(q->router_id.b)) !=
               0 ||
           !seqno_lt(rt->seqno, q->seqno);
}

/* Who asks has a route over us. When ours has ended, unused and without a word, it is told so: all
 * along the way the routes that lead nowhere go, and then who needs one searches. */
void seqno_request_recv(struct router *r, struct neighbour *from, const struct tlv_seqno_request *q,
                        usec_t now)
{
    r->stats.processed_seqno_request++;
    if (memcmp(q->router_id.b, r->self.b, sizeof(r->self.b)) == 0) {
        if (subnet_eq(&q->subnet, &r->own))
            own_seqno_wanted(r, from, q->seqno, now);
        else
            r->stats.seqno_unhandled++;
        return;
    }
    if (q->subnet.plen < 64 || !ip6_in_overlay(&q->subnet.net) ||
        ip6_same_node(&q->subnet.net, &r->own.net)) {
        r->stats.seqno_unhandled++;
        return;
    }
    struct dest *d = dest_find(r, &q->subnet);
    if (!d) {
        r->stats.seqno_unhandled++;
        announce_none(r, &q->subnet, from);
        return;
    }
    dest_hold(d);
    if (can_answer(r, d, from, q)) {
        r->stats.seqno_reply_local++;
        announce_route_to(r, d, from, now);
    } else if (q->hop_count < 2) {
        r->stats.seqno_ttl_expired++;
    } else {
        forward(r, d, from, q, now);
    }
    dest_release(r, d);
}
