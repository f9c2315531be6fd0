/* bus_stats.h - what the bus counts, for metrics and tests: bus_stats() of bus.h. */
#pragma once
#include <stdint.h>

#include "base/histogram.h"

/* Counters since start and present sizes, for metrics and tests. */
struct bus_stats {
    uint64_t accepted, delivered, read, aborted, cancelled, unknown, local;
    struct histogram delivery; /* from acceptance to its durable receipt, delivered ones */
    uint64_t accepted_bytes, received_bytes; /* payloads */
    uint64_t refused;                        /* by the receiver's rules: counted in aborted too */
    uint64_t replayed, key_reused; /* sends whose idem key was known: same content, other content */
    uint64_t received, duplicates, refused_limit, refused_rate, malformed, ignored;
    uint64_t refused_sends; /* of clients: a limit of the outbox */
    uint64_t refused_topic; /* INITs that the topic rules refused */
    uint64_t sent_init, sent_chunk, sent_done, sent_ack, sent_read, sent_abort, retransmits;
    /* With nodes that speak our extension. Said: */
    uint64_t sent_sack, sent_forget; /* CHUNK ACKs for many, counted in sent_ack too; FORGETs */
    uint64_t told_busy, told_refused;
    uint64_t early; /* INITs of ordered messages, not taken before the one that they come behind */
    /* Heard: transfers that went on where they stood, that were complete there, that were asked to
     * wait; messages of which FORGET came. */
    uint64_t resumed, known_there, waited_busy, forgotten;
    uint64_t store_errors;
    uint64_t doubts, rerouted; /* routes doubted; other paths taken while packets were under way */
    uint64_t out_live, out_bytes, out_cached_bytes, out_late_bytes;
    uint64_t out_memory, out_memory_bytes;   /* of these: only in memory */
    uint64_t out_memory_ended;               /* entries of such that ended */
    uint64_t store_flying;                   /* operations that the store has not answered */
    uint64_t in_files, in_files_bytes;       /* of in_parts: large ones, announced */
    uint64_t in_write_bytes, out_read_bytes; /* of large ones, in memory */
    uint64_t in_write_full;                  /* chunks not taken because of limits.in_write_bytes */
    uint64_t out_too_large;                  /* ended with OUT_REASON_TOO_LARGE */
    uint64_t in_parts, in_parts_bytes, in_bytes, in_cached_bytes, seen, waiters;
    uint64_t subs, taps;                   /* of streams, now */
    uint64_t tap_copies, tap_dropped;      /* copies for taps; of these: not taken in time */
    uint64_t in_ready, in_leased, in_dead; /* in_bytes counts all three */
    uint64_t leased, redelivered, acked, nacked, lease_ends, died, requeued;
    uint64_t in_expired; /* by the age of their topic, or of dead ones */
    uint64_t in_pushed;  /* for newer ones: full topic with drop_oldest, too many dead ones */
    uint64_t in_dropped; /* by an operator */
    uint64_t reads_waiting, forgets_waiting; /* READs told again, FORGETs not sent yet */
    uint64_t nodes;                          /* remembered */
    uint64_t out_holds;   /* topics of nodes that take nothing at present: holds.h */
    uint64_t sched_looks; /* turns of nodes looked at for something to send */
};
