/* inbox_view.c - the inbox as operators see it: complete messages and those that are coming, in the
 * order of seq. Looks, and changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/filter.h"
#include "bus/timer.h"

static int64_t wall_of(usec_t when, struct instant now)
{
    return now.wall_ms + (when - now.mono) / USEC_MS;
}

static void show_message(const struct in_msg *m, struct instant now, struct bus_inbox_entry *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->seq = m->seq;
    ret->state = m->state;
    ret->id = m->id;
    ret->src = m->src;
    ret->dst = m->dst;
    memcpy(ret->src_key, m->src_key, sizeof(ret->src_key));
    ret->reply = m->reply;
    ret->topic.len = m->topic_len;
    memcpy(ret->topic.b, m->topic, m->topic_len);
    ret->recv_ms = m->recv_ms;
    if (timer_armed(&m->expire))
        ret->expire_ms = wall_of(m->expire.when, now);
    if (timer_armed(&m->due))
        ret->lease_ms = m->due_ms;
    ret->offers = m->offers;
    ret->len = ret->have = m->len;
    if (m->consumer)
        memcpy(ret->consumer, m->consumer->name, m->consumer->len + 1);
}

static void show_part(const struct part *p, struct instant now, struct bus_inbox_entry *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->seq = p->seq;
    ret->state = p->full ? IN_PART_FULL : IN_PART;
    ret->id = p->id;
    ret->src = p->src;
    ret->dst = p->dst;
    memcpy(ret->src_key, p->src_key, sizeof(ret->src_key));
    ret->reply = p->reply;
    ret->topic.len = p->topic_len;
    memcpy(ret->topic.b, p->topic, p->topic_len);
    ret->recv_ms = p->recv_ms;
    ret->expire_ms = wall_of(p->life_end, now);
    ret->len = p->len;
    ret->have = p->full ? p->len : MIN(p->sizes, (uint64_t)p->len);
    if (p->file)
        ret->have = ranges_bytes(&p->file->written);
}

int bus_inbox_get(const struct bus *b, uint64_t seq, struct instant now,
                  struct bus_inbox_entry *ret)
{
    const struct in_msg *m = inbox_find(b, seq);
    const struct part *p = m ? NULL : parts_find(b, seq);
    if (m && !m->going)
        show_message(m, now, ret);
    else if (p)
        show_part(p, now, ret);
    else
        return ERR_NOENT;
    return OK;
}

/* --- pages -------------------------------------------------------------------------------- */

static int by_seq(const void *a, const void *b)
{
    const struct part *const *x = (const struct part *const *)a;
    const struct part *const *y = (const struct part *const *)b;
    return (*x)->seq < (*y)->seq ? -1 : (*x)->seq > (*y)->seq;
}

/* What is coming and matches, sorted; the caller's to free. NULL with *ret_rc OK: none. */
static const struct part **parts_matching(const struct bus *b, const struct bus_inbox_list *l,
                                          size_t *ret_n, int *ret_rc)
{
    size_t n = 0, slot = 0;
    struct hnode *h = NULL;
    *ret_n = 0;
    *ret_rc = OK;
    if (!l->receiving || b->parts.map.count == 0)
        return NULL;
    const struct part **v = calloc(b->parts.map.count, sizeof(*v));
    if (!v) {
        *ret_rc = ERR_NOMEM;
        return NULL;
    }
    while ((h = hmap_each(&b->parts.map, &slot, h))) {
        const struct part *p = container_of(h, struct part, hash);
        if (p->seq > l->after && filter_match(&l->filter, p->topic, p->topic_len))
            v[n++] = p;
    }
    qsort(v, n, sizeof(*v), by_seq);
    *ret_n = n;
    return v;
}

static bool wanted(const struct in_msg *m, const struct bus_inbox_list *l)
{
    bool state = (m->state == IN_READY && l->ready) || (m->state == IN_LEASED && l->leased) ||
                 (m->state == IN_DEAD && l->dead);
    return state && !m->going && filter_match(&l->filter, m->topic, m->topic_len);
}

/* The next message that is wanted, from *at on. NULL: none, or enough was looked at. */
static const struct in_msg *next_message(const struct bus *b, const struct bus_inbox_list *l,
                                         size_t *at, size_t *looks)
{
    const struct seq_index *x = &b->in.index;
    for (; *at < x->len && *looks < BUS_LIST_SCAN_MAX; (*at)++, (*looks)++) {
        const struct in_msg *m = x->v[*at].what;
        if (m && wanted(m, l))
            return m;
    }
    return NULL;
}

int bus_inbox_list(const struct bus *b, const struct bus_inbox_list *l, struct instant now,
                   struct bus_inbox_entry *ret, size_t *ret_n, uint64_t *ret_next)
{
    int rc = filter_check(&l->filter);
    size_t n = 0, looks = 0, at, parts_n, part_at = 0;
    if (l->limit == 0 || l->limit > BUS_LIST_MAX)
        return ERR_INVAL;
    if (rc < 0)
        return rc;
    const struct part **parts = parts_matching(b, l, &parts_n, &rc);
    if (rc < 0)
        return rc;
    at = seq_index_above(&b->in.index, l->after);
    const struct in_msg *m = next_message(b, l, &at, &looks);
    /* Parts behind where the looking stopped belong to a later page. */
    uint64_t end = at < b->in.index.len ? b->in.index.v[at].seq : UINT64_MAX;
    while (n < l->limit) {
        const struct part *p = part_at < parts_n ? parts[part_at] : NULL;
        if (p && p->seq < end) {
            show_part(p, now, &ret[n++]);
            part_at++;
        } else if (m) {
            show_message(m, now, &ret[n++]);
            at++;
            m = next_message(b, l, &at, &looks);
            end = at < b->in.index.len ? b->in.index.v[at].seq : UINT64_MAX;
        } else {
            break;
        }
    }
    bool more = part_at < parts_n || at < b->in.index.len;
    uint64_t seen = n > 0 ? ret[n - 1].seq : l->after;
    if (n < l->limit && at < b->in.index.len) /* stopped looking: everything before was seen */
        seen = b->in.index.v[at].seq - 1;
    *ret_next = more ? seen : 0;
    *ret_n = n;
    free(parts);
    return OK;
}
