#include "bus/recv_answer.h"

#include <string.h>

#include "bus/bus_core.h"
#include "bus/part_body.h"
#include "bus/timer.h"

void answer_ack(struct bus *b, const struct ip6 *from, const struct ip6 *to, struct pkt *ack,
                uint32_t echo)
{
    if (ack)
        msg_echo(ack, echo);
    b->stats.sent_ack++;
    bus_control(b, from, to, ack);
}

/* --- INIT --------------------------------------------------------------------------------- */

static struct trailer status_trailer(enum trailer_status status)
{
    return (struct trailer){.has_status = true,
                            .status = (uint8_t)status,
                            .has_features = true,
                            .features = TRAILER_OURS};
}

void answer_init(struct bus *b, struct part *p, enum trailer_status status, usec_t now)
{
    uint8_t map[TRAILER_MAP_ALL];
    struct pkt *ack = msg_init_ack(&p->id, p->reply, p->len, p->topic_len);
    if (p->ours) {
        struct trailer t = status_trailer(status);
        if (status == TRAILER_RESUMED) {
            t.has_map = true;
            t.map = wire_rd_of(map, part_body_map(p, &t.missing, map));
        }
        ack = msg_with_trailer(ack, &t);
    }
    p->init_held = false;
    p->init_acked_at = now;
    answer_ack(b, &p->dst, &p->src, ack, p->init_echo);
}

static void status_ack(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                       const struct msg_packet *i, const struct trailer *t)
{
    struct pkt *ack = msg_init_ack(&i->id, i->reply, i->len, (uint8_t)wire_left(&i->topic));
    answer_ack(b, from, to, t ? msg_with_trailer(ack, t) : ack, i->echo);
}

void answer_complete(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                     const struct msg_packet *i)
{
    struct trailer t = status_trailer(TRAILER_COMPLETE);
    status_ack(b, from, to, i, i->trailer.there ? &t : NULL);
}

static struct trailer busy_trailer(void)
{
    struct trailer t = status_trailer(TRAILER_BUSY);
    t.has_wait = true;
    t.wait_ms = PART_BUSY_MS;
    return t;
}

void answer_busy(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                 const struct msg_packet *i, bool topic_only)
{
    b->stats.refused_limit++;
    if (!i->trailer.there)
        return;
    struct trailer t = busy_trailer();
    t.topic_only = topic_only;
    b->stats.told_busy++;
    status_ack(b, from, to, i, &t);
}

void answer_part_busy(struct bus *b, const struct part *p)
{
    b->stats.refused_limit++;
    if (!p->ours)
        return;
    struct trailer t = busy_trailer();
    b->stats.told_busy++;
    answer_ack(b, &p->dst, &p->src,
               msg_with_trailer(msg_init_ack(&p->id, p->reply, p->len, p->topic_len), &t),
               p->init_echo);
}

void answer_refused(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                    const struct msg_packet *i)
{
    if (!i->trailer.there)
        return;
    struct trailer t = status_trailer(TRAILER_REFUSED);
    b->stats.told_refused++;
    status_ack(b, from, to, i, &t);
}

/* --- CHUNK, many at once ------------------------------------------------------------------ */

void sack_note(struct bus *b, struct part *p, const struct msg_packet *c, bool at_once, usec_t now)
{
    p->last =
        (struct held_ack){.index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
    if (p->unacked++ == 0)
        timer_set(&b->parts.holds, &p->hold, now + PART_SACK_DELAY);
    if (at_once || p->unacked >= PART_SACK_EVERY)
        sack_now(b, p);
}

void sack_now(struct bus *b, struct part *p)
{
    timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    if (!list_linked(&p->sack))
        list_push_back(&b->parts.sacks, &p->sack);
}

void sack_stop(struct bus *b, struct part *p)
{
    timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    list_del(&p->sack);
    p->unacked = 0;
}

bool sack_next(struct bus *b, struct bus_out *ret)
{
    struct part *p;
    while ((p = list_first(&b->parts.sacks, struct part, sack))) {
        uint8_t map[TRAILER_MAP_ALL];
        struct trailer t = {.has_map = true};
        sack_stop(b, p);
        t.map = wire_rd_of(map, part_body_map(p, &t.missing, map));
        const struct held_ack *a = &p->last;
        struct pkt *ack = msg_with_trailer(msg_chunk_ack(&p->id, a->index, a->offset, a->size), &t);
        if (!ack)
            continue; /* no memory: as if it was lost */
        msg_echo(ack, a->echo);
        b->stats.sent_ack++;
        b->stats.sent_sack++;
        *ret = (struct bus_out){.kind = BUS_OUT_PACKET, .src = p->dst, .dst = p->src, .pkt = ack};
        return true;
    }
    return false;
}
