#include "router/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* The public face of the routing core: life, input, time, and what the API shows. */

static void self_init(struct router *r)
{
    const struct pubkey *key = identity_pubkey(r->identity);
    memcpy(r->self.b, key->b, sizeof(key->b)); /* zone: two zero bytes */
    rng_bytes(r->rng, r->self.b + KEY_BYTES + 2, ROUTER_ID_BYTES - KEY_BYTES - 2);
    r->address = identity_address(r->identity);
    r->own = subnet_of_node(&r->address);
}

int router_new(const struct router_conf *c, usec_t now, struct router **ret)
{
    int rc = ERR_NOMEM;
    struct router *r = calloc(1, sizeof(*r));
    if (!r)
        goto out;
    r->identity = c->identity;
    r->rng = c->rng;
    r->limits = c->limits;
    r->bump_budget = now - SEQNO_BUMPS_BURST * SEQNO_BUMP_EVERY;
    r->now = now;
    r->announce_at = now + OWN_ANNOUNCE_EVERY;
    list_init(&r->neighbours);
    list_init(&r->leaving);
    list_init(&r->used);
    list_init(&r->queries);
    list_init(&r->seqno_entries);
    heap_init(&r->timers);
    self_init(r);
    if ((rc = hmap_init(&r->by_id, r->rng)) < 0 || (rc = dest_table_init(r, now)) < 0 ||
        (rc = traffic_init(&r->by_src, r->rng, r->limits.stats_addresses)) < 0 ||
        (rc = traffic_init(&r->by_dst, r->rng, r->limits.stats_addresses)) < 0 ||
        (rc = sealer_new(r->identity, r->rng, 0, &r->sealer)) < 0)
        goto out;
    *ret = r;
    r = NULL; /* the caller's now */
out:
    router_free(r);
    return rc;
}

void router_free(struct router *r)
{
    if (!r)
        return;
    dest_table_free(r);
    neighbours_free(r);
    outputs_free(r);
    hmap_fini(&r->by_id);
    heap_fini(&r->timers);
    traffic_fini(&r->by_src);
    traffic_fini(&r->by_dst);
    sealer_free(r->sealer);
    free(r->vain);
    free(r);
}

const struct router_id *router_self(const struct router *r)
{
    return &r->self;
}

struct ip6 router_address(const struct router *r)
{
    return r->address;
}

/* --- input -------------------------------------------------------------------------------------
 */

static void tlv_recv(struct router *r, struct neighbour *from, const struct tlv *t, usec_t now)
{
    r->stats.received_tlvs++;
    switch (t->type) {
    case TLV_HELLO:
        hello_recv(r, from, &t->hello);
        return;
    case TLV_IHU:
        ihu_recv(r, from, now);
        return;
    case TLV_UPDATE:
        update_recv(r, from, &t->update, now);
        return;
    case TLV_ROUTE_REQUEST:
        route_request_recv(r, from, &t->route_request, now);
        return;
    case TLV_SEQNO_REQUEST:
        seqno_request_recv(r, from, &t->seqno_request, now);
        return;
    case TLV_PAD1:
    case TLV_PADN:
        return;
    }
}

static void control_recv(struct router *r, struct neighbour *from, struct wire_rd frame, usec_t now)
{
    struct tlv_iter it;
    struct tlv t;
    int rc;
    if (tlv_iter_init(&it, frame) < 0) {
        r->stats.malformed_packets++;
        return;
    }
    while ((rc = tlv_next(&it, &t)) != ERR_NOENT) {
        if (rc == OK)
            tlv_recv(r, from, &t, now);
        else
            r->stats.malformed_tlvs++;
    }
}

void router_recv(struct router *r, peer_id from, struct wire_rd frame, usec_t now)
{
    struct neighbour *nb = neighbour_find(r, from);
    struct wire_rd head = frame;
    r->now = now;
    if (!nb)
        return; /* its link has ended meanwhile */
    neighbour_heard(r, nb, now);
    uint8_t version = wire_u8(&head);
    uint8_t type = wire_u8(&head);
    if (head.bad || version != OUTER_VERSION || type > OUTER_CONTROL)
        r->stats.malformed_packets++;
    else if (type == OUTER_CONTROL)
        control_recv(r, nb, frame, now);
    else
        data_recv(r, nb, frame, now);
}

/* --- reachability ------------------------------------------------------------------------------
 */

bool router_reachable(const struct router *r, const struct ip6 *dst)
{
    return ip6_same_node(dst, &r->own.net) || dest_towards(r, dst) != NULL;
}

void router_want(struct router *r, const struct ip6 *dst, usec_t now)
{
    router_want_via(r, dst, NULL, now);
}

int router_pubkey(const struct router *r, const struct ip6 *addr, struct pubkey *ret)
{
    const struct source *s = dest_key_source(r, addr);
    if (ip6_same_node(addr, &r->own.net))
        *ret = *identity_pubkey(r->identity);
    else if (s)
        *ret = *source_key(r, s);
    else
        return ERR_NOENT;
    return OK;
}

peer_id router_next_hop(const struct router *r, const struct ip6 *dst)
{
    const struct dest *d = dest_towards(r, dst);
    return d ? dest_next_hop(r, d)->id : 0;
}

/* --- time --------------------------------------------------------------------------------------
 */

static void timer_due(struct router *r, struct heap_node *n, usec_t now)
{
    struct timer *t = container_of(n, struct timer, node);
    heap_del(&r->timers, n);
    switch (t->kind) {
    case TIMER_DEST:
        extra_tick(r, container_of(t, struct extra, timer), now);
        return;
    case TIMER_NEIGHBOUR:
        neighbour_tick(r, container_of(t, struct neighbour, timer), now);
        return;
    }
}

/* The first deadline of all. False: none is due until now. *ret_handled: not only moved. */
static bool deadline_step(struct router *r, usec_t now, bool *ret_handled)
{
    usec_t routes = wheel_next(&r->route_wheel), sources = wheel_next(&r->source_wheel);
    usec_t others = heap_deadline(&r->timers);
    uint32_t name = 0;
    *ret_handled = true;
    if (MIN(MIN(routes, sources), others) > now)
        return false;
    if (others <= MIN(routes, sources)) {
        timer_due(r, heap_due(&r->timers, now), now);
        return true;
    }
    if (routes <= sources) {
        if (wheel_step(&r->route_wheel, now, &name) && name)
            route_expired(r, route_at(r, name), now);
    } else if (wheel_step(&r->source_wheel, now, &name) && name) {
        source_expired(r, source_at(r, name));
    }
    *ret_handled = name != 0;
    return true;
}

void router_tick(struct router *r, usec_t now)
{
    size_t budget = SLICE, moves = SLICE_MOVES;
    bool handled;
    r->now = now;
    if (now >= r->announce_at) {
        r->announce_at = now + OWN_ANNOUNCE_EVERY;
        announce_own(r, NULL);
    }
    while (budget > 0 && moves > 0 && deadline_step(r, now, &handled)) {
        budget -= handled;
        moves -= !handled;
    }
    queries_expire(r, now);
    seqno_entries_expire(r, now);
    neighbours_slice(r, budget, now);
}

usec_t router_deadline(const struct router *r)
{
    if (!list_empty(&r->leaving) || r->reselecting > 0)
        return r->now;
    usec_t when = MIN(r->announce_at, heap_deadline(&r->timers));
    when = MIN(when, MIN(wheel_next(&r->route_wheel), wheel_next(&r->source_wheel)));
    when = MIN(when, queries_deadline(r));
    return MIN(when, seqno_entries_deadline(r));
}

/* --- what the API shows ------------------------------------------------------------------------
 */

static void visit_route(const struct router *r, const struct route *rt, route_visit *v, void *ctx)
{
    struct route_info i = {.subnet = route_dest(r, rt)->subnet,
                           .next_hop = route_nb(r, rt)->link.name,
                           .metric = rt->metric,
                           .seqno = rt->seqno};
    v(ctx, &i);
}

static bool has_routes(const struct router *r, const struct dest *d)
{
    (void)r;
    return d->routes != 0;
}

void router_each_selected(const struct router *r, route_visit *v, void *ctx)
{
    size_t len = 0;
    const struct dest **all = dest_sorted(r, dest_usable, &len);
    for (size_t i = 0; i < len; i++)
        visit_route(r, dest_selected(r, all[i]), v, ctx);
    free(all);
}

void router_each_fallback(const struct router *r, route_visit *v, void *ctx)
{
    size_t len = 0;
    const struct dest **all = dest_sorted(r, has_routes, &len);
    for (size_t i = 0; i < len; i++) {
        route_foreach(r, rt,
                      all[i]) if (!(dest_usable(r, all[i]) && rt == dest_selected(r, all[i])) &&
                                  !route_nb(r, rt)->gone) visit_route(r, rt, v, ctx);
    }
    free(all);
}

void router_each_query(const struct router *r, query_visit *v, void *ctx)
{
    list_foreach (pos, &r->queries) {
        const struct extra *x = list_entry(pos, struct extra, query);
        v(ctx, &extra_dest(r, x)->subnet, x->query_ends);
    }
}

void router_each_source(const struct router *r, traffic_visit *v, void *ctx)
{
    traffic_each(&r->by_src, v, ctx);
}

void router_each_destination(const struct router *r, traffic_visit *v, void *ctx)
{
    traffic_each(&r->by_dst, v, ctx);
}

void router_stats(const struct router *r, struct router_stats *ret)
{
    *ret = r->stats;
    ret->longest_probe = r->nodes.longest_probe;
}
