/* fixture.h - one router on virtual time with scripted neighbours, for the tests of the routing
 * core. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "base/err.h"
#include "router/router.h"

#define FX_PEERS   8
#define FX_FRAMES  4096
#define FX_CAPTURE 2048

struct fx_frame {
    peer_id peer;
    struct pkt *pkt;
};

struct fx {
    struct identity *id;
    struct rng rng;
    struct router *r;
    usec_t now;
    bool auto_ihu; /* answer each Hello at once, as a living neighbour does */
    struct fx_frame frames[FX_FRAMES];
    size_t frames_len;
    struct router_out events[FX_CAPTURE]; /* all other outputs */
    size_t events_len;
};

/* Identities with fixed keys; R is the router under test. */
extern const struct router_id fx_x, fx_y, fx_z;
struct subnet fx_subnet_of(const struct router_id *rid);
struct router_id fx_router_id(uint8_t seed); /* any other identity */
struct subnet fx_own(const struct fx *f);

void fx_init(struct fx *f, const struct router_limits *limits); /* NULL: defaults */
void fx_fini(struct fx *f);
peer_id fx_up(struct fx *f); /* static cost 10: TCP over IPv6; one that asks for routes */
peer_id
fx_up_foreign(struct fx *f); /* one that says no Hello at once, and is told what it was asked */
peer_id fx_up_quiet(struct fx *f); /* and forgets what was sent meanwhile */
void fx_down(struct fx *f, peer_id p);

void fx_bytes(struct fx *f, peer_id from, const void *bytes, size_t len); /* one whole packet */
void fx_hex(struct fx *f, peer_id from, const char *hex);
void fx_tlv(struct fx *f, peer_id from, const struct tlv *t);
void fx_hello(struct fx *f, peer_id from);
void fx_hello_seqno(struct fx *f, peer_id from, uint16_t seqno);
void fx_ihu(struct fx *f, peer_id from);
void fx_update(struct fx *f, peer_id from, const struct router_id *rid, uint16_t metric,
               uint16_t seqno);
void fx_update_interval(struct fx *f, peer_id from, const struct router_id *rid, uint16_t metric,
                        uint16_t seqno, uint16_t interval_cs);
void fx_route_request(struct fx *f, peer_id from, const struct subnet *s, uint8_t generation);
/* This neighbour asks for the /64 of this origin, and what was sent because of that is forgotten: a
 * neighbour that asks for nothing is told nothing. */
void fx_want(struct fx *f, peer_id from, const struct router_id *rid);
void fx_seqno_request(struct fx *f, peer_id from, const struct router_id *rid, uint16_t seqno,
                      uint8_t hops);
void fx_advance(struct fx *f, usec_t by);

/* What was sent to a peer since the last look, in order: the first frame is taken and compared. */
void fx_expect_hex(struct fx *f, peer_id to, const char *hex);
void fx_expect_hello(struct fx *f, peer_id to, uint16_t nth); /* from 0 */
void fx_expect_ihu(struct fx *f, peer_id to, uint16_t cost);
void fx_expect_update(struct fx *f, peer_id to, const struct router_id *rid, uint16_t metric,
                      uint16_t seqno);
void fx_expect_own(struct fx *f, peer_id to, uint16_t seqno);
void fx_expect_retraction(struct fx *f, peer_id to, const struct subnet *s, uint16_t seqno);
void fx_expect_route_request(struct fx *f, peer_id to, const struct subnet *s, uint8_t generation);
void fx_expect_seqno_request(struct fx *f, peer_id to, const struct router_id *rid, uint16_t seqno,
                             uint8_t hops);
void fx_expect_none(struct fx *f, peer_id to);
void fx_expect_silence(struct fx *f);            /* nobody */
void fx_forget(struct fx *f);                    /* drops frames and events */
size_t fx_count(const struct fx *f, peer_id to); /* frames waiting */
/* Takes the next frame to a peer; NULL: none. The caller frees it. */
struct pkt *fx_take(struct fx *f, peer_id to);
/* Takes the first event of this kind; its pkt is the caller's. */
bool fx_event(struct fx *f, enum router_out_kind kind, struct router_out *ret);
struct router_stats fx_stats(const struct fx *f);

/* An address with a selected route? */
bool fx_reachable(const struct fx *f, const struct subnet *s);
