/* Messages on lease: fetch, ack, nack, renew, term; what a crash leaves of it; consumers. */
#include "bus/leases.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

#define LEASE_MS 30000

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
}

/* A message with this topic and first byte from node 0 to node 1; waits until it is there. */
static void deliver(struct rig *r, const char *topic, uint8_t byte, size_t len)
{
    struct bus_send s = {.dst = r->node[1].addr, .topic = topic_of(topic)};
    size_t before = r->node[1].store.readies;
    s.payload = rig_pattern(len);
    if (len > 0)
        s.payload->data[0] = byte;
    assert_int_not_equal(rig_send_ex(r, 0, &s), 0);
    blob_unref(s.payload);
    rig_run(r, 300 * USEC_MS);
    assert_int_equal(r->node[1].store.readies, before + 1);
}

static struct bus_fetch fetch_of(const char *topic, uint32_t max)
{
    struct bus_fetch f = {.max = max, .max_bytes = 1 << 20};
    if (topic) {
        f.filter.kind = BUS_TOPIC;
        f.filter.topic = topic_of(topic);
    }
    return f;
}

static struct rig_answer *fetched(struct rig *r, bus_client c)
{
    rig_run(r, 20 * USEC_MS);
    return rig_answer(r, 1, c, BUS_OUT_FETCHED);
}

static struct rig_answer *fetch(struct rig *r, const struct bus_fetch *f)
{
    struct rig_answer *a = fetched(r, rig_fetch(r, 1, f));
    assert_non_null(a);
    assert_int_equal(a->rc, OK);
    return a;
}

/* One message of any topic, or fails. */
static struct bus_message fetch_one(struct rig *r)
{
    struct bus_fetch f = fetch_of(NULL, 1);
    struct rig_answer *a = fetch(r, &f);
    assert_int_equal(a->n, 1);
    return a->messages[0];
}

static void fetch_none(struct rig *r)
{
    struct bus_fetch f = fetch_of(NULL, 1);
    assert_int_equal(fetch(r, &f)->n, 0);
}

/* How many were done; the others are unknown. */
static size_t settle_n(struct rig *r, enum bus_settle_kind kind, const struct bus_token *t,
                       size_t n, int64_t ms)
{
    bus_client c = rig_settle(r, 1, kind, t, n, ms);
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_SETTLED);
    size_t unknown = 0;
    assert_non_null(a);
    assert_int_equal(a->rc, OK);
    assert_int_equal(a->n, n);
    for (size_t i = 0; i < n; i++)
        unknown += a->unknown[i];
    assert_int_equal(a->done + unknown, n);
    return a->done;
}

static size_t settle(struct rig *r, enum bus_settle_kind kind, const struct bus_token *t,
                     int64_t ms)
{
    return settle_n(r, kind, t, 1, ms);
}

static struct bus_stats stats(struct rig *r)
{
    struct bus_stats st;
    bus_stats(r->node[1].bus, &st);
    return st;
}

static bool pop_gets(struct rig *r, uint8_t byte)
{
    bus_client c = rig_take(r, 1, 0);
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_TAKEN);
    assert_non_null(a);
    return a->has_message && a->payload->data[0] == byte;
}

static bool inbox_empty(struct rig *r)
{
    struct bus_stats st = stats(r);
    return st.in_ready + st.in_leased + st.in_dead == 0 && st.in_bytes == 0 &&
           st.in_cached_bytes == 0 && fake_ready_count(&r->node[1].store) == 0;
}

static void crash(struct rig *r)
{
    rig_crash(r, 1);
    rig_start(r, 1);
}

/* --- tests -------------------------------------------------------------------------------- */

static void test_fetch_and_ack(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    for (uint8_t i = 1; i <= 5; i++)
        deliver(&r, i % 2 ? "odd" : "even", i, 10);
    struct bus_fetch f = fetch_of(NULL, 3);
    struct rig_answer a = *fetch(&r, &f);
    assert_int_equal(a.n, 3);
    struct bus_token tokens[3];
    for (size_t i = 0; i < 3; i++) {
        const struct bus_message *m = &a.messages[i];
        assert_int_equal(m->payload->data[0], i + 1);
        assert_int_equal(m->redelivered, 0);
        assert_int_equal(m->token.seq, m->seq);
        assert_int_equal(m->token.generation, 1);
        assert_int_equal(m->len, 10);
        assert_true(m->lease_ms > rig_instant(&r).wall_ms + LEASE_MS - 100);
        tokens[i] = m->token;
    }
    assert_int_equal(stats(&r).in_leased, 3);
    /* Pop and peek see only what is not on lease. */
    struct bus_take peek = {.any_topic = true, .peek = true};
    bus_client c = rig_take_ex(&r, 1, &peek);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_answer(&r, 1, c, BUS_OUT_TAKEN)->payload->data[0], 4);
    assert_true(pop_gets(&r, 4));
    /* By topic; nothing is left of the other. */
    f = fetch_of("even", 10);
    assert_int_equal(fetch(&r, &f)->n, 0);
    /* The removal is durable before the answer, and READ follows it. */
    rig_run(&r, 10 * USEC_SEC);
    size_t reads = r.count[11];
    r.node[1].commit_min = r.node[1].commit_max = 40 * USEC_MS;
    c = rig_settle(&r, 1, BUS_ACK, tokens, 2, 0);
    rig_run(&r, 30 * USEC_MS);
    assert_null(rig_answer(&r, 1, c, BUS_OUT_SETTLED));
    assert_int_equal(r.count[11], reads);
    rig_run(&r, 30 * USEC_MS);
    assert_int_equal(rig_answer(&r, 1, c, BUS_OUT_SETTLED)->done, 2);
    assert_int_equal(r.count[11], reads + 2);
    assert_int_equal(fake_ready_count(&r.node[1].store), 2);
    r.node[1].commit_min = r.node[1].commit_max = 1 * USEC_MS;
    /* Again: what was settled is unknown, the third is not. */
    assert_int_equal(settle_n(&r, BUS_ACK, tokens, 3, 0), 1);
    assert_true(pop_gets(&r, 5));
    assert_true(inbox_empty(&r));
    rig_fini(&r);
}

static void test_tokens_of_others(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 2);
    deliver(&r, "", 1, 10);
    struct bus_message m = fetch_one(&r);
    struct bus_token t = m.token;
    for (size_t i = 0; i < BUS_TOKEN_TAG; i++) {
        t = m.token;
        t.tag[i] ^= 1;
        assert_int_equal(settle(&r, BUS_ACK, &t, 0), 0);
    }
    t = m.token;
    t.generation++;
    assert_int_equal(settle(&r, BUS_ACK, &t, 0), 0);
    t = m.token;
    t.seq++;
    assert_int_equal(settle(&r, BUS_ACK, &t, 0), 0);
    assert_int_equal(settle(&r, BUS_ACK, &m.token, 0), 1);
    struct bus *b = r.node[1].bus;
    static struct bus_token many[BUS_SETTLE_MAX + 1];
    assert_int_equal(bus_settle(b, BUS_ACK, many, 0, 0, 99, rig_instant(&r)), ERR_INVAL);
    assert_int_equal(bus_settle(b, BUS_ACK, many, BUS_SETTLE_MAX + 1, 0, 99, rig_instant(&r)),
                     ERR_INVAL);
    assert_int_equal(bus_settle(b, BUS_NACK, many, 1, -1, 99, rig_instant(&r)), ERR_INVAL);
    assert_int_equal(bus_settle(b, BUS_NACK, many, 1, BUS_DELAY_MAX_MS + 1, 99, rig_instant(&r)),
                     ERR_INVAL);
    assert_int_equal(bus_settle(b, BUS_RENEW, many, 1, 999, 99, rig_instant(&r)), ERR_INVAL);
    struct bus_fetch f = fetch_of(NULL, 0);
    assert_int_equal(bus_fetch(b, &f, 99, rig_instant(&r)), ERR_INVAL);
    f.max = BUS_FETCH_MAX + 1;
    assert_int_equal(bus_fetch(b, &f, 99, rig_instant(&r)), ERR_INVAL);
    f.max = 1;
    f.lease_ms = 1;
    assert_int_equal(bus_fetch(b, &f, 99, rig_instant(&r)), ERR_INVAL);
    f.lease_ms = 0;
    f.filter.kind = BUS_PATTERN;
    f.filter.topic = topic_of("a/#/b");
    assert_int_equal(bus_fetch(b, &f, 99, rig_instant(&r)), ERR_INVAL);
    rig_fini(&r);
}

static void test_nack(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 3);
    deliver(&r, "a", 1, 10);
    deliver(&r, "a", 2, 10);
    struct bus_message m = fetch_one(&r);
    assert_int_equal(settle(&r, BUS_NACK, &m.token, 0), 1);
    assert_int_equal(settle(&r, BUS_NACK, &m.token, 0), 0); /* it was given back already */
    struct bus_message again = fetch_one(&r);               /* before the second one: by seq */
    assert_int_equal(again.seq, m.seq);
    assert_int_equal(again.redelivered, 1);
    assert_int_equal(again.token.generation, 2);
    assert_int_equal(settle(&r, BUS_NACK, &m.token, 0), 0); /* another one's lease */
    /* With a delay it is not there for a while. */
    assert_int_equal(settle(&r, BUS_NACK, &again.token, 5000), 1);
    struct bus_message second = fetch_one(&r);
    assert_int_equal(second.payload->data[0], 2);
    fetch_none(&r);
    rig_run(&r, 4900 * USEC_MS);
    fetch_none(&r);
    rig_run(&r, 200 * USEC_MS);
    again = fetch_one(&r);
    assert_int_equal(again.redelivered, 2);
    assert_int_equal(settle(&r, BUS_ACK, &again.token, 0), 1);
    assert_int_equal(settle(&r, BUS_ACK, &second.token, 0), 1);
    assert_true(inbox_empty(&r));
    rig_fini(&r);
}

static void test_end_of_lease(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 4);
    deliver(&r, "", 1, 10);
    deliver(&r, "", 2, 10);
    struct bus_message first = fetch_one(&r), other = fetch_one(&r);
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(settle(&r, BUS_RENEW, &other.token, 60000), 1);
    rig_run(&r, 11 * USEC_SEC);
    assert_int_equal(stats(&r).in_leased, 1);
    assert_int_equal(settle(&r, BUS_RENEW, &first.token, 0), 0); /* too late */
    struct bus_message again = fetch_one(&r);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(again.redelivered, 1);
    /* Who had it before may still say that it is done. */
    assert_int_equal(settle(&r, BUS_ACK, &first.token, 0), 1);
    assert_int_equal(settle(&r, BUS_ACK, &again.token, 0), 0);
    rig_run(&r, 40 * USEC_SEC);
    assert_int_equal(stats(&r).in_leased, 1); /* the renewed one */
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(stats(&r).in_leased, 0);
    /* Also when it is on nobody's lease now. */
    assert_int_equal(settle(&r, BUS_ACK, &other.token, 0), 1);
    assert_true(inbox_empty(&r));
    rig_fini(&r);
}

static struct bus_inbox_entry entry(struct rig *r, uint64_t seq)
{
    struct bus_inbox_entry e;
    assert_int_equal(bus_inbox_get(r->node[1].bus, seq, rig_instant(r), &e), OK);
    return e;
}

static int operate(struct rig *r,
                   int (*call)(struct bus *b, uint64_t seq, bus_client client, struct instant now),
                   uint64_t seq)
{
    bus_client c = ++r->node[1].next_client;
    int rc = call(r->node[1].bus, seq, c, rig_instant(r));
    if (rc < 0)
        return rc;
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_SETTLED);
    assert_non_null(a);
    return a->rc != OK ? a->rc : a->done == 1 ? OK : ERR_NOENT;
}

static void test_dead(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 5);
    deliver(&r, "", 1, 10);
    deliver(&r, "", 2, 10);
    struct bus_message m;
    for (uint32_t i = 0; i < 6; i++) { /* five tries may fail, the sixth is one too many */
        m = fetch_one(&r);
        assert_int_equal(m.payload->data[0], 1);
        assert_int_equal(m.redelivered, i);
        assert_int_equal(settle(&r, BUS_NACK, &m.token, 0), 1);
    }
    assert_int_equal(stats(&r).in_dead, 1);
    struct bus_message second = fetch_one(&r);
    assert_int_equal(second.payload->data[0], 2);
    fetch_none(&r);
    assert_int_equal(entry(&r, m.seq).state, IN_DEAD);
    assert_int_equal(entry(&r, m.seq).offers, 6);
    /* At once, and durable before the answer. */
    assert_int_equal(settle(&r, BUS_TERM, &second.token, 0), 1);
    assert_int_equal(settle(&r, BUS_TERM, &second.token, 0), 1); /* it is */
    crash(&r);
    assert_int_equal(stats(&r).in_dead, 2);
    /* Requeued, it has all its tries before it, and is known to be a repeat. */
    assert_int_equal(operate(&r, bus_inbox_requeue, m.seq), OK);
    crash(&r);
    m = fetch_one(&r);
    assert_int_equal(m.redelivered, 6);
    assert_int_equal(settle(&r, BUS_NACK, &m.token, 0), 1);
    m = fetch_one(&r);
    /* An ack of a dead one: its work is done after all. */
    assert_int_equal(settle(&r, BUS_TERM, &m.token, 0), 1);
    assert_int_equal(settle(&r, BUS_ACK, &m.token, 0), 1);
    assert_int_equal(stats(&r).in_dead, 1);
    rig_run(&r, 6 * 24 * 3600 * USEC_SEC);
    assert_int_equal(stats(&r).in_dead, 1);
    crash(&r);
    rig_run(&r, 24 * 3600 * USEC_SEC + USEC_SEC);
    assert_true(inbox_empty(&r));
    assert_int_equal(stats(&r).in_expired, 1);
    rig_fini(&r);
}

static void test_too_many_dead(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 6);
    r.node[1].limits.dead_messages = 2;
    rig_start(&r, 0);
    rig_start(&r, 1);
    uint64_t first = 0;
    for (uint8_t i = 1; i <= 3; i++) {
        deliver(&r, "", i, 10);
        struct bus_message m = fetch_one(&r);
        first = first ? first : m.seq;
        assert_int_equal(settle(&r, BUS_TERM, &m.token, 0), 1);
    }
    struct bus_inbox_entry e;
    assert_int_equal(stats(&r).in_dead, 2);
    assert_int_equal(stats(&r).in_pushed, 1);
    assert_int_equal(bus_inbox_get(r.node[1].bus, first, rig_instant(&r), &e), ERR_NOENT);
    assert_int_equal(fake_ready_count(&r.node[1].store), 2);
    rig_fini(&r);
}

/* The store fails: nothing is settled, and the same call again works. */
static void test_store_fails(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 7);
    deliver(&r, "", 1, 10);
    struct bus_message m = fetch_one(&r);
    rig_run(&r, 200 * USEC_MS); /* its mark is stored */
    r.node[1].store.fail_next = 1;
    bus_client c = rig_settle(&r, 1, BUS_ACK, &m.token, 1, 0);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_answer(&r, 1, c, BUS_OUT_SETTLED)->rc, ERR_IO);
    assert_int_equal(entry(&r, m.seq).state, IN_LEASED);
    fetch_none(&r);
    r.node[1].store.fail_next = 1;
    c = rig_settle(&r, 1, BUS_TERM, &m.token, 1, 0);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_answer(&r, 1, c, BUS_OUT_SETTLED)->rc, ERR_IO);
    assert_int_equal(settle(&r, BUS_TERM, &m.token, 0), 1);
    crash(&r);
    assert_int_equal(entry(&r, m.seq).state, IN_DEAD);
    r.node[1].store.fail_next = 1;
    assert_int_equal(operate(&r, bus_inbox_drop, m.seq), ERR_IO);
    assert_int_equal(entry(&r, m.seq).state, IN_DEAD);
    assert_int_equal(operate(&r, bus_inbox_drop, m.seq), OK);
    assert_int_equal(operate(&r, bus_inbox_drop, m.seq), ERR_NOENT);
    assert_true(inbox_empty(&r));
    /* A lease that ends while its removal fails is not forgotten. */
    deliver(&r, "", 2, 10);
    m = fetch_one(&r);
    r.node[1].commit_min = r.node[1].commit_max = 40 * USEC_SEC;
    r.node[1].store.fail_next = 2; /* the mark, and the removal */
    c = rig_settle(&r, 1, BUS_ACK, &m.token, 1, 0);
    rig_run(&r, 100 * USEC_SEC);
    assert_int_equal(rig_answer(&r, 1, c, BUS_OUT_SETTLED)->rc, ERR_IO);
    r.node[1].commit_min = r.node[1].commit_max = 1 * USEC_MS;
    rig_run(&r, 100 * USEC_SEC);
    m = fetch_one(&r);
    assert_int_equal(m.redelivered, 1);
    rig_fini(&r);
}

/* A payload that has to be read: its failure gives back what was chosen. */
static void test_body_from_store(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 8);
    r.node[1].limits.in_cache_bytes = 0;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (uint8_t i = 1; i <= 3; i++)
        deliver(&r, "", i, 1000 * i);
    struct bus_fetch f = fetch_of(NULL, 3);
    r.node[1].store.fail_next = 1;
    struct rig_answer *a = fetched(&r, rig_fetch(&r, 1, &f));
    assert_non_null(a);
    assert_int_equal(a->rc, ERR_IO);
    assert_int_equal(a->n, 0);
    assert_int_equal(stats(&r).in_leased, 0);
    a = fetch(&r, &f);
    assert_int_equal(a->n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(a->messages[i].redelivered, 0);
        assert_int_equal(a->messages[i].payload->len, 1000 * (i + 1));
    }
    rig_fini(&r);
}

static void test_max_bytes(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 9);
    for (uint8_t i = 1; i <= 4; i++)
        deliver(&r, "", i, 1000);
    deliver(&r, "", 5, 0);
    struct bus_fetch f = fetch_of(NULL, 10);
    f.max_bytes = 2500;
    struct rig_answer *a = fetch(&r, &f);
    assert_int_equal(a->n, 2);
    f.max_bytes = 10; /* the first comes in any case, without its payload */
    a = fetch(&r, &f);
    assert_int_equal(a->n, 1);
    assert_null(a->messages[0].payload);
    assert_int_equal(a->messages[0].len, 1000);
    f.max_bytes = 1000;
    a = fetch(&r, &f);
    assert_int_equal(a->n, 2); /* the empty one takes no room */
    assert_int_equal(a->messages[1].payload->len, 0);
    rig_fini(&r);
}

/* Who goes away gets nothing on lease, whatever it waited for. */
static void test_forget(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 10);
    r.node[1].limits.in_cache_bytes = 0;
    rig_start(&r, 0);
    rig_start(&r, 1);
    struct bus_fetch f = fetch_of(NULL, 2);
    f.wait_ms = 60000;
    bus_client c = rig_fetch(&r, 1, &f);
    assert_int_equal(stats(&r).waiters, 1);
    bus_forget_client(r.node[1].bus, c);
    assert_int_equal(stats(&r).waiters, 0);
    deliver(&r, "", 1, 100);
    assert_null(rig_answer(&r, 1, c, BUS_OUT_FETCHED));
    c = rig_fetch(&r, 1, &f); /* its payload is being read */
    rig_drain(&r, 1);
    bus_forget_client(r.node[1].bus, c);
    rig_run(&r, 20 * USEC_MS);
    assert_null(rig_answer(&r, 1, c, BUS_OUT_FETCHED));
    struct bus_message m = fetch_one(&r);
    assert_int_equal(m.redelivered, 0);
    /* Settling goes on. */
    c = rig_settle(&r, 1, BUS_ACK, &m.token, 1, 0);
    bus_forget_client(r.node[1].bus, c);
    rig_run(&r, 20 * USEC_MS);
    assert_true(inbox_empty(&r));
    /* The wait ends without a message. */
    f.wait_ms = 100;
    c = rig_fetch(&r, 1, &f);
    rig_run(&r, 150 * USEC_MS);
    assert_int_equal(rig_answer(&r, 1, c, BUS_OUT_FETCHED)->n, 0);
    rig_fini(&r);
}

/* --- crashes ------------------------------------------------------------------------------ */

static void test_crash(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 11);
    deliver(&r, "", 1, 10);
    deliver(&r, "", 2, 10);
    struct bus_message m = fetch_one(&r);
    rig_run(&r, LEASE_MARK + 20 * USEC_MS);
    crash(&r);
    assert_int_equal(stats(&r).in_leased, 0);
    struct bus_message again = fetch_one(&r);
    assert_int_equal(again.seq, m.seq);
    assert_int_equal(again.redelivered, 1);
    assert_int_equal(settle(&r, BUS_RENEW, &m.token, 0), 0); /* that lease is over */
    assert_int_equal(settle(&r, BUS_ACK, &m.token, 0), 1);   /* that work is done */
    m = fetch_one(&r);
    crash(&r); /* at once: nobody knows of the lease */
    again = fetch_one(&r);
    assert_int_equal(again.seq, m.seq);
    assert_int_equal(settle(&r, BUS_ACK, &m.token, 0), 1);
    assert_true(inbox_empty(&r));
    /* Crashes count as tries, when the lease was stored. */
    deliver(&r, "", 3, 10);
    for (unsigned i = 0; i < 6; i++) {
        m = fetch_one(&r);
        assert_int_equal(m.redelivered, i);
        rig_run(&r, LEASE_MARK + 20 * USEC_MS);
        crash(&r);
    }
    assert_int_equal(stats(&r).in_dead, 1);
    rig_fini(&r);
}

#define STORM 60

struct storm {
    bool asked[STORM], acked[STORM]; /* by number of the message: asked for; answered */
    struct bus_token held[STORM];
    uint8_t number[STORM];
    size_t n;
};

static void storm_ack(struct rig *r, struct storm *s, const struct bus_token *t, uint8_t number)
{
    bus_client c = rig_settle(r, 1, BUS_ACK, t, 1, 0);
    s->asked[number] = true;
    rig_run(r, (usec_t)rng_below(&r->rng, 8) * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_SETTLED);
    if (a && a->rc == OK) /* unknown: an earlier ack that failed had settled it after all */
        s->acked[number] = true;
}

/* What came with a's messages is settled one way or another. */
static void storm_settle(struct rig *r, struct storm *s, const struct rig_answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct bus_message *m = &a->messages[i];
        uint8_t number = m->payload->data[0];
        assert_false(s->acked[number]); /* what was acked is never seen again */
        switch (rng_below(&r->rng, 5)) {
        case 0:
            (void)rig_settle(r, 1, BUS_NACK, &m->token, 1, (int64_t)rng_below(&r->rng, 2000));
            break;
        case 1: /* keeps it, maybe too long */
            s->held[s->n % STORM] = m->token;
            s->number[s->n++ % STORM] = number;
            break;
        default:
            storm_ack(r, s, &m->token, number);
        }
    }
}

static void storm_turn(struct rig *r, struct storm *s, unsigned turn)
{
    struct bus_fetch f = fetch_of(turn % 4 ? NULL : "b", 1 + turn % 5);
    if (rng_below(&r->rng, 8) == 0)
        r->node[1].store.fail_next = 1;
    bus_client c = rig_fetch(r, 1, &f);
    rig_run(r, (usec_t)rng_below(&r->rng, 20) * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_FETCHED);
    if (a && a->rc == OK) {
        struct rig_answer copy = *a;
        storm_settle(r, s, &copy);
    }
    if (rng_below(&r->rng, 10) == 0)
        crash(r);
    if (s->n > 0 && rng_below(&r->rng, 3) == 0) { /* also of a life before the crash */
        size_t at = (size_t)rng_below(&r->rng, MIN(s->n, STORM));
        storm_ack(r, s, &s->held[at], s->number[at]);
    }
    if (rng_below(&r->rng, 6) == 0)
        rig_run(r, (usec_t)rng_below(&r->rng, 40) * USEC_SEC);
}

/* Takers, crashes and failing commits: what was acked is never seen again, nothing else is lost. */
static void test_storm(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct rig r;
        struct storm s = {.n = 0};
        bool left[STORM] = {false};
        rig_init(&r, seed);
        r.node[1].limits.in_cache_bytes = seed % 3 * 500;
        r.node[1].limits.tries = 1000;
        rig_start(&r, 0);
        rig_start(&r, 1);
        for (uint8_t i = 0; i < STORM; i++)
            deliver(&r, i % 3 ? "a" : "b", i, 100);
        for (unsigned turn = 0; turn < 80; turn++)
            storm_turn(&r, &s, turn);
        r.node[1].store.fail_next = 0;
        rig_run(&r, 60 * USEC_SEC); /* all leases and delays are over */
        struct bus_fetch f = fetch_of(NULL, STORM);
        struct rig_answer *a = fetch(&r, &f);
        for (size_t i = 0; i < a->n; i++)
            left[a->messages[i].payload->data[0]] = true;
        for (size_t i = 0; i < STORM; i++) {
            assert_false(left[i] && s.acked[i]);
            assert_true(left[i] || s.asked[i]);
        }
        assert_int_equal(a->n, fake_ready_count(&r.node[1].store));
        assert_int_equal(stats(&r).in_ready, 0);
        rig_fini(&r);
    }
}

/* --- waiting ------------------------------------------------------------------------------ */

static void test_waiters(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 12);
    struct bus_fetch any = fetch_of(NULL, 10), own = fetch_of("x/1", 10), prefix = any;
    any.wait_ms = own.wait_ms = prefix.wait_ms = 600000;
    prefix.filter.kind = BUS_PREFIX;
    prefix.filter.topic = topic_of("x/");
    struct bus_take pop = {.any_topic = true, .wait_ms = 600000};
    bus_client c[5];
    c[0] = rig_fetch(&r, 1, &prefix);
    c[1] = rig_fetch(&r, 1, &own);
    c[2] = rig_take_ex(&r, 1, &pop);
    c[3] = rig_fetch(&r, 1, &any);
    c[4] = rig_fetch(&r, 1, &prefix);
    static const char *const topics[] = {"x/1", "x/1", "x/1", "x/1", "x/1"};
    for (size_t i = 0; i < 5; i++) {
        deliver(&r, topics[i], (uint8_t)i, 10);
        struct rig_answer *a = rig_answer(&r, 1, c[i], i == 2 ? BUS_OUT_TAKEN : BUS_OUT_FETCHED);
        assert_non_null(a); /* in the order in which they came */
        if (i != 2) {
            assert_int_equal(a->n, 1);
            assert_int_equal(a->messages[0].payload->data[0], i);
        }
        for (size_t k = i + 1; k < 5; k++)
            assert_null(rig_answer(&r, 1, c[k], BUS_OUT_FETCHED));
    }
    /* What does not match wakes nobody. */
    c[0] = rig_fetch(&r, 1, &prefix);
    c[1] = rig_fetch(&r, 1, &own);
    deliver(&r, "x", 9, 10);
    deliver(&r, "", 9, 10);
    assert_int_equal(stats(&r).waiters, 2);
    deliver(&r, "x/", 7, 10);
    assert_int_equal(rig_answer(&r, 1, c[0], BUS_OUT_FETCHED)->n, 1);
    /* A message that comes back goes to who waits for it. */
    struct bus_token t = rig_answer(&r, 1, c[0], BUS_OUT_FETCHED)->messages[0].token;
    c[0] = rig_fetch(&r, 1, &prefix);
    assert_int_equal(settle(&r, BUS_NACK, &t, 0), 1);
    assert_int_equal(rig_answer(&r, 1, c[0], BUS_OUT_FETCHED)->messages[0].redelivered, 1);
    rig_fini(&r);
}

/* Patterns, prefixes, pops and exact topics share one order of waiting. */
static void test_waiting_patterns(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 21);
    static const struct {
        enum bus_filter_kind kind;
        const char *text;
    } v[] = {{BUS_PATTERN, "x/+"},   {BUS_PREFIX, "x"},    {BUS_PATTERN, "#"},
             {BUS_TOPIC, "x/1"},     {BUS_PATTERN, "x/+"}, {BUS_PATTERN, "x/1/#"},
             {BUS_PATTERN, "+/1/+"}, {BUS_ANY, ""}};
    bus_client c[ARRAY_LEN(v)];
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct bus_fetch f = fetch_of(NULL, 10);
        f.filter.kind = v[i].kind;
        f.filter.topic = topic_of(v[i].text);
        f.wait_ms = 600000;
        c[i] = rig_fetch(&r, 1, &f);
    }
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        if (i == 6)
            continue; /* wants a level more */
        deliver(&r, "x/1", (uint8_t)i, 10);
        struct rig_answer *a = rig_answer(&r, 1, c[i], BUS_OUT_FETCHED);
        assert_non_null(a);
        assert_int_equal(a->n, 1);
        assert_int_equal(a->messages[0].payload->data[0], i);
        for (size_t k = i + 1; k < ARRAY_LEN(v); k++)
            assert_null(rig_answer(&r, 1, c[k], BUS_OUT_FETCHED));
    }
    assert_int_equal(stats(&r).waiters, 1);
    /* What is there already comes by seq, whatever its topic. */
    deliver(&r, "y/1", 11, 10);
    deliver(&r, "x/2", 12, 10);
    deliver(&r, "z/1", 13, 10);
    struct bus_fetch f = fetch_of(NULL, 10);
    f.filter.kind = BUS_PATTERN;
    f.filter.topic = topic_of("+/1");
    struct rig_answer *a = fetch(&r, &f);
    assert_int_equal(a->n, 2);
    assert_int_equal(a->messages[0].payload->data[0], 11);
    assert_int_equal(a->messages[1].payload->data[0], 13);
    /* The client that waits goes away: nothing of it is left. */
    bus_forget_client(r.node[1].bus, c[6]);
    assert_int_equal(stats(&r).waiters, 0);
    deliver(&r, "x/1/2", 14, 10);
    assert_int_equal(stats(&r).in_leased, ARRAY_LEN(v) - 1 + 2);
    rig_fini(&r);
}

static void test_prefix_order(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 13);
    static const char *const topics[] = {"p/a", "q", "p/b", "p", "p/a", "p/c", "p/b"};
    for (size_t i = 0; i < ARRAY_LEN(topics); i++)
        deliver(&r, topics[i], (uint8_t)i, 10);
    struct bus_fetch f = fetch_of(NULL, 3);
    f.filter.kind = BUS_PREFIX;
    f.filter.topic = topic_of("p/");
    static const uint8_t want[] = {0, 2, 4, 5, 6};
    struct rig_answer *a = fetch(&r, &f);
    assert_int_equal(a->n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(a->messages[i].payload->data[0], want[i]);
    a = fetch(&r, &f);
    assert_int_equal(a->n, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(a->messages[i].payload->data[0], want[3 + i]);
    f.filter.topic.len = 0; /* begins with nothing: all */
    assert_int_equal(fetch(&r, &f)->n, 2);
    rig_fini(&r);
}

static void test_consumer(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 14);
    for (uint8_t i = 1; i <= 6; i++)
        deliver(&r, i == 2 ? "b" : "a", i, 10);
    struct bus_fetch f = fetch_of(NULL, 3);
    strcpy(f.consumer, "billing");
    f.session = 1;
    struct rig_answer one = *fetch(&r, &f);
    assert_int_equal(one.n, 3);
    struct rig_answer two = *fetch(&r, &f); /* the same connection: goes on */
    assert_int_equal(two.n, 3);
    assert_int_equal(two.messages[0].payload->data[0], 4);
    assert_string_equal(entry(&r, one.messages[0].seq).consumer, "billing");
    assert_int_equal(settle(&r, BUS_ACK, &one.messages[0].token, 0), 1);
    f.wait_ms = 600000;
    bus_client waiting = rig_fetch(&r, 1, &f);
    struct bus_fetch other = fetch_of(NULL, 1); /* somebody else waits too */
    other.wait_ms = 600000;
    bus_client patient = rig_fetch(&r, 1, &other);
    /* A new connection with this name: it has at once what matches, and the old one is told. */
    f = fetch_of("a", 2);
    strcpy(f.consumer, "billing");
    f.session = 2;
    struct rig_answer three = *fetch(&r, &f);
    assert_int_equal(three.n, 2);
    assert_int_equal(three.messages[0].payload->data[0], 3);
    assert_int_equal(three.messages[0].redelivered, 1);
    assert_int_equal(three.messages[1].payload->data[0], 4);
    struct rig_answer *a = rig_answer(&r, 1, waiting, BUS_OUT_FETCHED);
    assert_non_null(a);
    assert_int_equal(a->n, 0);
    /* What it did not take goes to who waits, then to anybody. */
    a = rig_answer(&r, 1, patient, BUS_OUT_FETCHED);
    assert_non_null(a);
    assert_int_equal(a->messages[0].payload->data[0], 2);
    assert_int_equal(stats(&r).in_leased, 3);
    assert_int_equal(stats(&r).in_ready, 2);
    /* The old one's tokens: done is done, a lease is not its own any more. */
    assert_int_equal(settle(&r, BUS_RENEW, &one.messages[2].token, 0), 0);
    assert_int_equal(settle(&r, BUS_ACK, &one.messages[2].token, 0), 1);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_and_ack),
        cmocka_unit_test(test_tokens_of_others),
        cmocka_unit_test(test_nack),
        cmocka_unit_test(test_end_of_lease),
        cmocka_unit_test(test_dead),
        cmocka_unit_test(test_too_many_dead),
        cmocka_unit_test(test_store_fails),
        cmocka_unit_test(test_body_from_store),
        cmocka_unit_test(test_max_bytes),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_waiters),
        cmocka_unit_test(test_prefix_order),
        cmocka_unit_test(test_waiting_patterns),
        cmocka_unit_test(test_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
