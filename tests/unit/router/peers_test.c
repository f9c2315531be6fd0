#include "router/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

struct fixture {
    struct rng rng;
    struct peers *p;
    usec_t now;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    rng_init_seeded(&f->rng, 20260101);
    f->now = 1000 * USEC_SEC;
    *state = f;
    return peers_new(&f->rng, &f->p);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    peers_free(f->p);
    free(f);
    return 0;
}

static struct endpoint ep(const char *text)
{
    struct endpoint e;
    const char *fault = NULL;
    if (endpoint_parse(text, &e, &fault) < 0)
        fail_msg("%s: %s", text, fault);
    return e;
}

/* The next output is a dial to this endpoint. */
static peer_entry expect_dial(struct fixture *f, const char *text)
{
    struct peers_out out;
    struct endpoint e = ep(text);
    assert_true(peers_next(f->p, &out));
    assert_int_equal(out.kind, PEERS_OUT_DIAL);
    assert_true(endpoint_eq(&out.endpoint, &e));
    return out.entry;
}

static void expect_close(struct fixture *f, peer_entry id)
{
    struct peers_out out;
    assert_true(peers_next(f->p, &out));
    assert_int_equal(out.kind, PEERS_OUT_CLOSE);
    assert_int_equal(out.entry, id);
}

static void expect_nothing(struct fixture *f)
{
    struct peers_out out;
    assert_false(peers_next(f->p, &out));
}

struct search {
    struct endpoint e;
    struct peer_info info;
    bool found;
};

static void search_visit(void *ctx, const struct peer_info *i)
{
    struct search *s = ctx;
    if (endpoint_eq(&i->endpoint, &s->e)) {
        assert_false(s->found);
        s->found = true;
        s->info = *i;
    }
}

static bool find(struct fixture *f, const char *text, struct peer_info *ret)
{
    struct search s = {.e = ep(text)};
    peers_each(f->p, search_visit, &s);
    if (s.found && ret)
        *ret = s.info;
    return s.found;
}

static enum peer_state state_of(struct fixture *f, const char *text)
{
    struct peer_info i;
    assert_true(find(f, text, &i));
    return i.state;
}

/* Virtual time goes on to the next deadline. Returns how long that took. */
static usec_t wait_deadline(struct fixture *f)
{
    usec_t when = peers_deadline(f->p), waited = when - f->now;
    assert_true(when != USEC_NEVER);
    assert_true(waited >= 0);
    peers_tick(f->p, when - 1); /* not a moment too early */
    expect_nothing(f);
    f->now = when;
    peers_tick(f->p, f->now);
    return waited;
}

static const char A[] = "tcp://192.0.2.1:9651", B[] = "quic://[2001:db8::2]:9651";

static void test_add(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = ep(A), b = ep(B);
    struct peer_info i;
    assert_int_equal(peers_deadline(f->p), USEC_NEVER);
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    assert_int_equal(peers_add(f->p, &a, f->now), ERR_EXIST);
    assert_int_equal(peers_discovered(f->p, &a, f->now), ERR_EXIST);
    peer_entry id = expect_dial(f, A);
    expect_nothing(f);
    assert_true(find(f, A, &i));
    assert_int_equal(i.type, PEER_STATIC);
    assert_int_equal(i.state, PEER_DIALING);
    assert_int_equal(i.discovered, f->now);
    assert_int_equal(i.last_connected, USEC_NEVER);
    f->now += 3 * USEC_SEC;
    peers_dialled(f->p, id, true, f->now);
    assert_true(find(f, A, &i));
    assert_int_equal(i.state, PEER_UP);
    assert_int_equal(i.last_connected, f->now);
    assert_int_equal(i.discovered, f->now - 3 * USEC_SEC);
    assert_int_equal(peers_deadline(f->p), USEC_NEVER); /* an open link needs no timer */
    peers_traffic(f->p, id, 10, 3);
    peers_traffic(f->p, id, 1, 2);
    peers_traffic(f->p, id + 1, 1000, 1000); /* nobody */
    assert_true(find(f, A, &i));
    assert_int_equal(i.rx_bytes, 11);
    assert_int_equal(i.tx_bytes, 5);
    assert_int_equal(peers_remove(f->p, &b), ERR_NOENT);
    assert_int_equal(peers_stats(f->p).up, 1);
    assert_int_equal(peers_stats(f->p).entries, 1);
}

static void test_backoff(void **state)
{
    struct fixture *f = *state;
    static const usec_t full_s[] = {1, 2, 4, 5, 5, 5, 5};
    struct endpoint a = ep(A);
    usec_t last = 0;
    bool jitter = false;
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    peer_entry id = expect_dial(f, A);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = round; i < ARRAY_LEN(full_s); i++) {
            peers_dialled(f->p, id, false, f->now);
            expect_nothing(f);
            assert_int_equal(state_of(f, A), PEER_BACKOFF);
            usec_t waited = wait_deadline(f);
            assert_in_range(waited, full_s[i] * USEC_SEC / 2, full_s[i] * USEC_SEC);
            jitter = jitter || (i > 3 && waited != last);
            last = waited;
            peer_entry next = expect_dial(f, A);
            assert_true(next != id);
            peers_dialled(f->p, id, true, f->now); /* of a dial long gone */
            assert_int_equal(state_of(f, A), PEER_DIALING);
            id = next;
        }
        /* The end of a link that lasted is the first failure of the next round. */
        peers_dialled(f->p, id, true, f->now);
        f->now += PEERS_STABLE;
        peers_down(f->p, id, f->now);
        assert_in_range(wait_deadline(f), USEC_SEC / 2, USEC_SEC);
        id = expect_dial(f, A);
    }
    assert_true(jitter);
}

/* A peer that accepts and closes at once is not dialled faster than one that refuses. */
static void test_flapping(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = ep(A);
    usec_t start = f->now;
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    for (int i = 0; i < 20; i++) {
        peer_entry id = expect_dial(f, A);
        peers_dialled(f->p, id, true, f->now);
        peers_down(f->p, id, f->now);
        (void)wait_deadline(f);
    }
    assert_true(f->now - start > 17 * PEERS_BACKOFF_MAX / 2);
}

static void test_dial_timeout(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = ep(A);
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    peer_entry id = expect_dial(f, A);
    assert_int_equal(wait_deadline(f), PEERS_DIAL_TIMEOUT);
    expect_close(f, id);
    expect_nothing(f);
    assert_int_equal(state_of(f, A), PEER_BACKOFF);
    assert_int_equal(peers_stats(f->p).dials_timed_out, 1);
    peers_dialled(f->p, id, true, f->now); /* too late: its link is closed by the output */
    assert_int_equal(state_of(f, A), PEER_BACKOFF);
    (void)wait_deadline(f);
    assert_true(expect_dial(f, A) != id);
}

static void test_remove(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = ep(A), b = ep(B);
    assert_int_equal(peers_add(f->p, &a, f->now), OK); /* not pulled yet: nobody to tell */
    assert_int_equal(peers_remove(f->p, &a), OK);
    expect_nothing(f);
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    peer_entry id = expect_dial(f, A);
    assert_int_equal(peers_remove(f->p, &a), OK); /* dialling: the dial is cancelled */
    expect_close(f, id);
    assert_int_equal(peers_deadline(f->p), USEC_NEVER);
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    id = expect_dial(f, A);
    peers_dialled(f->p, id, true, f->now);
    assert_int_equal(peers_remove(f->p, &a), OK); /* up: the link is closed */
    expect_close(f, id);
    peers_down(f->p, id, f->now); /* unknown by now */
    assert_false(find(f, A, NULL));
    assert_int_equal(peers_accepted(f->p, &b, f->now, &id), OK);
    assert_int_equal(peers_remove(f->p, &b), OK); /* inbound ones too */
    expect_close(f, id);
    assert_int_equal(peers_remove(f->p, &b), ERR_NOENT);
    assert_int_equal(peers_stats(f->p).entries, 0);
    assert_int_equal(peers_stats(f->p).up, 0);
}

static void test_inbound(void **state)
{
    struct fixture *f = *state;
    const char *from = "tcp://[::ffff:127.0.0.1]:42294";
    struct endpoint e = ep(from);
    struct peer_info i;
    peer_entry id, second;
    assert_int_equal(peers_accepted(f->p, &e, f->now, &id), OK);
    expect_nothing(f);
    assert_true(find(f, from, &i));
    assert_int_equal(i.type, PEER_INBOUND);
    assert_int_equal(i.state, PEER_UP);
    assert_int_equal(i.last_connected, f->now);
    assert_int_equal(peers_add(f->p, &e, f->now), ERR_EXIST);
    peers_traffic(f->p, id, 5, 6);
    /* The same address again, before the end of the first link was noticed. */
    f->now += USEC_SEC;
    assert_int_equal(peers_accepted(f->p, &e, f->now, &second), OK);
    assert_true(second != id);
    expect_close(f, id);
    assert_true(find(f, from, &i));
    assert_int_equal(i.type, PEER_INBOUND);
    assert_int_equal(i.rx_bytes, 0);
    assert_int_equal(i.discovered, f->now - USEC_SEC);
    peers_down(f->p, id, f->now); /* the old link's end says nothing about the new one */
    assert_true(find(f, from, NULL));
    peers_down(f->p, second, f->now);
    assert_false(find(f, from, NULL));
    assert_int_equal(peers_deadline(f->p), USEC_NEVER);
}

/* An accepted link takes over a static entry in each of its states; the entry stays static, and is
 * dialled again when that link ends. */
static void test_take_over(void **state)
{
    struct fixture *f = *state;
    struct endpoint b = ep(B);
    struct peer_info i;
    peer_entry in, id;
    assert_int_equal(peers_add(f->p, &b, f->now), OK);
    assert_int_equal(peers_accepted(f->p, &b, f->now, &in), OK); /* dial not pulled yet */
    expect_nothing(f);
    peers_traffic(f->p, in, 1, 1);
    peers_down(f->p, in, f->now);
    (void)wait_deadline(f);
    id = expect_dial(f, B);
    assert_int_equal(peers_accepted(f->p, &b, f->now, &in), OK); /* dialling */
    expect_close(f, id);
    peers_dialled(f->p, id, false, f->now);
    assert_int_equal(state_of(f, B), PEER_UP);
    peers_down(f->p, in, f->now);
    assert_int_equal(peers_accepted(f->p, &b, f->now, &in), OK); /* waiting */
    assert_int_equal(peers_deadline(f->p), USEC_NEVER);
    peer_entry last;
    f->now += USEC_SEC;
    assert_int_equal(peers_accepted(f->p, &b, f->now, &last), OK); /* up */
    expect_close(f, in);
    assert_true(find(f, B, &i));
    assert_int_equal(i.type, PEER_STATIC);
    assert_int_equal(i.state, PEER_UP);
    assert_int_equal(i.rx_bytes, 1); /* static entries count on */
    assert_int_equal(i.last_connected, f->now);
    peers_down(f->p, last, f->now);
    (void)wait_deadline(f);
    (void)expect_dial(f, B);
    assert_int_equal(peers_stats(f->p).taken_over, 4);
}

/* --- two nodes that have each other as static peers ------------------------------------------ */

struct half { /* one node and its end of at most two connections */
    struct peers *p;
    peer_entry dial, in;
    bool dial_open, in_open;
};

static void half_close(struct half *h, struct half *other, peer_entry id, usec_t now)
{
    if (h->dial_open && h->dial == id) {
        h->dial_open = other->in_open = false;
        peers_down(other->p, other->in, now);
    } else if (h->in_open && h->in == id) {
        h->in_open = other->dial_open = false;
        peers_down(other->p, other->dial, now);
    }
}

/* Connections need no time, so two dials of the same moment cross. */
static void mutual_turn(struct half h[2], const struct endpoint at[2], usec_t now)
{
    struct peers_out out;
    bool dials[2] = {false, false}, more = true;
    for (int i = 0; i < 2; i++) {
        peers_tick(h[i].p, now);
        while (peers_next(h[i].p, &out)) {
            if (out.kind == PEERS_OUT_CLOSE) {
                half_close(&h[i], &h[!i], out.entry, now);
            } else {
                h[i].dial = out.entry;
                dials[i] = true;
            }
        }
    }
    for (int i = 0; i < 2; i++)
        if (dials[i]) {
            peers_dialled(h[i].p, h[i].dial, true, now);
            h[i].dial_open = h[!i].in_open = true;
        }
    for (int i = 0; i < 2; i++)
        if (dials[i])
            assert_int_equal(peers_accepted(h[!i].p, &at[i], now, &h[!i].in), OK);
    while (more) {
        more = false;
        for (int i = 0; i < 2; i++)
            while (peers_next(h[i].p, &out)) {
                assert_int_equal(out.kind, PEERS_OUT_CLOSE);
                half_close(&h[i], &h[!i], out.entry, now);
                more = true;
            }
    }
}

static void test_mutual_dial(void **state)
{
    struct fixture *f = *state;
    struct endpoint at[2] = {ep("quic://[2001:db8::1]:9651"), ep("quic://[2001:db8::2]:9651")};
    struct half h[2] = {{.p = f->p}, {0}};
    assert_int_equal(peers_new(&f->rng, &h[1].p), OK);
    assert_int_equal(peers_add(h[0].p, &at[1], f->now), OK);
    assert_int_equal(peers_add(h[1].p, &at[0], f->now), OK);
    for (int restart = 0; restart < 5; restart++) {
        usec_t start = f->now;
        while (peers_stats(h[0].p).up == 0 || peers_stats(h[1].p).up == 0) {
            mutual_turn(h, at, f->now);
            usec_t next = MIN(peers_deadline(h[0].p), peers_deadline(h[1].p));
            if (next != USEC_NEVER)
                f->now = MAX(f->now, next);
            assert_true(f->now - start < 20 * USEC_SEC); /* they never lose each other for good */
        }
        assert_int_equal(h[0].dial_open + h[0].in_open, 1);
        assert_int_equal(h[1].dial_open + h[1].in_open, 1);
        struct search s = {.e = at[1]};
        peers_each(h[0].p, search_visit, &s);
        assert_int_equal(s.info.type, PEER_STATIC);
        /* The connection breaks, and both notice at the same moment. */
        f->now += PEERS_STABLE;
        for (int i = 0; i < 2; i++) {
            peers_down(h[i].p, h[i].dial_open ? h[i].dial : h[i].in, f->now);
            h[i].dial_open = h[i].in_open = false;
        }
    }
    peers_free(h[1].p);
}

static void test_discovered(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = ep("tcp://[fe80::1%2]:9651");
    const char *text = "tcp://[fe80::1%2]:9651";
    assert_int_equal(peers_discovered(f->p, &a, f->now), OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PEERS_DISCOVERED_TRIES - 1; i++) {
            peers_dialled(f->p, expect_dial(f, text), false, f->now);
            (void)wait_deadline(f);
        }
        peer_entry id = expect_dial(f, text);
        if (round == 0) { /* a success clears the count */
            peers_dialled(f->p, id, true, f->now);
            f->now += PEERS_STABLE;
            peers_down(f->p, id, f->now);
            (void)wait_deadline(f);
            peers_dialled(f->p, expect_dial(f, text), false, f->now);
            (void)wait_deadline(f);
            id = expect_dial(f, text);
            peers_dialled(f->p, id, false, f->now);
            assert_false(find(f, text, NULL));
            assert_int_equal(peers_discovered(f->p, &a, f->now), OK);
        } else {
            peers_dialled(f->p, id, false, f->now);
            assert_false(find(f, text, NULL));
        }
    }
    assert_int_equal(peers_deadline(f->p), USEC_NEVER);
}

static struct endpoint numbered(unsigned n)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "tcp://10.0.%u.%u:1", n / 256, n % 256);
    return ep(text);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    struct endpoint e;
    struct peers_out out;
    peer_entry id;
    for (unsigned n = 0; n < PEERS_MAX_DISCOVERED; n++) {
        e = numbered(n);
        assert_int_equal(peers_discovered(f->p, &e, f->now), OK);
    }
    e = numbered(PEERS_MAX_DISCOVERED);
    assert_int_equal(peers_discovered(f->p, &e, f->now), ERR_LIMIT);
    for (unsigned n = PEERS_MAX_DISCOVERED; n < PEERS_MAX_ENTRIES; n++) {
        e = numbered(n);
        assert_int_equal(peers_accepted(f->p, &e, f->now, &id), OK);
    }
    e = numbered(PEERS_MAX_ENTRIES);
    assert_int_equal(peers_accepted(f->p, &e, f->now, &id), ERR_LIMIT);
    assert_int_equal(peers_stats(f->p).refused, 2);
    /* A known one is no new entry, and visitors do not keep the user from adding peers. */
    e = numbered(PEERS_MAX_ENTRIES - 1);
    assert_int_equal(peers_accepted(f->p, &e, f->now, &id), OK);
    for (unsigned n = 0; n < PEERS_MAX_ENTRIES - PEERS_MAX_DISCOVERED; n++) {
        e = numbered(PEERS_MAX_ENTRIES + n);
        assert_int_equal(peers_add(f->p, &e, f->now), OK);
    }
    e = numbered(2 * PEERS_MAX_ENTRIES);
    assert_int_equal(peers_add(f->p, &e, f->now), ERR_LIMIT);
    unsigned dials = 0;
    while (peers_next(f->p, &out))
        dials += out.kind == PEERS_OUT_DIAL;
    assert_int_equal(dials, PEERS_MAX_ENTRIES);
}

static void test_host_name(void **state)
{
    struct fixture *f = *state;
    struct endpoint name = ep("tcp://Peer.example:9651"), numeric = ep("tcp://192.0.2.7:9651");
    struct peer_info i;
    char buf[ENDPOINT_STR_MAX];
    assert_int_equal(peers_add(f->p, &name, f->now), OK);
    peer_entry id = expect_dial(f, "tcp://peer.example:9651");
    assert_int_equal(peers_remove(f->p, &numeric), ERR_NOENT);
    peers_resolved(f->p, id, (struct sockaddr *)&numeric.addr);
    peers_dialled(f->p, id, true, f->now);
    assert_true(find(f, "tcp://peer.example:9651", &i));
    assert_string_equal(endpoint_addr_str(&i.endpoint, buf), "192.0.2.7:9651");
    assert_int_equal(peers_remove(f->p, &numeric), OK); /* by the address that lists show */
    expect_close(f, id);

    struct endpoint a = ep(A); /* numeric ones keep their address */
    assert_int_equal(peers_add(f->p, &a, f->now), OK);
    id = expect_dial(f, A);
    peers_resolved(f->p, id, (struct sockaddr *)&numeric.addr);
    assert_true(find(f, A, NULL));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_add),        T(test_backoff), T(test_flapping),  T(test_dial_timeout),
        T(test_remove),     T(test_inbound), T(test_take_over), T(test_mutual_dial),
        T(test_discovered), T(test_limits),  T(test_host_name),
    };
    return cmocka_run_group_tests_name("router/peers", tests, NULL, NULL);
}
