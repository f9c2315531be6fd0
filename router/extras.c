#include <stdlib.h>

#include "base/err.h"
#include "router/core.h"

/* The rarely needed part of a destination. Reading goes through dest_extra(): name 0 of the arena
 * holds what is true of a destination without one. */

static void extra_init(struct extra *x)
{
    list_init(&x->seqno_entries);
    list_init(&x->parked_out);
    list_init(&x->parked_in);
    x->rid_budget = INT64_MIN / 2; /* full */
    x->timer.kind = TIMER_DEST;
    x->again = GENERATION_LIMIT;
    x->renew_at = x->retry_at = x->look_at = x->lost_at = x->tell_at = USEC_NEVER;
    x->doubt_at = x->hint_at = x->chase_at = USEC_NEVER;
}

int extras_init(struct router *r)
{
    int rc = arena_init(&r->extras, sizeof(struct extra), r->dests.max);
    if (rc == OK)
        extra_init(arena_at(&r->extras, 0));
    return rc;
}

struct extra *extra_of(const struct router *r, const struct dest *d)
{
    return d->extra ? arena_at(&r->extras, d->extra) : NULL;
}

struct extra *extra_get(struct router *r, struct dest *d)
{
    if (!d->extra) {
        d->extra = arena_new(&r->extras);
        if (!d->extra)
            return NULL;
        struct extra *x = arena_at(&r->extras, d->extra);
        extra_init(x);
        x->dest = arena_name(&r->dests, d);
    }
    return arena_at(&r->extras, d->extra);
}

void extra_free(struct router *r, struct dest *d)
{
    struct extra *x = extra_of(r, d);
    if (!x)
        return;
    heap_del(&r->timers, &x->timer.node);
    list_del(&x->used);
    free(x->longer);
    free(x->doubts);
    arena_free(&r->extras, d->extra);
    d->extra = 0;
}

/* Would one that was made anew be the same to everybody? */
static bool idle(const struct router *r, const struct dest *d, const struct extra *x, usec_t now)
{
    return !list_linked(&x->query) && list_empty(&x->seqno_entries) && list_empty(&x->parked_out) &&
           list_empty(&x->parked_in) && x->longer_len == 0 && x->renew_at == USEC_NEVER &&
           x->retry_at == USEC_NEVER && x->look_at == USEC_NEVER && x->lost_at == USEC_NEVER &&
           x->tell_at == USEC_NEVER && x->chase_at == USEC_NEVER && !x->doubts &&
           x->hint_at == USEC_NEVER && !dest_in_use(r, d, now) &&
           (x->asked_at == 0 || now - x->asked_at >= QUERY_LIFE) &&
           (x->asked_by_at == 0 || now - x->asked_by_at >= QUERY_LIFE) &&
           x->rid_budget <= now - (RIDS_BURST - 1) * RID_EVERY;
}

void extra_trim(struct router *r, struct dest *d, usec_t now)
{
    const struct extra *x = extra_of(r, d);
    if (x && idle(r, d, x, now))
        extra_free(r, d);
}

static usec_t deadline(const struct router *r, const struct extra *x)
{
    usec_t when = extra_dest(r, x)->selected ? x->renew_at : USEC_NEVER;
    when = MIN(when, x->retry_at);
    when = MIN(when, x->chase_at);
    when = MIN(when, x->look_at);
    when = MIN(when, x->lost_at);
    when = MIN(when, x->doubt_at);
    when = MIN(when, x->hint_at);
    return MIN(when, x->tell_at);
}

void extra_arm(struct router *r, struct extra *x)
{
    usec_t when = deadline(r, x);
    /* Out of memory costs a repair that other events bring about as well, later. */
    if (when != USEC_NEVER)
        timer_set(r, &x->timer, when);
}

void extra_tick(struct router *r, struct extra *x, usec_t now)
{
    struct dest *d = extra_dest(r, x);
    dest_hold(d);
    if (now >= x->renew_at)
        renewal_tick(r, d, now);
    if (now >= x->retry_at)
        seqno_retry(r, d, now);
    if (now >= x->chase_at)
        seqno_chase(r, d, now);
    if (now >= x->look_at)
        look_tick(r, d, now);
    if (now >= x->lost_at)
        query_start_lost(r, d, now);
    if (now >= x->tell_at)
        tell_tick(r, d, now);
    if (now >= x->doubt_at)
        doubt_tick(r, d, now);
    if (now >= x->hint_at)
        hint_tick(r, d, now);
    extra_arm(r, x);
    dest_release(r, d);
}
