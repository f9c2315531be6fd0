#include "bus/streams.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"

struct stream {
    struct hnode hash; /* outbox.streams */
    struct list messages;
    uint64_t node;
    uint8_t topic_len;
    uint8_t topic[];
};

static uint64_t stream_hash(const struct bus *b, const struct out_msg *m)
{
    uint8_t key[8 + MSG_TOPIC_MAX];
    memcpy(key, &m->node->key, 8);
    memcpy(key + 8, m->topic, m->topic_len);
    return hmap_hash(&b->out.streams, key, (size_t)8 + m->topic_len);
}

static struct stream *find(const struct bus *b, const struct out_msg *m, uint64_t hash)
{
    for (struct hnode *h = hmap_first(&b->out.streams, hash); h; h = hmap_next(h, hash)) {
        struct stream *s = container_of(h, struct stream, hash);
        if (s->node == m->node->key && s->topic_len == m->topic_len &&
            memcmp(s->topic, m->topic, m->topic_len) == 0)
            return s;
    }
    return NULL;
}

int stream_join(struct bus *b, struct out_msg *m)
{
    if (!m->ordered || m->local) /* the store takes local ones in their order */
        return OK;
    uint64_t hash = stream_hash(b, m);
    struct stream *s = find(b, m, hash);
    if (!s) {
        s = calloc(1, sizeof(*s) + m->topic_len);
        if (!s)
            return ERR_NOMEM;
        list_init(&s->messages);
        s->node = m->node->key;
        s->topic_len = m->topic_len;
        memcpy(s->topic, m->topic, m->topic_len);
        hmap_add(&b->out.streams, &s->hash, hash);
    }
    m->stream = s;
    list_push_back(&s->messages, &m->in_stream);
    return OK;
}

void stream_leave(struct bus *b, struct out_msg *m, usec_t now)
{
    struct stream *s = m->stream;
    if (!s)
        return;
    bool first = stream_turn(m);
    list_del(&m->in_stream);
    m->stream = NULL;
    struct out_msg *next = list_first(&s->messages, struct out_msg, in_stream);
    if (!next) {
        hmap_del(&b->out.streams, &s->hash);
        free(s);
    } else if (first && next->accepted && next->final == OUT_QUEUED) {
        outbox_line_up(b, next, now);
    }
}

bool stream_turn(const struct out_msg *m)
{
    return !m->stream || m->stream->messages.next == &m->in_stream;
}
