#include "node/contacts.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/hmap.h"
#include "base/list.h"

struct contact {
    struct hnode by_node;
    struct list used;    /* contacts.used */
    struct list changed; /* contacts.changed: to be written */
    uint64_t node, via;
    int64_t used_ms;
    int64_t written_ms; /* used_ms on disk, as far as known */
};

struct contacts {
    uint64_t self;
    struct hmap map;
    struct list used;    /* most recently used first */
    struct list changed; /* longest first */
    struct list *at;     /* in a refresh: the last entry that was seen, or &used */
    int64_t now_ms;      /* of the refresh */
    struct contacts_stats stats;
};

int contacts_new(struct rng *r, const struct ip6 *self, struct contacts **ret)
{
    struct contacts *c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NOMEM;
    c->self = ip6_node(self);
    list_init(&c->used);
    list_init(&c->changed);
    c->at = &c->used;
    int rc = hmap_init(&c->map, r);
    if (rc < 0) {
        free(c);
        return rc;
    }
    *ret = c;
    return OK;
}

static void drop(struct contacts *c, struct contact *e)
{
    hmap_del(&c->map, &e->by_node);
    if (c->at == &e->used)
        c->at = e->used.prev;
    list_del(&e->used);
    list_del(&e->changed);
    free(e);
}

void contacts_free(struct contacts *c)
{
    if (!c)
        return;
    struct contact *e;
    while ((e = list_first(&c->used, struct contact, used)))
        drop(c, e);
    hmap_fini(&c->map);
    free(c);
}

static struct contact *find(const struct contacts *c, uint64_t node)
{
    uint64_t hash = hmap_hash(&c->map, &node, sizeof(node));
    for (struct hnode *h = hmap_first(&c->map, hash); h; h = hmap_next(h, hash)) {
        struct contact *e = container_of(h, struct contact, by_node);
        if (e->node == node)
            return e;
    }
    return NULL;
}

/* In no order yet. NULL: no memory. */
static struct contact *add(struct contacts *c, uint64_t node)
{
    struct contact *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->node = node;
    hmap_add(&c->map, &e->by_node, hmap_hash(&c->map, &node, sizeof(node)));
    return e;
}

static struct ip6 network(uint64_t node)
{
    struct ip6 a = {.b = {0}};
    for (int i = 0; i < 8; i++)
        a.b[i] = (uint8_t)(node >> (8 * (7 - i)));
    return a;
}

static bool is_other_node(const struct contacts *c, uint64_t node)
{
    struct ip6 a = network(node);
    return ip6_in_overlay(&a) && node != c->self;
}

void contacts_load(struct contacts *c, const struct store_contact *row, int64_t now_ms)
{
    struct contact *e = NULL;
    bool usable = is_other_node(c, row->node) && is_other_node(c, row->via) && row->used_ms >= 0 &&
                  c->map.count < CONTACTS_MAX && !find(c, row->node);
    if (usable)
        e = add(c, row->node);
    if (!e) {
        c->stats.ignored++;
        return;
    }
    e->via = row->via;
    e->written_ms = row->used_ms;
    e->used_ms = MIN(row->used_ms, now_ms); /* the clock was wrong, then or now */
    list_push_back(&c->used, &e->used);
}

void contacts_refresh(struct contacts *c, int64_t now_ms)
{
    c->at = &c->used;
    c->now_ms = now_ms;
}

static void write_later(struct contacts *c, struct contact *e)
{
    if (!list_linked(&e->changed))
        list_push_back(&c->changed, &e->changed);
}

void contacts_seen(void *contacts, const struct contact_info *i)
{
    struct contacts *c = contacts;
    uint64_t node = ip6_node(&i->node), via = ip6_node(&i->via);
    if (!is_other_node(c, node) || !is_other_node(c, via))
        return; /* the next hop did not tell who it is */
    struct contact *e = find(c, node);
    if (!e && c->map.count >= CONTACTS_MAX) {
        struct contact *oldest = list_entry(c->used.prev, struct contact, used);
        if (&oldest->used == c->at)
            return; /* all of them were seen just now */
        drop(c, oldest);
        c->stats.evicted++;
    }
    bool is_new = !e;
    if (is_new && !(e = add(c, node)))
        return;
    /* The clock may also have been put back. */
    int64_t age = e->written_ms < c->now_ms ? c->now_ms - e->written_ms : e->written_ms - c->now_ms;
    if (is_new || e->via != via || age >= CONTACTS_STALE_MS)
        write_later(c, e);
    e->via = via;
    e->used_ms = c->now_ms;
    if (c->at == &e->used)
        return; /* seen twice */
    list_del(&e->used);
    list_add_between(&e->used, c->at, c->at->next);
    c->at = &e->used;
}

bool contacts_via(struct contacts *c, const struct ip6 *dst, struct ip6 *ret)
{
    const struct contact *e = find(c, ip6_node(dst));
    if (!e)
        return false;
    c->stats.asked++;
    *ret = network(e->via);
    return true;
}

size_t contacts_changed(struct contacts *c, struct store_contact *rows, size_t max)
{
    size_t n = 0;
    struct contact *e;
    while (n < max && (e = list_first(&c->changed, struct contact, changed))) {
        list_del(&e->changed);
        e->written_ms = e->used_ms;
        rows[n++] = (struct store_contact){.node = e->node, .via = e->via, .used_ms = e->used_ms};
    }
    c->stats.written += n;
    return n;
}

void contacts_failed(struct contacts *c)
{
    c->stats.failed++;
    list_foreach (l, &c->used)
        write_later(c, list_entry(l, struct contact, used));
}

void contacts_stats(const struct contacts *c, struct contacts_stats *ret)
{
    *ret = c->stats;
    ret->known = c->map.count;
}
