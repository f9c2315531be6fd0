/* One WebSocket on an API with a real bus, without sockets and without a disk: what is to be stored
 * is stored at once. For a test and a fuzz target; included by one file of a program. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/err.h"
#include "tests/unit/api/fake_raw.h"

static struct {
    struct api *api;
    struct bus *bus;
    struct rng rng;
    struct ip6 self;
    struct {
        struct bus_store_result res;
        bool out; /* an entry was asked for: there is none */
    } ops[4096];
    size_t n_ops;
} rig;

void http_more(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    abort();
}

bool http_answer_begin(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    (void)id;
    (void)r;
    abort();
}

bool http_answer_piece(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    (void)s;
    (void)id;
    (void)bytes;
    (void)len;
    abort();
}

void http_answer_break(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    abort();
}

static void rig_kick(void *ctx)
{
    (void)ctx;
}

static inline void rig_out(const struct bus_out *out)
{
    if (out->kind == BUS_OUT_PACKET) {
        pkt_free(out->pkt);
        return;
    }
    if (out->kind == BUS_OUT_WANT || out->kind == BUS_OUT_DOUBT)
        return;
    if (out->kind != BUS_OUT_STORE) {
        api_bus_answer(rig.api, out);
        return;
    }
    if (rig.n_ops == ARRAY_LEN(rig.ops))
        abort();
    bool find = out->store->kind == BUS_STORE_OUT_FIND || out->store->kind == BUS_STORE_OUT_GET;
    rig.ops[rig.n_ops++].res =
        (struct bus_store_result){.tag = out->store->tag, .rc = find ? ERR_NOENT : OK};
}

/* Until nothing happens any more. */
static inline void rig_drain(void)
{
    struct bus_out out;
    do {
        while (bus_next(rig.bus, instant_now(), &out))
            rig_out(&out);
        size_t n = rig.n_ops;
        rig.n_ops = 0;
        for (size_t i = 0; i < n; i++) {
            struct bus_store_result res = rig.ops[i].res;
            bus_stored(rig.bus, &res, instant_now());
        }
        if (n == 0 && fake.open && fake.wants && !fake.blocked) {
            fake.wants = false;
            fake.h.writable(fake.h.ctx);
            n = 1;
        }
        if (n == 0 && fake.in_len > 0 && !fake.full && !fake.blocked)
            fake_feed();
        if (n == 0 && !bus_next(rig.bus, instant_now(), &out))
            return;
        if (n == 0)
            rig_out(&out);
    } while (true);
}

static inline void rig_start(bool binary, uint64_t seed)
{
    struct bus_conf bc = {.rng = &rig.rng};
    struct api_conf ac = {.kick = rig_kick};
    const struct http_request r = {.id = 7,
                                   .method = HTTP_GET,
                                   .path = "/bus/v1/ws",
                                   .query = "",
                                   .content_type = "",
                                   .loopback = true,
                                   .upgrade = "websocket",
                                   .upgrading = true,
                                   .ws_version = "13",
                                   .ws_key = "dGhlIHNhbXBsZSBub25jZQ==",
                                   .ws_protocol =
                                       binary ? "mycelium.bus.v1.bin" : "mycelium.bus.v1.json"};
    memset(&rig, 0, sizeof(rig));
    fake_reset();
    rng_init_seeded(&rig.rng, seed);
    if (ip6_parse("400::1", &bc.self) < 0)
        abort();
    rig.self = bc.self;
    bus_limits_default(&bc.limits);
    if (bus_new(&bc, instant_now(), &rig.bus) < 0)
        abort();
    bus_load_end(rig.bus, 0, 0, instant_now());
    ac.bus = rig.bus;
    if (api_new(&ac, &rig.api) < 0)
        abort();
    struct http_handler h = api_handler(rig.api);
    h.request(h.ctx, &r);
    if (!fake.open)
        abort();
    rig_drain();
}

static inline void rig_stop(void)
{
    fake.blocked = false;
    fake_gone();
    rig_drain();
    api_free(rig.api);
    bus_free(rig.bus);
    fake_reset();
}

/* One frame of the client, with a mask of zeros. */
static inline void rig_say_bytes(bool text, const void *bytes, size_t len)
{
    uint8_t head[14] = {text ? 0x81 : 0x82};
    size_t n = 2;
    if (len < 126) {
        head[1] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        n = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    memset(head + n, 0, 4);
    if (!fake.open)
        return;
    fake_append(&fake.in, &fake.in_len, head, n + 4);
    fake_append(&fake.in, &fake.in_len, bytes, len);
    if (!fake.blocked)
        fake_feed();
    rig_drain();
}
