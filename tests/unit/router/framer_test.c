#include "router/framer.h"

#include "base/rng.h"
#include "router/packet.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

/* The byte stream of one direction of a captured session. */
struct stream {
    char key[128];
    uint8_t *bytes;
    size_t len;
};

#define STREAMS_MAX 8

static struct stream streams[STREAMS_MAX];
static size_t streams_len;

static struct stream *stream_of(const char *file, const json_t *piece)
{
    char key[128];
    (void)snprintf(key, sizeof(key), "%s %s %s", file, vectors_str(piece, "link"),
                   vectors_str(piece, "from"));
    for (size_t i = 0; i < streams_len; i++)
        if (strcmp(streams[i].key, key) == 0)
            return &streams[i];
    assert_true(streams_len < STREAMS_MAX);
    struct stream *s = &streams[streams_len++];
    memcpy(s->key, key, sizeof(key));
    return s;
}

static int load_captures(void **state)
{
    (void)state;
    static const char *const files[] = {"captures/two-nodes-message.json",
                                        "captures/three-nodes-chain.json"};
    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        json_t *root = vectors_load(files[f]), *piece;
        size_t i;
        json_array_foreach(json_object_get(root, "stream"), i, piece)
        {
            struct stream *s = stream_of(files[f], piece);
            size_t len;
            uint8_t *more = vectors_hex(piece, "hex", &len);
            s->bytes = realloc(s->bytes, s->len + len);
            assert_non_null(s->bytes);
            memcpy(s->bytes + s->len, more, len);
            s->len += len;
            free(more);
        }
        json_decref(root);
    }
    return 0;
}

static int free_captures(void **state)
{
    (void)state;
    for (size_t i = 0; i < streams_len; i++)
        free(streams[i].bytes);
    return 0;
}

/* Checks what comes out of a framer against the stream it was given: the frames are the stream. */
struct check {
    struct framer f;
    const uint8_t *stream;
    size_t at;     /* bytes of the stream that came out */
    size_t frames; /* whole ones so far */
};

static void check_begin(struct check *c, const uint8_t *stream)
{
    framer_init(&c->f);
    c->stream = stream;
    c->at = 0;
    c->frames = 0;
}

/* From an exact heap copy that is gone afterwards, as a transport's buffer is. */
static int check_push(struct check *c, const uint8_t *bytes, size_t len)
{
    const uint8_t *frame;
    size_t frame_len;
    int rc;
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    framer_push(&c->f, copy, len);
    while ((rc = framer_next(&c->f, &frame, &frame_len)) == OK && frame) {
        assert_true(frame_len >= BABEL_HEADER_BYTES);
        assert_memory_equal(frame, c->stream + c->at, frame_len);
        c->at += frame_len;
        c->frames++;
    }
    free(copy);
    return rc;
}

static void check_end(struct check *c)
{
    framer_fini(&c->f);
}

static size_t frames_in_one_push(const uint8_t *bytes, size_t len)
{
    struct check c;
    check_begin(&c, bytes);
    assert_int_equal(check_push(&c, bytes, len), OK);
    assert_int_equal(c.at, len);
    assert_null(c.f.held); /* whole frames are never copied */
    check_end(&c);
    return c.frames;
}

static void test_captures_every_cut(void **state)
{
    (void)state;
    size_t total = 0;
    assert_int_equal(streams_len, 6);
    for (size_t i = 0; i < streams_len; i++) {
        const struct stream *s = &streams[i];
        size_t expect = frames_in_one_push(s->bytes, s->len);
        total += expect;
        for (size_t cut = 0; cut <= s->len; cut++) {
            struct check c;
            check_begin(&c, s->bytes);
            assert_int_equal(check_push(&c, s->bytes, cut), OK);
            assert_true(c.at <= cut);
            assert_int_equal(c.f.held_len, cut - c.at);
            assert_int_equal(check_push(&c, s->bytes + cut, s->len - cut), OK);
            assert_int_equal(c.at, s->len);
            assert_int_equal(c.frames, expect);
            check_end(&c);
        }
    }
    assert_int_equal(total, 32 + 45); /* packets in the two captures */
}

static void test_captures_in_small_pieces(void **state)
{
    (void)state;
    struct rng r;
    rng_init_seeded(&r, 3);
    for (size_t i = 0; i < streams_len; i++) {
        const struct stream *s = &streams[i];
        size_t expect = frames_in_one_push(s->bytes, s->len);
        for (size_t most = 1; most <= 200; most++) {
            struct check c;
            check_begin(&c, s->bytes);
            for (size_t at = 0; at < s->len;) {
                size_t n = most == 1 ? 1 : (size_t)rng_below(&r, most + 1);
                n = MIN(n, s->len - at);
                assert_int_equal(check_push(&c, s->bytes + at, n), OK);
                at += n;
            }
            assert_int_equal(c.at, s->len);
            assert_int_equal(c.frames, expect);
            check_end(&c);
        }
    }
}

/* A frame that came in pieces lies in the framer; it must stay while the next push begins. */
static void test_frame_outlives_its_push(void **state)
{
    (void)state;
    static const uint8_t hello[] = {1, 1, 0, 0, 42, 3, 0, 8, 4, 6, 0x80, 0, 0, 0, 7, 0xd0};
    struct framer f;
    const uint8_t *frame;
    size_t len;
    framer_init(&f);
    framer_push(&f, hello, 5);
    assert_int_equal(framer_next(&f, &frame, &len), OK);
    assert_null(frame);
    framer_push(&f, hello + 5, sizeof(hello) - 5);
    assert_int_equal(framer_next(&f, &frame, &len), OK);
    assert_non_null(frame);
    framer_push(&f, hello, 3);
    assert_int_equal(len, sizeof(hello));
    assert_memory_equal(frame, hello, sizeof(hello));
    assert_int_equal(framer_next(&f, &frame, &len), OK);
    assert_null(frame);
    assert_int_equal(f.held_len, 3);
    framer_fini(&f);
}

/* docs/protocol/packets.md, "What bad input gets": what closes the connection. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t refused_at; /* bytes needed to see it */
    } v[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0}, 1},        {{2, 0, 0, 0, 0, 0, 0, 0}, 1},
        {{255, 1, 0, 0, 42, 3, 0, 8}, 1},     {{1, 2, 0, 0, 0, 0, 0, 0}, 2},
        {{1, 255, 0, 0, 0, 0, 0, 0}, 2},      {{1, 1, 0, 0, 42, 3, 0x05, 0x01}, 8},
        {{1, 1, 0, 0, 42, 3, 0xff, 0xff}, 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        for (size_t len = 0; len <= 8; len++) {
            struct check c;
            check_begin(&c, v[i].bytes);
            int expect = len >= v[i].refused_at ? ERR_MALFORMED : OK;
            assert_int_equal(check_push(&c, v[i].bytes, len), expect);
            assert_int_equal(c.frames, 0);
            check_end(&c);
            check_begin(&c, v[i].bytes); /* one by one */
            int rc = OK;
            for (size_t at = 0; at < len && rc == OK; at++)
                rc = check_push(&c, v[i].bytes + at, 1);
            assert_int_equal(rc, expect);
            check_end(&c);
        }
    }
}

/* What the framer does not understand it skips by its length, and goes on behind it. */
static void test_unknown_content_costs_nothing(void **state)
{
    (void)state;
    static const uint8_t hello[] = {1, 1, 0, 0, 42, 3, 0, 8, 4, 6, 0x80, 0, 0, 0, 7, 0xd0};
    static const uint8_t odd[][16] = {
        {1, 1, 0, 0, 42, 3, 0, 0},                         /* empty body */
        {1, 1, 0, 0, 42, 3, 0, 1, 0},                      /* Pad1 alone */
        {1, 1, 0, 0, 43, 3, 0, 2, 4, 0},                   /* another magic */
        {1, 1, 0, 0, 42, 2, 0, 2, 4, 0},                   /* another version */
        {1, 1, 0, 0, 42, 3, 0, 5, 99, 3, 1, 2, 3},         /* unknown type */
        {1, 1, 0xff, 0xff, 42, 3, 0, 6, 4, 4, 0, 0, 0, 0}, /* short Hello */
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        uint8_t stream[64];
        size_t odd_len = BABEL_HEADER_BYTES + (size_t)odd[i][7];
        memcpy(stream, odd[i], odd_len);
        memcpy(stream + odd_len, hello, sizeof(hello));
        assert_int_equal(frames_in_one_push(stream, odd_len + sizeof(hello)), 2);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static uint8_t stream[PKT_MAX + BABEL_HEADER_BYTES + CONTROL_BODY_MAX + 1];
    struct check c;
    stream[0] = 1;
    stream[5] = stream[6] = 0xff; /* data, body 65535 */
    uint8_t *control = stream + PKT_MAX;
    control[0] = control[1] = 1;
    control[6] = CONTROL_BODY_MAX >> 8;
    control[7] = CONTROL_BODY_MAX & 0xff;
    assert_int_equal(frames_in_one_push(stream, sizeof(stream) - 1), 2);

    check_begin(&c, stream);
    for (size_t at = 0; at < sizeof(stream) - 1; at += 1000) {
        assert_int_equal(check_push(&c, stream + at, MIN((size_t)1000, sizeof(stream) - 1 - at)),
                         OK);
        assert_true(c.f.held_cap <= 2 * (size_t)PKT_MAX);
    }
    assert_int_equal(c.frames, 2);
    assert_true(c.f.held_cap <= 4096); /* the large buffer is not kept */
    check_end(&c);

    /* The announced length costs nothing: only what has arrived is held. */
    check_begin(&c, stream);
    assert_int_equal(check_push(&c, stream, 8), OK);
    assert_true(c.f.held_cap <= 256);
    check_end(&c);

    control[7]++;
    check_begin(&c, stream);
    assert_int_equal(check_push(&c, stream, sizeof(stream)), ERR_MALFORMED);
    assert_int_equal(c.frames, 1); /* the data packet before it */
    check_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_every_cut),
        cmocka_unit_test(test_captures_in_small_pieces),
        cmocka_unit_test(test_frame_outlives_its_push),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unknown_content_costs_nothing),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, load_captures, free_captures);
}
