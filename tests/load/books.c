#include "books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"

#define FAULTS_SHOWN 10
#define POP_TOPICS   4
#define LEASE_TOPICS 8
#define PRIORITIES   4

static uint64_t mix(uint64_t x) /* a bijection whose bits look random */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

void books_init(struct books *b, uint64_t seed, uint32_t count, bool plain)
{
    *b = (struct books){.seed = seed, .count = count, .plain = plain};
    b->records = calloc(count, sizeof(*b->records));
    if (!b->records) {
        perror("books");
        exit(2);
    }
}

void books_fini(struct books *b)
{
    free(b->records);
}

/* Mostly small; every two hundredth up to the largest. */
static uint32_t size_of(uint64_t r)
{
    uint32_t kind = (uint32_t)(r % 200), fine = (uint32_t)(r >> 32);
    if (kind < 10)
        return fine % BOOKS_HEAD;
    if (kind < 170)
        return BOOKS_HEAD + fine % 1009;
    if (kind < 194)
        return 1025 + fine % 3072;
    if (kind < 199)
        return 4097 + fine % 12288;
    return BOOKS_SIZE_MAX - (fine % 4 == 0 ? 0 : fine % 49152);
}

struct plan books_plan(const struct books *b, uint32_t number)
{
    uint64_t r = mix(b->seed + (uint64_t)number * 0x9e3779b97f4a7c15);
    struct plan p = {.number = number, .size = size_of(r), .from = (int)(number & 1)};
    r = mix(r);
    p.keyed = !b->plain && (r & 1);
    p.prio = (unsigned)(r >> 1) % PRIORITIES;
    p.pop = p.size >= BOOKS_HEAD && (r >> 8 & 3) == 0;
    if (p.pop)
        snprintf(p.topic, sizeof(p.topic), "p/%u", (unsigned)(r >> 16) % POP_TOPICS);
    else if (p.size >= BOOKS_HEAD)
        snprintf(p.topic, sizeof(p.topic), "l/%u", (unsigned)(r >> 16) % LEASE_TOPICS);
    else
        snprintf(p.topic, sizeof(p.topic), "l/n/%x", number);
    return p;
}

void books_payload(const struct books *b, const struct plan *p, uint8_t *ret)
{
    uint64_t r = mix(b->seed ^ p->number);
    char head[BOOKS_HEAD + 1];
    for (uint32_t i = 0; i < p->size; i += 8) {
        r = r * 6364136223846793005 + 1442695040888963407;
        memcpy(ret + i, &r, p->size - i < 8 ? p->size - i : 8);
    }
    if (p->size < BOOKS_HEAD)
        return;
    snprintf(head, sizeof(head), "%016x", p->number);
    memcpy(ret, head, BOOKS_HEAD);
}

static void fault(const char *what, uint32_t *count, const struct books *b, uint32_t number)
{
    if ((*count)++ < FAULTS_SHOWN && number < b->count) {
        const struct record *r = &b->records[number];
        fprintf(stderr, "fault: %s: message %u, state %u, taken %u, shown %u, event %u of %u\n",
                what, number, r->state, r->taken, r->shown, r->taken_at, b->clock);
    }
}

void books_accepted(struct books *b, uint32_t number)
{
    b->records[number].state = BOOK_ACCEPTED;
    b->accepted++;
}

void books_maybe(struct books *b, uint32_t number)
{
    b->records[number].state = BOOK_MAYBE;
    b->maybe++;
}

static uint32_t number_in(const char *text, size_t len)
{
    char *end, copy[BOOKS_TOPIC_MAX + 1];
    if (len == 0 || len > BOOKS_TOPIC_MAX)
        return UINT32_MAX;
    memcpy(copy, text, len);
    copy[len] = 0;
    unsigned long long n = strtoull(copy, &end, 16);
    return *end || n >= UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

uint32_t books_identify(struct books *b, const char *topic, size_t topic_len, const char *payload,
                        size_t payload_len)
{
    static uint8_t bytes[BOOKS_SIZE_MAX];
    static char text[BOOKS_SIZE_MAX / 3 * 4 + 8];
    char plain_topic[BOOKS_TOPIC_MAX], head[BOOKS_HEAD];
    size_t n = base64_decode(topic, topic_len, (uint8_t *)plain_topic, sizeof(plain_topic));
    uint32_t number = UINT32_MAX;
    if (n != SIZE_MAX && n > 4 && memcmp(plain_topic, "l/n/", 4) == 0)
        number = number_in(plain_topic + 4, n - 4);
    else if (base64_decode(payload, payload_len, (uint8_t *)head, sizeof(head)) == sizeof(head))
        number = number_in(head, sizeof(head));
    if (number >= b->count) {
        fault("foreign", &b->foreign, b, UINT32_MAX);
        return UINT32_MAX;
    }
    struct plan p = books_plan(b, number);
    books_payload(b, &p, bytes);
    bool same = n == strlen(p.topic) && memcmp(plain_topic, p.topic, n) == 0 &&
                payload_len == base64_len(p.size);
    if (same) {
        base64_encode(bytes, p.size, text);
        same = memcmp(text, payload, payload_len) == 0;
    }
    if (!same) {
        fault("damaged", &b->damaged, b, number);
        return UINT32_MAX;
    }
    return number;
}

static void take(struct books *b, uint32_t number)
{
    struct record *r = &b->records[number];
    if (r->taken == 0) {
        r->taken = 1;
        b->delivered++;
        r->taken_at = b->clock;
    }
}

void books_popped(struct books *b, uint32_t number, bool may_repeat)
{
    if (b->records[number].taken > 0 && may_repeat)
        b->repeats++;
    else if (b->records[number].taken > 0)
        fault("popped again", &b->twice, b, number);
    take(b, number);
}

void books_shown(struct books *b, uint32_t number, long long redelivered, uint32_t asked_at)
{
    struct record *r = &b->records[number];
    /* An answer that was under way when the other taker's acknowledgement was is not a repeat after
     * it; but then it says that it is a repeat. */
    if (r->taken > 0 && (asked_at > r->taken_at || redelivered <= 0))
        fault("offered after its acknowledgement", &b->twice, b, number);
    else if (r->shown > 0 && redelivered <= 0)
        b->unmarked++;
    if (r->shown < UINT8_MAX)
        r->shown++;
}

void books_acked(struct books *b, uint32_t number)
{
    if (b->records[number].taken == 0)
        take(b, number);
}

void books_ack_unknown(struct books *b, uint32_t number, bool repeated)
{
    if (b->records[number].taken == 0 && !repeated)
        fault("gone without an acknowledgement", &b->lost_acks, b, number);
    books_acked(b, number);
}

struct missing books_missing(const struct books *b, bool tell)
{
    struct missing m = {0, 0};
    for (uint32_t i = 0; i < b->count; i++) {
        const struct record *r = &b->records[i];
        if (r->state != BOOK_ACCEPTED || r->taken > 0)
            continue;
        if (books_plan(b, i).pop) {
            m.popped++;
            continue;
        }
        if (tell && m.leased < FAULTS_SHOWN)
            fprintf(stderr, "fault: message %u was accepted and is missing\n", i);
        m.leased++;
    }
    return m;
}
