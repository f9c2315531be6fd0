/* Sessions of a private network in memory: who gets in, and that the stream comes out as it went
 * in, however it is cut; what others say instead ends it. */
#include "router/link/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rng.h"
#include "router/link/network.h"
#include "tests/unit/unit.h"

static const uint8_t key_a[NETWORK_KEY_BYTES] = {1, 2, 3}, key_b[NETWORK_KEY_BYTES] = {1, 2, 4};

struct end {
    struct network *n;
    struct tls *t;
    bool done;
    const char *why; /* it ended */
    uint8_t got[200000];
    size_t got_len;
};

struct pair {
    struct end e[2]; /* server, client */
    struct rng rng;
    size_t piece; /* bytes that are handed over at a time; 0: any number */
    size_t moved;
};

static void open_end(struct end *e, bool server, const char *name, const uint8_t *key)
{
    assert_int_equal(network_new(name, key, &e->n), OK);
    assert_int_equal(tls_new(e->n, server, &e->t), OK);
}

static struct pair *pair_new(const char *name_s, const uint8_t *key_s, const char *name_c,
                             const uint8_t *key_c)
{
    struct pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    rng_init_seeded(&p->rng, 7);
    open_end(&p->e[0], true, name_s, key_s);
    open_end(&p->e[1], false, name_c, key_c);
    return p;
}

static void pair_free(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        tls_free(p->e[i].t);
        network_free(p->e[i].n);
    }
    free(p);
}

/* All that the input allows. */
static void step(struct end *e)
{
    enum tls_step s = TLS_OK;
    while (!e->why && s == TLS_OK) {
        size_t n = 0;
        if (!e->done) {
            s = tls_handshake(e->t, &e->why);
            e->done = s == TLS_OK;
            continue;
        }
        s = tls_read(e->t, e->got + e->got_len, sizeof(e->got) - e->got_len, &n, &e->why);
        e->got_len += s == TLS_OK ? n : 0;
    }
    assert_true(s != TLS_END || e->why);
}

static void feed(struct pair *p, struct end *e, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0, n; at < len && !e->why; at += n) {
        n = p->piece ? p->piece : (size_t)rng_below(&p->rng, 600) + 1;
        n = MIN(n, len - at);
        uint8_t *exact = malloc(n);
        assert_non_null(exact);
        memcpy(exact, bytes + at, n);
        tls_input(e->t, exact, n);
        step(e);
        free(exact);
    }
}

/* Until nobody has anything to say. */
static void talk(struct pair *p)
{
    bool more = true;
    while (more) {
        more = false;
        for (int i = 0; i < 2; i++) {
            size_t len;
            step(&p->e[i]);
            uint8_t *out = tls_out_take(p->e[i].t, &len);
            assert_true((out != NULL) == (len > 0));
            p->moved += len;
            more = more || out;
            feed(p, &p->e[!i], out, len);
            free(out);
        }
    }
}

static void test_stream(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 5, 0, 100000};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct pair *p = pair_new("test", key_a, "test", key_a);
        static uint8_t data[150000];
        p->piece = pieces[i];
        talk(p);
        assert_true(p->e[0].done && p->e[1].done);
        rng_bytes(&p->rng, data, sizeof(data));
        for (int from = 0; from < 2; from++) {
            for (size_t at = 0, n; at < sizeof(data); at += n) {
                n = 1 + (size_t)rng_below(&p->rng, TLS_RECORD);
                n = MIN(sizeof(data) - at, n);
                assert_int_equal(tls_write(p->e[from].t, data + at, n), OK);
                assert_true(tls_out_len(p->e[from].t) > n);
                talk(p);
            }
            assert_int_equal(p->e[!from].got_len, sizeof(data));
            assert_memory_equal(p->e[!from].got, data, sizeof(data));
        }
        pair_free(p);
    }
}

static void test_strangers(void **state)
{
    (void)state;
    struct pair *p = pair_new("test", key_a, "test", key_b);
    talk(p);
    assert_false(p->e[0].done || p->e[1].done);
    assert_string_equal(p->e[0].why, "the peer has another network key");
    assert_string_equal(p->e[1].why, "the peer has another network key");
    pair_free(p);
    p = pair_new("test", key_a, "tess", key_a);
    talk(p);
    assert_false(p->e[0].done || p->e[1].done);
    assert_string_equal(p->e[0].why, "the peer is in another network");
    assert_string_equal(p->e[1].why, "the peer is in another network");
    pair_free(p);
}

/* Bytes of anything else end it; nothing is made larger by them. */
static void test_garbage(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct pair *p = pair_new("test", key_a, "test", key_a);
        uint8_t junk[3000];
        rng_init_seeded(&p->rng, seed);
        rng_bytes(&p->rng, junk, sizeof(junk));
        if (seed % 4 == 0) /* the head of a record of that length */
            memcpy(junk, "\x16\x03\x01\x0b\x00", 5);
        if (seed % 4 == 1) { /* a packet of ours */
            memset(junk, 0, sizeof(junk));
            junk[0] = 1;
        }
        if (seed % 4 == 2) { /* in the middle of the stream */
            talk(p);
            assert_int_equal(tls_write(p->e[1].t, junk, 100), OK);
            size_t len;
            uint8_t *out = tls_out_take(p->e[1].t, &len);
            out[rng_below(&p->rng, len)] ^= 0x40;
            feed(p, &p->e[0], out, len);
            free(out);
        }
        for (int i = 0; i < 24; i++) /* more than any record has */
            feed(p, &p->e[0], junk, sizeof(junk));
        assert_non_null(p->e[0].why);
        assert_int_equal(p->e[0].got_len, 0);
        assert_true(tls_out_len(p->e[0].t) < 1000);
        pair_free(p);
    }
}

/* Cut off at every byte of the handshake: it waits, and gives nothing. */
static void test_every_length(void **state)
{
    (void)state;
    size_t whole = 1;
    for (size_t cut = 0; cut < whole; cut++) {
        struct pair *p = pair_new("test", key_a, "test", key_a);
        size_t len;
        step(&p->e[1]);
        uint8_t *out = tls_out_take(p->e[1].t, &len);
        whole = len;
        p->piece = 100000;
        feed(p, &p->e[0], out, cut);
        step(&p->e[0]);
        assert_false(p->e[0].done || p->e[0].why);
        assert_int_equal(tls_out_len(p->e[0].t), 0);
        free(out);
        pair_free(p);
    }
    assert_in_range(whole, 150, 1000);
}

static void test_names(void **state)
{
    (void)state;
    struct network *n;
    char name[NETWORK_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[NETWORK_NAME_MAX + 1] = 0;
    assert_int_equal(network_new(name, key_a, &n), ERR_INVAL);
    name[NETWORK_NAME_MAX] = 0;
    assert_int_equal(network_new(name, key_a, &n), OK);
    network_free(n);
    assert_int_equal(network_new("n", key_a, &n), ERR_INVAL);
    assert_int_equal(network_new("\xff\xfe", key_a, &n), ERR_INVAL);
    assert_int_equal(network_new("\xc3\xa4", key_a, &n), OK);
    network_free(n);
    network_free(NULL);
}

static void write_key(const char *path, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(fputc((int)i, f), (int)i);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_key_files(void **state)
{
    (void)state;
    char path[] = "/tmp/network-key-XXXXXX";
    uint8_t key[NETWORK_KEY_BYTES];
    unsigned warnings = 9;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    write_key(path, 31, 0600);
    assert_int_equal(network_key_read(path, key, &warnings), ERR_MALFORMED);
    write_key(path, 32, 0600);
    assert_int_equal(network_key_read(path, key, &warnings), OK);
    assert_int_equal(warnings, 0);
    assert_int_equal(key[31], 31);
    write_key(path, 100, 0640);
    assert_int_equal(network_key_read(path, key, &warnings), OK);
    assert_int_equal(warnings, NETWORK_KEY_LONG | NETWORK_KEY_READABLE);
    assert_int_equal(key[31], 31);
    (void)unlink(path);
    assert_int_equal(network_key_read(path, key, &warnings), ERR_NOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),  cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_garbage), cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_key_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
