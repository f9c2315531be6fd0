/* bus_core.h - the parts of struct bus, for the files of this folder.
 *
 * Who calls whom: bus.c dispatches to outbox/send_transfer (outgoing) and recv_transfer/inbox
 * (incoming); these use topics (who may send), calls, nodes, ops, seen, reads and the queue of
 * control packets below. */
#pragma once
#include "base/bucket.h"
#include "base/log.h"
#include "bus/asked.h"
#include "bus/bus.h"
#include "bus/calls.h"
#include "bus/changes.h"
#include "bus/forgets.h"
#include "bus/forward.h"
#include "bus/inbox.h"
#include "bus/kin.h"
#include "bus/leases.h"
#include "bus/mem_rows.h"
#include "bus/node.h"
#include "bus/ops.h"
#include "bus/outbox.h"
#include "bus/reads.h"
#include "bus/recv_file.h"
#include "bus/recv_transfer.h"
#include "bus/rule_changes.h"
#include "bus/seen.h"
#include "bus/send_chunks.h"
#include "bus/send_file.h"
#include "bus/subs.h"
#include "bus/taps.h"

/* ACKs, READs and ABORTs ready to leave; beyond it they are dropped, and asked for again. */
#define BUS_CONTROL_MAX 65536u
#define BUS_SWEEP_EVERY (10 * USEC_SEC)
/* After the start: a node that never lives for long must sweep, too. */
#define BUS_SWEEP_FIRST (200 * USEC_MS)
/* Operations that the store has not answered. Beyond it, what other nodes ask for is not begun:
 * INITs are not answered, late READs not noted. */
#define BUS_STORE_MAX 16384u
/* Rows of seen that one operation removes. */
#define BUS_SEEN_DROPS 512u

/* A store operation whose result interests nobody but the counters. */
struct note {
    struct op op;
    enum bus_store_kind kind; /* IN_DROP, OUT_READ, FILE_DROP */
    uint64_t seq;             /* FILE_DROP: number of the file */
    struct msg_id id;
    struct ip6 dst;
};

struct bus {
    struct ip6 self;
    uint8_t self_key[MSG_KEY_BYTES];
    struct bus_limits limits;
    struct rng *rng;
    bool plain;
    int64_t run_ms; /* bus_run_ms() at run_from */
    usec_t run_from;
    bus_room *room;
    void *room_ctx;

    struct nodes nodes;
    struct outbox out;
    struct mem_rows mem;
    struct parts parts;
    struct inbox in;
    struct leases leases;
    struct subs subs;
    struct taps taps;
    struct changes changes;
    struct forwards forwards;
    uint8_t token_key[BUS_TOKEN_KEY];
    struct seen seen;
    struct reads reads;
    struct forgets forgets;
    struct kins kins;
    struct asked_ids asked;
    struct topics *topics; /* in force */
    struct rule_changes rules;
    struct calls calls;
    struct ops ops;
    struct list control; /* struct control_packet, first out first */
    size_t n_control;
    struct op sweep;
    struct op seen_drop;
    struct bus_seen_key seen_keys[BUS_SEEN_DROPS]; /* until their removal is durable */
    size_t n_seen_keys;
    uint64_t store_flying; /* handed to the store and not answered, also of owners that are gone */
    usec_t sweep_at;
    uint64_t out_seq, in_seq;
    struct bus_stats stats;

    /* What bus_next() lends until it is called again. */
    struct instant next_at;
    struct bus_store_op store_op;
    struct blob *lent_body;
    uint8_t lent_acked[CHUNKS_PROGRESS_MAX];
    uint8_t lent_got[8 * (MSG_LEN_MAX / 250 + 1)];
    struct call *lent_call;
    struct bus_message message;
};

static inline bool bus_is_self(const struct bus *b, const struct ip6 *addr)
{
    return ip6_same_node(&b->self, addr);
}

/* Do the topic rules let this message in? docs/protocol/messages.md, "Topics". */
bool bus_admits(struct bus *b, const struct ip6 *src, const uint8_t src_key[static MSG_KEY_BYTES],
                const struct msg_id *id, bool reply, const uint8_t *topic, size_t topic_len);
/* Takes pkt (NULL: no memory when it was built; counted as not sent). */
void bus_control(struct bus *b, const struct ip6 *src, const struct ip6 *dst, struct pkt *pkt);
/* No row names this file any more, or none ever will. */
void bus_file_drop(struct bus *b, uint64_t file);
/* Asks the store for something whose result nobody waits for. */
void bus_note(struct bus *b, enum bus_store_kind kind, uint64_t seq, const struct msg_id *id,
              const struct ip6 *dst);
