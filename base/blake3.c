/* The tree in short: the input is cut into chunks of 1024 bytes, each chunk into blocks of 64. A
 * chunk's blocks are chained into one chaining value; finished chunks are joined in pairs, so that
 * a stack with one entry per bit of the number of chunks holds everything that is not joined yet.
 * The last block of the root is compressed with the ROOT flag. */
#include "base/blake3.h"

#include <stdbool.h>
#include <string.h>

#include "base/macros.h"

#define BLOCK_LEN 64
#define CHUNK_LEN 1024

enum flag { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };

static const uint32_t iv[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* Row r: the order of the message words in round r. */
static const uint8_t schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

/* An input of the compression function that is not compressed yet: only then it is known whether it
 * is the root. */
struct node {
    uint32_t cv[8];
    uint32_t words[16];
    uint64_t counter;
    uint32_t len, flags;
};

static inline uint32_t rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline void mix(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d, uint32_t x, uint32_t y)
{
    *a += *b + x;
    *d = rotr(*d ^ *a, 16);
    *c += *d;
    *b = rotr(*b ^ *c, 12);
    *a += *b + y;
    *d = rotr(*d ^ *a, 8);
    *c += *d;
    *b = rotr(*b ^ *c, 7);
}

/* Inlined with a constant row, so that the words are found without a table at run time. */
static inline __attribute__((always_inline)) void mix_round(uint32_t v[16], const uint32_t m[16],
                                                            const uint8_t s[16])
{
    mix(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]]);
    mix(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]]);
    mix(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]]);
    mix(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]]);
    mix(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]]);
    mix(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]]);
    mix(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]]);
    mix(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]]);
}

/* The first 32 bytes of the output; cv_out may be cv. */
static void compress(const uint32_t cv[8], const uint32_t m[16], uint64_t counter, uint32_t len,
                     uint32_t flags, uint32_t cv_out[8])
{
    uint32_t v[16] = {
        cv[0],
        cv[1],
        cv[2],
        cv[3],
        cv[4],
        cv[5],
        cv[6],
        cv[7],
        iv[0],
        iv[1],
        iv[2],
        iv[3],
        (uint32_t)counter,
        (uint32_t)(counter >> 32),
        len,
        flags,
    };
    mix_round(v, m, schedule[0]);
    mix_round(v, m, schedule[1]);
    mix_round(v, m, schedule[2]);
    mix_round(v, m, schedule[3]);
    mix_round(v, m, schedule[4]);
    mix_round(v, m, schedule[5]);
    mix_round(v, m, schedule[6]);
    for (unsigned i = 0; i < 8; i++)
        cv_out[i] = v[i] ^ v[i + 8];
}

static void load_words(const uint8_t *b, uint32_t words[16])
{
    for (unsigned i = 0; i < 16; i++, b += 4)
        words[i] =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void chunk_begin(struct blake3 *h, uint64_t number)
{
    memcpy(h->cv, iv, sizeof(h->cv));
    h->chunk = number;
    h->block_len = 0;
    h->blocks_done = 0;
}

static uint32_t start_flag(const struct blake3 *h)
{
    return h->blocks_done == 0 ? CHUNK_START : 0;
}

/* One whole block that is not the last of its chunk. */
static void chunk_block(struct blake3 *h, const uint8_t *block)
{
    uint32_t words[16];
    load_words(block, words);
    compress(h->cv, words, h->chunk, BLOCK_LEN, start_flag(h), h->cv);
    h->blocks_done++;
}

static size_t chunk_len(const struct blake3 *h)
{
    return (size_t)h->blocks_done * BLOCK_LEN + h->block_len;
}

/* Bytes of the present chunk. The last block waits: it may be the last of the chunk or of all. */
static void chunk_update(struct blake3 *h, const uint8_t *p, size_t len)
{
    while (len > 0) {
        if (h->block_len == BLOCK_LEN) {
            chunk_block(h, h->block);
            h->block_len = 0;
        }
        while (h->block_len == 0 && len > BLOCK_LEN) { /* straight from the input */
            chunk_block(h, p);
            p += BLOCK_LEN;
            len -= BLOCK_LEN;
        }
        size_t n = MIN((size_t)BLOCK_LEN - h->block_len, len);
        memcpy(h->block + h->block_len, p, n);
        h->block_len = (uint8_t)(h->block_len + n);
        p += n;
        len -= n;
    }
}

static struct node chunk_node(const struct blake3 *h)
{
    struct node n = {
        .counter = h->chunk,
        .len = h->block_len,
        .flags = start_flag(h) | CHUNK_END,
    };
    uint8_t block[BLOCK_LEN] = {0};
    memcpy(block, h->block, h->block_len);
    load_words(block, n.words);
    memcpy(n.cv, h->cv, sizeof(n.cv));
    return n;
}

static struct node parent_node(const uint32_t left[8], const uint32_t right[8])
{
    struct node n = {.counter = 0, .len = BLOCK_LEN, .flags = PARENT};
    memcpy(n.cv, iv, sizeof(n.cv));
    memcpy(n.words, left, 32);
    memcpy(n.words + 8, right, 32);
    return n;
}

static void node_cv(const struct node *n, uint32_t extra_flags, uint32_t cv[8])
{
    compress(n->cv, n->words, n->counter, n->len, n->flags | extra_flags, cv);
}

/* A chunk is finished and more input follows: every zero bit at the end of the new number of chunks
 * is a subtree that is now complete. */
static void chunk_finish(struct blake3 *h)
{
    uint64_t total = h->chunk + 1;
    uint32_t cv[8];
    struct node n = chunk_node(h);
    node_cv(&n, 0, cv);
    for (uint64_t t = total; (t & 1) == 0; t >>= 1) {
        h->depth--;
        n = parent_node(h->cv_stack[h->depth], cv);
        node_cv(&n, 0, cv);
    }
    memcpy(h->cv_stack[h->depth], cv, sizeof(cv));
    h->depth++;
    chunk_begin(h, total);
}

void blake3_init(struct blake3 *h)
{
    h->depth = 0;
    chunk_begin(h, 0);
}

void blake3_update(struct blake3 *h, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    while (len > 0) {
        if (chunk_len(h) == CHUNK_LEN)
            chunk_finish(h);
        size_t n = MIN(CHUNK_LEN - chunk_len(h), len);
        chunk_update(h, p, n);
        p += n;
        len -= n;
    }
}

void blake3_final(const struct blake3 *h, uint8_t out[static BLAKE3_OUT_LEN])
{
    uint32_t cv[8];
    struct node n = chunk_node(h);
    for (unsigned i = h->depth; i > 0; i--) {
        node_cv(&n, 0, cv);
        n = parent_node(h->cv_stack[i - 1], cv);
    }
    node_cv(&n, ROOT, cv);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 4; k++)
            out[4 * i + k] = (uint8_t)(cv[i] >> (8 * k));
}

void blake3(const void *bytes, size_t len, uint8_t out[static BLAKE3_OUT_LEN])
{
    struct blake3 h;
    blake3_init(&h);
    blake3_update(&h, bytes, len);
    blake3_final(&h, out);
}
