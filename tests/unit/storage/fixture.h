/* fixture.h - a store in a directory of its own, and operations one at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "storage/store.h"

/* Makes a new directory, in memory where the system has that (in_memory) or else in the present
 * directory; the caller frees the name. */
char *dir_new(bool in_memory);
void dir_remove(const char *path); /* with the files in it */

/* For tests whose faults would fill the output. */
void log_nothing(void);

struct fixture {
    struct store *s;
    struct mailbox results;
    struct mail *taken; /* off the mailbox, not yet given to the test */
    const char *text;   /* of the last opening */
};

/* Owner key: 32 times `owner`. */
int fixture_open(struct fixture *f, const char *dir, uint8_t owner, const struct store_pace *pace);
void fixture_start(struct fixture *f);
void fixture_close(struct fixture *f); /* results that were not taken are freed */

struct store_op *op_make(enum store_kind kind, uint64_t tag);
/* Submits and waits for this one result. */
struct store_op *fixture_run(struct fixture *f, struct store_op *op);
/* The same, frees, and returns the rc. */
int fixture_do(struct fixture *f, struct store_op *op);
/* Waits until one result is there; they come in order. */
struct store_op *fixture_take(struct fixture *f);

/* Rows that a store has at the start. */
struct rows {
    struct store_out out[64];
    struct store_in in[64];
    struct store_seen seen[64];
    struct store_contact contact[STORE_CONTACTS_MAX];
    struct store_rule rule[8];
    size_t outs, ins, seens, contacts, rules;
    int accept; /* -1: not said */
    uint64_t out_seq, in_seq;
    int64_t run_ms;
};
int rows_load(struct rows *r, struct fixture *f, uint64_t budget, int64_t now_ms);
void rows_free(struct rows *r);

struct blob *blob_text(const char *text);
bool blob_is(const struct blob *b, const char *text);
