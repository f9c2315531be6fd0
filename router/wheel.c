#include "router/wheel.h"

#include <string.h>

#define WHEEL_HEAD 0x80000000U
#define LEVEL_BITS 6

static struct wheel_node *node_of(const struct wheel *w, uint32_t name)
{
    return (void *)((uint8_t *)arena_at(w->records, name) + w->node_at);
}

usec_t wheel_when(const struct wheel_node *n)
{
    usec_t when;
    memcpy(&when, n->when, sizeof(when));
    return when;
}

void wheel_init(struct wheel *w, const struct arena *records, size_t node_at, usec_t now)
{
    *w = (struct wheel){.records = records, .node_at = node_at, .time = (uint64_t)MAX(now, 0)};
}

static unsigned place_at(uint64_t time, unsigned level)
{
    return (unsigned)(time >> (level * LEVEL_BITS)) % WHEEL_PLACES;
}

static void unlink_node(struct wheel *w, struct wheel_node *n)
{
    if (n->next)
        node_of(w, n->next)->prev = n->prev;
    if (n->prev & WHEEL_HEAD) {
        uint32_t place = n->prev & ~WHEEL_HEAD;
        w->heads[place] = n->next;
        if (!n->next)
            w->taken[place / WHEEL_PLACES] &= ~(UINT64_C(1) << (place % WHEEL_PLACES));
    } else {
        node_of(w, n->prev)->next = n->next;
    }
    n->next = n->prev = 0;
}

/* The level is that of the highest digit in which the deadline differs from the present: on every
 * level above the first, entries stand behind the present, and the first taken place of the lowest
 * level comes before all others. */
static void link_node(struct wheel *w, uint32_t name, struct wheel_node *n)
{
    uint64_t when = MAX((uint64_t)MAX(wheel_when(n), 0), w->time);
    uint64_t differs = when ^ w->time;
    unsigned level = differs ? (63U - (unsigned)__builtin_clzll(differs)) / LEVEL_BITS : 0;
    uint32_t place = level * WHEEL_PLACES + place_at(when, level);
    n->next = w->heads[place];
    n->prev = WHEEL_HEAD | place;
    if (n->next)
        node_of(w, n->next)->prev = name;
    w->heads[place] = name;
    w->taken[level] |= UINT64_C(1) << (place % WHEEL_PLACES);
}

void wheel_set(struct wheel *w, uint32_t name, usec_t when)
{
    struct wheel_node *n = node_of(w, name);
    bool stays = n->prev && when >= wheel_when(n);
    memcpy(n->when, &when, sizeof(when));
    if (stays)
        return;
    if (n->prev)
        unlink_node(w, n);
    link_node(w, name, n);
}

void wheel_del(struct wheel *w, uint32_t name)
{
    struct wheel_node *n = node_of(w, name);
    if (n->prev)
        unlink_node(w, n);
}

/* The place whose turn comes first, and when; -1: none. */
static int first_place(const struct wheel *w, uint64_t *ret_start)
{
    /* A coarse place that is being emptied: its entries may come before those of finer ones. */
    for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
        unsigned here = place_at(w->time, level);
        if (w->taken[level] >> here & 1) {
            *ret_start = w->time;
            return (int)(level * WHEEL_PLACES + here);
        }
    }
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (!w->taken[level])
            continue;
        unsigned place = (unsigned)__builtin_ctzll(w->taken[level]);
        unsigned shift = level * LEVEL_BITS;
        uint64_t above =
            shift + LEVEL_BITS < 64 ? w->time >> (shift + LEVEL_BITS) << LEVEL_BITS : 0;
        *ret_start = (above | place) << shift;
        return (int)(level * WHEEL_PLACES + place);
    }
    return -1;
}

usec_t wheel_next(const struct wheel *w)
{
    uint64_t start;
    return first_place(w, &start) < 0 ? USEC_NEVER : (usec_t)start;
}

bool wheel_step(struct wheel *w, usec_t now, uint32_t *ret)
{
    uint64_t start, until = (uint64_t)MAX(now, 0);
    int place = first_place(w, &start);
    *ret = 0;
    if (place < 0 || start > until) {
        w->time = MAX(w->time, until);
        return false;
    }
    w->time = MAX(w->time, start);
    uint32_t name = w->heads[place];
    struct wheel_node *n = node_of(w, name);
    unlink_node(w, n);
    if ((uint64_t)MAX(wheel_when(n), 0) <= w->time)
        *ret = name;
    else
        link_node(w, name, n);
    return true;
}
