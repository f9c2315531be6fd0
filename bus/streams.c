#include "bus/streams.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/send_transfer.h"

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

static struct out_msg *before(const struct out_msg *m)
{
    struct list *prev = m->in_stream.prev;
    return prev == &m->stream->messages ? NULL : list_entry(prev, struct out_msg, in_stream);
}

static struct out_msg *behind(const struct out_msg *m)
{
    struct list *next = m->in_stream.next;
    return next == &m->stream->messages ? NULL : list_entry(next, struct out_msg, in_stream);
}

static bool is_small(const struct out_msg *m)
{
    return m->len <= OUT_SMALL_MAX && m->policy == OUT_AT_LEAST_ONCE && !m->reply;
}

static bool arrived(const struct out_msg *m)
{
    return m->final == OUT_RECEIVED || m->final == OUT_READ;
}

/* May m begin while p, before it, is not at its end? Only behind one that gets on: one that is
 * stuck would take the slots of its node for all that come behind it. */
static bool may_follow(const struct bus *b, const struct out_msg *p, const struct out_msg *m,
                       usec_t now)
{
    bool gets_on = p->state != OUT_QUEUED && !p->busy && p->doublings == 0;
    return (kin_features(&b->kins, m->node->key, now) & TRAILER_ORDER) && is_small(p) &&
           is_small(m) && (p->final == OUT_QUEUED ? gets_on : arrived(p));
}

void stream_go(struct bus *b, const struct out_msg *m, usec_t now)
{
    struct out_msg *last = NULL;
    unsigned n = 0;
    if (!m->stream)
        return;
    list_foreach (l, &m->stream->messages) {
        struct out_msg *next = list_entry(l, struct out_msg, in_stream);
        if (!next->lined_up) {
            if (next->accepted && next->final == OUT_QUEUED && n < STREAM_WINDOW &&
                (!last || may_follow(b, last, next, now))) {
                next->lined_up = true;
                outbox_line_up(b, next, now); /* when it begins the one behind it is asked */
            }
            return;
        }
        last = next;
        n++;
    }
}

void stream_line_up(struct bus *b, struct out_msg *m, usec_t now)
{
    if (m->stream)
        stream_go(b, m, now);
    else
        outbox_line_up(b, m, now);
}

const struct out_msg *stream_after(const struct out_msg *m)
{
    const struct out_msg *p = m->stream ? before(m) : NULL;
    return p && !arrived(p) ? p : NULL;
}

/* m is gone. The receiver waits for it as long as INIT of the one behind it named it; and it may
 * not have taken that one as long as m was not there. */
static void tell_next(struct bus *b, const struct out_msg *m, struct out_msg *next)
{
    if (next->state == OUT_QUEUED || next->final != OUT_QUEUED || next->busy ||
        (arrived(m) && next->doublings == 0))
        return;
    next->doublings = 0;
    send_restart(b, next, true);
}

void stream_leave(struct bus *b, struct out_msg *m, usec_t now)
{
    struct stream *s = m->stream;
    if (!s)
        return;
    struct out_msg *next = behind(m);
    list_del(&m->in_stream);
    m->stream = NULL;
    if (next)
        tell_next(b, m, next);
    const struct out_msg *first = list_first(&s->messages, struct out_msg, in_stream);
    if (first) {
        stream_go(b, first, now);
    } else {
        hmap_del(&b->out.streams, &s->hash);
        free(s);
    }
}
