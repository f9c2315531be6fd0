#include "bus/codec.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

#define CHUNK_ACK_BYTES MSG_CHUNK_MIN_BYTES /* the data is not sent back */

static_assert(MSG_HEADER_BYTES == MSG_ID_BYTES + 2 + 2, "id, flags, reserved");
static_assert(MSG_INIT_MIN_BYTES == 8 + 1, "message length, topic length");
static_assert(MSG_CHUNK_MIN_BYTES == 8 + 8 + 8, "index, offset, size");
static_assert(MSG_DONE_BYTES == 8 + MSG_SUM_BYTES, "chunk count, checksum");

/* The first match wins; bits behind it do not matter. docs/protocol/messages.md, "Flags". */
static enum msg_kind kind_of(uint16_t flags)
{
    bool ack = flags & MSG_ACK;
    if (flags & MSG_INIT)
        return ack ? MSG_KIND_INIT_ACK : MSG_KIND_INIT;
    if (flags & MSG_CHUNK)
        return ack ? MSG_KIND_CHUNK_ACK : MSG_KIND_CHUNK;
    if (flags & MSG_DONE)
        return ack ? MSG_KIND_DONE_ACK : MSG_KIND_DONE;
    if (flags & MSG_READ)
        return ack ? MSG_KIND_FORGET : MSG_KIND_READ;
    if (flags & MSG_ABORT)
        return ack ? MSG_KIND_OTHER : MSG_KIND_ABORT;
    return MSG_KIND_OTHER;
}

static void decode_init(struct wire_rd *r, struct msg_packet *m)
{
    m->len = wire_u64(r);
    uint8_t topic_len = wire_u8(r);
    const uint8_t *topic = wire_take(r, topic_len);
    m->topic = wire_rd_of(topic, topic ? topic_len : 0);
    trailer_decode(wire_rest(r), &m->trailer);
}

static void decode_init_ack(struct wire_rd *r, struct msg_packet *m)
{
    if (wire_left(r) <= MSG_INIT_MIN_BYTES)
        return;
    (void)wire_take(r, MSG_INIT_MIN_BYTES); /* the id says enough */
    trailer_decode(wire_rest(r), &m->trailer);
}

static void decode_chunk_ack(struct wire_rd *r, struct msg_packet *m)
{
    m->index = wire_u64(r);
    if (wire_left(r) <= CHUNK_ACK_BYTES - 8)
        return;
    (void)wire_take(r, CHUNK_ACK_BYTES - 8);
    trailer_decode(wire_rest(r), &m->trailer);
}

static void decode_chunk(struct wire_rd *r, struct msg_packet *m)
{
    m->index = wire_u64(r);
    m->offset = wire_u64(r);
    m->size = wire_u64(r);
    size_t left = wire_left(r);
    m->data_len = m->size < left ? (size_t)m->size : left; /* the size may be announced too large */
    m->data = wire_take(r, m->data_len);
}

static void decode_done(struct wire_rd *r, struct msg_packet *m)
{
    m->count = wire_u64(r);
    wire_copy(r, m->sum, sizeof(m->sum));
}

int msg_decode(struct wire_rd r, struct msg_packet *ret)
{
    struct msg_packet m = {.kind = MSG_KIND_OTHER};
    wire_copy(&r, m.id.b, sizeof(m.id.b));
    uint16_t flags = wire_u16(&r);
    uint16_t reserved = wire_u16(&r);
    m.echo = (uint32_t)flags << 16 | reserved;
    m.kind = kind_of(flags);
    switch (m.kind) {
    case MSG_KIND_INIT:
        m.reply = flags & MSG_REPLY;
        decode_init(&r, &m);
        break;
    case MSG_KIND_CHUNK:
        decode_chunk(&r, &m);
        break;
    case MSG_KIND_DONE:
        decode_done(&r, &m);
        break;
    case MSG_KIND_DONE_ACK:
        m.has_sum = wire_left(&r) >= MSG_DONE_BYTES;
        if (m.has_sum)
            decode_done(&r, &m);
        break;
    case MSG_KIND_INIT_ACK:
        decode_init_ack(&r, &m);
        break;
    case MSG_KIND_CHUNK_ACK:
        decode_chunk_ack(&r, &m);
        break;
    case MSG_KIND_FORGET:
        m.has_sum = wire_left(&r) >= MSG_SUM_BYTES;
        if (m.has_sum)
            wire_copy(&r, m.sum, sizeof(m.sum));
        break;
    case MSG_KIND_READ:
    case MSG_KIND_ABORT:
    case MSG_KIND_OTHER:
        break;
    }
    wire_skip_rest(&r); /* every kind may have more bytes than are defined today */
    if (!wire_done(&r))
        return ERR_MALFORMED;
    *ret = m;
    return OK;
}

/* A packet of the header and `body_len` bytes that the caller writes through *w. */
static struct pkt *packet_new(const struct msg_id *id, unsigned flags, size_t body_len,
                              struct wire_wr *w)
{
    struct pkt *p = pkt_new(MSG_HEADER_BYTES + body_len);
    if (!p)
        return NULL;
    *w = wire_wr_of(p->data, p->len);
    wire_put(w, id->b, sizeof(id->b));
    wire_put_u16(w, (uint16_t)flags);
    wire_put_u16(w, 0);
    return p;
}

static struct pkt *packet_finish(struct pkt *p, const struct wire_wr *w)
{
    if (p)
        assert(!w->bad && w->p == w->end); /* body_len above was wrong */
    return p;
}

struct pkt *msg_init(const struct msg_id *id, bool reply, uint64_t len, const struct topic *t)
{
    struct wire_wr w;
    unsigned flags = MSG_INIT | (reply ? (unsigned)MSG_REPLY : 0);
    struct pkt *p = packet_new(id, flags, MSG_INIT_MIN_BYTES + (size_t)t->len, &w);
    if (p) {
        wire_put_u64(&w, len);
        wire_put_u8(&w, t->len);
        wire_put(&w, t->b, t->len);
    }
    return packet_finish(p, &w);
}

struct pkt *msg_chunk(const struct msg_id *id, uint64_t index, uint64_t offset, const uint8_t *data,
                      size_t len)
{
    struct wire_wr w;
    struct pkt *p = packet_new(id, MSG_CHUNK, MSG_CHUNK_MIN_BYTES + len, &w);
    if (p) {
        wire_put_u64(&w, index);
        wire_put_u64(&w, offset);
        wire_put_u64(&w, len);
        wire_put(&w, data, len);
    }
    return packet_finish(p, &w);
}

static struct pkt *done_packet(const struct msg_id *id, unsigned flags, uint64_t count,
                               const uint8_t sum[static MSG_SUM_BYTES])
{
    struct wire_wr w;
    struct pkt *p = packet_new(id, flags, MSG_DONE_BYTES, &w);
    if (p) {
        wire_put_u64(&w, count);
        wire_put(&w, sum, MSG_SUM_BYTES);
    }
    return packet_finish(p, &w);
}

struct pkt *msg_done(const struct msg_id *id, uint64_t count,
                     const uint8_t sum[static MSG_SUM_BYTES])
{
    return done_packet(id, MSG_DONE, count, sum);
}

struct pkt *msg_read(const struct msg_id *id)
{
    struct wire_wr w;
    return packet_new(id, MSG_READ, 0, &w);
}

struct pkt *msg_abort(const struct msg_id *id)
{
    struct wire_wr w;
    return packet_new(id, MSG_ABORT, 0, &w);
}

struct pkt *msg_forget(const struct msg_id *id, const uint8_t *sum)
{
    struct wire_wr w;
    struct pkt *p = packet_new(id, MSG_READ | MSG_ACK, sum ? MSG_SUM_BYTES : 0, &w);
    if (p && sum)
        wire_put(&w, sum, MSG_SUM_BYTES);
    return packet_finish(p, &w);
}

struct pkt *msg_init_ack(const struct msg_id *id, bool reply, uint64_t len, uint8_t topic_len)
{
    struct wire_wr w;
    unsigned flags = MSG_INIT | MSG_ACK | (reply ? (unsigned)MSG_REPLY : 0);
    struct pkt *p = packet_new(id, flags, MSG_INIT_MIN_BYTES, &w);
    if (p) {
        wire_put_u64(&w, len);
        wire_put_u8(&w, topic_len); /* keeps its value although the topic bytes are not sent back */
    }
    return packet_finish(p, &w);
}

struct pkt *msg_chunk_ack(const struct msg_id *id, uint64_t index, uint64_t offset, uint64_t size)
{
    struct wire_wr w;
    struct pkt *p = packet_new(id, MSG_CHUNK | MSG_ACK, CHUNK_ACK_BYTES, &w);
    if (p) {
        wire_put_u64(&w, index);
        wire_put_u64(&w, offset);
        wire_put_u64(&w, size);
    }
    return packet_finish(p, &w);
}

struct pkt *msg_done_ack(const struct msg_id *id, uint64_t count,
                         const uint8_t sum[static MSG_SUM_BYTES])
{
    return done_packet(id, MSG_DONE | MSG_ACK, count, sum);
}

void msg_echo(struct pkt *ack, uint32_t echo)
{
    assert(ack->len >= MSG_HEADER_BYTES);
    struct wire_wr w = wire_wr_of(ack->data + MSG_ID_BYTES, 4);
    wire_put_u32(&w, echo | (uint32_t)MSG_ACK << 16);
}

struct pkt *msg_with_trailer(struct pkt *p, const struct trailer *t)
{
    uint8_t bytes[TRAILER_MAX];
    if (!p)
        return NULL;
    size_t n = trailer_encode(t, bytes);
    struct pkt *longer = pkt_new(p->len + n);
    if (longer) {
        memcpy(longer->data, p->data, p->len);
        memcpy(longer->data + p->len, bytes, n);
    }
    pkt_free(p);
    return longer;
}
