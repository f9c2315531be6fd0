#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* Seqno requests: how a newer sequence number is got when the only routes are not feasible.
 * docs/protocol/routing.md, "Seqno requests". */

struct seqno_entry {
    struct list in_dest;
    struct list by_age; /* in router.seqno_entries, oldest first */
    struct dest *dest;
    struct router_id rid;
    uint16_t seqno;
    usec_t made;
    usec_t forwarded_at; /* for somebody else; 0: never */
    uint8_t requesters_len;
    uint8_t targets_len;
    peer_id requesters[SEQNO_PEERS_MAX]; /* asked us; when full, the last place is reused */
    struct seqno_target {
        peer_id peer;
        usec_t at;
    } targets[SEQNO_PEERS_MAX]; /* asked by us; when full, the one asked longest ago goes */
};

struct seqno_entry *seqno_entry_find(const struct dest *d, const struct router_id *rid,
                                     uint16_t seqno)
{
    list_foreach (pos, &d->seqno_entries) {
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
    e->dest->seqno_entries_len--;
    r->seqno_entries_len--;
    free(e);
}

static struct seqno_entry *entry_get(struct router *r, struct dest *d, const struct router_id *rid,
                                     uint16_t seqno, usec_t now)
{
    struct seqno_entry *e = seqno_entry_find(d, rid, seqno);
    if (e)
        return e;
    if (d->seqno_entries_len >= SEQNO_PER_DEST_MAX) {
        entry_free(r, list_first(&d->seqno_entries, struct seqno_entry, in_dest));
    } else if (r->seqno_entries_len >= SEQNO_ENTRIES_MAX) {
        struct seqno_entry *oldest = list_first(&r->seqno_entries, struct seqno_entry, by_age);
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
    list_push_back(&d->seqno_entries, &e->in_dest);
    list_push_back(&r->seqno_entries, &e->by_age);
    d->seqno_entries_len++;
    r->seqno_entries_len++;
    return e;
}

void seqno_entries_free(struct router *r, struct dest *d)
{
    list_foreach_safe (pos, &d->seqno_entries)
        entry_free(r, list_entry(pos, struct seqno_entry, in_dest));
}

void seqno_entries_expire(struct router *r, usec_t now)
{
    for (unsigned n = 0; n < SLICE && seqno_entries_deadline(r) <= now; n++) {
        struct seqno_entry *e = list_first(&r->seqno_entries, struct seqno_entry, by_age);
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

static bool is_requester(const struct seqno_entry *e, const struct neighbour *nb)
{
    for (uint8_t i = 0; i < e->requesters_len; i++)
        if (e->requesters[i] == nb->id)
            return true;
    return false;
}

static void add_requester(struct seqno_entry *e, const struct neighbour *nb)
{
    if (is_requester(e, nb))
        return;
    if (e->requesters_len < SEQNO_PEERS_MAX)
        e->requesters_len++;
    e->requesters[e->requesters_len - 1] = nb->id;
}

static void add_target(struct seqno_entry *e, const struct neighbour *nb, usec_t now)
{
    uint8_t at = 0;
    for (uint8_t i = 0; i < e->targets_len; i++) {
        if (e->targets[i].peer == nb->id) {
            e->targets[i].at = now;
            return;
        }
        if (e->targets[i].at < e->targets[at].at)
            at = i;
    }
    if (e->targets_len < SEQNO_PEERS_MAX)
        at = e->targets_len++;
    e->targets[at] = (struct seqno_target){.peer = nb->id, .at = now};
}

static bool asked_lately(const struct seqno_entry *e, const struct neighbour *nb, usec_t now)
{
    for (uint8_t i = 0; i < e->targets_len; i++)
        if (e->targets[i].peer == nb->id)
            return now - e->targets[i].at < SEQNO_REPEAT_GUARD;
    return false;
}

void seqno_answer(struct router *r, struct dest *d, const struct seqno_entry *e, usec_t now)
{
    for (uint8_t i = 0; i < e->requesters_len; i++) {
        struct neighbour *nb = neighbour_find(r, e->requesters[i]);
        if (nb)
            announce_route_to(r, d, nb, now);
    }
}

static void send_request(struct router *r, struct seqno_entry *e, const struct neighbour *to,
                         uint8_t hops, usec_t now)
{
    struct tlv t = {
        .type = TLV_SEQNO_REQUEST,
        .seqno_request = {
            .seqno = e->seqno, .hop_count = hops, .subnet = e->dest->subnet, .router_id = e->rid}};
    add_target(e, to, now);
    output_control(r, to, &t);
}

/* --- own requests ---------------------------------------------------------------------------- */

static uint16_t wanted_seqno(const struct source *s)
{
    return s->announced ? (uint16_t)(s->seqno + 1) : 1;
}

static void retry_arm(struct router *r, struct dest *d, usec_t now)
{
    d->retries = 0;
    d->retry_at = now + SEQNO_RETRY_FIRST;
    dest_arm(r, d);
}

void seqno_ask(struct router *r, struct dest *d, const struct source *s, struct neighbour *to,
               usec_t now)
{
    struct seqno_entry *e = entry_get(r, d, &s->rid, wanted_seqno(s), now);
    if (!e || is_requester(e, to))
        return;
    send_request(r, e, to, SEQNO_HOPS, now);
    if (!d->selected)
        retry_arm(r, d, now);
}

/* Only neighbours with a finite route can know a newer seqno; about the last router id that was
 * seen with one. */
static bool ask_list(struct router *r, struct dest *d, usec_t now)
{
    const struct source *s = d->last_source;
    struct seqno_entry *e = NULL;
    list_foreach (pos, &d->routes) {
        struct route *rt = list_entry(pos, struct route, in_dest);
        if (!s || !route_usable(rt) || rt->source->refused)
            continue;
        if (!e)
            e = entry_get(r, d, &s->rid, wanted_seqno(s), now);
        if (e && !is_requester(e, rt->nb) && !asked_lately(e, rt->nb, now))
            send_request(r, e, rt->nb, SEQNO_HOPS, now);
    }
    return e != NULL;
}

void seqno_ask_all(struct router *r, struct dest *d, usec_t now)
{
    if (ask_list(r, d, now))
        retry_arm(r, d, now);
}

/* While packets wait and nothing is feasible: those again who were asked, and those who have come.
 */
void seqno_retry(struct router *r, struct dest *d, usec_t now)
{
    const struct source *s = d->last_source;
    d->retry_at = USEC_NEVER;
    if (d->selected || !s || list_empty(&d->home->parked_out) || d->retries >= SEQNO_RETRIES)
        return;
    struct seqno_entry *e = seqno_entry_find(d, &s->rid, wanted_seqno(s));
    for (uint8_t i = 0; e && i < e->targets_len; i++) {
        struct neighbour *nb = neighbour_find(r, e->targets[i].peer);
        if (nb)
            send_request(r, e, nb, SEQNO_HOPS, now);
    }
    (void)ask_list(r, d, now);
    if (++d->retries < SEQNO_RETRIES) {
        d->retry_at = now + (SEQNO_RETRY_FIRST << d->retries);
        dest_arm(r, d);
    }
}

/* --- requests of others ---------------------------------------------------------------------- */

/* For our own /64 and router id. */
static void own_seqno_wanted(struct router *r, struct neighbour *from, uint16_t seqno, usec_t now)
{
    bool newer = seqno_gt(seqno, r->seqno);
    if (newer && now - r->bumped_at >= SEQNO_BUMP_HOLD_DOWN) {
        r->seqno++; /* by one, whatever was asked for */
        r->bumped = true;
        r->bumped_at = now;
        r->stats.seqno_bump++;
        announce_own(r, NULL);
        return;
    }
    if (newer && r->bumped) {
        r->stats.seqno_unhandled++; /* all were told a moment ago */
        return;
    }
    r->stats.seqno_reply_local++;
    announce_own(r, from);
}

/* A neighbour to pass the request on to: the first in list order with a feasible route, else the
 * first with a finite one; not who asked. */
static struct neighbour *forward_target(const struct dest *d, const struct neighbour *from,
                                        const struct seqno_entry *e, bool *ret_feasible)
{
    struct neighbour *finite = NULL;
    list_foreach (pos, &d->routes) {
        struct route *rt = list_entry(pos, struct route, in_dest);
        if (rt->nb == from || !route_usable(rt) || rt->source->refused ||
            (e && is_requester(e, rt->nb)))
            continue;
        if (source_feasible(rt->source, rt->seqno, rt->metric)) {
            *ret_feasible = true;
            return rt->nb;
        }
        if (!finite)
            finite = rt->nb;
    }
    *ret_feasible = false;
    return finite;
}

static void forward(struct router *r, struct dest *d, struct neighbour *from,
                    const struct tlv_seqno_request *q, usec_t now)
{
    struct seqno_entry *e = seqno_entry_find(d, &q->router_id, q->seqno);
    bool repeat = e && e->forwarded_at > 0 && now - e->forwarded_at < SEQNO_REPEAT_GUARD;
    if (repeat) {
        add_requester(e, from); /* gets the answer that is on its way */
        return;
    }
    bool feasible;
    struct neighbour *to = forward_target(d, from, e, &feasible);
    if (!to) {
        r->stats.seqno_unhandled++;
        return;
    }
    e = entry_get(r, d, &q->router_id, q->seqno, now);
    if (!e)
        return;
    add_requester(e, from);
    e->forwarded_at = now;
    if (feasible)
        r->stats.seqno_forward_feasible++;
    else
        r->stats.seqno_forward_unfeasible++;
    send_request(r, e, to, (uint8_t)(q->hop_count - 1), now);
}

/* Does the selected route satisfy the request? Not for its own next hop, which has lost it. */
static bool can_answer(const struct dest *d, const struct neighbour *from,
                       const struct tlv_seqno_request *q)
{
    const struct route *rt = d->selected;
    if (!route_usable(rt) || rt->nb == from)
        return false;
    return memcmp(rt->source->rid.b, q->router_id.b, sizeof(q->router_id.b)) != 0 ||
           !seqno_lt(rt->seqno, q->seqno);
}

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
    struct dest *d = NULL;
    if (q->subnet.plen >= 64 && ip6_in_overlay(&q->subnet.net))
        d = dest_find(r, &q->subnet);
    if (!d) {
        r->stats.seqno_unhandled++;
        return;
    }
    dest_hold(d);
    if (can_answer(d, from, q)) {
        r->stats.seqno_reply_local++;
        announce_route_to(r, d, from, now);
    } else if (q->hop_count < 2) {
        r->stats.seqno_ttl_expired++;
    } else {
        forward(r, d, from, q, now);
    }
    dest_release(r, d);
}
