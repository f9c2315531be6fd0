/* send_file.h - what is in memory of the file of a large message that leaves.
 *
 * A few pieces ahead of the next chunk, and one for chunks that are sent again. What is not there
 * is read; the transfer stands in no line meanwhile, so that others go on. Owns: the pieces.
 * Thread: loop. Limits: SEND_PIECES of SEND_PIECE bytes for one transfer, more than the first only
 * within limits.out_read_bytes. Protocol: docs/protocol/messages.md, "Large messages". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/out_msg.h"

#define SEND_PIECE  (128u * 1024)
#define SEND_PIECES 6u
#define SEND_AGAIN  (32u * 1024) /* the piece for what is sent again */

struct send_piece {
    uint32_t offset; /* of the data in the message */
    struct blob *data;
};

struct send_file {
    struct op op;
    struct out_msg *m;
    struct send_piece ahead[SEND_PIECES]; /* in order, without gaps */
    uint32_t n;
    struct send_piece again;
    uint32_t want_at, want_len; /* for `again`; 0 bytes: nothing */
    uint32_t read_at, read_len; /* the read under way */
    bool reading_again;
};

MUST_CHECK int send_file_new(struct bus *b, struct out_msg *m); /* ERR_NOMEM */
void send_file_free(struct bus *b, struct out_msg *m);          /* fine when there is none */

/* Are these bytes in memory? Else they are asked for; send_requeue() follows. next: they belong to
 * the next chunk, and what follows them is read too. */
bool send_file_ready(struct bus *b, struct out_msg *m, uint64_t offset, uint32_t n, bool next);
/* Copies out what is ready. */
void send_file_get(const struct send_file *f, uint64_t offset, uint8_t *ret, uint32_t n);

bool send_file_fill(struct bus *b, struct send_file *f, struct bus_store_op *op);
void send_file_stored(struct bus *b, struct send_file *f, const struct bus_store_result *res,
                      struct instant now);
