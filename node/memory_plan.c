#include "node/memory_plan.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "node/option_value.h"

__extension__ typedef unsigned __int128 wide; /* a product of two uint64_t */

static bool is_given(const struct options *o, const struct option_def *d)
{
    return o->source[d - option_table] != SOURCE_DEFAULT;
}

/* What units of `d` cost; UINT64_MAX: more than can be counted. */
static uint64_t cost(const struct option_def *d, uint64_t units)
{
    return units > UINT64_MAX / d->memory ? UINT64_MAX : units * d->memory;
}

static void add(uint64_t *sum, uint64_t n)
{
    *sum = n > UINT64_MAX - *sum ? UINT64_MAX : *sum + n;
}

uint64_t memory_plan_sum(const struct options *o)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].memory)
            add(&sum, cost(&option_table[i], option_number(o, &option_table[i])));
    return sum;
}

/* The limits that may shrink: those at their least value, and those above it. */
struct shares {
    uint64_t held, loose; /* bytes */
};

static struct shares shares_of(const struct options *o)
{
    struct shares s = {0, 0};
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        if (!d->memory || is_given(o, d))
            continue;
        uint64_t units = option_number(o, d);
        add(units <= d->min ? &s.held : &s.loose, cost(d, units));
    }
    return s;
}

/* Those above their least value share what the others leave of `room`. */
static void shrink(struct options *o, const struct shares *s, uint64_t room)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        if (!d->memory || is_given(o, d) || option_number(o, d) <= d->min)
            continue;
        wide n = (wide)option_number(o, d) * (room - s->held) / s->loose;
        option_number_set(o, d, MAX((uint64_t)n, d->min));
    }
}

int memory_plan_fit(struct options *o, char why[static MEMORY_PLAN_WHY_MAX])
{
    uint64_t given = 0, least = 0;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        if (d->memory && is_given(o, d))
            add(&given, cost(d, option_number(o, d)));
        else if (d->memory)
            add(&least, cost(d, d->min));
    }
    if (given > o->memory_limit || least > o->memory_limit - given) {
        add(&given, least);
        (void)snprintf(why, MEMORY_PLAN_WHY_MAX,
                       "memory_limit is too small: the limits that were given and the least of the "
                       "others need %" PRIu64 " MiB",
                       (given >> 20) + 1); /* fits */
        return ERR_LIMIT;
    }
    /* Who comes to its least value leaves less to the others: again with those, once by limit at
     * most. */
    for (uint64_t room = o->memory_limit - given;;) {
        struct shares s = shares_of(o);
        if (s.loose <= room - s.held)
            return OK;
        shrink(o, &s, room);
    }
}
