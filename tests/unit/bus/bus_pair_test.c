/* Two nodes over a link that loses, repeats, delays and reorders; both crash at any time. What was
 * accepted arrives, once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

#define MESSAGES 300

struct sent {
    struct msg_id id;
    bool accepted;
    bus_client client;
    struct blob *payload;
    unsigned from, to, taken;
};

struct load {
    struct sent msgs[MESSAGES];
    bus_client taker[RIG_NODES];
    size_t seen_answers[RIG_NODES];
    size_t n_sent, n_taken;
    unsigned crashes;
};

/* Longer runs by hand: RIG_SEEDS=1000. */
static uint64_t seeds(uint64_t usual)
{
    const char *text = getenv("RIG_SEEDS"); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text ? strtoull(text, NULL, 10) : usual;
}

static size_t random_len(struct rig *r)
{
    switch (rng_below(&r->rng, 6)) {
    case 0:
        return 0;
    case 1:
        return (size_t)rng_below(&r->rng, MSG_LEN_MAX + 1);
    case 2:
        return (size_t)rng_below(&r->rng, 20000);
    default:
        return (size_t)rng_below(&r->rng, 1500);
    }
}

static void send_one(struct rig *r, struct load *l)
{
    struct sent *s = &l->msgs[l->n_sent++];
    s->from = (unsigned)rng_below(&r->rng, 2);
    s->to = 1 - s->from;
    s->payload = rig_random(r, random_len(r));
    enum out_policy policy = rng_below(&r->rng, 4) == 0 ? OUT_AT_MOST_ONCE : OUT_AT_LEAST_ONCE;
    struct bus_send m = {
        .dst = r->node[s->to].addr, .payload = s->payload, .policy = policy, .ttl_ms = 3600000};
    m.topic.len = (uint8_t)rng_below(&r->rng, 4);
    s->client = r->node[s->from].bus ? rig_send_ex(r, s->from, &m) : 0;
}

static void on_taken(struct rig *r, struct load *l, unsigned node, const struct rig_answer *a)
{
    for (size_t i = 0; i < l->n_sent; i++) {
        struct sent *s = &l->msgs[i];
        if (s->to != node || a->payload->len != s->payload->len ||
            memcmp(a->payload->data, s->payload->data, s->payload->len) != 0)
            continue;
        if (s->payload->len < 8 && memcmp(&s->id, &a->id, 8) != 0)
            continue; /* too short to tell messages apart by their content */
        s->taken++;
        l->n_taken++;
        return;
    }
    if (a->payload->len >= 8 || l->crashes == 0)
        fail_msg("a message that was never sent, len %u, seed %llu", a->payload->len,
                 (unsigned long long)r->seed);
}

static void note_accepted(struct rig *r, struct load *l, unsigned n)
{
    struct rig_node *node = &r->node[n];
    for (size_t k = l->seen_answers[n]; k < node->n_answers; k++) {
        const struct rig_answer *a = &node->answers[k];
        for (size_t i = 0; a->kind == BUS_OUT_ACCEPTED && i < l->n_sent; i++)
            if (l->msgs[i].client == a->client && l->msgs[i].from == n) {
                l->msgs[i].accepted = a->rc == OK;
                l->msgs[i].id = a->id;
            }
    }
}

/* Looks at new answers; keeps a taker waiting at every node. */
static void serve(struct rig *r, struct load *l)
{
    note_accepted(r, l, 0);
    note_accepted(r, l, 1);
    for (unsigned n = 0; n < 2; n++) {
        struct rig_node *node = &r->node[n];
        for (; l->seen_answers[n] < node->n_answers; l->seen_answers[n]++) {
            const struct rig_answer *a = &node->answers[l->seen_answers[n]];
            if (a->kind != BUS_OUT_TAKEN)
                continue;
            if (a->has_message)
                on_taken(r, l, n, a);
            if (a->client == l->taker[n])
                l->taker[n] = 0;
        }
        if (node->bus && l->taker[n] == 0)
            l->taker[n] = rig_take(r, n, 700);
    }
}

static void finish(struct rig *r, struct load *l)
{
    for (size_t i = 0; i < l->n_sent; i++)
        blob_unref(l->msgs[i].payload);
    rig_fini(r);
}

/* Both speak the extension, one of them, none. */
static void kinds(struct rig *r, uint64_t seed)
{
    r->node[0].plain = seed % 3 == 2;
    r->node[1].plain = seed % 3 >= 1;
}

static void lossy_once(uint64_t seed)
{
    struct rig r;
    static struct load l;
    memset(&l, 0, sizeof(l));
    rig_init(&r, seed);
    r.loss_ppm = (unsigned)rng_below(&r.rng, 200000);
    r.dup_ppm = (unsigned)rng_below(&r.rng, 100000);
    r.delay_min = (usec_t)rng_below(&r.rng, 20 * USEC_MS);
    r.delay_max = r.delay_min + (usec_t)rng_below(&r.rng, 60 * USEC_MS);
    r.node[0].commit_max = r.node[1].commit_max = 20 * USEC_MS;
    kinds(&r, seed);
    rig_start(&r, 0);
    rig_start(&r, 1);
    while (l.n_sent < MESSAGES) {
        send_one(&r, &l);
        rig_run(&r, (usec_t)rng_below(&r.rng, 10 * USEC_MS));
        serve(&r, &l);
    }
    for (int i = 0; i < 20000 && l.n_taken < MESSAGES; i++) {
        rig_run(&r, 50 * USEC_MS);
        serve(&r, &l);
    }
    rig_run(&r, 400 * USEC_SEC); /* READs and their copies, late answers */
    serve(&r, &l);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct sent *s = &l.msgs[i];
        assert_true(s->accepted);
        if (s->taken != 1)
            fail_msg("message %zu of %u bytes taken %u times, seed %llu", i, s->payload->len,
                     s->taken, (unsigned long long)seed);
        const struct fake_out *o = fake_out_find(&r.node[s->from].store, &s->id, 0);
        assert_non_null(o);
        assert_true(o->row.state == OUT_READ || o->row.state == OUT_RECEIVED);
    }
    for (unsigned n = 0; n < 2; n++) {
        struct bus_stats st;
        bus_stats(r.node[n].bus, &st);
        assert_int_equal(st.out_live, 0);
        assert_int_equal(st.out_bytes, 0);
        assert_int_equal(st.out_cached_bytes, 0);
        assert_int_equal(st.in_ready, 0);
        assert_int_equal(st.in_parts, 0);
        assert_int_equal(st.in_cached_bytes, 0);
        assert_int_equal(st.in_bytes, 0);
    }
    assert_true(r.checks > MESSAGES);
    finish(&r, &l);
}

static void test_lossy(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= seeds(12); seed++) {
        printf("lossy link, seed %llu\n", (unsigned long long)seed);
        lossy_once(seed);
    }
}

/* Every message whose row was committed at its sender becomes READY exactly once at its receiver.
 */
static void crash_once(uint64_t seed)
{
    struct rig r;
    static struct load l;
    usec_t down_until[2] = {0, 0};
    memset(&l, 0, sizeof(l));
    rig_init(&r, seed);
    r.loss_ppm = (unsigned)rng_below(&r.rng, 50000);
    r.delay_max = 20 * USEC_MS;
    r.node[0].commit_max = r.node[1].commit_max = 15 * USEC_MS;
    kinds(&r, seed);
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (int i = 0; i < 6000; i++) {
        for (uint64_t k = rng_below(&r.rng, 4); k > 0 && l.n_sent < MESSAGES; k--)
            send_one(&r, &l);
        for (unsigned n = 0; n < 2 && i < 3000; n++) {
            if (r.node[n].bus && rng_below(&r.rng, 40) == 0) {
                rig_crash(&r, n);
                l.crashes++;
                l.taker[n] = 0;
                down_until[n] = r.now + (usec_t)rng_below(&r.rng, 2 * USEC_SEC);
            }
        }
        for (unsigned n = 0; n < 2; n++)
            if (!r.node[n].bus && (r.now >= down_until[n] || i >= 3000)) {
                rig_start(&r, n);
                if (rng_below(&r.rng, 10) == 0)
                    r.node[n].store.fail_next = 1;
            }
        rig_run(&r, (usec_t)rng_below(&r.rng, i < 3000 ? 20 * USEC_MS : 100 * USEC_MS));
        serve(&r, &l);
    }
    size_t accepted = 0, committed = r.node[0].store.puts + r.node[1].store.puts;
    for (size_t i = 0; i < l.n_sent; i++) {
        accepted += l.msgs[i].accepted;
        assert_true(l.msgs[i].taken <= 1 || l.msgs[i].payload->len < 8);
    }
    size_t ready = r.node[0].store.readies + r.node[1].store.readies;
    if (ready != committed)
        fail_msg("%zu messages committed, %zu arrived, seed %llu", committed, ready,
                 (unsigned long long)seed);
    assert_true(accepted <= committed);
    assert_int_equal(fake_ready_count(&r.node[0].store), 0);
    assert_int_equal(fake_ready_count(&r.node[1].store), 0);
    printf("crashes, seed %llu: %u crashes, %zu accepted, %zu stored, %zu arrived, %zu taken\n",
           (unsigned long long)seed, l.crashes, accepted, committed, ready, l.n_taken);
    assert_true(l.n_taken + l.crashes + 20 >= ready); /* a removal whose answer a crash swallowed */
    finish(&r, &l);
}

static void test_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 100 + seeds(12); seed++)
        crash_once(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
