#include "bus/topic_rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hmap.h"
#include "base/text.h"

struct topic_rule {
    struct hnode hash;
    struct topic topic;
    struct topic_source *sources; /* never NULL */
    size_t count, cap;
    struct topic_forward *forward; /* NULL: none; most rules */
    struct bus_topic_limits limits;
    bool limited;
};

struct topics {
    struct hmap rules;
    size_t sources; /* of all rules */
    bool accept, accept_set;
};

/* --- sources ------------------------------------------------------------------------------ */

static unsigned max_plen(enum topic_source_kind k)
{
    return k == TOPIC_SOURCE_IP4 ? 32 : 128;
}

int topic_source_parse(const char *text, struct topic_source *ret)
{
    struct topic_source s = {.kind = TOPIC_SOURCE_KEY};
    char addr[IP6_STR_MAX];
    size_t len = strcspn(text, "/");
    uint64_t plen;
    if (hex_decode(text, strlen(text), s.b, MSG_KEY_BYTES) == OK) {
        *ret = s;
        return OK;
    }
    if (len >= sizeof(addr))
        return ERR_INVAL;
    memcpy(addr, text, len);
    addr[len] = '\0';
    memset(s.b, 0, sizeof(s.b)); /* an attempt at a key may have left something */
    if (inet_pton(AF_INET6, addr, s.b) == 1)
        s.kind = TOPIC_SOURCE_IP6;
    else if (inet_pton(AF_INET, addr, s.b) == 1)
        s.kind = TOPIC_SOURCE_IP4;
    else
        return ERR_INVAL;
    plen = max_plen(s.kind);
    if (text[len] == '/' &&
        decimal_parse(text + len + 1, strlen(text + len + 1), plen, &plen) != OK)
        return ERR_INVAL;
    s.plen = (uint8_t)plen;
    *ret = s;
    return OK;
}

static struct ip6 source_ip6(const struct topic_source *s)
{
    struct ip6 a;
    memcpy(a.b, s->b, sizeof(a.b)); /* IPv4: zeros behind it */
    return a;
}

const char *topic_source_str(const struct topic_source *s, char buf[static TOPIC_SOURCE_STR_MAX])
{
    if (s->kind == TOPIC_SOURCE_KEY)
        return hex_encode(s->b, MSG_KEY_BYTES, buf);
    if (s->kind == TOPIC_SOURCE_IP4) {
        (void)snprintf(buf, TOPIC_SOURCE_STR_MAX, "%u.%u.%u.%u/%u", s->b[0], s->b[1], s->b[2],
                       s->b[3], s->plen); /* fits */
        return buf;
    }
    struct ip6 a = source_ip6(s);
    (void)ip6_str(&a, buf);
    size_t n = strlen(buf);
    (void)snprintf(buf + n, TOPIC_SOURCE_STR_MAX - n, "/%u", s->plen); /* fits */
    return buf;
}

bool topic_source_eq(const struct topic_source *a, const struct topic_source *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == TOPIC_SOURCE_KEY)
        return memcmp(a->b, b->b, MSG_KEY_BYTES) == 0;
    struct ip6 x = source_ip6(a), y = source_ip6(b);
    x = ip6_mask(&x, a->plen);
    y = ip6_mask(&y, b->plen);
    return a->plen == b->plen && ip6_eq(&x, &y);
}

static bool source_matches(const struct topic_source *s, const struct ip6 *src,
                           const uint8_t *src_key)
{
    if (s->kind == TOPIC_SOURCE_KEY)
        return memcmp(s->b, src_key, MSG_KEY_BYTES) == 0;
    if (s->kind == TOPIC_SOURCE_IP4)
        return false;
    struct ip6 net = source_ip6(s), of = ip6_mask(src, s->plen);
    net = ip6_mask(&net, s->plen);
    return ip6_eq(&net, &of);
}

int topic_forward_path(struct topic_forward *f, const char *path, size_t len)
{
    if (len == 0 || len > TOPIC_FORWARD_PATH_MAX || memchr(path, '\0', len))
        return ERR_INVAL;
    memcpy(f->path, path, len);
    f->path[len] = '\0';
    return OK;
}

/* --- one rule ----------------------------------------------------------------------------- */

static int rule_alloc(const struct topic *topic, size_t cap, bool forward, struct topic_rule **ret)
{
    struct topic_rule *r = calloc(1, sizeof(*r));
    if (!r)
        return ERR_NOMEM;
    r->sources = calloc(MAX(cap, 1), sizeof(*r->sources));
    r->forward = forward ? calloc(1, sizeof(*r->forward)) : NULL;
    if (!r->sources || (forward && !r->forward)) {
        topic_rule_free(r);
        return ERR_NOMEM;
    }
    r->cap = MAX(cap, 1);
    r->topic.len = topic->len;
    memcpy(r->topic.b, topic->b, topic->len);
    *ret = r;
    return OK;
}

int topic_rule_new(const struct topic *topic, struct topic_rule **ret)
{
    return rule_alloc(topic, 1, false, ret);
}

int topic_rule_copy(const struct topic_rule *r, struct topic_rule **ret)
{
    struct topic_rule *copy;
    int rc = rule_alloc(&r->topic, r->count, r->forward != NULL, &copy);
    if (rc < 0)
        return rc;
    memcpy(copy->sources, r->sources, r->count * sizeof(*r->sources));
    copy->count = r->count;
    if (r->forward)
        *copy->forward = *r->forward;
    copy->limits = r->limits;
    copy->limited = r->limited;
    *ret = copy;
    return OK;
}

void topic_rule_free(struct topic_rule *r)
{
    if (!r)
        return;
    free(r->sources);
    free(r->forward);
    free(r);
}

const struct bus_topic_limits *topic_rule_limits(const struct topic_rule *r)
{
    return r->limited ? &r->limits : NULL;
}

void topic_rule_set_limits(struct topic_rule *r, const struct bus_topic_limits *l)
{
    r->limited = l != NULL;
    r->limits = l ? *l : (struct bus_topic_limits){0};
}

const struct topic *topic_rule_topic(const struct topic_rule *r)
{
    return &r->topic;
}

const struct topic_source *topic_rule_sources(const struct topic_rule *r, size_t *ret_count)
{
    *ret_count = r->count;
    return r->sources;
}

const struct topic_forward *topic_rule_forward(const struct topic_rule *r)
{
    return r->forward;
}

int topic_rule_allow(struct topic_rule *r, const struct topic_source *s)
{
    if (r->count >= TOPIC_SOURCES_MAX)
        return ERR_LIMIT;
    if (r->count == r->cap) {
        struct topic_source *v = reallocarray(r->sources, 2 * r->cap, sizeof(*v));
        if (!v)
            return ERR_NOMEM;
        r->sources = v;
        r->cap *= 2;
    }
    r->sources[r->count++] = *s;
    return OK;
}

void topic_rule_deny(struct topic_rule *r, const struct topic_source *s)
{
    size_t left = 0;
    for (size_t i = 0; i < r->count; i++)
        if (!topic_source_eq(&r->sources[i], s))
            r->sources[left++] = r->sources[i];
    r->count = left;
}

int topic_rule_set_forward(struct topic_rule *r, const struct topic_forward *f)
{
    if (!f) {
        free(r->forward);
        r->forward = NULL;
        return OK;
    }
    if (!r->forward)
        r->forward = calloc(1, sizeof(*r->forward));
    if (!r->forward)
        return ERR_NOMEM;
    *r->forward = *f;
    return OK;
}

/* --- the table ---------------------------------------------------------------------------- */

int topics_new(struct rng *r, struct topics **ret)
{
    struct topics *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    int rc = hmap_init(&t->rules, r);
    if (rc != OK) {
        free(t);
        return rc;
    }
    t->accept = true;
    *ret = t;
    return OK;
}

static void rule_drop(struct topics *t, struct topic_rule *r)
{
    hmap_del(&t->rules, &r->hash);
    t->sources -= r->count;
    topic_rule_free(r);
}

void topics_free(struct topics *t)
{
    struct hnode *h;
    size_t slot;
    if (!t)
        return;
    while (slot = 0, (h = hmap_each(&t->rules, &slot, NULL)) != NULL)
        rule_drop(t, container_of(h, struct topic_rule, hash));
    hmap_fini(&t->rules);
    free(t);
}

static struct topic_rule *rule_find(const struct topics *t, const uint8_t *topic, size_t len)
{
    if (t->rules.count == 0)
        return NULL;
    uint64_t hash = hmap_hash(&t->rules, topic, len);
    for (struct hnode *h = hmap_first(&t->rules, hash); h; h = hmap_next(h, hash)) {
        struct topic_rule *r = container_of(h, struct topic_rule, hash);
        if (r->topic.len == len && (len == 0 || memcmp(r->topic.b, topic, len) == 0))
            return r;
    }
    return NULL;
}

const struct topic_rule *topics_find(const struct topics *t, const uint8_t *topic, size_t len)
{
    return rule_find(t, topic, len);
}

bool topics_admit(const struct topics *t, const uint8_t *topic, size_t topic_len,
                  const struct ip6 *src, const uint8_t src_key[static MSG_KEY_BYTES])
{
    const struct topic_rule *r = rule_find(t, topic, topic_len);
    if (!r)
        return t->accept;
    for (size_t i = 0; i < r->count; i++)
        if (source_matches(&r->sources[i], src, src_key))
            return true;
    return false;
}

bool topics_accept(const struct topics *t)
{
    return t->accept;
}

void topics_set_accept(struct topics *t, bool accept)
{
    t->accept = accept;
    t->accept_set = true;
}

bool topics_accept_set(const struct topics *t)
{
    return t->accept_set;
}

int topics_fit(const struct topics *t, const struct topic_rule *r)
{
    const struct topic_rule *old = rule_find(t, r->topic.b, r->topic.len);
    size_t sources = t->sources - (old ? old->count : 0) + r->count;
    if ((!old && t->rules.count >= TOPICS_MAX) || sources > TOPICS_SOURCES_MAX)
        return ERR_LIMIT;
    return OK;
}

void topics_put(struct topics *t, struct topic_rule *r)
{
    topics_remove(t, &r->topic);
    t->sources += r->count;
    hmap_add(&t->rules, &r->hash, hmap_hash(&t->rules, r->topic.b, r->topic.len));
}

void topics_remove(struct topics *t, const struct topic *topic)
{
    struct topic_rule *r = rule_find(t, topic->b, topic->len);
    if (r)
        rule_drop(t, r);
}

int topics_merge_rule(struct topics *t, const struct topic_rule *r)
{
    struct topic_rule *copy;
    if (rule_find(t, r->topic.b, r->topic.len))
        return OK;
    int rc = topics_fit(t, r);
    if (rc == OK)
        rc = topic_rule_copy(r, &copy);
    if (rc == OK)
        topics_put(t, copy);
    return rc;
}

int topics_merge(struct topics *t, const struct topics *other)
{
    size_t slot = 0;
    struct hnode *h = NULL;
    int rc = OK;
    while (rc == OK && (h = hmap_each(&other->rules, &slot, h)))
        rc = topics_merge_rule(t, container_of(h, struct topic_rule, hash));
    if (rc == OK && !t->accept_set && other->accept_set)
        topics_set_accept(t, other->accept);
    return rc;
}

void topics_each(const struct topics *t, topics_visit *visit, void *ctx)
{
    size_t slot = 0;
    struct hnode *h = NULL;
    while ((h = hmap_each(&t->rules, &slot, h)))
        visit(ctx, container_of(h, struct topic_rule, hash));
}

size_t topics_count(const struct topics *t)
{
    return t->rules.count;
}
