#include "bus/token.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define HASH (BUS_TOKEN_TAG - TOKEN_NONCE)

static_assert(HASH == crypto_shorthash_BYTES, "the rest of the tag is the hash");
static_assert(BUS_TOKEN_KEY == crypto_shorthash_KEYBYTES, "the key is one of SipHash");

struct bus_token token_make(const uint8_t key[static BUS_TOKEN_KEY], uint64_t seq,
                            uint32_t generation, const uint8_t nonce[static TOKEN_NONCE],
                            const struct msg_id *id)
{
    struct bus_token t = {.seq = seq, .generation = generation};
    uint8_t text[8 + 4 + TOKEN_NONCE + MSG_ID_BYTES];
    for (unsigned i = 0; i < 8; i++)
        text[i] = (uint8_t)(seq >> (56 - 8 * i));
    for (unsigned i = 0; i < 4; i++)
        text[8 + i] = (uint8_t)(generation >> (24 - 8 * i));
    memcpy(text + 12, nonce, TOKEN_NONCE);
    memcpy(text + 12 + TOKEN_NONCE, id->b, MSG_ID_BYTES);
    memcpy(t.tag, nonce, TOKEN_NONCE);
    (void)crypto_shorthash(t.tag + TOKEN_NONCE, text, sizeof(text), key); /* cannot fail */
    return t;
}

bool token_ok(const uint8_t key[static BUS_TOKEN_KEY], const struct bus_token *t,
              const struct msg_id *id)
{
    struct bus_token made = token_make(key, t->seq, t->generation, t->tag, id);
    return sodium_memcmp(made.tag, t->tag, sizeof(made.tag)) == 0;
}

const char *bus_token_str(const struct bus_token *t, char buf[static BUS_TOKEN_STR_MAX])
{
    char hex[2 * BUS_TOKEN_TAG + 1];
    (void)snprintf(buf, BUS_TOKEN_STR_MAX, "%" PRIu64 ".%" PRIu32 ".%s", t->seq, t->generation,
                   hex_encode(t->tag, sizeof(t->tag), hex)); /* fits: 20 + 10 + 24 + 2 */
    return buf;
}

/* The number up to the next dot; *at moves behind it. */
static int read_number(const char **at, const char *end, uint64_t max, uint64_t *ret)
{
    const char *dot = memchr(*at, '.', (size_t)(end - *at));
    if (!dot || (**at == '0' && dot - *at > 1))
        return ERR_INVAL;
    int rc = decimal_parse(*at, (size_t)(dot - *at), max, ret);
    *at = dot + 1;
    return rc == OK ? OK : ERR_INVAL;
}

int bus_token_parse(const char *text, size_t len, struct bus_token *ret)
{
    const char *end = text + len;
    struct bus_token t = {.seq = 0};
    uint64_t generation;
    if (len >= BUS_TOKEN_STR_MAX || read_number(&text, end, INT64_MAX, &t.seq) != OK ||
        read_number(&text, end, UINT32_MAX, &generation) != OK)
        return ERR_INVAL;
    t.generation = (uint32_t)generation;
    if (hex_decode(text, (size_t)(end - text), t.tag, sizeof(t.tag)) != OK)
        return ERR_INVAL;
    *ret = t;
    return OK;
}
