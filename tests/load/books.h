/* books.h - what clients were told about numbered messages, and what follows from it.
 *
 * A message is known by its number alone: number, seed and mode decide where it starts, its topic,
 * priority, size and every byte, so the books need eight bytes for each. A clock that counts events
 * orders what was asked and what was answered. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOKS_SIZE_MAX  65536
#define BOOKS_HEAD      16 /* the number in hex begins a payload; shorter ones have it in the topic */
#define BOOKS_TOPIC_MAX 32

struct plan {
    uint32_t number, size;
    int from;   /* node 0 or 1; it goes to the other one */
    bool keyed; /* sent with an idempotency key, and again until it is answered */
    bool pop;   /* in the topics that are popped; the others are only given out on lease */
    unsigned prio;
    char topic[BOOKS_TOPIC_MAX];
};

struct record {
    uint8_t state; /* enum book_state */
    uint8_t taken; /* popped, or its acknowledgement answered */
    uint8_t shown; /* how often it was in an answer to a fetch */
    uint32_t taken_at;
};
enum book_state { BOOK_UNSENT, BOOK_ACCEPTED, BOOK_MAYBE };

struct books {
    uint64_t seed;
    uint32_t count;
    bool plain; /* one side is a node of another program: no keys, every topic popped there */
    struct record *records;
    uint32_t clock;
    /* told by answers */
    uint32_t accepted, maybe, replayed;
    uint32_t delivered; /* taken at least once */
    uint32_t cut_pops;  /* pops without an answer: each may have taken a message with it */
    uint32_t repeats;   /* popped again where that may be: at a node that forgets */
    /* faults */
    uint32_t twice, foreign, damaged, lost_acks;
    uint32_t unmarked; /* shown again as if for the first time */
};

void books_init(struct books *b, uint64_t seed, uint32_t count, bool plain); /* or exits with 2 */
void books_fini(struct books *b);

struct plan books_plan(const struct books *b, uint32_t number);
/* The payload of a plan into ret, of BOOKS_SIZE_MAX bytes. */
void books_payload(const struct books *b, const struct plan *p, uint8_t *ret);

void books_accepted(struct books *b, uint32_t number);
void books_maybe(struct books *b, uint32_t number);

/* The number of a message as it was delivered, both in base64; UINT32_MAX: not one of ours, or not
 * as it was sent. That is counted. */
uint32_t books_identify(struct books *b, const char *topic, size_t topic_len, const char *payload,
                        size_t payload_len);
void books_popped(struct books *b, uint32_t number, bool may_repeat);
/* In the answer to a fetch that was asked at that time. */
void books_shown(struct books *b, uint32_t number, long long redelivered, uint32_t asked_at);
void books_acked(struct books *b, uint32_t number);
/* The daemon knows nothing of it any more: fine only if it told so before. */
void books_ack_unknown(struct books *b, uint32_t number, bool repeated);

struct missing {
    uint32_t leased, popped; /* accepted and never delivered, by kind of topic */
};
/* tell: the first ones of the leased on stderr. */
struct missing books_missing(const struct books *b, bool tell);
