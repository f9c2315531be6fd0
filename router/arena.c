#include "router/arena.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define STEP ((size_t)64 << 10)

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t space_of(const struct arena *a)
{
    return round_up(((size_t)a->max + 1) * a->record, STEP);
}

static size_t bits_bytes(const struct arena *a)
{
    return round_up(((size_t)a->max + 1 + 7) / 8, STEP);
}

/* Records, then the bits. */
static size_t mapping_of(const struct arena *a)
{
    return space_of(a) + bits_bytes(a);
}

/* Open from the start; the system still gives memory page by page, as it is touched. */
static bool is_small(const struct arena *a)
{
    return space_of(a) <= ARENA_SMALL_BYTES;
}

/* Makes room for more records. */
static int open_more(struct arena *a)
{
    size_t open = a->open + MAX(STEP, round_up(a->open / 8, STEP));
    open = MIN(open, space_of(a));
    if (mprotect(a->base + a->open, open - a->open, PROT_READ | PROT_WRITE) < 0)
        return ERR_NOMEM;
    a->open = open;
    return OK;
}

int arena_init(struct arena *a, size_t record, uint32_t max)
{
    assert(record % 4 == 0 && record >= sizeof(uint32_t));
    *a = (struct arena){.record = record, .max = MIN(max, ARENA_RECORDS_MAX), .used = 1};
    void *base = mmap(NULL, mapping_of(a), is_small(a) ? PROT_READ | PROT_WRITE : PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return ERR_NOMEM;
    a->base = base;
    a->used_bits = (void *)(a->base + space_of(a));
    /* One large page may take the system milliseconds, and nobody may wait so long; and the first
     * record of a small arena would take two megabytes. A system without them refuses: as well. */
    (void)madvise(base, mapping_of(a), MADV_NOHUGEPAGE);
    if (is_small(a)) {
        a->open = space_of(a);
    } else if (mprotect(a->used_bits, bits_bytes(a), PROT_READ | PROT_WRITE) < 0 ||
               open_more(a) < 0) {
        arena_fini(a);
        return ERR_NOMEM;
    }
    return OK;
}

void arena_fini(struct arena *a)
{
    if (a->base) {
        ASAN_UNPOISON_MEMORY_REGION(a->base, a->open);
        (void)munmap(a->base, mapping_of(a));
    }
    *a = (struct arena){0};
}

uint32_t arena_new(struct arena *a)
{
    uint32_t name = a->free;
    void *rec;
    if (name) {
        rec = arena_at(a, name);
        ASAN_UNPOISON_MEMORY_REGION(rec, a->record);
        memcpy(&a->free, rec, sizeof(a->free));
        memset(rec, 0, a->record);
    } else {
        if (a->used > a->max || (((size_t)a->used + 1) * a->record > a->open && open_more(a) < 0))
            return 0;
        name = a->used++; /* zeroed by the system */
    }
    a->live++;
    a->used_bits[name / 64] |= UINT64_C(1) << name % 64;
    return name;
}

void arena_free(struct arena *a, uint32_t name)
{
    assert(name > 0 && name < a->used && arena_in_use(a, name));
    a->used_bits[name / 64] &= ~(UINT64_C(1) << name % 64);
    void *rec = arena_at(a, name);
    memcpy(rec, &a->free, sizeof(a->free));
    ASAN_POISON_MEMORY_REGION(rec, a->record);
    a->free = name;
    a->live--;
}

uint32_t arena_next(const struct arena *a, uint32_t *pos, uint32_t *budget)
{
    while (*pos < a->used) {
        if (*pos % 64 == 0) {
            if (*budget == 0)
                return 0;
            (*budget)--;
        }
        uint64_t left = a->used_bits[*pos / 64] >> *pos % 64;
        if (left != 0) {
            uint32_t name = *pos + (uint32_t)__builtin_ctzll(left);
            *pos = name + 1;
            return name;
        }
        *pos = (*pos / 64 + 1) * 64;
    }
    *pos = a->used;
    return 0;
}

size_t arena_bytes(const struct arena *a)
{
    return (size_t)a->used * a->record;
}
