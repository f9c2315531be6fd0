#include "bus/sparse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static_assert(MSG_LEN_MAX % SPARSE_PAGE_BYTES == 0, "whole pages");

void sparse_init(struct sparse *s, uint32_t len)
{
    assert(len <= MSG_LEN_MAX);
    memset(s, 0, sizeof(*s));
    s->len = len;
}

void sparse_fini(struct sparse *s)
{
    for (size_t i = 0; i < SPARSE_PAGES; i++) {
        free(s->pages[i]);
        s->pages[i] = NULL;
    }
    s->extent = s->bytes = 0;
}

/* Bytes of the page that belong to the message: the last page may be a short one. */
static uint32_t page_len(const struct sparse *s, uint32_t page)
{
    return MIN(SPARSE_PAGE_BYTES, s->len - page * SPARSE_PAGE_BYTES);
}

static uint8_t *page_get(struct sparse *s, uint32_t page)
{
    if (!s->pages[page]) {
        s->pages[page] = calloc(1, page_len(s, page));
        if (s->pages[page])
            s->bytes += page_len(s, page);
    }
    return s->pages[page];
}

int sparse_put(struct sparse *s, uint32_t offset, const uint8_t *data, uint32_t n)
{
    assert(offset <= s->len && n <= s->len - offset);
    while (n > 0) {
        uint32_t page = offset / SPARSE_PAGE_BYTES;
        uint32_t at = offset % SPARSE_PAGE_BYTES;
        uint32_t part = MIN(n, SPARSE_PAGE_BYTES - at);
        uint8_t *mem = page_get(s, page);
        if (!mem)
            return ERR_NOMEM;
        memcpy(mem + at, data, part);
        data += part;
        offset += part;
        n -= part;
        s->extent = MAX(s->extent, offset);
    }
    return OK;
}

void sparse_get(const struct sparse *s, uint32_t offset, uint8_t *ret, uint32_t n)
{
    assert(offset <= s->len && n <= s->len - offset);
    while (n > 0) {
        uint32_t page = offset / SPARSE_PAGE_BYTES;
        uint32_t at = offset % SPARSE_PAGE_BYTES;
        uint32_t part = MIN(n, SPARSE_PAGE_BYTES - at);
        if (s->pages[page])
            memcpy(ret, s->pages[page] + at, part);
        else
            memset(ret, 0, part);
        ret += part;
        offset += part;
        n -= part;
    }
}

bool sparse_has(const struct sparse *s, uint32_t offset, const uint8_t *data, uint32_t n)
{
    assert(offset <= s->len && n <= s->len - offset);
    while (n > 0) {
        uint32_t page = offset / SPARSE_PAGE_BYTES;
        uint32_t at = offset % SPARSE_PAGE_BYTES;
        uint32_t part = MIN(n, SPARSE_PAGE_BYTES - at);
        if (!s->pages[page] || memcmp(s->pages[page] + at, data, part) != 0)
            return false;
        data += part;
        offset += part;
        n -= part;
    }
    return true;
}

void sparse_hash(const struct sparse *s, uint8_t sum[static BLAKE3_OUT_LEN])
{
    static const uint8_t zero[SPARSE_PAGE_BYTES];
    struct blake3 h;
    blake3_init(&h);
    for (uint32_t page = 0; page * SPARSE_PAGE_BYTES < s->len; page++)
        blake3_update(&h, s->pages[page] ? s->pages[page] : zero, page_len(s, page));
    blake3_final(&h, sum);
}
