#include "bus/calls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/timer.h"

int calls_init(struct calls *c, struct rng *r)
{
    list_init(&c->due);
    heap_init(&c->expires);
    c->ticket = 0;
    c->waiting = 0;
    int rc = hmap_init(&c->by_client, r);
    if (rc == OK)
        rc = hmap_init(&c->by_reply, r);
    if (rc == OK)
        rc = hmap_init(&c->by_watch, r);
    return rc;
}

void calls_fini(struct calls *c)
{
    assert(c->by_client.count == 0);
    hmap_fini(&c->by_client);
    hmap_fini(&c->by_reply);
    hmap_fini(&c->by_watch);
    heap_fini(&c->expires);
}

static uint64_t client_hash(const struct calls *c, bus_client client)
{
    return hmap_hash(&c->by_client, &client, sizeof(client));
}

struct call *call_find(const struct calls *c, bus_client client)
{
    uint64_t hash = client_hash(c, client);
    for (struct hnode *h = hmap_first(&c->by_client, hash); h; h = hmap_next(h, hash)) {
        struct call *call = container_of(h, struct call, by_client);
        if (call->client == client)
            return call;
    }
    return NULL;
}

struct call *call_new(struct calls *c, bus_client client, enum call_kind kind)
{
    if (call_find(c, client))
        return NULL;
    struct call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    if (timer_add(&c->expires, &call->expire) != OK) {
        free(call);
        return NULL;
    }
    call->client = client;
    call->kind = kind;
    call->op.owner = OP_CALL;
    hmap_add(&c->by_client, &call->by_client, client_hash(c, client));
    return call;
}

void call_free(struct calls *c, struct call *call)
{
    assert(!call->msg && !call->waits && !list_linked(&call->wait) && !call->by_reply_in &&
           !call->watching);
    list_del(&call->due);
    heap_del(&c->expires, &call->expire);
    hmap_del(&c->by_client, &call->by_client);
    free(call);
}

void call_due(struct calls *c, struct call *call)
{
    if (!list_linked(&call->due))
        list_push_back(&c->due, &call->due);
}

static uint64_t reply_hash(const struct calls *c, uint64_t node, const struct msg_id *id)
{
    uint8_t key[8 + MSG_ID_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    return hmap_hash(&c->by_reply, key, sizeof(key));
}

void call_reply_add(struct calls *c, struct call *call)
{
    call->by_reply_in = true;
    hmap_add(&c->by_reply, &call->by_reply, reply_hash(c, call->node, &call->id));
}

void call_reply_del(struct calls *c, struct call *call)
{
    if (call->by_reply_in)
        hmap_del(&c->by_reply, &call->by_reply);
    call->by_reply_in = false;
}

struct call *call_reply_find(const struct calls *c, uint64_t node, const struct msg_id *id)
{
    uint64_t hash = reply_hash(c, node, id);
    for (struct hnode *h = hmap_first(&c->by_reply, hash); h; h = hmap_next(h, hash)) {
        struct call *call = container_of(h, struct call, by_reply);
        if (call->node == node && memcmp(call->id.b, id->b, MSG_ID_BYTES) == 0)
            return call;
    }
    return NULL;
}

static uint64_t watch_hash(const struct calls *c, const struct msg_id *id)
{
    return hmap_hash(&c->by_watch, id->b, MSG_ID_BYTES);
}

void call_watch_add(struct calls *c, struct call *call)
{
    call->watching = true;
    hmap_add(&c->by_watch, &call->by_watch, watch_hash(c, &call->id));
}

void call_watch_del(struct calls *c, struct call *call)
{
    if (call->watching)
        hmap_del(&c->by_watch, &call->by_watch);
    call->watching = false;
}

struct call *call_watch_find(const struct calls *c, const struct msg_id *id)
{
    uint64_t hash = watch_hash(c, id);
    for (struct hnode *h = hmap_first(&c->by_watch, hash); h; h = hmap_next(h, hash)) {
        struct call *call = container_of(h, struct call, by_watch);
        if (memcmp(call->id.b, id->b, MSG_ID_BYTES) == 0)
            return call;
    }
    return NULL;
}
