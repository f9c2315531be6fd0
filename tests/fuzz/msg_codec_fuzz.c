/* Any bytes: decoded or refused; what is decoded lies inside the input and can be built again. */
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
    case MSG_KIND_READ_ACK:
    case MSG_KIND_OTHER:
        break;
    }
    return NULL;
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
    struct pkt *p = size <= PKT_MAX ? build(&m) : NULL;
    if (!p)
        return 0;
    assert(msg_decode(wire_rd_of(p->data, p->len), &again) == OK);
    assert(again.kind == m.kind && memcmp(&again.id, &m.id, sizeof(m.id)) == 0);
    assert(again.index == m.index && again.offset == m.offset && again.data_len == m.data_len);
    if (m.kind == MSG_KIND_INIT || m.kind == MSG_KIND_CHUNK || m.kind == MSG_KIND_DONE)
        msg_echo(p, m.echo);
    assert(m.kind != MSG_KIND_INIT || again.len == m.len);
    pkt_free(p);
    return 0;
}
