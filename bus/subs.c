#include "bus/subs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/client.h"
#include "bus/filter.h"
#include "bus/token.h"

/* Of one answer. What waits is answered by the first message that comes. */
#define SUB_BATCH       64
#define SUB_BATCH_BYTES (512u << 10)

int subs_init(struct bus *b)
{
    list_init(&b->subs.due);
    return hmap_init(&b->subs.by_client, b->rng);
}

static uint64_t hash_of(const struct bus *b, bus_client client)
{
    return hmap_hash(&b->subs.by_client, &client, sizeof(client));
}

static struct sub *sub_find(const struct bus *b, bus_client client)
{
    uint64_t hash = hash_of(b, client);
    for (struct hnode *h = hmap_first(&b->subs.by_client, hash); h; h = hmap_next(h, hash)) {
        struct sub *s = container_of(h, struct sub, by_client);
        if (s->client == client)
            return s;
    }
    return NULL;
}

static void sub_due(struct bus *b, struct sub *s)
{
    if (!list_linked(&s->due))
        list_push_back(&b->subs.due, &s->due);
}

/* --- what it holds ------------------------------------------------------------------------ */

static uint64_t bytes_of(const struct in_msg *m)
{
    return m->file == 0 ? m->len : 0;
}

void sub_hold(struct sub *s, struct in_msg *m)
{
    assert(!m->sub);
    m->sub = s;
    list_push_back(&s->held, &m->of_sub);
    s->n_held++;
    s->held_bytes += bytes_of(m);
}

void sub_release(struct bus *b, struct in_msg *m)
{
    struct sub *s = m->sub;
    if (!s)
        return;
    m->sub = NULL;
    list_del(&m->of_sub);
    s->n_held--;
    s->held_bytes -= bytes_of(m);
    s->stuck = false;
    sub_due(b, s);
}

bool sub_fits(const struct sub *s, const struct in_msg *m)
{
    if (s->n_held >= s->conf.credit)
        return false;
    return s->n_held == 0 || bytes_of(m) == 0 || s->held_bytes + m->len <= s->conf.credit_bytes;
}

void sub_stuck(struct sub *s)
{
    s->stuck = true;
}

/* --- its fetch ---------------------------------------------------------------------------- */

void sub_call_end(struct bus *b, struct sub *s)
{
    s->call = NULL;
    sub_due(b, s);
}

static void sub_fail(struct bus *b, struct sub *s, int rc)
{
    if (s->over || s->failing)
        return;
    s->failing = true;
    s->rc = rc;
    sub_due(b, s);
}

void sub_taken_over(struct bus *b, struct sub *s)
{
    sub_fail(b, s, ERR_STATE);
}

static struct bus_fetch fetch_of(const struct sub *s)
{
    struct bus_fetch f = {
        .filter = s->conf.filter,
        .max = MIN(s->conf.credit - s->n_held, SUB_BATCH),
        .max_bytes = SUB_BATCH_BYTES,
        .wait_ms = INT64_MAX,
        .lease_ms = s->conf.lease_ms,
        .session = s->conf.session,
    };
    memcpy(f.consumer, s->conf.consumer, sizeof(f.consumer));
    return f;
}

static int fetch_start(struct bus *b, struct sub *s, struct instant now)
{
    struct bus_fetch f = fetch_of(s);
    struct call *c = NULL;
    int rc = call_begin(b, s->client, CALL_FETCH, &c);
    if (rc < 0)
        return rc;
    rc = fetch_new(b, &f, &c->fetch);
    if (rc == OK) {
        c->fetch->sub = s;
        s->call = c;
        rc = fetch_begin(b, c, &f, now);
    }
    if (rc < 0)
        call_end(b, c, now); /* s may be due again */
    return rc;
}

/* The answer that is the last one. */
static void say_over(struct bus *b, struct sub *s)
{
    struct bus_fetch f = fetch_of(s);
    struct call *c = NULL;
    f.max = 1;
    f.consumer[0] = '\0';
    if (s->call)
        call_end(b, s->call, b->next_at);
    list_del(&s->due);
    if (call_begin(b, s->client, CALL_FETCH, &c) < 0)
        return; /* no memory: with the next release or call */
    if (fetch_new(b, &f, &c->fetch) < 0) {
        call_end(b, c, b->next_at);
        return;
    }
    s->over = true;
    c->rc = s->rc;
    c->last_due = true;
    call_due(&b->calls, c);
}

static bool wants(const struct sub *s)
{
    return !s->call && !s->paused && !s->stuck && !s->over && s->n_held < s->conf.credit &&
           (s->n_held == 0 || s->held_bytes < s->conf.credit_bytes);
}

static bool somebody_else(const struct bus *b, const struct sub *s)
{
    const struct consumer *c = s->ran ? consumer_find(b, s->conf.consumer) : NULL;
    return c && c->session != s->conf.session;
}

static int sub_run(struct bus *b, struct sub *s, struct instant now)
{
    if (!wants(s))
        return OK;
    if (somebody_else(b, s))
        return ERR_STATE;
    int rc = fetch_start(b, s, now);
    s->ran = true;
    return rc == ERR_BUSY && s->stuck ? OK : rc;
}

void subs_run(struct bus *b, struct instant now)
{
    struct sub *s;
    while ((s = list_first(&b->subs.due, struct sub, due))) {
        list_del(&s->due);
        if (!s->failing) {
            int rc = sub_run(b, s, now);
            if (rc < 0)
                sub_fail(b, s, rc);
        }
        if (s->failing && !s->over)
            say_over(b, s);
    }
}

/* --- calls -------------------------------------------------------------------------------- */

static int conf_check(const struct bus_sub_conf *c)
{
    bool lease =
        c->lease_ms == 0 || (c->lease_ms >= BUS_LEASE_MIN_MS && c->lease_ms <= BUS_LEASE_MAX_MS);
    if (c->credit > BUS_CREDIT_MAX || !lease || !memchr(c->consumer, '\0', sizeof(c->consumer)))
        return ERR_INVAL;
    return filter_check(&c->filter);
}

int bus_subscribe(struct bus *b, const struct bus_sub_conf *c, bus_client client,
                  struct instant now)
{
    int rc = conf_check(c);
    if (rc < 0)
        return rc;
    if (client == 0 || sub_find(b, client) || call_find(&b->calls, client))
        return client == 0 ? ERR_INVAL : ERR_BUSY;
    struct sub *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    s->client = client;
    s->conf = *c;
    list_init(&s->held);
    hmap_add(&b->subs.by_client, &s->by_client, hash_of(b, client));
    b->subs.count++;
    rc = sub_run(b, s, now);
    if (rc < 0)
        bus_unsubscribe(b, client, BUS_SUB_RETURN, now);
    return rc;
}

/* What waits, or is on its way and not with the client yet. */
static void stop_call(struct bus *b, struct sub *s)
{
    if (s->call && s->call != b->lent_call)
        call_end(b, s->call, b->next_at);
}

int bus_sub_credit(struct bus *b, bus_client client, uint32_t credit, uint64_t credit_bytes)
{
    struct sub *s = sub_find(b, client);
    if (!s)
        return ERR_NOENT;
    if (credit > BUS_CREDIT_MAX)
        return ERR_INVAL;
    s->conf.credit = credit;
    s->conf.credit_bytes = credit_bytes;
    s->stuck = false;
    stop_call(b, s); /* it waits for as much as was allowed before */
    sub_due(b, s);
    return OK;
}

void bus_sub_pause(struct bus *b, bus_client client, bool paused)
{
    struct sub *s = sub_find(b, client);
    if (!s || s->paused == paused)
        return;
    s->paused = paused;
    if (paused)
        stop_call(b, s);
    sub_due(b, s);
}

static void let_go(struct bus *b, struct sub *s, enum bus_sub_end how, struct instant now)
{
    struct in_msg *m;
    while ((m = list_first(&s->held, struct in_msg, of_sub))) {
        bool live = m->state == IN_LEASED && !m->going;
        sub_release(b, m);
        if (!live || (how == BUS_SUB_KEEP && m->consumer))
            continue;
        if (how == BUS_SUB_RETURN)
            lease_return(b, m, now);
        else
            lease_fail(b, m, 0, false, now);
    }
}

void bus_unsubscribe(struct bus *b, bus_client client, enum bus_sub_end how, struct instant now)
{
    struct sub *s = sub_find(b, client);
    if (!s)
        return;
    if (s->call)
        call_end(b, s->call, now);
    else
        bus_forget_client(b, client); /* its last answer */
    s->paused = true;                 /* what comes back is for others */
    let_go(b, s, how, now);
    list_del(&s->due);
    hmap_del(&b->subs.by_client, &s->by_client);
    b->subs.count--;
    free(s);
}

uint32_t bus_consumer_leases(const struct bus *b, const char *name)
{
    const struct consumer *c = consumer_find(b, name);
    uint32_t n = 0;
    if (!c)
        return 0;
    list_foreach (l, &c->leases)
        n += !list_entry(l, struct in_msg, of_consumer)->going;
    return n;
}

size_t bus_consumer_tokens(const struct bus *b, const char *name, uint64_t seq,
                           struct bus_token *ret, size_t cap)
{
    const struct consumer *c = consumer_find(b, name);
    size_t n = 0;
    if (!c)
        return 0;
    list_foreach (l, &c->leases) {
        const struct in_msg *m = list_entry(l, struct in_msg, of_consumer);
        if (n == cap)
            break;
        if (!m->going)
            ret[n++] = token_make(b->token_key, m->seq, m->generation, m->nonce, &m->id);
        if (m->seq == seq)
            return n;
    }
    return 0;
}

void subs_fini(struct bus *b)
{
    struct hnode *h;
    size_t slot = 0;
    if (!b->subs.by_client.slots)
        return;
    while ((h = hmap_each(&b->subs.by_client, &slot, NULL))) {
        struct sub *s = container_of(h, struct sub, by_client);
        assert(list_empty(&s->held) && !s->call);
        hmap_del(&b->subs.by_client, h);
        free(s);
        slot = 0;
    }
    hmap_fini(&b->subs.by_client);
}
