/* rig.h - several bus cores in one process, on virtual time, with links and stores that misbehave
 * as told. Every packet and answer that leaves a core is checked against what its store has
 * committed. */
#pragma once
#include "base/clock.h"
#include "bus/codec.h"
#include "tests/unit/bus/fake_spool.h"
#include "tests/unit/bus/fake_store.h"

#define RIG_NODES 3

struct rig_answer {
    bus_client client;
    enum bus_out_kind kind;
    int rc;
    struct msg_id id;
    bool has_message, reply;
    struct ip6 src, dst;
    struct topic topic;
    struct blob *payload;
    uint64_t file, len; /* instead, of a large message */
    uint64_t seq;
    struct bus_status_info status; /* STATUS, ACCEPTED */
    bool replayed;
    uint64_t dropped;                /* TAPPED */
    struct bus_status_info *entries; /* ENTRIES: n of them */
    uint64_t next_before;
    struct bus_message *messages; /* FETCHED: n of them, their payloads referenced */
    size_t n;
    size_t done; /* SETTLED, with n entries of `unknown` */
    bool *unknown;
};

struct rig_packet {
    struct list link;
    usec_t at;
    unsigned from;
    struct ip6 src, dst;
    uint16_t flags;
    size_t len;
    uint8_t bytes[];
};

struct rig_node {
    struct bus *bus; /* NULL: crashed */
    struct fake_store store;
    struct fake_spool spool;
    struct ip6 addr;
    uint8_t key[MSG_KEY_BYTES];
    struct bus_limits limits;
    bool plain;       /* as if it was of another program */
    bool power_cuts;  /* rig_crash() is one, else a kill -9 */
    bool memory_acks; /* its CHUNK ACKs without a trailer are not checked either */
    struct rig_answer *answers;
    size_t n_answers, cap_answers;
    usec_t commit_min, commit_max;
    bus_client next_client;
    size_t wants;
    usec_t want_at[64];
    size_t doubts;
    usec_t doubt_at[64];
    size_t outputs; /* everything bus_next() gave */
};

struct rig {
    usec_t now;
    int64_t wall_jump_ms; /* the wall clock is off by so much */
    uint64_t seed;
    struct rng rng;
    struct rig_node node[RIG_NODES];
    struct list flying; /* rig_packet by time */
    bool routes;        /* a wish for a route is answered */
    /* NULL: a doubt changes nothing. True: another path is taken. */
    bool (*doubted)(struct rig *r, unsigned node, const struct ip6 *dst);
    unsigned loss_ppm, dup_ppm;
    usec_t delay_min, delay_max;
    uint64_t link_bytes_per_s; /* 0: unlimited */
    usec_t link_free[RIG_NODES];
    /* Links are streams that lose packets below: such a packet comes a round trip later, now and
     * then two, and everything behind it waits for it. */
    unsigned stream_loss_ppm;
    usec_t stream_at[RIG_NODES];
    /* true: the packet is dropped */
    bool (*filter)(struct rig *r, const struct rig_packet *p);
    void *filter_ctx;
    struct list log; /* rig_packet sent to nobody of the rig, or all with log_all */
    bool log_all;
    size_t count[16]; /* packets by highest flag bit, without ACK */
    size_t checks;
};

void rig_init(struct rig *r, uint64_t seed);
void rig_fini(struct rig *r);
struct instant rig_instant(const struct rig *r);
void rig_start(struct rig *r, unsigned node);
void rig_crash(struct rig *r, unsigned node);
void rig_drain(struct rig *r, unsigned node);
/* Runs until `until` (absolute), or until nothing is due before. */
void rig_run(struct rig *r, usec_t for_time);

bus_client rig_send(struct rig *r, unsigned from, const struct ip6 *dst, struct blob *payload,
                    enum out_policy policy);
bus_client rig_send_ex(struct rig *r, unsigned from, struct bus_send *s);
bus_client rig_take(struct rig *r, unsigned node, int64_t wait_ms);
bus_client rig_fetch(struct rig *r, unsigned node, const struct bus_fetch *f);
bus_client rig_settle(struct rig *r, unsigned node, enum bus_settle_kind kind,
                      const struct bus_token *tokens, size_t n, int64_t ms);
/* Asks for a change of the topic rules and waits until it is done. `source` NULL: TOPIC_ADD, else
 * TOPIC_ALLOW. */
void rig_rule(struct rig *r, unsigned node, const char *topic, const char *source);
void rig_accept(struct rig *r, unsigned node, bool accept);                 /* the default action */
int rig_change(struct rig *r, unsigned node, const struct topic_change *c); /* how it ended */
bus_client rig_take_ex(struct rig *r, unsigned node, const struct bus_take *t);
enum out_state rig_status(struct rig *r, unsigned node, const struct msg_id *id);
/* The answer of this kind to this client; NULL: none yet. */
struct rig_answer *rig_answer(struct rig *r, unsigned node, bus_client client,
                              enum bus_out_kind kind);
/* A packet from an address outside of the rig. */
void rig_inject(struct rig *r, unsigned to, const struct ip6 *src, const void *bytes, size_t len);
/* First packet of the log, removed; NULL: none. free() it. */
struct rig_packet *rig_log_pop(struct rig *r);
struct blob *rig_pattern(size_t len); /* byte i = 7 i + 3 */
struct blob *rig_random(struct rig *r, size_t len);
/* A large message: a durable file of so many random bytes, sent. */
bus_client rig_send_file(struct rig *r, unsigned from, const struct ip6 *dst, uint64_t len,
                         enum out_policy policy);
