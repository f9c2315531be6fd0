/* Any bytes: decoded or refused; what is decoded lies inside the input and can be built again, the
 * trailer too. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "bus/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const uint8_t *p, size_t n, const uint8_t *data, size_t size)
{
    return n == 0 || (p >= data && n <= size && (size_t)(p - data) <= size - n);
}

static struct pkt *build(const struct msg_packet *m)
{
    struct topic t = {.len = (uint8_t)wire_left(&m->topic)};
    struct wire_rd topic = m->topic;
    wire_copy(&topic, t.b, t.len);
    switch (m->kind) {
    case MSG_KIND_INIT:
        return msg_init(&m->id, m->reply, m->len, &t);
    case MSG_KIND_CHUNK:
        return msg_chunk(&m->id, m->index, m->offset, m->data, m->data_len);
    case MSG_KIND_DONE:
        return msg_done(&m->id, m->count, m->sum);
    case MSG_KIND_READ:
        return msg_read(&m->id);
    case MSG_KIND_ABORT:
        return msg_abort(&m->id);
    case MSG_KIND_CHUNK_ACK:
        return msg_chunk_ack(&m->id, m->index, 0, 0);
    case MSG_KIND_DONE_ACK:
        return msg_done_ack(&m->id, m->count, m->sum);
    case MSG_KIND_INIT_ACK:
        return msg_init_ack(&m->id, m->reply, 0, 0);
    case MSG_KIND_FORGET:
        return msg_forget(&m->id, m->has_sum ? m->sum : NULL);
    case MSG_KIND_OTHER:
        break;
    }
    return NULL;
}

/* INIT and ACKs have items of their own; features are one item or the other by what is beside. */
static void check_trailer(const struct trailer *a, const struct trailer *b)
{
    assert(a->there == b->there);
    assert(a->has_life == b->has_life && a->life_ms == b->life_ms);
    assert(a->has_sum == b->has_sum && memcmp(a->sum, b->sum, sizeof(a->sum)) == 0);
    assert(a->has_count == b->has_count && a->count == b->count);
    assert(a->has_attempt == b->has_attempt && a->attempt == b->attempt);
    assert(a->has_status == b->has_status && a->status == b->status);
    assert(a->has_map == b->has_map && a->missing == b->missing);
    assert(a->has_wait == b->has_wait && a->wait_ms == b->wait_ms);
    assert(a->has_features == b->has_features && a->features == b->features);
    size_t n = trailer_map_len(a);
    assert(n <= TRAILER_MAP_ALL && (!a->has_map || n == trailer_map_len(b)));
    for (uint64_t bit = 0; a->has_map && bit < n * 8; bit++)
        assert(trailer_map_bit(a, bit) == trailer_map_bit(b, bit));
    assert(!trailer_map_bit(a, n * 8));
}

/* The map as one, as who builds a trailer has it. */
static struct trailer joined(const struct trailer *t, uint8_t map[static TRAILER_MAP_ALL])
{
    struct trailer j = *t;
    memset(map, 0, TRAILER_MAP_ALL);
    for (uint64_t bit = 0; bit < trailer_map_len(t) * 8; bit++)
        map[bit / 8] = (uint8_t)(map[bit / 8] | trailer_map_bit(t, bit) << bit % 8);
    j.map = wire_rd_of(map, trailer_map_len(t));
    j.n_more = 0;
    return j;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg_packet m, again;
    if (msg_decode(wire_rd_of(data, size), &m) != OK)
        return 0;
    assert(size >= MSG_HEADER_BYTES);
    assert(inside(m.data, m.data_len, data, size));
    assert(inside(m.topic.p, wire_left(&m.topic), data, size));
    assert(m.data_len <= m.size);
    assert(inside(m.trailer.map.p, wire_left(&m.trailer.map), data, size));
    assert(wire_left(&m.trailer.map) <= TRAILER_MAP_MAX);
    struct pkt *p = size <= PKT_MAX ? build(&m) : NULL;
    uint8_t map[TRAILER_MAP_ALL];
    struct trailer t = joined(&m.trailer, map);
    if (m.trailer.there)
        p = msg_with_trailer(p, &t);
    if (!p)
        return 0;
    assert(msg_decode(wire_rd_of(p->data, p->len), &again) == OK);
    assert(again.kind == m.kind && memcmp(&again.id, &m.id, sizeof(m.id)) == 0);
    assert(again.index == m.index && again.offset == m.offset && again.data_len == m.data_len);
    if (m.kind == MSG_KIND_INIT || m.kind == MSG_KIND_CHUNK || m.kind == MSG_KIND_DONE)
        msg_echo(p, m.echo);
    assert(m.kind != MSG_KIND_INIT || again.len == m.len);
    check_trailer(&m.trailer, &again.trailer);
    pkt_free(p);
    return 0;
}
