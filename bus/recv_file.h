/* recv_file.h - a large message that is arriving: its chunks on their way into a file.
 *
 * Chunks that follow each other are collected to a run, which is written as a whole. `came` is what
 * was received, `written` what the file has; only that is told to a sender that speaks our
 * extension. `got` of the row is what `written` was when the last sync left: a row never claims
 * what is not on disk. A plain sender's chunks are acknowledged when a row that names them is
 * durable. The file is hashed where it is, not here.
 *
 * Owns: what is in memory of the file's data. Thread: loop. Limits: in_files_*, in_write_bytes,
 * len_max of struct bus_limits; RANGES_MAX; PART_FILE_ACKS_MAX. Protocol:
 * docs/protocol/messages.md, "Large messages"; docs/protocol/durability.md, "Receiver". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/ops.h"
#include "bus/ranges.h"

#define PART_RUN_BYTES (64u * 1024) /* of one run, that is of one write */
/* A row is written when so much has come since the last one: 1 in so many of the message, within
 * these; of a plain sender, whose ACKs wait for it, after PART_FILE_HOLD or PART_ROW_MIN. */
#define PART_ROW_SHARE 256u
#define PART_ROW_MIN   (1u << 20)
#define PART_ROW_MAX   (4u << 20)
#define PART_FILE_HOLD (25 * USEC_MS)
/* Held CHUNK ACKs of one part. */
#define PART_FILE_ACKS_MAX 8192

struct node;
struct part;

enum part_file_op {
    PART_FILE_NONE,
    PART_FILE_CREATE,
    PART_FILE_WRITE,
    PART_FILE_SYNC,
    PART_FILE_SUM
};

struct part_file {
    struct part *part;
    struct op op;
    enum part_file_op flying;
    uint64_t number;
    bool there; /* created */
    struct ranges came, written;
    struct list runs; /* struct part_run, in the order of their coming; the first may be flying */
    uint32_t epoch;   /* rises when another cut begins: what was of the old one is void */
    uint32_t loose;   /* bytes written since the last sync left */
    uint64_t written_to, synced_to; /* versions of the part */
    struct blob *got;               /* ranges as of the last sync, for the row */
    bool got_new;                   /* the row does not say so yet */
    bool sync_due;
    bool summed; /* while finishing: the checksum is right */
};

/* Of part_new(): ERR_NOMEM. */
MUST_CHECK int part_file_new(struct bus *b, struct part *p);
/* keep: the file stays, it is another's now. */
void part_file_free(struct bus *b, struct part *p, bool keep);
/* Does a large one more fit the limits? plain: its sender is. */
bool part_file_allowed(const struct bus *b, const struct node *n, uint64_t len, bool plain);

void part_file_init_again(struct bus *b, struct part *p, usec_t now);
void part_file_chunk(struct bus *b, struct part *p, const struct msg_packet *c, usec_t now);
/* All is there but the proof, and the count is right: the checksum is to be looked at. */
bool part_file_complete(const struct part *p, uint64_t count);
/* What is held is to be acknowledged. */
void part_file_hold_over(struct bus *b, struct part *p);
/* When is that? */
void part_file_hold_settle(struct bus *b, struct part *p, usec_t now);
MUST_CHECK int part_file_load(struct part *p, const struct bus_in_row *row);

/* The row: what it says of the file. False: nothing new. */
bool part_file_fill_row(struct bus *b, struct part *p, struct bus_in_row *r);
void part_file_row_failed(struct part *p);
bool part_file_fill(struct bus *b, struct part_file *f, struct bus_store_op *op);
void part_file_stored(struct bus *b, struct part_file *f, const struct bus_store_result *res,
                      struct instant now);
