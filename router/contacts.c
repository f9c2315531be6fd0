#include <string.h>

#include "router/core.h"

/* Who this node talks to and over whom, and searches that begin with such a memory: the neighbour
 * over which a destination was reached before is asked alone at first, so that finding again what
 * has been found costs one question, not one to everybody.
 * docs/protocol/routing.md, "Route requests and queries". */

static bool has_origin(const struct neighbour *nb, const struct ip6 *a)
{
    return ip6_same_node(&nb->origin, a);
}

bool hint_pending(const struct router *r, const struct dest *home)
{
    return dest_extra(r, home)->hint_at != USEC_NEVER;
}

static void hint_arm(struct router *r, struct extra *x, usec_t when)
{
    x->hint_at = when;
    extra_arm(r, x);
}

void hint_start(struct router *r, struct dest *home, const struct ip6 *via, usec_t now)
{
    struct extra *x = extra_of(r, home); /* with the query */
    bool asked = false;
    x->via = *via;
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (!has_origin(nb, via) || !neighbour_usable(nb))
            continue;
        query_ask_one(r, home, nb);
        asked = true;
    }
    hint_arm(r, x, now + (asked ? CONTACT_GRACE : CONTACT_WAIT));
}

void hint_origin(struct router *r, struct neighbour *nb, usec_t now)
{
    list_foreach (pos, &r->queries) {
        struct extra *x = list_entry(pos, struct extra, query);
        if (x->hint_at == USEC_NEVER || !has_origin(nb, &x->via))
            continue;
        query_ask_one(r, extra_dest(r, x), nb);
        hint_arm(r, x, now + CONTACT_GRACE);
    }
}

/* Now everybody else. */
void hint_tick(struct router *r, struct dest *home, usec_t now)
{
    struct extra *x = extra_of(r, home);
    const struct neighbour *asked = NULL;
    x->hint_at = USEC_NEVER;
    r->stats.hints_failed++;
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (has_origin(nb, &x->via) && neighbour_usable(nb))
            asked = nb;
    }
    query_ask_all(r, home, 0, asked, now);
}

void hint_end(struct router *r, struct dest *home)
{
    struct extra *x = extra_of(r, home);
    if (!x || x->hint_at == USEC_NEVER)
        return;
    x->hint_at = USEC_NEVER;
    if (home->selected)
        r->stats.hints_answered++;
}

/* Without a route and without a search: opens one. Counts as use. */
void router_want_via(struct router *r, const struct ip6 *dst, const struct ip6 *via, usec_t now)
{
    r->now = now;
    if (ip6_same_node(dst, &r->own.net))
        return;
    if (via && (!ip6_in_overlay(via) || ip6_same_node(via, &r->own.net)))
        via = NULL;
    struct dest *d = way_to(r, dst, now);
    if (!d)
        d = query_want_via(r, dst, via, now);
    if (d) /* refused otherwise: the caller asks again */
        dest_used(r, d, now);
}

void router_each_contact(const struct router *r, size_t max, contact_visit *v, void *ctx)
{
    for (struct list *pos = r->used.prev; pos != &r->used && max > 0; pos = pos->prev) {
        const struct dest *d = extra_dest(r, list_entry(pos, struct extra, used));
        const struct dest *home = dest_home(r, d);
        if (!dest_in_use(r, d, r->now))
            return;
        if (!dest_usable(r, d) ||
            (d != home && dest_usable(r, home) && dest_in_use(r, home, r->now)))
            continue; /* one for each /64 is enough */
        struct contact_info i = {.node = home->subnet.net, .via = dest_next_hop(r, d)->origin};
        v(ctx, &i);
        max--;
    }
}
