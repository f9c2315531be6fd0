#include "router/peers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "base/list.h"

#define LOG_TARGET "router"
#include "base/log.h"

/* Theory of operation
 *
 * An entry is an endpoint with its history; a session is one dial or link of it, and its id is what
 * the links know. An entry has at most one session. When a session is to end from our side it
 * leaves its entry and the table of ids at once, and waits in `closing` to be pulled: whatever is
 * reported about it afterwards finds no session and is ignored, so no order of events can mix up
 * two links.
 *
 * Entries that are dialled stay in the heap all their life, parked behind every real deadline when
 * nothing is due: changing a deadline then never needs memory. Inbound entries are in no heap. */

#define PARKED        (USEC_NEVER - 1)
#define BACKOFF_FIRST USEC_SEC

struct session {
    struct hnode by_id;
    peer_entry id;
    struct entry *entry;
    struct list in_closing;
};

struct entry {
    struct hnode by_endpoint;
    struct list in_all;   /* oldest first */
    struct list in_dials; /* session waits to be pulled as PEERS_OUT_DIAL */
    struct heap_node timer;
    struct peer_info info;
    struct session *session; /* in PEER_DIALING and PEER_UP */
    usec_t since;            /* of the present state */
    unsigned failures;       /* in a row */
};

struct peers {
    struct rng *rng;
    struct hmap by_id, by_endpoint;
    struct list all, dials, closing;
    struct heap timers;
    peer_entry last_id;
    size_t inbound;
    struct peers_stats stats;
};

static const uint8_t peer_next[] = {
    /* bit n: may move to state n; UP to UP is a take-over */
    [PEER_IDLE] = 1 << PEER_DIALING | 1 << PEER_BACKOFF | 1 << PEER_UP,
    [PEER_DIALING] = 1 << PEER_UP | 1 << PEER_BACKOFF,
    [PEER_UP] = 1 << PEER_UP | 1 << PEER_BACKOFF,
    [PEER_BACKOFF] = 1 << PEER_DIALING | 1 << PEER_BACKOFF | 1 << PEER_UP,
};
_Static_assert(ARRAY_LEN(peer_next) == PEER_BACKOFF + 1, "one row per state");

static const char *const state_text[] = {
    [PEER_IDLE] = "idle",
    [PEER_DIALING] = "dialing",
    [PEER_UP] = "up",
    [PEER_BACKOFF] = "backoff",
};
_Static_assert(ARRAY_LEN(state_text) == PEER_BACKOFF + 1, "one text per state");

static void set_state(struct peers *p, struct entry *e, enum peer_state to, usec_t now)
{
    enum peer_state from = e->info.state;
    assert(peer_next[from] & 1 << to);
    if (log_enabled(LOG_LEVEL_DEBUG)) {
        char text[ENDPOINT_STR_MAX];
        log_debug("peer state", "peer=%s from=%s to=%s", endpoint_str(&e->info.endpoint, text),
                  state_text[from], state_text[to]);
    }
    if (from == PEER_UP)
        p->stats.up--;
    if (to == PEER_UP) {
        p->stats.up++;
        e->info.last_connected = now;
    }
    e->info.state = to;
    e->since = now;
}

/* Only for entries that are dialled: they are in the heap already. */
static void set_deadline(struct peers *p, struct entry *e, usec_t when)
{
    if (!heap_has(&e->timer))
        return;
    int rc = heap_set(&p->timers, &e->timer, when);
    assert(rc == OK);
    (void)rc;
}

/* --- entries ------------------------------------------------------------------------------ */

static uint64_t endpoint_hash(const struct peers *p, const struct endpoint *e)
{
    uint8_t key[1 + 2 + 16 + 4 + ENDPOINT_HOST_MAX] = {(uint8_t)e->proto};
    uint16_t port = e->port;
    size_t len = 3;
    if (e->proto == PROTO_VSOCK) {
        memcpy(key + 3, &e->cid, 4);
        memcpy(key + 7, &e->vsock_port, 4);
        len = 11;
    } else if (e->host[0]) {
        len += strlen(e->host);
        memcpy(key + 3, e->host, len - 3);
    } else if (e->addr.ss_family == AF_INET) {
        struct sockaddr_in sin;
        memcpy(&sin, &e->addr, sizeof(sin));
        port = sin.sin_port;
        memcpy(key + 3, &sin.sin_addr, 4);
        len = 7;
    } else {
        struct sockaddr_in6 sin6;
        memcpy(&sin6, &e->addr, sizeof(sin6));
        port = sin6.sin6_port;
        memcpy(key + 3, &sin6.sin6_addr, 16);
        memcpy(key + 19, &sin6.sin6_scope_id, 4);
        len = 23;
    }
    memcpy(key + 1, &port, 2);
    return hmap_hash(&p->by_endpoint, key, len);
}

static struct entry *entry_find(const struct peers *p, const struct endpoint *e)
{
    uint64_t hash = endpoint_hash(p, e);
    for (struct hnode *n = hmap_first(&p->by_endpoint, hash); n; n = hmap_next(n, hash)) {
        struct entry *x = container_of(n, struct entry, by_endpoint);
        if (endpoint_eq(&x->info.endpoint, e))
            return x;
    }
    return NULL;
}

/* Host names: the entry whose numeric address in use is this one. */
static struct entry *entry_find_resolved(const struct peers *p, const struct endpoint *e)
{
    list_foreach (n, &p->all) {
        struct entry *x = list_entry(n, struct entry, in_all);
        struct endpoint numeric = x->info.endpoint;
        if (!numeric.host[0] || numeric.addr.ss_family == AF_UNSPEC)
            continue;
        numeric.host[0] = '\0';
        if (endpoint_eq(&numeric, e))
            return x;
    }
    return NULL;
}

static int entry_new(struct peers *p, const struct endpoint *e, enum peer_type type, usec_t now,
                     struct entry **ret)
{
    struct entry *x = calloc(1, sizeof(*x));
    if (!x)
        return ERR_NOMEM;
    x->info = (struct peer_info){.endpoint = *e,
                                 .type = type,
                                 .state = PEER_IDLE,
                                 .discovered = now,
                                 .last_connected = USEC_NEVER};
    x->since = now;
    if (type != PEER_INBOUND && heap_set(&p->timers, &x->timer, PARKED) < 0) {
        free(x);
        return ERR_NOMEM;
    }
    hmap_add(&p->by_endpoint, &x->by_endpoint, endpoint_hash(p, e));
    list_push_back(&p->all, &x->in_all);
    p->stats.entries++;
    p->stats.added[type]++;
    if (type == PEER_INBOUND)
        p->inbound++;
    if (type == PEER_DISCOVERED)
        p->stats.discovered++;
    *ret = x;
    return OK;
}

/* The session must have been ended before. */
static void entry_free(struct peers *p, struct entry *x)
{
    assert(!x->session);
    if (x->info.state == PEER_UP)
        p->stats.up--;
    if (x->info.type == PEER_INBOUND)
        p->inbound--;
    if (x->info.type == PEER_DISCOVERED)
        p->stats.discovered--;
    p->stats.entries--;
    heap_del(&p->timers, &x->timer);
    hmap_del(&p->by_endpoint, &x->by_endpoint);
    list_del(&x->in_all);
    free(x);
}

/* --- sessions ----------------------------------------------------------------------------- */

static int session_begin(struct peers *p, struct entry *x)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    assert(!x->session);
    s->id = ++p->last_id;
    s->entry = x;
    hmap_add(&p->by_id, &s->by_id, hmap_hash(&p->by_id, &s->id, sizeof(s->id)));
    x->session = s;
    return OK;
}

static struct session *session_find(const struct peers *p, peer_entry id)
{
    uint64_t hash = hmap_hash(&p->by_id, &id, sizeof(id));
    for (struct hnode *n = hmap_first(&p->by_id, hash); n; n = hmap_next(n, hash)) {
        struct session *s = container_of(n, struct session, by_id);
        if (s->id == id)
            return s;
    }
    return NULL;
}

/* The link side knows that it has ended, or never heard of it. */
static void session_end(struct peers *p, struct entry *x)
{
    struct session *s = x->session;
    if (!s)
        return;
    list_del(&x->in_dials);
    hmap_del(&p->by_id, &s->by_id);
    x->session = NULL;
    free(s);
}

/* Ends it from our side. */
static void session_close(struct peers *p, struct entry *x)
{
    struct session *s = x->session;
    if (!s)
        return;
    if (list_linked(&x->in_dials)) {
        session_end(p, x);
        return;
    }
    hmap_del(&p->by_id, &s->by_id);
    x->session = NULL;
    s->entry = NULL;
    list_push_back(&p->closing, &s->in_closing);
}

/* --- dialling ----------------------------------------------------------------------------- */

/* Time to the next dial: 1, 2, 4, 5, 5, ... seconds, less up to half of it. The wide jitter keeps
 * two nodes that dial each other from meeting again and again. */
static usec_t backoff(struct peers *p, unsigned failures)
{
    usec_t full = BACKOFF_FIRST << MIN(failures > 0 ? failures - 1 : 0u, 3u);
    full = MIN(full, PEERS_BACKOFF_MAX);
    return full - (usec_t)rng_below(p->rng, (uint64_t)full / 2);
}

/* A dial failed or a link ended; its session is gone. */
static void entry_retry(struct peers *p, struct entry *x, usec_t now)
{
    bool stable = x->info.state == PEER_UP && now - x->since >= PEERS_STABLE;
    x->failures = stable ? 1 : x->failures + (x->failures < UINT32_MAX);
    if (x->info.type == PEER_INBOUND ||
        (x->info.type == PEER_DISCOVERED && x->failures >= PEERS_DISCOVERED_TRIES)) {
        entry_free(p, x);
        return;
    }
    set_state(p, x, PEER_BACKOFF, now);
    set_deadline(p, x, now + backoff(p, x->failures));
}

static void entry_dial(struct peers *p, struct entry *x, usec_t now)
{
    if (session_begin(p, x) < 0) {
        entry_retry(p, x, now);
        return;
    }
    set_state(p, x, PEER_DIALING, now);
    set_deadline(p, x, now + PEERS_DIAL_TIMEOUT);
    list_push_back(&p->dials, &x->in_dials);
    p->stats.dials++;
}

/* --- public ------------------------------------------------------------------------------- */

int peers_new(struct rng *rng, struct peers **ret)
{
    int rc = ERR_NOMEM;
    struct peers *p = calloc(1, sizeof(*p));
    if (!p)
        goto out;
    p->rng = rng;
    list_init(&p->all);
    list_init(&p->dials);
    list_init(&p->closing);
    heap_init(&p->timers);
    rc = hmap_init(&p->by_id, rng);
    if (rc < 0)
        goto out;
    rc = hmap_init(&p->by_endpoint, rng);
    if (rc < 0)
        goto out;
    *ret = p;
    p = NULL;
out:
    peers_free(p);
    return rc;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    list_foreach_safe (n, &p->all) {
        struct entry *x = list_entry(n, struct entry, in_all);
        session_end(p, x);
        entry_free(p, x);
    }
    list_foreach_safe (n, &p->closing)
        free(list_entry(n, struct session, in_closing));
    heap_fini(&p->timers);
    hmap_fini(&p->by_id);
    hmap_fini(&p->by_endpoint);
    free(p);
}

static int add(struct peers *p, const struct endpoint *e, enum peer_type type, usec_t now)
{
    struct entry *x;
    if (entry_find(p, e))
        return ERR_EXIST;
    if (p->stats.entries - p->inbound >= PEERS_MAX_ENTRIES ||
        (type == PEER_DISCOVERED && p->stats.discovered >= PEERS_MAX_DISCOVERED)) {
        p->stats.refused++;
        return ERR_LIMIT;
    }
    int rc = entry_new(p, e, type, now, &x);
    if (rc < 0)
        return rc;
    entry_dial(p, x, now);
    return OK;
}

int peers_add(struct peers *p, const struct endpoint *e, usec_t now)
{
    return add(p, e, PEER_STATIC, now);
}

int peers_discovered(struct peers *p, const struct endpoint *e, usec_t now)
{
    return add(p, e, PEER_DISCOVERED, now);
}

int peers_remove(struct peers *p, const struct endpoint *e)
{
    struct entry *x = entry_find(p, e);
    if (!x)
        x = entry_find_resolved(p, e);
    if (!x)
        return ERR_NOENT;
    session_close(p, x);
    entry_free(p, x);
    return OK;
}

int peers_accepted(struct peers *p, const struct endpoint *from, usec_t now, peer_entry *ret)
{
    struct entry *x = entry_find(p, from);
    bool known = x != NULL;
    int rc;
    if (!known) {
        if (p->stats.entries >= PEERS_MAX_ENTRIES) {
            p->stats.refused++;
            return ERR_LIMIT;
        }
        rc = entry_new(p, from, PEER_INBOUND, now, &x);
        if (rc < 0)
            return rc;
    }
    session_close(p, x);
    rc = session_begin(p, x);
    if (rc < 0) {
        entry_retry(p, x, now); /* frees inbound entries */
        return rc;
    }
    if (known)
        p->stats.taken_over++;
    if (x->info.type == PEER_INBOUND)
        x->info.rx_bytes = x->info.tx_bytes = 0; /* counted by link; others count on */
    p->stats.accepted++;
    set_state(p, x, PEER_UP, now);
    set_deadline(p, x, PARKED);
    *ret = x->session->id;
    return OK;
}

void peers_dialled(struct peers *p, peer_entry e, bool ok, usec_t now)
{
    struct session *s = session_find(p, e);
    if (!s || s->entry->info.state != PEER_DIALING)
        return;
    struct entry *x = s->entry;
    if (ok) {
        p->stats.dials_up++;
        set_state(p, x, PEER_UP, now);
        set_deadline(p, x, PARKED);
        if (x->info.type == PEER_DISCOVERED)
            x->failures = 0; /* its count decides about being forgotten: a success clears it */
        return;
    }
    p->stats.dials_failed++;
    session_end(p, x);
    entry_retry(p, x, now);
}

void peers_resolved(struct peers *p, peer_entry e, const struct sockaddr *a)
{
    struct session *s = session_find(p, e);
    if (!s || !s->entry->info.endpoint.host[0])
        return;
    struct endpoint numeric = endpoint_of(PROTO_TCP, a);
    s->entry->info.endpoint.addr = numeric.addr;
}

void peers_down(struct peers *p, peer_entry e, usec_t now)
{
    struct session *s = session_find(p, e);
    if (!s || s->entry->info.state != PEER_UP)
        return;
    struct entry *x = s->entry;
    session_end(p, x);
    entry_retry(p, x, now);
}

void peers_traffic(struct peers *p, peer_entry e, uint64_t rx_bytes, uint64_t tx_bytes)
{
    struct session *s = session_find(p, e);
    if (!s)
        return;
    s->entry->info.rx_bytes += rx_bytes;
    s->entry->info.tx_bytes += tx_bytes;
}

void peers_tick(struct peers *p, usec_t now)
{
    struct heap_node *n;
    while ((n = heap_due(&p->timers, now)) != NULL) {
        struct entry *x = container_of(n, struct entry, timer);
        switch (x->info.state) {
        case PEER_IDLE:
        case PEER_BACKOFF:
            entry_dial(p, x, now);
            break;
        case PEER_DIALING:
            p->stats.dials_timed_out++;
            session_close(p, x);
            entry_retry(p, x, now);
            break;
        case PEER_UP:
            set_deadline(p, x, PARKED); /* nothing is due while the link is open */
            break;
        }
    }
}

usec_t peers_deadline(const struct peers *p)
{
    usec_t when = heap_deadline(&p->timers);
    return when == PARKED ? USEC_NEVER : when;
}

bool peers_next(struct peers *p, struct peers_out *ret)
{
    struct session *s = list_first(&p->closing, struct session, in_closing);
    if (s) {
        *ret = (struct peers_out){.kind = PEERS_OUT_CLOSE, .entry = s->id};
        list_del(&s->in_closing);
        free(s);
        return true;
    }
    struct entry *x = list_first(&p->dials, struct entry, in_dials);
    if (!x)
        return false;
    *ret = (struct peers_out){
        .kind = PEERS_OUT_DIAL, .entry = x->session->id, .endpoint = x->info.endpoint};
    list_del(&x->in_dials);
    return true;
}

void peers_each(const struct peers *p, peer_visit *v, void *ctx)
{
    list_foreach (n, &p->all)
        v(ctx, &list_entry(n, struct entry, in_all)->info);
}

struct peers_stats peers_stats(const struct peers *p)
{
    return p->stats;
}
