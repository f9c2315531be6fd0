#include <string.h>

#include "router/seqno_cache.h"

/* Seqno requests: how a newer sequence number is got when the only routes are not feasible.
 * docs/protocol/routing.md, "Seqno requests". */

/* A node of another kind tells us the answer only when the seqno is the one that we asked for, and
 * only once. What it has when it is asked for its route it always tells. */
static void chase_arm(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_get(r, d);
    if (!x)
        return;
    x->chases = 0;
    x->chase_at = now + CHASE_FIRST;
    extra_arm(r, x);
}

static void send_request(struct router *r, struct seqno_entry *e, const struct neighbour *to,
                         uint8_t hops, usec_t now)
{
    struct tlv t = {
        .type = TLV_SEQNO_REQUEST,
        .seqno_request = {
            .seqno = e->seqno, .hop_count = hops, .subnet = e->dest->subnet, .router_id = e->rid}};
    seqno_peers_add(&e->targets, to, now);
    output_control(r, to, &t);
    if (!to->on_request) {
        e->seen_by |= neighbour_bit(to);
        chase_arm(r, e->dest, now);
    }
}

/* One who keeps silent about what it has seen is asked for a later seqno: its origin raises its own
 * by one all the same. */
static struct seqno_entry *entry_for(struct router *r, struct dest *d, const struct router_id *rid,
                                     uint16_t seqno, const struct neighbour *to, usec_t now)
{
    for (unsigned i = 0; !to->on_request && i < SEQNO_AHEAD_MAX; i++) {
        const struct seqno_entry *e =
            seqno_entry_find(dest_extra(r, d), rid, (uint16_t)(seqno + i));
        if (!e || !(e->seen_by & neighbour_bit(to)))
            return seqno_entry_get(r, d, rid, (uint16_t)(seqno + i), now);
    }
    return seqno_entry_get(r, d, rid, seqno, now);
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
            if (asked_by_anyone_lately(e, now) &&
                !seqno_peers_lately(&e->requesters, next_hop, now) &&
                !seqno_peers_lately(&e->targets, next_hop, now))
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

void seqno_peer_forget(const struct router *r, const struct dest *d, const struct neighbour *nb)
{
    const struct extra *x = dest_extra(r, d);
    list_foreach (pos, &x->seqno_entries) {
        struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        seqno_peers_del(&e->targets, nb);
        seqno_peers_del(&e->requesters, nb);
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

/* For any seqno of this router id. */
static bool asked_lately(const struct extra *x, const struct router_id *rid,
                         const struct neighbour *nb, usec_t now)
{
    list_foreach (pos, &x->seqno_entries) {
        const struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        if (seqno_peers_lately(&e->targets, nb, now) &&
            memcmp(e->rid.b, rid->b, sizeof(rid->b)) == 0)
            return true;
    }
    return false;
}

void seqno_ask(struct router *r, struct dest *d, const struct source *s, struct neighbour *to,
               usec_t now)
{
    const struct router_id *rid = source_rid(r, s);
    /* Whoever we chase shows us again what we cannot use. */
    if (!to->on_request && asked_lately(dest_extra(r, d), rid, to, now))
        return;
    struct seqno_entry *e = entry_for(r, d, rid, wanted_seqno(s, 0), to, now);
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
    route_foreach(r, asked, d)
    {
        const struct neighbour *nb = route_nb(r, asked);
        struct seqno_entry *e =
            can_ask(r, asked) ? entry_for(r, d, source_rid(r, s), wanted_seqno(s, repeat), nb, now)
                              : NULL;
        if (e && !seqno_peers_lately(&e->requesters, nb, now) &&
            !seqno_peers_lately(&e->targets, nb, now))
            send_request(r, e, nb, SEQNO_HOPS, now);
    }
    return true;
}

void seqno_ask_all(struct router *r, struct dest *d, usec_t now)
{
    if (ask_list(r, d, 0, now))
        retry_arm(r, d, now);
}

/* Does the selected route have this seqno, or a newer one? */
static bool satisfied(const struct router *r, const struct dest *d, const struct seqno_entry *e)
{
    const struct route *sel = dest_selected(r, d);
    return sel && memcmp(e->rid.b, source_rid(r, route_source(r, sel))->b, sizeof(e->rid.b)) == 0 &&
           !seqno_lt(sel->seqno, e->seqno);
}

uint32_t seqno_waiting(const struct router *r, const struct dest *d, usec_t now)
{
    const struct extra *x = dest_extra(r, d);
    uint32_t who = 0;
    list_foreach (pos, &x->seqno_entries) {
        const struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        for (uint8_t i = 0; !satisfied(r, d, e) && i < e->requesters.len; i++) {
            const struct neighbour *nb = neighbour_find(r, e->requesters.v[i].peer);
            if (nb && now - e->requesters.v[i].at < QUERY_LIFE)
                who |= neighbour_bit(nb);
        }
    }
    return who;
}

/* What neighbours of another kind asked for and did not get: they do not ask again. */
static struct seqno_entry *unanswered(const struct router *r, const struct dest *d, usec_t now)
{
    const struct extra *x = dest_extra(r, d);
    list_foreach (pos, &x->seqno_entries) {
        struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        for (uint8_t i = 0; !satisfied(r, d, e) && i < e->requesters.len; i++) {
            const struct neighbour *nb = neighbour_find(r, e->requesters.v[i].peer);
            if (nb && !nb->on_request && now - e->requesters.v[i].at < QUERY_LIFE)
                return e;
        }
    }
    return NULL;
}

static void forward_again(struct router *r, struct dest *d, const struct seqno_entry *w,
                          unsigned repeat, usec_t now)
{
    const struct neighbour *to = dest_next_hop(r, d);
    if (!to || !neighbour_usable(to))
        return;
    struct router_id rid = w->rid;
    struct seqno_entry *e = entry_for(r, d, &rid, (uint16_t)(w->seqno + repeat), to, now);
    if (e)
        send_request(r, e, to, SEQNO_HOPS, now);
}

/* Neighbours that were asked. */
struct asked {
    size_t len;
    struct neighbour *v[SEQNO_PER_DEST_MAX * SEQNO_PEERS_MAX];
};

static void asked_add(struct asked *a, struct neighbour *nb)
{
    for (size_t i = 0; i < a->len; i++)
        if (a->v[i] == nb)
            return;
    a->v[a->len++] = nb;
}

/* Those who were asked about this router id (NULL: any), since then, for what we have not got. */
static void asked_since(const struct router *r, const struct dest *d, const struct router_id *rid,
                        usec_t since, struct asked *ret)
{
    const struct extra *x = dest_extra(r, d);
    ret->len = 0;
    list_foreach (pos, &x->seqno_entries) {
        const struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        if (satisfied(r, d, e) || (rid && memcmp(e->rid.b, rid->b, sizeof(rid->b)) != 0))
            continue;
        for (uint8_t i = 0; i < e->targets.len; i++) {
            struct neighbour *nb = neighbour_find(r, e->targets.v[i].peer);
            if (nb && e->targets.v[i].at > since)
                asked_add(ret, nb);
        }
    }
}

/* Those again who were asked before: some have only shown a route that we could not keep. */
static void ask_same(struct router *r, struct dest *d, unsigned repeat, usec_t now)
{
    const struct source *s = source_at(r, d->last_source);
    const struct router_id *rid = source_rid(r, s);
    struct asked asked;
    asked_since(r, d, rid, now - SEQNO_ENTRY_LIFE, &asked);
    for (size_t i = 0; i < asked.len; i++) {
        struct seqno_entry *e = entry_for(r, d, rid, wanted_seqno(s, repeat), asked.v[i], now);
        if (e)
            send_request(r, e, asked.v[i], SEQNO_HOPS, now);
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
    const struct seqno_entry *w = d->selected ? unanswered(r, d, now) : NULL;
    bool own = !d->selected && d->last_source && needed;
    if ((!own && !w) || x->retries >= SEQNO_RETRIES)
        return;
    x->retries++;
    if (own) {
        ask_same(r, d, x->retries, now);
        (void)ask_list(r, d, x->retries, now);
    } else {
        forward_again(r, d, w, x->retries, now);
    }
    if (x->retries < SEQNO_RETRIES) {
        x->retry_at = now + (x->retries == 1 ? SEQNO_RETRY_SECOND : SEQNO_RETRY_LAST);
        extra_arm(r, x);
    }
}

void seqno_chase(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_of(r, d);
    struct asked asked;
    bool any = false;
    x->chase_at = USEC_NEVER;
    asked_since(r, d, NULL, now - SEQNO_REPEAT_GUARD, &asked);
    for (size_t i = 0; i < asked.len; i++) {
        if (asked.v[i]->on_request || !neighbour_usable(asked.v[i]))
            continue;
        query_ask_near(r, d, asked.v[i]);
        any = true;
    }
    if (!any || ++x->chases >= CHASES)
        return;
    x->chase_at = now + (CHASE_FIRST << 2 * x->chases);
    extra_arm(r, x);
}

/* --- requests of others ---------------------------------------------------------------------- */

/* For our own /64 and router id. */
static void own_seqno_wanted(struct router *r, struct neighbour *from, uint16_t seqno, usec_t now)
{
    bool newer = seqno_gt(seqno, r->seqno);
    usec_t budget = MAX(r->bump_budget, now - SEQNO_BUMPS_BURST * SEQNO_BUMP_EVERY);
    if (newer && budget + SEQNO_BUMP_EVERY <= now) {
        r->seqno++; /* by one, whatever was asked for */
        r->bump_budget = budget + SEQNO_BUMP_EVERY;
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
            (e && (seqno_peers_lately(&e->requesters, nb, now) ||
                   seqno_peers_lately(&e->targets, nb, now))))
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

/* What a neighbour of another kind has asked, it will not be asked itself. */
static void remember(struct seqno_entry *e, const struct neighbour *from, usec_t now)
{
    seqno_peers_add(&e->requesters, from, now);
    if (!from->on_request)
        e->seen_by |= neighbour_bit(from);
}

static void forward(struct router *r, struct dest *d, struct neighbour *from,
                    const struct tlv_seqno_request *q, usec_t now)
{
    bool feasible;
    struct seqno_entry *e = seqno_entry_find(dest_extra(r, d), &q->router_id, q->seqno);
    if (e)
        remember(e, from, now); /* gets the answer too, when one is on its way */
    struct neighbour *to = forward_target(r, d, from, e, now, &feasible);
    if (!to) {
        r->stats.seqno_unhandled++;
        if (!d->selected)
            announce_none(r, &d->subnet, from);
    }
    if (!to && from->on_request)
        return;
    if (!bucket_take(&from->seqno_forwards, SEQNO_FORWARDS_PER_SEC, SEQNO_FORWARDS_BURST, now)) {
        r->stats.limit_seqno_requests++;
        return;
    }
    e = seqno_entry_get(r, d, &q->router_id, q->seqno, now);
    if (!e)
        return;
    remember(e, from, now);
    if (!to)
        return;
    seqno_peers_add(&e->targets, to, now);
    if (feasible)
        r->stats.seqno_forward_feasible++;
    else
        r->stats.seqno_forward_unfeasible++;
    e = entry_for(r, d, &q->router_id, q->seqno, to, now);
    if (!e)
        return;
    send_request(r, e, to, (uint8_t)(q->hop_count - 1), now);
    if (!from->on_request && d->selected)
        retry_arm(r, d, now);
}

uint16_t seqno_newest(const struct router *r, const struct dest *d)
{
    const struct source *s = source_at(r, d->last_source);
    uint16_t seqno = s && s->announced ? s->seqno : 0;
    route_foreach(r, rt, d) if (rt->source == d->last_source && seqno_gt(rt->seqno, seqno)) seqno =
        rt->seqno;
    return seqno;
}

void seqno_for_lost(struct router *r, struct dest *d, uint32_t told, usec_t now)
{
    const struct extra *x = dest_extra(r, d);
    const struct route *sel = dest_selected(r, d);
    uint32_t who = x->lost_by & told & query_asked_by(r, d, now);
    if (who == 0 || seqno_gt(sel->seqno, x->lost_seqno))
        return;
    struct tlv_seqno_request q = {.seqno = (uint16_t)(x->lost_seqno + 1),
                                  .hop_count = SEQNO_HOPS,
                                  .subnet = d->subnet,
                                  .router_id = *source_rid(r, route_source(r, sel))};
    list_foreach (pos, &r->neighbours) {
        struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (!nb->on_request && (who & neighbour_bit(nb)) &&
            bucket_take(&nb->lost_looks, LOST_LOOKS_PER_SEC, LOST_LOOKS_BURST, now))
            forward(r, d, nb, &q, now);
    }
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
