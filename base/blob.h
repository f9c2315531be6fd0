/* blob.h - immutable bytes shared between owners and threads.
 *
 * A message payload is read by the loop (chunks) and written by the store thread at the same time;
 * neither copies it. The count is atomic; the bytes never change once a second
 * reference exists. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    atomic_uint refs;
    uint32_t len;
    uint8_t data[];
};

/* `len` uninitialised bytes, one reference. NULL when out of memory. */
struct blob *blob_new(size_t len);
struct blob *blob_copy(const void *bytes, size_t len); /* borrows bytes */
struct blob *blob_ref(struct blob *b);                 /* NULL gives NULL */
void blob_unref(struct blob *b);                       /* NULL is fine */
