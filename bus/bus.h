/* bus.h - the message bus: durable outbox, transfers in both directions, inbox, replies.
 *
 * A core like the router: clients' calls, packets, store results, routes and `now` go in; packets
 * to send, store operations and answers for clients come out. It owns the rules of durability:
 * nothing is answered or acknowledged before the store operation that covers it came back with OK.
 *
 *     bus_recv(b, &src, &dst, &key, body, now);      // or bus_send(), bus_stored(), bus_route()
 * ... while (bus_next(b, now, &out)) apply(&out); arm_timer(bus_deadline(b));
 *
 * Owns: all live messages and transfers; payloads it shares with the store (base/blob.h).
 * Thread: loop. Never: touches a socket, a disk or a clock; calls back.
 * Protocol: docs/protocol/messages.md and docs/protocol/durability.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip6.h"
#include "base/pkt.h"
#include "base/rng.h"
#include "base/wire.h"
#include "bus/bus_stats.h"
#include "bus/message.h"
#include "bus/topic_limits.h"

struct bus;
struct topics;
struct topic_change;
struct topic_rule;

/* Everything that a remote or a client can make grow, with the reaction at the limit. */
struct bus_limits {
    uint32_t out_messages_node; /* live, per destination node (100,000): ERR_LIMIT to the client */
    uint64_t out_bytes_node;    /* (4 GiB): ERR_LIMIT */
    uint32_t out_messages; /* live, in all; some 500 bytes of memory each (200,000): ERR_LIMIT */
    uint64_t out_bytes;    /* all live payloads (10 GiB): ERR_NOSPACE */
    uint32_t out_memory_messages; /* live ones that only memory has (65,536): ERR_LIMIT */
    uint64_t out_memory_bytes;    /* (64 MiB): ERR_LIMIT */
    uint32_t out_memory_ended;   /* their entries after their end, some 250 bytes each (65,536): the
                                    oldest goes */
    uint32_t out_transfers_node; /* started at a time, per node (256): waits in QUEUED */
    uint32_t out_transfers;      /* in all (1024): waits in QUEUED */
    uint64_t out_cache_bytes;    /* payloads of waiting messages kept in memory (16 MiB); others are
                                    read back from the store when their turn comes. As much again
                                    for transfers that wait without a slot: others keep theirs */
    uint32_t in_parts_node;      /* incomplete, per source node (256): INIT not answered */
    uint64_t in_parts_bytes; /* announced bytes of all incomplete messages in memory (64 MiB): not
                                answered */
    uint32_t in_messages;    /* complete and there, in all; some 500 bytes of memory each (200,000):
                                INIT not answered */
    uint64_t in_bytes;       /* (10 GiB): INIT not answered */
    uint32_t in_topic_messages; /* ready or on lease, per topic without limits of its own
                                   (100,000): INIT not answered */
    uint64_t in_topic_bytes;    /* (4 GiB): INIT not answered */
    uint32_t topics;            /* with limits of their own (4096): ERR_LIMIT */
    uint32_t tries;             /* leases of a message that may fail (5): then it is dead */
    uint32_t dead_messages;     /* (10,000): the oldest dead one goes */
    int64_t dead_keep_ms;       /* (7 days): then it goes */
    int64_t lease_default_ms;   /* (30,000) */
    uint64_t in_cache_bytes;    /* payloads of these kept in memory (16 MiB) */
    uint32_t seen;           /* remembered ids of received messages, some 150 bytes of memory each
                                (1,000,000): not answered */
    uint32_t init_per_sec;   /* per source node (20,000, burst the same): not answered */
    uint32_t forwards_topic; /* on lease for the socket of one topic (16): the others wait */
    uint32_t waiters;        /* clients waiting for a message or a reply (4096): ERR_LIMIT */
    /* Large messages, whose payload is in a file. */
    uint64_t len_max;        /* (1 GiB), at most MSG_LEN_CEILING: ERR_TOOBIG; INIT refused */
    uint64_t len_plain_max;  /* (64 MiB) towards nodes of other programs, which need more than twice
                                of it in memory: ERR_TOOBIG, or OUT_REASON_TOO_LARGE once it is known
                                what the node is; unless the client forces it */
    uint32_t out_files_node; /* transfers of them at a time, per node (4): waits in QUEUED */
    uint64_t out_read_bytes; /* of files, read ahead of their turn (16 MiB): waits */
    uint32_t in_files_plain; /* incomplete ones, per node of another program (4): not answered */
    uint64_t in_files_node;  /* announced bytes of incomplete ones, per source node (2 GiB): INIT
                                not answered */
    uint64_t in_files_bytes; /* of all (4 GiB): not answered */
    uint64_t in_write_bytes; /* came and is not written yet (16 MiB): comes again */
    int64_t ttl_default_ms;  /* 300,000 */
    int64_t ttl_max_ms;      /* 30 days: ERR_INVAL */
    int64_t status_keep_ms;  /* finished entries, from creation (600,000) */
};
void bus_limits_default(struct bus_limits *l);

struct bus_conf {
    struct ip6 self; /* own address; the /64 around it is "this node" */
    uint8_t self_key[MSG_KEY_BYTES];
    struct bus_limits limits;
    struct rng *rng; /* borrowed for the bus's life */
    bool plain;      /* neither says nor understands what only nodes of this program do */
};
MUST_CHECK int bus_new(const struct bus_conf *c, struct instant now, struct bus **ret);
void bus_free(struct bus *b);
const struct bus_limits *bus_limits(const struct bus *b); /* lends */

/* --- start: rows of the store, before anything else, in the order of their seq --------------- */

/* Numbers from here on are of messages that only memory has; the store knows none of them. */
#define BUS_SEQ_MEMORY (UINT64_C(1) << 52)

struct bus_out_row {
    uint64_t seq; /* 1.., rises with acceptance, never used twice */
    struct msg_id id;
    struct ip6 src, dst;
    bool reply;
    enum out_state state;
    enum out_policy policy;
    bool forced;  /* struct bus_send, force */
    uint8_t prio; /* below OUT_PRIOS */
    bool ordered;
    uint32_t many; /* it has the key of a push to so many destinations: they follow; 0: one */
    struct idem_key idem;
    enum out_reason reason;
    int64_t created_ms, deadline_ms, final_ms; /* wall */
    uint64_t len;
    uint8_t sum[MSG_SUM_BYTES];
    struct topic topic;
    struct blob *body; /* borrowed; may be NULL when loading: read later with BUS_STORE_OUT_BODY */
    uint64_t file;     /* instead of body, above MSG_LEN_MAX; 0 when loading: it is not there */
    const uint8_t *acked; /* with a file: how far its transfer has come; borrowed */
    size_t acked_len;
};
struct bus_in_row {
    uint64_t
        seq; /* order in which clients see READY messages; a PART has its own until it is READY */
    enum in_state state;
    struct ip6 src, dst;
    uint8_t src_key[MSG_KEY_BYTES];
    struct msg_id id;
    bool reply;
    int64_t recv_ms;   /* wall: INIT of a PART, completion of READY */
    int64_t expire_ms; /* of a PART, by bus_run_ms(); 0: none */
    uint64_t len;
    uint8_t sum[MSG_SUM_BYTES]; /* READY */
    struct topic topic;
    struct blob *body;  /* borrowed; PART: the bytes up to the last one that came, holes undefined;
                           READY may be NULL */
    uint64_t file;      /* instead of body, above MSG_LEN_MAX; 0 when loading: it is not there */
    const uint8_t *got; /* PART: per chunk index a pair (offset u32, end u32) big endian of what is
                           there, 0 0 where nothing is; with a file: ranges, see bus/ranges.h */
    size_t got_len;
    uint64_t chunks_seen; /* PART: highest chunk index seen + 1 */
    /* Complete: leases that failed since it was last requeued, and given out in all; since when it
     * is in this state (wall). */
    uint32_t tries, offers;
    int64_t since_ms;
};
struct bus_seen_row {
    uint64_t seq;  /* of the message when it became READY; with expire_ms the name of the row */
    uint64_t node; /* /64 of the sender: ip6_node() */
    struct msg_id id;
    bool reply;
    bool ours; /* its sender says when it may be forgotten */
    uint8_t sum[MSG_SUM_BYTES];
    uint64_t len;
    uint64_t count;    /* chunk count of its DONE: echoed in a repeated DONE ACK */
    int64_t expire_ms; /* by bus_run_ms() */
};
MUST_CHECK int bus_load_out(struct bus *b, const struct bus_out_row *row, struct instant now);
MUST_CHECK int bus_load_in(struct bus *b, const struct bus_in_row *row, struct instant now);
MUST_CHECK int bus_load_seen(struct bus *b, const struct bus_seen_row *row, struct instant now);
/* How late it is by the clock that remembered ids and incomplete messages expire by: milliseconds
 * that start with the wall clock of the first life and go on only while a node runs. A wall clock
 * that jumps, then or while no node runs, makes nothing expire early. */
int64_t bus_run_ms(const struct bus *b, struct instant now);
/* Call first: the store's highest. Without it the clock starts with the wall clock. */
void bus_load_run_ms(struct bus *b, int64_t run_ms, struct instant now);
/* Rules that clients made; at the start, before or after bus_set_topics(). ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int bus_load_rule(struct bus *b, const struct topic_rule *r);
void bus_load_rule_default(struct bus *b, bool accept);
/* The store's own random bytes, which make tokens that outlive a restart. Without them the bus
 * makes some for its life. */
#define BUS_TOKEN_KEY 16
void bus_load_key(struct bus *b, const uint8_t key[static BUS_TOKEN_KEY]);
/* Highest seq ever used in either table. Call once, last. */
void bus_load_end(struct bus *b, uint64_t out_seq, uint64_t in_seq, struct instant now);

/* --- clients ------------------------------------------------------------------------------ */

/* The caller's number for one call under way; comes back in the answer. Never 0. */
typedef uint64_t bus_client;

struct bus_send {
    struct ip6 dst;     /* inside 400::/7, else ERR_INVAL; own /64: delivered here */
    struct topic topic; /* of a reply: ignored */
    struct blob
        *payload; /* borrowed (the bus takes its own reference); ERR_TOOBIG above MSG_LEN_MAX */
    struct msg_file file; /* instead, above MSG_LEN_MAX: durable already. With OK it is the bus's,
                             which removes it when the message is gone, or was a repeated one */
    bool force;           /* above limits.len_plain_max, whatever the receiver is */
    int64_t ttl_ms;       /* 0: default */
    enum out_policy policy;
    uint8_t prio; /* ERR_INVAL from OUT_PRIOS on */
    bool ordered; /* starts when the ordered one before it to the same node and topic is at its end;
                     ERR_INVAL with in_memory */
    /* The same key with the same content: what came of the first one is told, and nothing is sent.
     * With other content: ERR_EXIST, as BUS_OUT_ACCEPTED. Known as long as the entry is. */
    struct idem_key idem;
    bool reply; /* answers `reply_to` */
    struct msg_id reply_to;
    bool in_memory;        /* accepted at once, never on disk here, lost with the process; not with
                              a file: ERR_TOOBIG */
    int64_t reply_wait_ms; /* > 0: wait for the reply after acceptance (not with `reply`) */
    /* > 0: after acceptance wait so long until its entry has an index above this one, as with
     * bus_out_wait(); not with reply_wait_ms. */
    int64_t index_wait_ms;
    uint32_t index;
};
#define BUS_DSTS_MAX 1000
/* One call per client at a time: ERR_BUSY.
 * Answers follow as BUS_OUT_ACCEPTED and, with reply_wait_ms, then BUS_OUT_TAKEN (id and status
 * set, message NULL on time-out); with index_wait_ms, then BUS_OUT_STATUS. ERR_* at once:
 * ERR_LIMIT, ERR_NOSPACE, ERR_INVAL, ERR_TOOBIG, ERR_NOMEM, ERR_PERM (to this node itself, whose
 * topic rules refuse it). */
MUST_CHECK int bus_send(struct bus *b, const struct bus_send *m, bus_client client,
                        struct instant now);

/* The same message to n destinations, 2 to BUS_DSTS_MAX: all or none, in one commit. m->dst is
 * ignored; not with reply, reply_wait_ms or a file (ERR_INVAL, ERR_TOOBIG), and one of them at most
 * may be this node (ERR_EXIST). BUS_OUT_ACCEPTED comes with a page: an entry for each, in the same
 * order. *ret_at: the destination that an error is about; n: none of them. */
MUST_CHECK int bus_send_many(struct bus *b, const struct bus_send *m, const struct ip6 *dsts,
                             size_t n, bus_client client, struct instant now, size_t *ret_at);

struct bus_take {
    bool any_topic; /* else only messages with exactly `topic` (which may be empty) */
    struct topic topic;
    bool peek;        /* leave it there, tell nobody */
    int64_t wait_ms;  /* 0: answer at once */
    uint64_t max_len; /* 0: any. A longer one stays where it is: BUS_OUT_TAKEN with ERR_TOOBIG */
};
/* The answer is BUS_OUT_TAKEN. Waiters of the same topic are served in the order in which they
 * came. */
MUST_CHECK int bus_take(struct bus *b, const struct bus_take *t, bus_client client,
                        struct instant now);
/* The client went away. A message already on its way to it stays removed only if its removal was
 * already asked of the store; else it is there for the next one. */
void bus_forget_client(struct bus *b, bus_client client);
/* The answer is BUS_OUT_STATUS: newest entry with this id. */
MUST_CHECK int bus_status(struct bus *b, const struct msg_id *id, bus_client client,
                          struct instant now);

/* --- clients: messages on lease ------------------------------------------------------------
 *
 * A message that is fetched stays the bus's until its token is settled: READY -> LEASED; ack: gone
 * (durable before the answer, then READ is told); nack and the end of the lease: READY again and
 * one try more, DEAD after limits.tries of them; term: DEAD. Leases live in memory: a restart ends
 * them all. Order: by seq, repeats excepted; clients that wait: who waits longest goes first. */

#define BUS_FETCH_MAX     256  /* messages of one fetch */
#define BUS_SETTLE_MAX    1000 /* tokens of one call */
#define BUS_CONSUMER_MAX  64   /* characters of a name */
#define BUS_LEASE_MIN_MS  1000
#define BUS_LEASE_MAX_MS  3600000
#define BUS_DELAY_MAX_MS  86400000
#define BUS_LIST_MAX      1000  /* entries of one page */
#define BUS_LIST_SCAN_MAX 20000 /* messages looked at for one page */

struct bus_filter {
    enum bus_filter_kind { BUS_ANY, BUS_TOPIC, BUS_PREFIX, BUS_PATTERN } kind;
    struct topic topic; /* TOPIC: exactly this one; PREFIX: begins so; PATTERN: bus/pattern.h */
};

#define BUS_TOKEN_TAG     12
#define BUS_TOKEN_STR_MAX 64
struct bus_token {
    uint64_t seq;
    uint32_t generation;
    uint8_t tag[BUS_TOKEN_TAG];
};
const char *bus_token_str(const struct bus_token *t, char buf[static BUS_TOKEN_STR_MAX]);
/* ERR_INVAL: not of the form that bus_token_str() makes. */
MUST_CHECK int bus_token_parse(const char *text, size_t len, struct bus_token *ret);

struct bus_fetch {
    struct bus_filter filter;
    bool socket;        /* messages for a socket, of any topic and with no other word than that
                           (bus/forward.h); for the forwarder, which waits outside of the limit */
    uint32_t max;       /* 1 .. BUS_FETCH_MAX */
    uint64_t max_bytes; /* of payloads; the first message comes in any case, without its payload if
                           that is longer */
    int64_t wait_ms;    /* 0: answer at once */
    int64_t lease_ms;   /* 0: default; BUS_LEASE_MIN_MS .. BUS_LEASE_MAX_MS */
    char consumer[BUS_CONSUMER_MAX + 1]; /* "": none. Names a taker: with another session the leases
                                            of this name fail at once, what matches comes with this
                                            fetch, and a fetch that waits is answered empty */
    uint64_t session;                    /* the caller's number for the client's connection */
};
/* The answer is BUS_OUT_FETCHED. A client that goes away before it gets nothing on lease. ERR_*:
 * ERR_INVAL, ERR_LIMIT (clients that wait, levels of their patterns), ERR_NOMEM, ERR_BUSY. */
MUST_CHECK int bus_fetch(struct bus *b, const struct bus_fetch *f, bus_client client,
                         struct instant now);

enum bus_settle_kind {
    BUS_ACK,   /* by any token that the message ever had */
    BUS_NACK,  /* by its present lease: ready again after ms */
    BUS_RENEW, /* by its present lease: it lasts ms from now (0: default) */
    BUS_TERM,  /* by its last lease: dead */
};
/* The answer is BUS_OUT_SETTLED: at once for NACK and RENEW, else once durable. A token that names
 * nothing (any more) is told as unknown. ERR_INVAL: number of tokens, ms. */
MUST_CHECK int bus_settle(struct bus *b, enum bus_settle_kind kind, const struct bus_token *tokens,
                          size_t n, int64_t ms, bus_client client, struct instant now);

/* --- the inbox as operators see it; nothing here tells a sender that a message was read ---------
 */

struct bus_inbox_entry {
    uint64_t seq;
    enum in_state state; /* PART and PART_FULL: still coming */
    struct msg_id id;
    struct ip6 src, dst;
    uint8_t src_key[MSG_KEY_BYTES];
    bool reply;
    struct topic topic;
    int64_t recv_ms;
    int64_t expire_ms;  /* 0: never */
    int64_t lease_ms;   /* LEASED: its end; READY: not given out before (nack); 0: none. Wall */
    uint32_t offers;    /* how often it was given out on lease */
    uint64_t len, have; /* have: bytes there, while it is coming; else len */
    char consumer[BUS_CONSUMER_MAX + 1];
};
struct bus_inbox_list {
    struct bus_filter filter;
    bool receiving, ready, leased, dead; /* which states */
    uint64_t after;                      /* seq */
    uint32_t limit;                      /* 1 .. BUS_LIST_MAX */
};
/* At most l->limit entries in the order of seq. *ret_next: what to put into `after` for the next
 * page, which may come with fewer entries, even none; 0: that was all. ERR_INVAL, ERR_NOMEM. */
MUST_CHECK int bus_inbox_list(const struct bus *b, const struct bus_inbox_list *l,
                              struct instant now, struct bus_inbox_entry *ret, size_t *ret_n,
                              uint64_t *ret_next);
MUST_CHECK int bus_inbox_get(const struct bus *b, uint64_t seq, struct instant now,
                             struct bus_inbox_entry *ret); /* ERR_NOENT */
/* The answer is BUS_OUT_BODY. ERR_NOENT, also while it is coming. */
MUST_CHECK int bus_inbox_body(struct bus *b, uint64_t seq, bus_client client, struct instant now);
/* Throws it away, whatever its state. The answer is BUS_OUT_SETTLED once durable. ERR_NOENT;
 * ERR_STATE: it is becoming complete at this moment. */
MUST_CHECK int bus_inbox_drop(struct bus *b, uint64_t seq, bus_client client, struct instant now);
/* DEAD or LEASED: ready again, with its tries before it. The answer as before. ERR_NOENT, also
 * while it is coming. */
MUST_CHECK int bus_inbox_requeue(struct bus *b, uint64_t seq, bus_client client,
                                 struct instant now);

/* l NULL: no limits of its own. Holds until bus_free(). ERR_LIMIT, ERR_INVAL (expire_ms),
 * ERR_NOMEM. */
MUST_CHECK int bus_topic_limits_set(struct bus *b, const struct topic *topic,
                                    const struct bus_topic_limits *l, struct instant now);

/* --- clients: the outbox --------------------------------------------------------------------
 *
 * Entries are there until they are swept, status_keep_ms after their creation. */

struct bus_out_ref {
    uint64_t seq;     /* 0: the newest with this id */
    struct msg_id id; /* replies share it with what they answer */
};
/* The answer is BUS_OUT_STATUS: OK or ERR_NOENT. */
MUST_CHECK int bus_out_entry(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                             struct instant now);
/* The same, but when the entry has an index above this one, or after wait_ms and up to a sixteenth
 * more. ERR_LIMIT: too many clients wait. */
MUST_CHECK int bus_out_wait(struct bus *b, const struct bus_out_ref *ref, uint32_t index,
                            int64_t wait_ms, bus_client client, struct instant now);
/* The answer is BUS_OUT_STATUS. OK: cancelled now or earlier, durably; the receiver is told after
 * that. ERR_STATE: final in another way. */
MUST_CHECK int bus_out_cancel(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                              struct instant now);
/* Back-off is forgotten, a route asked for, what was not answered sent again. The answer is
 * BUS_OUT_STATUS. ERR_STATE: final. */
MUST_CHECK int bus_out_retry(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                             struct instant now);

#define BUS_OUT_LIST_MAX 1000 /* entries of one page */
struct bus_out_filter {
    unsigned states; /* bit n: those in enum out_state n; 0: all */
    bool by_dst, by_id;
    struct ip6 dst; /* those to its /64 */
    struct msg_id id;
    uint64_t before; /* only with a lower seq; 0: from the newest on */
    uint32_t limit;  /* 1 .. BUS_OUT_LIST_MAX */
};
/* The answer is BUS_OUT_ENTRIES, newest first. A page may have fewer entries than asked for, or
 * none, and not be the last. */
MUST_CHECK int bus_out_list(struct bus *b, const struct bus_out_filter *f, bus_client client,
                            struct instant now);

/* --- topic rules -------------------------------------------------------------------------- */

/* Lends the rules in force (bus/topic_rules.h), until one is changed. A refused sender hears
 * nothing; one that speaks our extension is told, and ends its message as OUT_REFUSED. What was
 * begun under old rules goes on. */
const struct topics *bus_topics(const struct bus *b);
/* The answer is BUS_OUT_CHANGED: OK, once it is durable and in force. ERR_LIMIT of the rules and
 * what the store says come with it; nothing was changed then. At once: ERR_BUSY, ERR_NOMEM. */
MUST_CHECK int bus_topic_change(struct bus *b, const struct topic_change *c, bus_client client,
                                struct instant now);
/* Takes t on OK: the rules of a file. They replace all; the stored ones that clients made come
 * back where t says nothing of a topic, or of the default. The limits of its rules take the place
 * of those of the rules before. ERR_LIMIT (together too many), ERR_NOMEM: the rules stay as they
 * were, limits may not; t is the caller's and not as it was. */
MUST_CHECK int bus_set_topics(struct bus *b, struct topics *t, struct instant now);

/* --- network ------------------------------------------------------------------------------ */

/* One message packet, unsealed and without user header; borrows. */
void bus_recv(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
              const uint8_t src_key[static MSG_KEY_BYTES], struct wire_rd body, struct instant now);
/* A route to the /64 of dst was found or lost. Also the answer to a BUS_OUT_WANT for a node whose
 * route is known already. */
void bus_route(struct bus *b, const struct ip6 *dst, bool reachable, struct instant now);
/* A link came up: routes may be had that were not before. */
void bus_peer_up(struct bus *b, struct instant now);
/* The route to the /64 of dst leads over another neighbour now: what was not answered is sent again
 * at once. */
void bus_rerouted(struct bus *b, const struct ip6 *dst, struct instant now);
/* A link's queue has room again: messages that waited for it go on. */
void bus_unblocked(struct bus *b, struct instant now);

/* --- store -------------------------------------------------------------------------------- */

enum bus_store_kind {
    BUS_STORE_OUT_PUT, /* insert `out`; with `in` set too (message to oneself): both in one commit.
                          A row with its idem key is there: ERR_EXIST, and -> out */
    BUS_STORE_OUT_STATE, /* out.seq gets out.state, reason, final_ms; final: the body goes */
    BUS_STORE_OUT_READ,  /* the RECEIVED entry (out.id, node of out.dst) becomes READ, if there is
                            one */
    BUS_STORE_OUT_BODY,  /* read the body of out.seq */
    BUS_STORE_OUT_FIND,  /* read the newest entry with out.id */
    BUS_STORE_OUT_GET,   /* read the entry out.seq */
    BUS_STORE_OUT_LIST,  /* read entries by `filter`, newest first */
    BUS_STORE_IN_PART,   /* insert or update the PART in.seq (in.state PART or PART_FULL) */
    BUS_STORE_IN_READY,  /* remove PART `part_seq` (0: none), insert `in`; has_seen: and `seen`.
                            after_seq (0: none) is not in the inbox: nothing, ERR_NOENT */
    BUS_STORE_IN_TAKE, /* remove READY in.seq (a client takes it); want_body: read the body first */
    BUS_STORE_IN_BODY, /* read the body of in.seq, leave it there */
    BUS_STORE_IN_DROP, /* remove PART in.seq */
    BUS_STORE_SEEN_DROP, /* remove the rows of seen that `keys` names */
    BUS_STORE_IN_STATE, /* complete in.seq gets in.state (READY, LEASED, DEAD), in.tries, in.offers,
                           in.since_ms */
    BUS_STORE_RULE_PUT, /* insert or replace the rule of rule.topic: rule.rule */
    BUS_STORE_RULE_DROP,    /* remove it, if it is there */
    BUS_STORE_RULE_DEFAULT, /* the default action: rule.accept */
    BUS_STORE_SWEEP, /* remove finished out rows created before wall `before_ms`, seen rows expired
                        before run_ms */
    BUS_STORE_OUT_ACKED, /* out.seq, which has a file, gets out.acked */
    /* Files of large messages, all of them about `file`. Done in the order of their coming, each
       kind as its namesake in storage/spool.h. */
    BUS_STORE_FILE_CREATE,
    BUS_STORE_FILE_WRITE,
    BUS_STORE_FILE_SYNC,
    BUS_STORE_FILE_READ, /* -> body */
    BUS_STORE_FILE_SUM,  /* -> hashed, sum */
    BUS_STORE_FILE_DROP,
};

/* A row like another one, for another destination. */
struct bus_out_copy {
    uint64_t seq;
    struct msg_id id;
    struct ip6 dst;
    bool here; /* to this node: RECEIVED by this commit */
};

/* One row of seen. */
struct bus_seen_key {
    int64_t expire_ms;
    uint64_t seq;
};

/* The pointers inside are borrowed until bus_next() is called again: copy or blob_ref() them. */
struct bus_store_op {
    enum bus_store_kind kind;
    uint64_t tag; /* comes back in bus_stored() */
    struct bus_out_row out;
    struct bus_in_row in;
    struct bus_seen_row seen;
    uint64_t part_seq, after_seq;
    bool has_out, has_in; /* OUT_PUT: has_in; IN_READY: has_out never */
    bool has_seen;        /* IN_READY: there is a row for seen */
    bool want_body;
    int64_t before_ms;
    int64_t run_ms; /* now; with every operation */
    const struct bus_seen_key *keys;
    size_t n_keys;
    const struct bus_out_copy *copies; /* OUT_PUT: all in one commit, with one payload */
    size_t n_copies;
    struct bus_out_filter filter; /* OUT_LIST */
    struct {
        uint64_t number, offset, len, solid;
        struct blob *data; /* WRITE */
    } file;
    struct { /* RULE_PUT, RULE_DROP, RULE_DEFAULT */
        const struct topic *topic;
        const struct topic_rule *rule;
        bool accept;
    } rule;
};

struct bus_store_result {
    uint64_t tag;
    int rc;            /* OK, ERR_NOENT (reads), ERR_EXIST (OUT_PUT), ERR_IO, ERR_NOSPACE */
    struct blob *body; /* OUT_BODY, IN_BODY, IN_TAKE; borrowed */
    struct bus_out_row
        out;   /* OUT_FIND, OUT_GET; OUT_PUT with ERR_EXIST, seq 0: it was not the key */
    bool more; /* SWEEP: rows are left for another one */
    const struct bus_out_row *rows; /* OUT_LIST; OUT_PUT with ERR_EXIST, of a key for many: those
                                       of the push that are there; n_rows of them, borrowed */
    size_t n_rows;
    uint64_t next_before; /* OUT_LIST: where to go on; 0: that was all */
    uint64_t hashed;      /* FILE_SUM: less than its len: ask again */
    const uint8_t *sum;   /* FILE_SUM: borrowed */
};
void bus_stored(struct bus *b, const struct bus_store_result *res, struct instant now);

/* --- driving ------------------------------------------------------------------------------ */

void bus_tick(struct bus *b, struct instant now);
usec_t bus_deadline(const struct bus *b);

enum bus_out_kind {
    BUS_OUT_PACKET,   /* send pkt (behind the user header) from src to dst, hop limit 64 */
    BUS_OUT_WANT,     /* ask the router for a route to dst */
    BUS_OUT_DOUBT,    /* packets leave for dst and none is answered: bus/silence.h */
    BUS_OUT_STORE,    /* hand `store` to the store */
    BUS_OUT_ACCEPTED, /* client's message is durable, or in memory as asked (rc OK, id), or failed
                       * (rc; ERR_EXIST: idem key)
                       */
    BUS_OUT_TAKEN,    /* message for client, or NULL: time-out; rc != OK: the store failed */
    BUS_OUT_STATUS,   /* rc OK, ERR_STATE: status; ERR_NOENT */
    BUS_OUT_ENTRIES,  /* rc OK: a page of the outbox */
    BUS_OUT_FETCHED,  /* messages on lease, or none: time-out; rc != OK: the store failed */
    BUS_OUT_SETTLED,  /* rc OK: settled; else the store failed for at least one: ask again */
    BUS_OUT_BODY,     /* rc OK: body; ERR_NOENT: gone meanwhile */
    BUS_OUT_CHANGED,  /* rc OK: the rule is durable and in force */
    BUS_OUT_TAPPED,   /* a copy for a tap (bus_streams.h) */
    BUS_OUT_NEWS,     /* of no client: entries of the outbox changed (bus_streams.h) */
};

struct bus_message {
    uint64_t seq;
    struct msg_id id;
    struct ip6 src, dst;
    uint8_t src_key[MSG_KEY_BYTES];
    struct topic topic;
    struct blob *payload; /* lends until the next bus_next() */
    uint64_t file; /* instead, of `len` bytes; 0: none. It is there until the next bus_next(): who
                      pins it at once may read it to its end, whatever becomes of the message */
    bool reply;
    int64_t recv_ms;
    /* On lease */
    uint64_t len; /* payload NULL and no file: longer than asked for */
    struct bus_token token;
    uint32_t redelivered; /* how often it was given out before */
    int64_t lease_ms;     /* end of the lease, wall */
};
struct bus_settled {
    size_t done, n;
    const bool *unknown; /* n of them, in the order of the tokens */
};
/* How far an entry has come: it never goes back. */
enum bus_out_index {
    BUS_INDEX_LIVES = 1,
    BUS_INDEX_RECEIVED = 2,
    BUS_INDEX_LAST = 3, /* nothing follows: read, or ended in another way */
};
static inline uint32_t bus_out_index(enum out_state s)
{
    if (!out_state_final(s))
        return BUS_INDEX_LIVES;
    return s == OUT_RECEIVED ? BUS_INDEX_RECEIVED : BUS_INDEX_LAST;
}

struct bus_status_info {
    uint64_t seq;
    struct msg_id id;
    struct ip6 dst;
    enum out_state state;
    uint64_t chunks_pending, chunks_sent, chunks_acked; /* OUT_SENDING, OUT_DONE_SENT */
    int64_t created_ms, deadline_ms, final_ms;          /* final_ms 0: lives */
    uint64_t len;
    bool reply;
    bool in_memory, ordered;
    bool route; /* lives, and there is a route to its destination */
    enum out_policy policy;
    enum out_reason reason; /* of a final state other than RECEIVED and READ */
    uint8_t prio;
    struct topic topic;
};
struct bus_out_page {
    const struct bus_status_info *entries;
    size_t n;
    uint64_t next_before; /* for the next page; 0: none */
};
struct bus_out {
    enum bus_out_kind kind;
    struct ip6 src, dst;        /* PACKET; WANT and DOUBT: dst */
    struct pkt *pkt;            /* PACKET: the taker's now */
    struct bus_store_op *store; /* STORE: lends */
    bus_client client;          /* of an answer */
    int rc;
    struct msg_id id;            /* ACCEPTED; TAKEN of a reply wait */
    struct bus_message *message; /* TAKEN: lends, or NULL; TAPPED: lends */
    uint64_t dropped;            /* TAPPED */
    struct bus_status_info
        *status; /* STATUS with OK or ERR_STATE, ACCEPTED with OK, TAKEN of a reply wait: lends */
    struct bus_out_page page; /* ENTRIES; ACCEPTED of many: lends */
    bool replayed; /* ACCEPTED: an earlier message with this idem key; nothing was sent */
    const struct bus_message *messages; /* FETCHED: lends n_messages */
    size_t n_messages;
    struct bus_settled settled; /* SETTLED: lends */
    struct blob *body;          /* BODY: lends; or */
    uint64_t file, file_len;    /* as in struct bus_message */
};
/* `room(ctx, dst)`: may message packets for dst be queued now? Asked before each packet of a
 * payload; after a no, nothing more for that node comes out until bus_unblocked(). */
typedef bool bus_room(void *ctx, const struct ip6 *dst);
void bus_set_room(struct bus *b, bus_room *room, void *ctx);
bool bus_next(struct bus *b, struct instant now, struct bus_out *ret); /* false: nothing to do */

void bus_stats(const struct bus *b, struct bus_stats *ret);
