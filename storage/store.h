/* store.h - what survives a restart: outbox, inbox, remembered ids, contacts, in one SQLite
 * database.
 *
 * Operations are submitted from the loop, run by the one writer thread in the order of submission,
 * committed in groups (one sync for everything that queued up meanwhile) and come back through the
 * mailbox of the loop, in order, with their result. An operation that came back with OK is on disk.
 * A commit that fails reports its error for every operation of the group; the database is reopened
 * and nothing of that group is retried.
 *
 * Owns: the database file, its threads (writer, checkpoint). Thread: as said at each function.
 * Never: knows what a message means. docs/protocol/durability.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/ip6.h"
#include "base/macros.h"
#include "base/mailbox.h"

/* One group commit takes what is queued, up to these. */
#define STORE_BATCH_OPS   256
#define STORE_BATCH_BYTES ((size_t)4 * 1024 * 1024)
#define STORE_BATCH_USEC  5000
/* The checkpoint thread: PASSIVE above the first or every STORE_CHECKPOINT_USEC, RESTART (which
 * holds up the writer) above the second, TRUNCATE after STORE_IDLE_USEC without a commit. */
#define STORE_WAL_PASSIVE     (32ull * 1024 * 1024)
#define STORE_WAL_RESTART     (256ull * 1024 * 1024)
#define STORE_CHECKPOINT_USEC (10 * USEC_SEC)
/* A log longer than this, as a crash leaves it, is moved before the start: every opening reads the
 * whole log, and what a life that ends early moved is moved again by the next one. */
#define STORE_WAL_OPEN  (8ull * 1024 * 1024)
#define STORE_IDLE_USEC (10 * USEC_SEC)
/* Rows of each table that one STORE_SWEEP removes. */
#define STORE_SWEEP_ROWS 1000
/* Entries of the outbox that one STORE_OUT_LIST looks at. */
#define STORE_LIST_ROWS 5000
/* Contacts kept; when there are more, the least recently used go. */
#define STORE_CONTACTS_MAX 4096
/* Contacts of one operation. */
#define STORE_CONTACTS_ROWS 256
/* What adds rows is refused (ERR_NOSPACE) while the file system has less than this besides what the
 * log needs for its way into the database. What removes rows goes on, so that a full store can be
 * emptied. */
#define STORE_FREE_BYTES (32ull * 1024 * 1024)
/* A database that could not be reopened is tried again at the next operation after this. */
#define STORE_REOPEN_USEC USEC_SEC

struct store;

#define STORE_TOPIC_MAX   255
#define STORE_BODY_MAX    65536 /* longer payloads are in files of the spool */
#define STORE_IDEM_MAX    64
#define STORE_OUT_FINAL   4 /* lowest final state of an outgoing message */
#define STORE_IN_COMPLETE 2 /* lowest state of an incoming message that is no PART any more */
#define STORE_SECRET      16
#define STORE_SOCKET_MAX  107

struct store_out {
    uint64_t seq;
    uint8_t id[8];
    struct ip6 src, dst;
    bool reply;
    int state, policy; /* numbers of docs/protocol/durability.md, "Schema" */
    int64_t created_ms, deadline_ms, final_ms;
    uint64_t len;
    uint8_t sum[32];
    uint8_t topic[STORE_TOPIC_MAX];
    uint8_t topic_len;
    uint8_t prio;
    bool ordered;
    int reason;
    uint8_t idem[STORE_IDEM_MAX]; /* unique key, given by the client */
    uint8_t idem_len;             /* 0: none */
    uint32_t many;                /* the key is one of so many rows, which follow; 0: of this one */
    struct blob *body;            /* NULL: none */
    uint64_t file;                /* its payload in the spool; 0: none, or final */
    struct blob *acked;           /* with a file: how far its transfer has come */
};
struct store_in {
    uint64_t seq;
    int state;
    struct ip6 src, dst;
    uint8_t src_key[32];
    uint8_t id[8];
    bool reply;
    int64_t recv_ms, expire_ms;
    uint64_t len;
    uint8_t sum[32];
    uint8_t topic[STORE_TOPIC_MAX];
    uint8_t topic_len;
    struct blob *body;
    struct blob *got; /* byte ranges of a PART */
    uint64_t chunks_seen;
    uint64_t file; /* its payload in the spool, instead of body; 0: none */
    /* By STORE_IN_STATE; 0 before the first. Written by nothing else. */
    uint32_t tries, offers;
    int64_t since_ms;
};
struct store_seen {
    uint64_t seq; /* when loading: with expire_ms, the name of the row */
    uint64_t node;
    uint8_t id[8];
    bool reply;
    bool ours; /* its sender says when it may be forgotten */
    uint8_t sum[32];
    uint64_t len, count;
    int64_t expire_ms;
};

struct store_contact {  /* a node that was reached, and the neighbour that was its next hop */
    uint64_t node, via; /* ip6_node() */
    int64_t used_ms;    /* wall */
};

/* A further row of STORE_OUT_PUT: like the first, but for these. */
struct store_out_copy {
    uint64_t seq;
    uint8_t id[8];
    struct ip6 dst;
    bool final; /* state STORE_OUT_FINAL, final_ms as created_ms, no payload */
};

struct store_rule { /* of a topic, made by a client */
    uint8_t topic[STORE_TOPIC_MAX];
    uint8_t topic_len;
    struct blob *sources; /* text, a line for each */
    uint8_t socket[STORE_SOCKET_MAX];
    uint8_t socket_len; /* 0: none */
    bool half_close;
    uint32_t reply_ms;
};

/* One row of seen. */
struct store_seen_key {
    int64_t expire_ms;
    uint64_t seq;
};

enum store_kind {
    STORE_OUT_PUT, /* insert out, and copies, which have its payload, too; has_in: insert in too. A
                      row with out.idem is there: nothing is inserted, ERR_EXIST, -> found; if
                      that one is of many, -> list: those of them that are there */
    STORE_OUT_STATE, /* out.seq: state, final_ms, reason; a final state drops the body, and the name
                        of the file. ERR_NOENT */
    STORE_OUT_ACKED, /* out.seq, which has a file: acked. ERR_NOENT */
    STORE_OUT_READ, /* state 4 -> 5 of the oldest such entry out.id to the /64 of out.dst, if any */
    STORE_OUT_BODY, /* -> body of out.seq. ERR_NOENT */
    STORE_OUT_FIND, /* -> out: newest entry with out.id, without body. ERR_NOENT */
    STORE_OUT_GET,  /* -> out: the entry out.seq, without body. ERR_NOENT */
    STORE_OUT_LIST, /* -> list: entries by its filter, newest first, without bodies; looks at
                       STORE_LIST_ROWS of them at the most, so that nobody waits long */
    STORE_IN_PART,  /* upsert in by in.seq */
    STORE_IN_READY, /* delete in row part_seq (0: none), insert in; has_seen: insert seen. after_seq
                       (0: none) is not there: ERR_NOENT, and nothing is done */
    STORE_IN_TAKE,  /* delete in.seq; want_body: -> body. ERR_NOENT */
    STORE_IN_BODY,  /* -> body of in.seq. ERR_NOENT */
    STORE_IN_DROP,  /* delete in.seq, if there */
    STORE_SEEN_DROP, /* delete the rows of seen that `keys` names, as far as they are there */
    STORE_IN_STATE,  /* complete in.seq: state, tries, offers, since_ms. ERR_NOENT */
    STORE_SWEEP, /* delete final out rows with created_ms < before_ms, seen with expire_ms < run_ms;
                    at most STORE_SWEEP_ROWS of each; -> swept */
    STORE_RULE_PUT,     /* insert or replace rule, by its topic */
    STORE_RULE_DROP,    /* delete the rule of rule's topic, if there is one */
    STORE_RULE_DEFAULT, /* the default action: accept */
    STORE_CONTACTS_PUT, /* insert or replace contacts; what is beyond STORE_CONTACTS_MAX goes */
};

struct store_list {
    unsigned states; /* bit n: those in state n; 0: all */
    bool by_dst, by_id;
    struct ip6 dst; /* those to its /64 */
    uint8_t id[8];
    uint64_t before; /* only with a lower seq; 0: all */
    uint32_t limit;  /* entries */
    /* result */
    struct store_out *rows; /* malloc(), the operation's own */
    size_t count;
    uint64_t next_before; /* where to go on; 0: that was all */
};

struct store_op {
    struct mail mail; /* first */
    enum store_kind kind;
    uint64_t tag; /* the caller's */
    struct store_out out;
    struct store_in in;
    struct store_seen seen;
    struct store_contact *contacts; /* malloc(); the operation's own */
    size_t contacts_count;          /* up to STORE_CONTACTS_ROWS */
    struct store_rule *rule;        /* malloc(); the operation's own */
    uint64_t part_seq, after_seq;
    bool has_in, has_seen, want_body, accept;
    int64_t before_ms;
    int64_t run_ms; /* how late it is, see store_run_ms(); of what expires by it, and of SWEEP */
    struct blob *copies; /* OUT_PUT: struct store_out_copy, one behind the other; NULL: none */
    struct blob *keys;   /* SEEN_DROP: struct store_seen_key, one behind the other */
    struct store_list list;
    /* result */
    int rc; /* OK; this operation alone: ERR_NOENT, ERR_EXIST (seq used before), ERR_TOOBIG,
               ERR_NOMEM; its whole group: ERR_IO, ERR_NOSPACE, ERR_CORRUPT, ERR_NOMEM, ERR_BUSY
               (another program keeps the database locked) */
    struct blob *body;       /* of the reads; NULL for a row stored without one */
    struct store_out *found; /* malloc(), the operation's own, without body */
    uint32_t swept;          /* rows that went, of the table of which more went */
};
struct store_op *store_op_new(enum store_kind kind); /* zeroed; NULL: out of memory */
void store_op_free(struct store_op *op);             /* with all blobs in it; NULL is fine */

/* The numbers above, for tests that cannot wait for them. */
struct store_pace {
    uint64_t wal_open, wal_passive, wal_restart, free_bytes;
    usec_t checkpoint_usec, idle_usec;
};

struct store_conf {
    const char *dir; /* state directory; made (0700) if missing; locked against a second node */
    uint8_t owner_key[32];  /* the node's public key: a store of another key is refused */
    const char *owner_text; /* its address, kept beside the key for the message of a later refusal;
                               NULL: none */
    bool no_check;          /* leave out the check of the whole file at the start */
    const struct store_pace *pace; /* NULL: STORE_WAL_PASSIVE and so on */
    struct mailbox *results; /* gets every submitted op back; thread-safe, outlives the store */
};

/* Opens, checks, migrates; no thread yet. *ret_text (a buffer of the store module, valid until the
 * next call) tells a person what is wrong: the path, the other node's address, what to do.
 * ERR_BUSY: another node runs on it. ERR_PERM: belongs to another key. ERR_CORRUPT: the damaged
 * file is kept aside under a new name that the text tells, and nothing is opened; as long as it
 * lies there and nothing took its place, every later call says so again: the operator decides.
 * ERR_UNSUPPORTED: not ours, or of a later version; left alone. */
MUST_CHECK int store_open(const struct store_conf *c, struct store **ret, const char **ret_text);

/* Between open and start: all rows in the order of seq, live ones only (out: state < 4; in: all).
 * A visitor's error stops and is returned. Bodies of READY and QUEUED rows come only while their
 * sum is below body_budget bytes, else NULL. PART bodies always. Pointers are lent for the call.
 * Rows of seen that expired before run_ms are left out; others may come twice (equal but for
 * expire_ms). Contacts: most recently used first, at most STORE_CONTACTS_MAX, values as they are.
 * Rules: by topic. ret_out_seq, ret_in_seq: the highest numbers that were ever stored, also of rows
 * long gone. ERR_CORRUPT: a row that this program did not write. */
struct store_visitor {
    int (*out)(void *ctx, const struct store_out *row);
    int (*in)(void *ctx, const struct store_in *row);
    int (*seen)(void *ctx, const struct store_seen *row);
    int (*contact)(void *ctx, const struct store_contact *row); /* NULL: not wanted */
    int (*rule)(void *ctx, const struct store_rule *row);       /* the same */
    void (*rule_default)(void *ctx, bool accept); /* the same; not called: never said */
    void *ctx;
};
MUST_CHECK int store_load(struct store *s, const struct store_visitor *v, uint64_t body_budget,
                          int64_t run_ms, uint64_t *ret_out_seq, uint64_t *ret_in_seq);
MUST_CHECK int store_start(struct store *s); /* starts the threads */
/* Before store_start(): the highest run_ms of an operation that stored something that expires, or
 * removed it; 0: none yet. A caller whose clock goes on from there while it runs has one that no
 * wall clock can push.
 */
int64_t store_run_ms(const struct store *s);
/* Random bytes that belong to this store for good: made with it, lost with it. Any thread. */
void store_secret(const struct store *s, uint8_t ret[static STORE_SECRET]);

void store_submit(struct store *s, struct store_op *op); /* loop; takes op */

/* Commits what was submitted, hands back all results, ends the threads, closes. */
void store_close(struct store *s);

struct store_stats {
    uint64_t ops, commits, commit_failures, statement_failures, checkpoints;
    struct histogram commit; /* how long each took, from its first operation to the disk's word */
    uint64_t commit_usec_max, batch_max;
    uint64_t queued; /* now */
    uint64_t wal_bytes;
    uint64_t reopens, checkpoint_failures;
    uint64_t refused_full; /* operations, because of STORE_FREE_BYTES */
    int rc; /* OK; or why everything fails until the database can be opened again, or, with
               ERR_CORRUPT, until the next start */
};
void store_stats(struct store *s, struct store_stats *ret); /* any thread */
