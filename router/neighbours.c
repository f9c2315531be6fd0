#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* One neighbour per link: coming and going. docs/protocol/routing.md, "Loss of a neighbour". */

/* An id is its own hash: we count them up, so nobody can aim at a slot. */
struct neighbour *neighbour_find(const struct router *r, peer_id id)
{
    struct hnode *n = hmap_first(&r->by_id, id);
    return n ? container_of(n, struct neighbour, by_id) : NULL;
}

void neighbour_arm(struct router *r, struct neighbour *nb)
{
    usec_t when = MIN(probing_deadline(nb), nb->ihu_received + PEER_SILENT_MAX + 1);
    when = MIN(when, nb->ask_at);
    when = MIN(when, nb->dump_at);
    timer_set(r, &nb->timer, when); /* its place was reserved when it came up */
}

/* A number for the routes of this neighbour to name it by. */
static int slot_take(struct router *r, struct neighbour *nb)
{
    uint32_t slot = r->slots_len;
    if (r->slots_free > 0) {
        for (slot = 0; r->slots[slot]; slot++)
            continue;
        r->slots_free--;
    } else {
        if (slot >= NEIGHBOURS_MAX)
            return ERR_LIMIT;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
        struct neighbour **v = reallocarray(r->slots, slot + 1, sizeof(*v));
        if (!v)
            return ERR_NOMEM;
        r->slots = v;
        r->slots_len++;
    }
    r->slots[slot] = nb;
    nb->slot = (uint16_t)slot;
    return OK;
}

static void slot_give(struct router *r, const struct neighbour *nb)
{
    r->slots[nb->slot] = NULL;
    r->slots_free++;
}

bool router_is_neighbour(const struct router *r, const struct ip6 *addr)
{
    for (uint32_t i = 0; i < r->slots_len; i++)
        if (r->slots[i] && ip6_same_node(&r->slots[i]->origin, addr))
            return true;
    return false;
}

int router_peer_up(struct router *r, const struct router_link *link, usec_t now, peer_id *ret)
{
    struct neighbour *nb = calloc(1, sizeof(*nb));
    if (!nb)
        return ERR_NOMEM;
    r->now = now;
    nb->timer.kind = TIMER_NEIGHBOUR;
    int rc = slot_take(r, nb);
    if (rc < 0) {
        free(nb);
        return rc;
    }
    if (heap_set(&r->timers, &nb->timer.node, now + HELLO_EVERY) < 0) {
        slot_give(r, nb);
        free(nb);
        return ERR_NOMEM;
    }
    nb->id = ++r->last_peer;
    nb->link = *link;
    nb->link.name[LINK_NAME_MAX - 1] = 0;
    nb->cost.smoothed = LINK_COST_INITIAL;
    nb->hello_seqno = HELLO_SEQNO_FIRST;
    nb->cost_acted = neighbour_cost(nb);
    nb->cost_acted_at = now - RESELECT_EVERY;
    nb->ihu_received = nb->up_at = now;
    nb->carried_at = now - LINK_USED_FOR;
    nb->round_trips.least = USEC_NEVER;
    nb->ask_at = now + NEW_PEER_ASK_AFTER;
    nb->dump_at = USEC_NEVER;
    list_push_back(&r->neighbours, &nb->node);
    hmap_add(&r->by_id, &nb->by_id, nb->id);
    r->stats.peers++;
    r->stats.peer_added++;

    announce_own(r, nb);
    hello_send(r, nb, now);
    query_tell_open(r, nb);
    used_tell(r, nb, now);
    neighbour_arm(r, nb);
    *ret = nb->id;
    return OK;
}

static void neighbour_free(struct router *r, struct neighbour *nb)
{
    heap_del(&r->timers, &nb->timer.node);
    list_del(&nb->node);
    slot_give(r, nb);
    free(nb);
}

/* The first part of a departed neighbour's routes; the neighbour goes with the last. */
static void leave_slice(struct router *r, struct neighbour *nb, size_t *budget, usec_t now)
{
    while (*budget > 0 && nb->first_route) {
        route_link_lost(r, route_at(r, nb->first_route), now);
        (*budget)--;
    }
    if (!nb->first_route)
        neighbour_free(r, nb);
}

void router_peer_down(struct router *r, peer_id peer, usec_t now)
{
    struct neighbour *nb = neighbour_find(r, peer);
    size_t budget = SLICE;
    r->now = now;
    if (!nb)
        return;
    dump_stop(nb);
    nb->gone = true;
    if (nb->reselect_left > 0) {
        nb->reselect_left = 0;
        r->reselecting--;
    }
    heap_del(&r->timers, &nb->timer.node);
    r->own_queries += nb->queries; /* nobody's any more; they end soon */
    hmap_del(&r->by_id, &nb->by_id);
    list_del(&nb->node);
    list_push_back(&r->leaving, &nb->node);
    r->stats.peers--;
    r->stats.peer_removed++;
    leave_slice(r, nb, &budget, now); /* the rest goes with router_tick() */
}

void neighbour_reselect(struct router *r, struct neighbour *nb)
{
    if (nb->reselect_left == 0 && nb->routes_len > 0)
        r->reselecting++;
    nb->reselect_left = nb->routes_len;
}

/* Silence leaves destinations that nobody uses as they are: the next packet mends them, or there is
 * nothing to mend when the neighbour is heard again. So however often a link pauses, it costs no
 * more than what it carries. */
static void reselect_one(struct router *r, const struct neighbour *nb, struct dest *d, usec_t now)
{
    if (!dest_in_use(r, d, now))
        return;
    if (!nb->silent)
        dest_reselect(r, d, now);
    else if (d->selected && !dest_usable(r, d))
        dest_mend(r, d, now);
}

static void reselect_slice(struct router *r, struct neighbour *nb, size_t *budget, usec_t now)
{
    while (*budget > 0 && nb->reselect_left > 0 && nb->first_route) {
        struct route *rt = route_at(r, nb->first_route);
        struct dest *d = route_dest(r, rt);
        neighbour_route_to_end(r, nb, rt); /* done */
        nb->reselect_left--;
        (*budget)--;
        reselect_one(r, nb, d, now);
    }
    if (!nb->first_route)
        nb->reselect_left = 0;
    if (nb->reselect_left == 0)
        r->reselecting--;
}

/* What is left makes router_deadline() due. */
void neighbours_slice(struct router *r, size_t budget, usec_t now)
{
    while (budget > 0 && !list_empty(&r->leaving))
        leave_slice(r, list_first(&r->leaving, struct neighbour, node), &budget, now);
    if (r->reselecting == 0)
        return;
    list_foreach (pos, &r->neighbours) {
        struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (nb->reselect_left > 0)
            reselect_slice(r, nb, &budget, now);
    }
}

void neighbour_tick(struct router *r, struct neighbour *nb, usec_t now)
{
    if (probing_tick(r, nb, now) || now - nb->ihu_received > PEER_SILENT_MAX) {
        struct router_out o = {.kind = ROUTER_OUT_CLOSE, .peer = nb->id};
        r->stats.peer_died++;
        (void)output_local(r, &o, false); /* fails only without memory: the link stays open */
        router_peer_down(r, nb->id, now);
        return;
    }
    if (now >= nb->ask_at) {
        nb->ask_at = USEC_NEVER;
        used_ask(r, nb, now);
    }
    if (now >= nb->dump_at)
        dump_continue(r, nb, now);
    neighbour_arm(r, nb);
}

void neighbours_free(struct router *r)
{
    if (!r->neighbours.next)
        return;
    list_foreach_safe (pos, &r->neighbours)
        neighbour_free(r, list_entry(pos, struct neighbour, node));
    list_foreach_safe (pos_gone, &r->leaving)
        neighbour_free(r, list_entry(pos_gone, struct neighbour, node));
    free(r->slots);
    r->slots = NULL;
    r->slots_len = r->slots_free = 0;
}
