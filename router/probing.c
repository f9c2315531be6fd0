#include "router/core.h"

/* Hello and IHU: what a link costs, and whether anybody is at its other end.
 * docs/protocol/routing.md, "Constants and timers" and "Silent neighbours".
 *
 * Each Hello is answered by one IHU, in order, so an answer belongs to the oldest Hello under way.
 * A link in use carries many Hellos; its cost is still fed one sample each HELLO_EVERY, so that it
 * moves as slowly as the cost of an idle link: the shortest round trip of that time, which tells
 * the length of the way better than what our own data adds to it by queueing. */

static bool in_use(const struct neighbour *nb, usec_t now)
{
    return now - nb->carried_at < LINK_USED_FOR;
}

/* How long a living neighbour may need to let itself be heard. */
static usec_t silent_after(const struct neighbour *nb)
{
    usec_t trip = MAX((usec_t)nb->cost.smoothed * USEC_MS, nb->round_trips.slow);
    return MIN(SILENT_AFTER + SILENT_ROUND_TRIPS * trip, SILENT_AFTER_MAX);
}

/* --- Hello ----------------------------------------------------------------------------------- */

static void hello_pushed(struct hellos *h, usec_t now)
{
    if (h->len == HELLOS_TIMED) {
        h->first = (uint8_t)((h->first + 1) % HELLOS_TIMED);
        h->len--;
    }
    if (h->len == 0)
        h->since = now;
    h->sent[(h->first + h->len) % HELLOS_TIMED] = now;
    h->len++;
}

void hello_send(struct router *r, struct neighbour *nb, usec_t now)
{
    struct tlv t = {.type = TLV_HELLO,
                    .hello = {.flags = HELLO_FLAG_UNICAST,
                              .seqno = nb->hello_seqno++,
                              .interval_cs = HELLO_INTERVAL_CS}};
    bool used = in_use(nb, now);
    hello_pushed(&nb->hellos, now);
    nb->hello_sent = now;
    if (used && nb->probed_at == 0)
        nb->probed_at = MAX(now, 1);
    nb->hello_at = now + HELLO_EVERY;
    if (used || nb->probed_at > 0)
        nb->hello_at = now + PROBE_EVERY - (usec_t)rng_below(r->rng, (uint64_t)PROBE_JITTER + 1);
    output_control(r, nb, &t);
}

/* An answer that got lost would make each later one look older than it is, for ever. So when there
 * has been a Hello under way for HELLO_EVERY, the next one waits until all are answered, and what
 * has no answer when others have been answered long enough ago will get none. */
static void hello_due(struct router *r, struct neighbour *nb, usec_t now)
{
    struct hellos *h = &nb->hellos;
    usec_t settled = nb->hello_sent + silent_after(nb);
    if (h->len > 0 && nb->ihu_received > nb->hello_sent && now >= settled)
        h->len = 0;
    if (h->len > 0 && nb->probed_at == 0 && now - h->since >= HELLO_EVERY && now < settled) {
        nb->hello_at = settled;
        return;
    }
    hello_send(r, nb, now);
}

/* The next Hello of a link in use goes as soon as PROBE_EVERY allows. */
static void probe_soon(struct router *r, struct neighbour *nb, usec_t now)
{
    if (nb->hello_at - now <= PROBE_EVERY)
        return;
    nb->hello_at = MAX(nb->hello_sent + PROBE_EVERY, now);
    neighbour_arm(r, nb);
}

/* Nodes of this program say so with their first Hello. Others are told each route that they may be
 * waiting for because we asked them: a request makes them search themselves, and while they search
 * they do not ask. */
static void manners_learn(struct neighbour *from, const struct tlv_hello *h)
{
    if (!from->hello_heard)
        from->on_request = h->seqno == HELLO_SEQNO_FIRST;
    from->hello_heard = true;
}

void hello_recv(struct router *r, struct neighbour *from, const struct tlv_hello *h)
{
    manners_learn(from, h);
    struct tlv t = {.type = TLV_IHU,
                    .ihu = {.rx_cost = neighbour_cost(from), .interval_cs = IHU_INTERVAL_CS}};
    r->stats.processed_hello++;
    output_control(r, from, &t);
}

/* --- cost ------------------------------------------------------------------------------------ */

/* Destinations in use are worth a new look when a link has become much better or worse. */
static void cost_moved(struct router *r, struct neighbour *nb, usec_t now)
{
    uint16_t cost = neighbour_cost(nb);
    uint16_t moved = metric_change(cost, nb->cost_acted);
    if (moved <= METRIC_BIG_CHANGE || moved <= nb->cost_acted / 5 ||
        now - nb->cost_acted_at < RESELECT_EVERY)
        return;
    nb->cost_acted = cost;
    nb->cost_acted_at = now;
    neighbour_reselect(r, nb);
}

static void round_trip(struct router *r, struct neighbour *nb, usec_t sent, usec_t now)
{
    struct round_trips *t = &nb->round_trips;
    t->least = MIN(t->least, now - sent);
    t->most = MAX(t->most, now - sent);
    t->slow = MAX(t->slow, now - sent);
    if (t->sampled > 0 && sent - t->sampled < HELLO_EVERY)
        return;
    link_cost_sample(&nb->cost, t->least);
    t->slow = MAX(t->slow / 2, t->most);
    t->sampled = MAX(sent, 1);
    t->least = USEC_NEVER;
    t->most = 0;
    cost_moved(r, nb, now);
}

/* Only as many answers count as there were Hellos. */
void ihu_recv(struct router *r, struct neighbour *from, usec_t now)
{
    struct hellos *h = &from->hellos;
    r->stats.processed_ihu++;
    from->ihu_received = now;
    if (h->len == 0)
        return;
    usec_t sent = h->sent[h->first];
    h->first = (uint8_t)((h->first + 1) % HELLOS_TIMED);
    h->len--;
    round_trip(r, from, sent, now);
    if (h->len == 0 && in_use(from, now))
        probe_soon(r, from, now);
}

/* --- silence --------------------------------------------------------------------------------- */

void neighbour_carries(struct router *r, struct neighbour *nb, usec_t now)
{
    bool idle = !in_use(nb, now);
    nb->carried_at = now;
    if (idle)
        probe_soon(r, nb, now);
}

/* Whatever it is: somebody sent it. */
void neighbour_heard(struct router *r, struct neighbour *nb, usec_t now)
{
    nb->probed_at = 0;
    if (!nb->silent)
        return;
    nb->silent = false;
    r->stats.links_heard_again++;
    neighbour_reselect(r, nb);
    hint_origin(r, nb, now);
}

static usec_t silence_ends(const struct neighbour *nb)
{
    if (nb->probed_at == 0)
        return USEC_NEVER;
    return nb->probed_at + (nb->silent ? PROBED_SILENT_MAX : silent_after(nb));
}

usec_t probing_deadline(const struct neighbour *nb)
{
    return MIN(nb->hello_at, silence_ends(nb));
}

bool probing_tick(struct router *r, struct neighbour *nb, usec_t now)
{
    usec_t late = now - silence_ends(nb);
    if (late > SILENT_LATE) {
        nb->probed_at += late + SILENT_LATE; /* we were the ones who slept: once more */
    } else if (late >= 0 && nb->silent) {
        return true;
    } else if (late >= 0) {
        nb->silent = true;
        r->stats.links_silent++;
        neighbour_reselect(r, nb);
    }
    if (now >= nb->hello_at)
        hello_due(r, nb, now);
    return false;
}
