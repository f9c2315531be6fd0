#include "base/blob.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct blob *blob_new(size_t len)
{
    if (len > UINT32_MAX)
        return NULL;
    struct blob *b = malloc(sizeof(*b) + len);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->len = (uint32_t)len;
    return b;
}

struct blob *blob_copy(const void *bytes, size_t len)
{
    struct blob *b = blob_new(len);
    if (b && len > 0)
        memcpy(b->data, bytes, len);
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    if (!b)
        return NULL;
    /* Whoever calls holds a reference, so nothing has to be ordered here. */
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT_MAX);
    return b;
}

void blob_unref(struct blob *b)
{
    if (!b)
        return;
    /* Reads by other owners come before the free. */
    unsigned before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(b);
}
