#include "bus/taps.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/client.h"
#include "bus/filter.h"

struct tap_copy {
    uint32_t refs;
    struct bus_message message; /* with its payload */
};

struct tap {
    struct hnode by_client;
    bus_client client;
    struct filter_node *filter;
    struct list same; /* of those with this filter */
    struct list due;
    bool paused;
    uint32_t first, n; /* in the ring */
    uint64_t bytes, dropped;
    struct tap_copy *ring[BUS_TAP_MESSAGES];
};

int taps_init(struct bus *b)
{
    list_init(&b->taps.due);
    int rc = filter_index_init(&b->taps.filtered, b->rng);
    return rc == OK ? hmap_init(&b->taps.by_client, b->rng) : rc;
}

static uint64_t hash_of(const struct bus *b, bus_client client)
{
    return hmap_hash(&b->taps.by_client, &client, sizeof(client));
}

static struct tap *tap_find(const struct bus *b, bus_client client)
{
    uint64_t hash = hash_of(b, client);
    for (struct hnode *h = hmap_first(&b->taps.by_client, hash); h; h = hmap_next(h, hash)) {
        struct tap *t = container_of(h, struct tap, by_client);
        if (t->client == client)
            return t;
    }
    return NULL;
}

static void copy_unref(struct tap_copy *c)
{
    if (!c || --c->refs > 0)
        return;
    blob_unref(c->message.payload);
    free(c);
}

static struct tap_copy *copy_new(const struct in_msg *m)
{
    struct tap_copy *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->refs = 1;
    client_message(m, blob_ref(m->payload), &c->message);
    c->message.file = 0; /* nobody waits with removing it */
    return c;
}

/* --- the ring ----------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct tap_copy *c)
{
    return c->message.payload ? c->message.len : 0;
}

static struct tap_copy *pop(struct tap *t)
{
    struct tap_copy *c = t->ring[t->first];
    t->first = (t->first + 1) % BUS_TAP_MESSAGES;
    t->n--;
    t->bytes -= bytes_of(c);
    return c;
}

static void drop_oldest(struct bus *b, struct tap *t)
{
    copy_unref(pop(t));
    t->dropped++;
    b->stats.tap_dropped++;
}

static void tap_ready(struct bus *b, struct tap *t)
{
    if (t->paused || t->n == 0)
        list_del(&t->due);
    else if (!list_linked(&t->due))
        list_push_back(&b->taps.due, &t->due);
}

static void put(struct bus *b, struct tap *t, struct tap_copy *c)
{
    if (t->n == BUS_TAP_MESSAGES)
        drop_oldest(b, t);
    while (t->n > 0 && t->bytes + bytes_of(c) > BUS_TAP_BYTES)
        drop_oldest(b, t);
    t->ring[(t->first + t->n++) % BUS_TAP_MESSAGES] = c;
    t->bytes += bytes_of(c);
    c->refs++;
    b->stats.tap_copies++;
    tap_ready(b, t);
}

void taps_see(struct bus *b, const struct in_msg *m)
{
    struct tap_copy *c = NULL;
    struct filter_walk w;
    struct list *same;
    if (b->taps.count == 0)
        return;
    filter_walk_begin(&w, &b->taps.filtered, m->topic, m->topic_len);
    while ((same = filter_walk_next(&w))) {
        if (!c)
            c = copy_new(m);
        list_foreach (l, same) {
            struct tap *t = list_entry(l, struct tap, same);
            if (c)
                put(b, t, c);
            else
                t->dropped++; /* no memory: told with the next one */
        }
    }
    copy_unref(c);
}

bool taps_next(struct bus *b, struct bus_out *ret)
{
    struct tap *t = list_first(&b->taps.due, struct tap, due);
    if (!t)
        return false;
    list_del(&t->due); /* the others have their turn */
    b->taps.lent = pop(t);
    tap_ready(b, t);
    ret->kind = BUS_OUT_TAPPED;
    ret->client = t->client;
    ret->message = &b->taps.lent->message;
    ret->dropped = t->dropped;
    t->dropped = 0;
    return true;
}

void taps_lent_end(struct bus *b)
{
    copy_unref(b->taps.lent);
    b->taps.lent = NULL;
}

/* --- calls -------------------------------------------------------------------------------- */

int bus_tap(struct bus *b, const struct bus_filter *f, bus_client client)
{
    int rc = filter_check(f);
    if (rc < 0 || client == 0)
        return ERR_INVAL;
    if (tap_find(b, client))
        return ERR_EXIST;
    if (b->taps.count >= BUS_TAPS_MAX)
        return ERR_LIMIT;
    struct tap *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    rc = filter_index_get(&b->taps.filtered, f, &t->filter);
    if (rc < 0) {
        free(t);
        return rc;
    }
    t->client = client;
    list_push_back(filter_waiters(t->filter), &t->same);
    hmap_add(&b->taps.by_client, &t->by_client, hash_of(b, client));
    b->taps.count++;
    return OK;
}

void bus_tap_pause(struct bus *b, bus_client client, bool paused)
{
    struct tap *t = tap_find(b, client);
    if (!t)
        return;
    t->paused = paused;
    tap_ready(b, t);
}

static void tap_free(struct bus *b, struct tap *t)
{
    while (t->n > 0)
        copy_unref(pop(t));
    list_del(&t->due);
    list_del(&t->same);
    filter_index_settle(&b->taps.filtered, t->filter);
    hmap_del(&b->taps.by_client, &t->by_client);
    b->taps.count--;
    free(t);
}

void bus_untap(struct bus *b, bus_client client)
{
    struct tap *t = tap_find(b, client);
    if (t)
        tap_free(b, t);
}

void taps_fini(struct bus *b)
{
    struct hnode *h;
    size_t slot = 0;
    taps_lent_end(b);
    if (!b->taps.by_client.slots)
        return;
    while ((h = hmap_each(&b->taps.by_client, &slot, NULL))) {
        tap_free(b, container_of(h, struct tap, by_client));
        slot = 0;
    }
    hmap_fini(&b->taps.by_client);
    filter_index_fini(&b->taps.filtered);
}
