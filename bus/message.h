/* message.h - what a message is, for everyone who handles one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/ip6.h"

#define MSG_ID_BYTES  8
#define MSG_TOPIC_MAX 255
#define MSG_SUM_BYTES 32 /* BLAKE3 of the payload */
#define MSG_KEY_BYTES 32
/* Largest payload that is kept in a database row and in memory. Larger ones are in a file. */
#define MSG_LEN_MAX 65536u
/* A setting may let so much through: lengths fit 32 bits with room for sums of two. */
#define MSG_LEN_CEILING (UINT32_C(2) << 30)

/* A payload above MSG_LEN_MAX: a file that the store knows by its number. */
struct msg_file {
    uint64_t number; /* 0: none */
    uint64_t len;
    uint8_t sum[MSG_SUM_BYTES]; /* BLAKE3 of it */
};

struct msg_id {
    uint8_t b[MSG_ID_BYTES]; /* random, opaque; shown as 16 hex digits */
};

/* Topic bytes with their length; not text. */
struct topic {
    uint8_t len; /* 0: no topic */
    uint8_t b[MSG_TOPIC_MAX];
};

/* Of the messages that wait for one node, those of the higher priority go first. */
#define OUT_PRIOS        4
#define OUT_PRIO_DEFAULT 1

/* The name that a client gives to a message, so that it can ask again without sending twice. */
#define IDEM_KEY_MAX 64
struct idem_key {
    uint8_t len; /* 0: none */
    uint8_t b[IDEM_KEY_MAX];
};

/* Where an outgoing message stands (docs/protocol/messages.md, "Sender"). Only QUEUED, DONE_SENT
 * (for at-most-once) and the final ones are ever stored; the numbers are those of the database. */
enum out_state {
    OUT_QUEUED = 0, /* on disk, nothing sent;        leaves by: route and slot, deadline, cancel */
    OUT_INIT_SENT =
        1, /* INIT (or all of it) sent;     leaves by: INIT ACK, CHUNK ACK, DONE ACK, deadline */
    OUT_SENDING = 2, /* chunks under way;             leaves by: all acked, silence, deadline */
    OUT_DONE_SENT =
        3, /* all chunks acked, DONE sent;  leaves by: DONE ACK, READ, silence, deadline */
    OUT_RECEIVED = 4,  /* final unless READ follows */
    OUT_READ = 5,      /* final */
    OUT_ABORTED = 6,   /* final: not received before the deadline */
    OUT_CANCELLED = 7, /* final: by the client */
    OUT_UNKNOWN = 8,   /* final: may have been delivered; at-most-once forbids asking again */
    OUT_REFUSED = 9,   /* final: aborted, because the receiver said that its rules forbid it */
};

static inline bool out_state_final(enum out_state s)
{
    return s >= OUT_RECEIVED;
}

/* Why it came to its end, where the state does not say it; numbers of the database. */
enum out_reason {
    OUT_REASON_NONE = 0,
    OUT_REASON_DEADLINE = 1,  /* ABORTED, UNKNOWN */
    OUT_REASON_CANCELLED = 2, /* CANCELLED */
    OUT_REASON_REFUSED = 4,   /* REFUSED */
    OUT_REASON_LOST = 3,      /* ABORTED: its payload was not in the store any more */
    OUT_REASON_TOO_LARGE = 5, /* ABORTED: for a receiver of another program, and not forced */
};

enum out_policy { OUT_AT_LEAST_ONCE = 0, OUT_AT_MOST_ONCE = 1 };

/* Where an incoming message stands; numbers of the database. */
enum in_state {
    IN_PART = 0,      /* INIT taken, bytes missing */
    IN_PART_FULL = 1, /* all bytes there, DONE missing */
    IN_READY = 2,     /* complete, for clients;   leaves by: pop, lease, expiry */
    IN_LEASED = 3,    /* given to a client;       leaves by: ack, nack, term, end of the lease */
    IN_DEAD = 4,      /* put aside;               leaves by: requeue, delete, age */
};
