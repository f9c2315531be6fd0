#include <stdlib.h>

#include "base/err.h"
#include "router/core.h"

/* Updates that we send. docs/protocol/routing.md, "Sending Updates". One TLV per packet, at once;
 * the transport is reliable. */

static void send_update(struct router *r, const struct neighbour *to, const struct subnet *s,
                        uint16_t seqno, uint16_t metric, const struct router_id *rid)
{
    struct tlv t = {.type = TLV_UPDATE,
                    .update = {.interval_cs = UPDATE_INTERVAL_CS,
                               .seqno = seqno,
                               .metric = metric,
                               .subnet = *s,
                               .router_id = *rid}};
    output_control(r, to, &t);
}

void announce_own(struct router *r, struct neighbour *to)
{
    if (to) {
        send_update(r, to, &r->own, r->seqno, 0, &r->self);
        return;
    }
    list_foreach (pos, &r->neighbours)
        send_update(r, list_entry(pos, struct neighbour, node), &r->own, r->seqno, 0, &r->self);
}

void announce_route_to(struct router *r, struct dest *d, struct neighbour *to, usec_t now)
{
    const struct route *rt = dest_selected(r, d);
    if (!route_usable(r, rt) || rt->nb == to->slot)
        return;
    uint16_t total = route_total(r, rt);
    struct source *s = route_source(r, rt);
    source_announced(r, s, rt->seqno, total, now);
    send_update(r, to, &d->subnet, rt->seqno, total, source_rid(r, s));
}

void announce_route(struct router *r, struct dest *d, usec_t now)
{
    const struct route *rt = dest_selected(r, d);
    uint16_t total = route_total(r, rt);
    r->stats.triggered_updates++;
    d->told = total;
    struct extra *x = extra_of(r, d);
    if (x) {
        x->tell_len = 0; /* all are told now */
        x->tell_at = USEC_NEVER;
    }
    struct source *s = route_source(r, rt);
    source_announced(r, s, rt->seqno, total, now); /* also when nobody hears it */
    list_foreach (pos, &r->neighbours) {
        struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (nb->slot != rt->nb)
            send_update(r, nb, &d->subnet, rt->seqno, total, source_rid(r, s));
    }
}

/* Under our own router id: nobody else speaks for the loss. */
void announce_retraction(struct router *r, struct dest *d, usec_t now)
{
    (void)now;
    r->stats.triggered_updates++;
    d->told = METRIC_INFINITE;
    list_foreach (pos, &r->neighbours)
        send_update(r, list_entry(pos, struct neighbour, node), &d->subnet, r->seqno,
                    METRIC_INFINITE, &r->self);
}

/* --- the whole table, for a wildcard request --------------------------------------------------
 *
 * The subnets are listed once, and several neighbours that ask within DUMP_EVERY share the list.
 * What is sent is the route of the moment. */

struct dump {
    unsigned refs;
    usec_t made;
    size_t len;
    struct subnet subnets[];
};

static struct dump *dump_make(struct router *r, usec_t now)
{
    size_t len = 0;
    const struct dest **v = dest_sorted(r, dest_usable, &len);
    struct dump *m = malloc(sizeof(*m) + len * sizeof(m->subnets[0]));
    if (m) {
        m->refs = 0;
        m->made = now;
        m->len = len;
        for (size_t i = 0; i < len; i++)
            m->subnets[i] = v[i]->subnet;
    }
    free(v);
    return m;
}

void dump_stop(struct router *r, struct neighbour *to)
{
    struct dump *m = to->dump;
    to->dump = NULL;
    to->dump_at = USEC_NEVER;
    if (!m || --m->refs > 0)
        return;
    if (r->dump == m)
        r->dump = NULL;
    free(m);
}

void dump_start(struct router *r, struct neighbour *to, usec_t now)
{
    if (to->dump || (to->dumped_at > 0 && now - to->dumped_at < DUMP_EVERY))
        return;
    to->dumped_at = MAX(now, 1);
    if (!r->dump || now - r->dump->made >= DUMP_EVERY)
        r->dump = dump_make(r, now);
    if (!r->dump) {
        announce_own(r, to); /* no memory for more */
        return;
    }
    r->dump->refs++;
    to->dump = r->dump;
    to->dump_pos = 0;
    dump_continue(r, to, now);
}

void dump_continue(struct router *r, struct neighbour *to, usec_t now)
{
    struct dump *m = to->dump;
    for (unsigned n = 0; n < DUMP_PIECE && to->dump_pos < m->len; n++) {
        struct dest *d = dest_find(r, &m->subnets[to->dump_pos++]);
        if (d)
            announce_route_to(r, d, to, now);
    }
    if (to->dump_pos == m->len) {
        dump_stop(r, to);
        announce_own(r, to);
        return;
    }
    to->dump_at = now + DUMP_PIECE_EVERY;
    neighbour_arm(r, to);
}
