/* The plain node's tables: routes, distances, searches, seqno requests. docs/protocol/routing.md
 * says what is different in ours. */
#include <assert.h>

#include "base/err.h"
#include "plain_core.h"
#include "router/constants.h"

static bool rid_eq(const struct router_id *a, const struct router_id *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static uint32_t bit(struct plain *p, peer_id id)
{
    const struct plain_peer *x = plain_peer(p, id);
    return x ? UINT32_C(1) << (x - p->peers) : 0;
}

struct plain_dest *plain_dest(struct plain *p, const struct ip6 *a, bool make)
{
    for (size_t i = 0; i < p->dests_len; i++)
        if (ip6_same_node(&p->dests[i].net, a))
            return &p->dests[i];
    if (!make)
        return NULL;
    assert(p->dests_len < DESTS_MAX);
    struct plain_dest *d = &p->dests[p->dests_len++];
    *d = (struct plain_dest){.net = subnet_of_node(a).net};
    return d;
}

struct plain_route *plain_selected(struct plain_dest *d)
{
    return d && d->len > 0 && d->selected ? &d->v[0] : NULL;
}

/* --- distances ------------------------------------------------------------------------------- */

static struct plain_source *source_find(struct plain *p, const struct ip6 *net,
                                        const struct router_id *rid)
{
    for (size_t i = 0; i < p->sources_len; i++)
        if (ip6_eq(&p->sources[i].net, net) && rid_eq(&p->sources[i].rid, rid))
            return &p->sources[i];
    return NULL;
}

static bool feasible(struct plain *p, const struct ip6 *net, const struct router_id *rid,
                     uint16_t seqno, uint16_t metric)
{
    const struct plain_source *s = source_find(p, net, rid);
    return !s || metric == METRIC_INFINITE || seqno_gt(seqno, s->seqno) ||
           (seqno == s->seqno && metric < s->metric);
}

static void source_sent(struct plain *p, const struct tlv_update *u, usec_t now)
{
    struct plain_source *s = source_find(p, &u->subnet.net, &u->router_id);
    bool better = !s;
    if (!s) {
        assert(p->sources_len < SOURCES_MAX);
        s = &p->sources[p->sources_len++];
        *s = (struct plain_source){.net = u->subnet.net, .rid = u->router_id};
    } else {
        better = seqno_gt(u->seqno, s->seqno) || (u->seqno == s->seqno && u->metric < s->metric);
    }
    if (better) {
        s->seqno = u->seqno;
        s->metric = u->metric;
    }
    if (better || u->metric != METRIC_INFINITE)
        s->expires = now + SOURCE_LIFE;
}

/* --- Updates sent ---------------------------------------------------------------------------- */

static void send_update(struct plain *p, peer_id to, const struct tlv_update *u, usec_t now)
{
    struct tlv t = {.type = TLV_UPDATE, .update = *u};
    source_sent(p, u, now);
    plain_control(p, to, &t);
}

static struct tlv_update own_update(const struct plain *p)
{
    return (struct tlv_update){.interval_cs = UPDATE_INTERVAL_CS,
                               .seqno = p->seqno,
                               .subnet = p->own,
                               .router_id = p->self};
}

void plain_announce_own(struct plain *p, peer_id to, usec_t now)
{
    struct tlv_update u = own_update(p);
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (p->peers[i].id && (!to || to == p->peers[i].id))
            send_update(p, p->peers[i].id, &u, now);
}

/* The selected route as others hear it, over a link of this cost. */
static struct tlv_update update_of(const struct plain_dest *d, uint16_t cost)
{
    const struct plain_route *rt = &d->v[0];
    return (struct tlv_update){.interval_cs = UPDATE_INTERVAL_CS,
                               .seqno = rt->seqno,
                               .metric = metric_add(rt->metric, cost),
                               .subnet = {.net = d->net, .plen = 64},
                               .router_id = rt->rid};
}

static uint16_t cost_of(struct plain *p, peer_id id)
{
    const struct plain_peer *x = plain_peer(p, id);
    return x ? plain_cost(x) : 0;
}

/* Its route, not to the next hop; or a retraction, to everybody. */
static void tell(struct plain *p, struct plain_dest *d, uint32_t to, usec_t now)
{
    const struct plain_route *rt = plain_selected(d);
    struct tlv_update u = own_update(p);
    u.subnet.net = d->net;
    u.metric = METRIC_INFINITE;
    if (rt)
        u = update_of(d, cost_of(p, rt->peer));
    source_sent(p, &u, now); /* also when nobody gets it */
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (p->peers[i].id && (to & UINT32_C(1) << i) && !(rt && rt->peer == p->peers[i].id))
            send_update(p, p->peers[i].id, &u, now);
}

/* --- seqno requests -------------------------------------------------------------------------- */

static struct plain_asked *asked_find(struct plain *p, const struct ip6 *net,
                                      const struct router_id *rid, uint16_t seqno)
{
    for (size_t i = 0; i < p->asked_len; i++)
        if (p->asked[i].seqno == seqno && ip6_eq(&p->asked[i].net, net) &&
            rid_eq(&p->asked[i].rid, rid))
            return &p->asked[i];
    return NULL;
}

static void ask(struct plain *p, peer_id to, const struct tlv_seqno_request *q, peer_id requester,
                usec_t now)
{
    struct plain_asked *a = asked_find(p, &q->subnet.net, &q->router_id, q->seqno);
    if (!plain_peer(p, to))
        return;
    if (!a) {
        assert(p->asked_len < ASKED_MAX);
        a = &p->asked[p->asked_len++];
        *a = (struct plain_asked){
            .net = q->subnet.net, .rid = q->router_id, .seqno = q->seqno, .first = now};
    }
    a->last = now;
    a->targets |= bit(p, to);
    a->requesters |= bit(p, requester);
    struct tlv t = {.type = TLV_SEQNO_REQUEST, .seqno_request = *q};
    plain_control(p, to, &t);
}

/* to: 0 for all in the list. */
static void ask_newer(struct plain *p, const struct plain_dest *d, const struct router_id *rid,
                      peer_id to, usec_t now)
{
    const struct plain_source *s = source_find(p, &d->net, rid);
    struct tlv_seqno_request q = {.seqno = (uint16_t)(s ? s->seqno + 1 : 1),
                                  .hop_count = SEQNO_HOPS,
                                  .subnet = {.net = d->net, .plen = 64},
                                  .router_id = *rid};
    const struct plain_asked *a = asked_find(p, &d->net, rid, q.seqno);
    uint32_t targets = 0, requesters = a ? a->requesters : 0;
    if (a && now - a->last < SEQNO_REPEAT_GUARD && !to)
        targets = a->targets;
    if (to) {
        if (!(requesters & bit(p, to)))
            ask(p, to, &q, 0, now);
        return;
    }
    for (size_t i = 0; i < d->len; i++)
        if (!((requesters | targets) & bit(p, d->v[i].peer)))
            ask(p, d->v[i].peer, &q, 0, now);
}

void plain_ask_newer(struct plain *p, struct plain_dest *d, usec_t now)
{
    ask_newer(p, d, &d->v[0].rid, 0, now);
}

static bool forward_to(struct plain *p, const struct plain_dest *d, peer_id from,
                       const struct tlv_seqno_request *q, bool want_feasible, usec_t now)
{
    struct tlv_seqno_request on = *q;
    on.hop_count--;
    for (size_t i = 0; i < d->len; i++) {
        const struct plain_route *rt = &d->v[i];
        if (rt->peer == from || rt->metric == METRIC_INFINITE || !plain_peer(p, rt->peer) ||
            (want_feasible && !feasible(p, &d->net, &rt->rid, rt->seqno, rt->metric)))
            continue;
        ask(p, rt->peer, &on, from, now);
        return true;
    }
    return false;
}

void plain_seqno_request(struct plain *p, peer_id from, const struct tlv_seqno_request *q,
                         usec_t now)
{
    const struct plain_asked *a = asked_find(p, &q->subnet.net, &q->router_id, q->seqno);
    struct plain_dest *d = plain_dest(p, &q->subnet.net, false);
    const struct plain_route *rt = plain_selected(d);
    bool ours = rid_eq(&q->router_id, &p->self);
    if (a && now - a->last <= SEQNO_ENTRY_LIFE)
        return; /* even when it could answer */
    if (rt && rt->metric != METRIC_INFINITE &&
        (!rid_eq(&q->router_id, &rt->rid) || !seqno_lt(rt->seqno, q->seqno))) {
        struct tlv_update u = update_of(d, cost_of(p, from)); /* the asker's link: so it is */
        send_update(p, from, &u, now);
        return;
    }
    if (ours && seqno_gt(q->seqno, p->seqno) && subnet_eq(&q->subnet, &p->own)) {
        if (now - p->bumped_at < SEQNO_BUMP_EVERY)
            return;
        p->seqno++;
        p->bumped_at = now;
        plain_announce_own(p, 0, now);
        return;
    }
    if (q->hop_count < 2 || ours || !d)
        return;
    if (!forward_to(p, d, from, q, true, now))
        (void)forward_to(p, d, from, q, false, now);
}

/* --- selection ------------------------------------------------------------------------------- */

static uint16_t total(struct plain *p, const struct plain_route *rt)
{
    return metric_add(rt->metric, cost_of(p, rt->peer));
}

/* The place of the route to use; d->len: none. */
static size_t best(struct plain *p, struct plain_dest *d)
{
    const struct plain_route *cur = plain_selected(d);
    size_t at = d->len;
    for (size_t i = 0; i < d->len; i++) {
        const struct plain_route *rt = &d->v[i];
        if (rt->metric != METRIC_INFINITE &&
            feasible(p, &d->net, &rt->rid, rt->seqno, rt->metric) &&
            (at == d->len || total(p, rt) < total(p, &d->v[at])))
            at = i;
    }
    if (at != d->len && cur && at != 0 && d->v[at].metric != 0 &&
        total(p, &d->v[at]) >= metric_sub(total(p, cur), METRIC_IMPROVEMENT))
        return 0;
    return at;
}

static void select_route(struct plain_dest *d, size_t at)
{
    struct plain_route rt = d->v[at];
    d->v[at] = d->v[0];
    d->v[0] = rt;
    d->selected = true;
}

/* The last one takes its place. */
static void remove_route(struct plain_dest *d, size_t at)
{
    if (at == 0)
        d->selected = false;
    d->v[at] = d->v[--d->len];
}

static struct plain_route *route_of(struct plain_dest *d, peer_id peer)
{
    for (size_t i = 0; i < d->len; i++)
        if (d->v[i].peer == peer)
            return &d->v[i];
    return NULL;
}

/* --- Updates received ------------------------------------------------------------------------ */

/* Takes the Update into the list. False: nothing to select for. */
static bool take(struct plain *p, struct plain_dest *d, peer_id from, const struct tlv_update *u,
                 bool fits, usec_t now)
{
    struct plain_route *rt = route_of(d, from);
    usec_t hold = u->metric == METRIC_INFINITE ? RETRACTED_HOLD : hold_time(u->interval_cs);
    if (!rt) {
        if (!fits || u->metric == METRIC_INFINITE) {
            if (!fits && !d->selected)
                ask_newer(p, d, &u->router_id, from, now);
            return false;
        }
        assert(d->len < PEERS_MAX);
        d->v[d->len++] = (struct plain_route){.peer = from,
                                              .rid = u->router_id,
                                              .seqno = u->seqno,
                                              .metric = u->metric,
                                              .expires = now + hold};
        return true;
    }
    bool selected = rt == plain_selected(d);
    if (selected && !fits && rid_eq(&rt->rid, &u->router_id)) {
        ask_newer(p, d, &rt->rid, from, now);
        return false;
    }
    if (rt->metric == METRIC_INFINITE && u->metric == METRIC_INFINITE)
        return false;
    rt->seqno = u->seqno;
    rt->metric = u->metric;
    rt->rid = u->router_id;
    if (fits)
        rt->expires = now + hold;
    if (selected && !fits)
        d->selected = false;
    return fits || selected;
}

/* What the others and the waiting packets get to know. */
static void after(struct plain *p, struct plain_dest *d, const struct plain_route *old, bool asked,
                  uint32_t askers, usec_t now)
{
    const struct plain_route *sel = plain_selected(d);
    bool all = (sel != NULL) != (old != NULL);
    if (sel && old)
        all = !rid_eq(&sel->rid, &old->rid) ||
              metric_change(sel->metric, old->metric) > METRIC_BIG_CHANGE;
    if (all || asked)
        tell(p, d, all ? UINT32_MAX : askers, now);
    if (sel && (!old || old->metric == METRIC_INFINITE))
        plain_parked_go(p, d, now);
    else if (old && !sel)
        plain_parked_drop(p, d);
}

void plain_update(struct plain *p, peer_id from, const struct tlv_update *u, usec_t now)
{
    if (u->subnet.plen != 64 || ip6_same_node(&u->subnet.net, &p->own.net))
        return;
    struct plain_dest *d = plain_dest(p, &u->subnet.net, true);
    const struct plain_asked *a = asked_find(p, &d->net, &u->router_id, u->seqno);
    bool asked = a != NULL;
    uint32_t askers = a ? a->requesters : 0;
    bool fits = feasible(p, &d->net, &u->router_id, u->seqno, u->metric);
    if (d->len == 0) {
        if (!fits)
            ask_newer(p, d, &u->router_id, from, now);
        if (!fits || u->metric == METRIC_INFINITE)
            return;
        memcpy(d->key.b, u->router_id.b, sizeof(d->key.b));
        d->queried = false;
    }
    bool had = d->selected;
    struct plain_route old = d->v[0];
    if (!take(p, d, from, u, fits, now))
        return;
    size_t at = best(p, d);
    if (at != d->len) {
        select_route(d, at);
    } else if (had) {
        ask_newer(p, d, &old.rid, 0, now);
        d->selected = false;
    }
    after(p, d, had ? &old : NULL, asked, askers, now);
}

/* --- loss and expiry ------------------------------------------------------------------------- */

static void lost(struct plain *p, struct plain_dest *d, bool ask_all, usec_t now)
{
    d->v[0].metric = METRIC_INFINITE;
    d->v[0].expires = now + RETRACTED_HOLD;
    size_t at = best(p, d);
    if (at != d->len) {
        select_route(d, at);
    } else {
        if (ask_all)
            plain_ask_newer(p, d, now);
        d->selected = false;
    }
    tell(p, d, UINT32_MAX, now);
    if (ask_all && d->selected)
        plain_parked_go(p, d, now);
    else if (ask_all)
        plain_parked_drop(p, d);
}

void plain_peer_lost(struct plain *p, peer_id peer, usec_t now)
{
    for (size_t i = 0; i < p->dests_len; i++) {
        struct plain_dest *d = &p->dests[i];
        const struct plain_route *rt = route_of(d, peer);
        if (rt && rt == plain_selected(d))
            lost(p, d, true, now);
        else if (rt)
            remove_route(d, (size_t)(rt - d->v));
    }
}

static void expire_routes(struct plain *p, struct plain_dest *d, usec_t now)
{
    for (size_t i = 0; i < d->len;) {
        if (d->v[i].expires > now) {
            i++;
        } else if (i == 0 && d->selected) {
            lost(p, d, false, now);
            i = 0;
        } else {
            remove_route(d, i);
        }
    }
}

void plain_routes_tick(struct plain *p, usec_t now)
{
    for (size_t i = 0; i < p->dests_len; i++) {
        struct plain_dest *d = &p->dests[i];
        expire_routes(p, d, now);
        for (size_t k = 0; k < d->timers_len;) {
            if (d->timers[k] > now) {
                k++;
                continue;
            }
            d->timers[k] = d->timers[--d->timers_len];
            d->queried = false;
            plain_parked_drop(p, d);
        }
    }
    for (size_t i = 0; i < p->sources_len;) {
        if (p->sources[i].expires <= now)
            p->sources[i] = p->sources[--p->sources_len];
        else
            i++;
    }
    if (now < p->sweep_at)
        return;
    p->sweep_at = now + SEQNO_ENTRY_LIFE;
    for (size_t i = 0; i < p->asked_len;) {
        if (now - p->asked[i].first > SEQNO_ENTRY_LIFE)
            p->asked[i] = p->asked[--p->asked_len];
        else
            i++;
    }
}

usec_t plain_routes_deadline(const struct plain *p)
{
    usec_t when = p->sweep_at;
    for (size_t i = 0; i < p->dests_len; i++) {
        const struct plain_dest *d = &p->dests[i];
        for (size_t k = 0; k < d->timers_len; k++)
            when = MIN(when, d->timers[k]);
        for (size_t k = 0; k < d->len; k++)
            when = MIN(when, d->v[k].expires);
    }
    for (size_t i = 0; i < p->sources_len; i++)
        when = MIN(when, p->sources[i].expires);
    return when;
}

/* --- searches -------------------------------------------------------------------------------- */

static void request(struct plain *p, peer_id to, const struct plain_dest *d, uint8_t generation)
{
    struct tlv t = {
        .type = TLV_ROUTE_REQUEST,
        .route_request = {.generation = generation, .subnet = {.net = d->net, .plen = 64}}};
    plain_control(p, to, &t);
}

/* To all but one, and but those who were asked as much lately. */
static void request_all(struct plain *p, struct plain_dest *d, uint8_t generation, peer_id except,
                        usec_t now)
{
    bool lately =
        d->asked_at > 0 && now - d->asked_at < QUERY_LIFE && generation >= d->asked_generation;
    d->queried = d->len == 0;
    if (d->timers_len < TIMERS_MAX)
        d->timers[d->timers_len++] = now + QUERY_LIFE;
    for (size_t i = 0; i < PEERS_MAX; i++) {
        peer_id id = p->peers[i].id;
        if (id && id != except && !(lately && id <= d->asked_upto))
            request(p, id, d, generation);
    }
    d->asked_at = now;
    d->asked_generation = generation;
    d->asked_upto = p->last_peer;
}

void plain_search(struct plain *p, struct plain_dest *d, usec_t now)
{
    request_all(p, d, 0, 0, now);
}

void plain_query_tell(struct plain *p, peer_id to)
{
    for (size_t i = 0; i < p->dests_len; i++)
        if (p->dests[i].queried)
            request(p, to, &p->dests[i], 0);
}

void plain_route_request(struct plain *p, peer_id from, const struct tlv_route_request *q,
                         usec_t now)
{
    if (q->wildcard || q->subnet.plen != 64)
        return;
    if (ip6_same_node(&q->subnet.net, &p->own.net)) {
        plain_announce_own(p, from, now);
        return;
    }
    struct plain_dest *d = plain_dest(p, &q->subnet.net, true);
    const struct plain_route *rt = plain_selected(d);
    if (rt && rt->peer != from) {
        struct tlv_update u = update_of(d, cost_of(p, rt->peer));
        send_update(p, from, &u, now);
    } else if (d->len == 0 && !d->queried && q->generation + 1 < GENERATION_LIMIT) {
        request_all(p, d, (uint8_t)(q->generation + 1), from, now);
    }
}
