/* Patterns and topics, and the index over them. The first byte cuts the input in two: the pattern,
 * of which every beginning is tried, too, and the topic. What the index finds is what a match says,
 * and nothing stays in it. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/filter.h"
#include "bus/filter_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

#define SUBS 8

struct sub {
    struct list link;
    struct filter_node *at;
    struct bus_filter filter;
};

static bool found(const struct filter_index *x, const struct sub *s, const uint8_t *topic,
                  size_t len)
{
    struct filter_walk w;
    struct list *l;
    bool ret = false;
    filter_walk_begin(&w, x, topic, len);
    while ((l = filter_walk_next(&w)))
        list_foreach (p, l)
            if (list_entry(p, struct sub, link) == s) {
                check(!ret);
                ret = true;
            }
    return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sub subs[SUBS];
    struct filter_index x;
    struct rng r;
    if (size < 1)
        return 0;
    size_t pattern_len = MIN(*data, size - 1), topic_len = MIN(size - 1 - pattern_len, 255);
    const uint8_t *pattern = data + 1, *topic = pattern + pattern_len;
    rng_init_seeded(&r, 1);
    check(filter_index_init(&x, &r) == OK);
    size_t n = 0;
    for (size_t len = pattern_len; n < SUBS; len--) {
        struct sub *s = &subs[n];
        s->filter = (struct bus_filter){.kind = BUS_PATTERN, .topic.len = (uint8_t)len};
        memcpy(s->filter.topic.b, pattern, len);
        int rc = filter_index_get(&x, &s->filter, &s->at);
        check(rc == pattern_check(pattern, len));
        if (rc == OK) {
            list_push_back(filter_waiters(s->at), &s->link);
            n++;
        }
        if (len == 0)
            break;
    }
    for (size_t i = 0; i < n; i++)
        check(found(&x, &subs[i], topic, topic_len) ==
              filter_match(&subs[i].filter, topic, topic_len));
    for (size_t i = 0; i < n; i++) {
        list_del(&subs[i].link);
        filter_index_settle(&x, subs[i].at);
    }
    check(x.count == 0);
    filter_index_fini(&x);
    return 0;
}
