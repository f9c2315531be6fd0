#include "api/ws.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/api/fake_raw.h"
#include "tests/unit/unit.h"

#define MESSAGE_MAX 70000

/* What the handler heard. */
static struct {
    struct ws *w;
    char log[4096]; /* a line for each call */
    unsigned messages, closed;
    size_t bytes;
    bool hold_each, close_each, echo;
} heard;

static void note(const char *format, ...) PRINTF_LIKE(1, 2);
static void note(const char *format, ...)
{
    size_t n = strlen(heard.log);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(heard.log + n, sizeof(heard.log) - n, format, args);
    va_end(args);
}

static void on_message(void *ctx, bool text, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    heard.messages++;
    heard.bytes += len;
    if (len <= 40)
        note("%s %.*s\n", text ? "text" : "binary", (int)len, (const char *)bytes);
    else
        note("%s of %zu\n", text ? "text" : "binary", len);
    if (heard.echo)
        assert_true(ws_send(heard.w, text, bytes, len));
    if (heard.hold_each)
        ws_hold(heard.w);
    if (heard.close_each) {
        ws_close(heard.w, WS_NORMAL, "enough");
        heard.w = NULL;
    }
}

static void on_writable(void *ctx)
{
    (void)ctx;
    note("writable\n");
}

static void on_closed(void *ctx, unsigned code)
{
    (void)ctx;
    heard.closed++;
    heard.w = NULL;
    note("closed %u\n", code);
}

static struct ws_limits limits(void)
{
    struct ws_limits l;

    ws_limits_default(&l);
    l.message_bytes = MESSAGE_MAX;
    return l;
}

static int start(void **state)
{
    static const struct ws_handler h = {
        .message = on_message, .writable = on_writable, .closed = on_closed};
    const struct http_request r = {.id = 1};
    const struct ws_handshake shake = {.accept = "accepted", .name = "some.protocol"};
    struct ws_limits l = limits();

    (void)state;
    fake_reset();
    memset(&heard, 0, sizeof(heard));
    heard.w = ws_accept(NULL, &r, &shake, &l, &h);
    assert_non_null(heard.w);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fake_gone();
    assert_null(heard.w);
    fake_reset();
    return 0;
}

/* --- the client's side ----------------------------------------------------------------------- */

#define FIN 0x80
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

static const uint8_t mask[4] = {0x12, 0xf3, 0x45, 0x80};

/* Builds a frame; returns its length. */
static size_t frame(uint8_t *out, unsigned first, const void *payload, size_t len)
{
    size_t n = 0;

    out[n++] = (uint8_t)first;
    if (len < 126) {
        out[n++] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        out[n++] = 0x80 | 126;
        out[n++] = (uint8_t)(len >> 8);
        out[n++] = (uint8_t)len;
    } else {
        out[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[n++] = (uint8_t)((uint64_t)len >> shift);
    }
    memcpy(out + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < len; i++)
        out[n++] = ((const uint8_t *)payload)[i] ^ mask[i % 4];
    return n;
}

static void say(unsigned first, const void *payload, size_t len)
{
    static uint8_t buf[MESSAGE_MAX + 100];

    assert_true(len + 14 <= sizeof(buf));
    fake_recv(buf, frame(buf, first, payload, len));
}

static void say_text(unsigned first, const char *text)
{
    say(first, text, strlen(text));
}

/* Everything that was written since the last look is this. */
static void expect_out(const void *bytes, size_t len)
{
    assert_int_equal(fake.out_len, len);
    if (len > 0)
        assert_memory_equal(fake.out, bytes, len);
    fake.out_len = 0;
}

/* Closed with this code, and nothing else was said. */
static void expect_close(unsigned code)
{
    assert_false(fake.open);
    assert_true(fake.out_len >= 4);
    assert_int_equal(fake.out[0], FIN | CLOSE);
    assert_int_equal(fake.out[1], fake.out_len - 2);
    assert_int_equal(fake.out[2] << 8 | fake.out[3], code);
    assert_int_equal(heard.closed, 1);
    assert_null(heard.w);
}

static void expect_log(const char *want)
{
    assert_string_equal(heard.log, want);
    heard.log[0] = '\0';
}

/* --- handshake ------------------------------------------------------------------------------- */

static const char *const spoken[] = {"b", "a", NULL};

static struct http_request upgrade(void)
{
    return (struct http_request){.method = HTTP_GET,
                                 .upgrade = "websocket",
                                 .upgrading = true,
                                 .ws_version = "13",
                                 .ws_key = "dGhlIHNhbXBsZSBub25jZQ=="};
}

static void test_handshake(void **state)
{
    struct http_request r = upgrade();
    struct ws_handshake h;
    const char *text;

    (void)state;
    assert_int_equal(ws_handshake_read(&r, spoken, &h, &text), OK);
    assert_string_equal(h.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_int_equal(h.protocol, -1);
    assert_null(h.name);
    r.upgrade = "h2c, WebSocket";
    r.ws_protocol = "zzz, a ,b"; /* the client's order decides */
    assert_int_equal(ws_handshake_read(&r, spoken, &h, &text), OK);
    assert_int_equal(h.protocol, 1);
    assert_string_equal(h.name, "a");
    static const char *const unknown[] = {"", "zzz", "A", "aa", "a b c", ","};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        r.ws_protocol = unknown[i];
        assert_int_equal(ws_handshake_read(&r, spoken, &h, &text),
                         strcmp(unknown[i], "a b c") == 0 ? OK : ERR_INVAL);
    }
}

static void test_handshake_refused(void **state)
{
    struct ws_handshake h;
    const char *text;

    (void)state;
    static const char *const keys[] = {NULL,
                                       "",
                                       "dGhlIHNhbXBsZSBub25jZQ=",
                                       "dGhlIHNhbXBsZSBub25jZQ",
                                       "dGhlIHNhbXBsZSBub25jZXg=",
                                       "dGhlIHNhbXBsZSBub25j====",
                                       "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
                                       "!!!!!!!!!!!!!!!!!!!!!!=="};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct http_request r = upgrade();
        r.ws_key = keys[i];
        assert_int_equal(ws_handshake_read(&r, spoken, &h, &text), ERR_INVAL);
    }
    for (int i = 0; i < 7; i++) {
        struct http_request r = upgrade();
        r.upgrading = i != 0;
        r.upgrade = i == 1 ? NULL : i == 2 ? "websockets" : r.upgrade;
        r.ws_version = i == 3 ? NULL : i == 4 ? "8" : r.ws_version;
        r.old = i == 5;
        r.method = i == 6 ? HTTP_HEAD : r.method;
        assert_int_equal(ws_handshake_read(&r, spoken, &h, &text), ERR_STATE);
    }
}

static void test_head(void **state)
{
    (void)state;
    assert_int_equal(fake.status, 101);
    assert_string_equal(fake.head, "upgrade: websocket\nsec-websocket-accept: accepted\n"
                                   "sec-websocket-protocol: some.protocol\n");
}

static void test_gone_at_once(void **state)
{
    static const struct ws_handler h = {
        .message = on_message, .writable = on_writable, .closed = on_closed};
    const struct http_request r = {.id = 1};
    const struct ws_handshake shake = {.accept = "accepted"};
    struct ws_limits l = limits();

    (void)state;
    fake_gone();
    fake_reset();
    heard.closed = 0;
    fake.refuse = true;
    assert_null(ws_accept(NULL, &r, &shake, &l, &h));
    assert_int_equal(heard.closed, 0);
}

/* --- messages -------------------------------------------------------------------------------- */

static void test_lengths(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, MESSAGE_MAX};
    static uint8_t bytes[MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    heard.echo = true;
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        size_t len = lens[i], head = len < 126 ? 2 : len < 65536 ? 4 : 10;
        say(FIN | BINARY, bytes, len);
        assert_int_equal(heard.messages, i + 1);
        assert_int_equal(fake.out_len, head + len); /* not masked */
        assert_int_equal(fake.out[0], FIN | BINARY);
        assert_memory_equal(fake.out + head, bytes, len);
        fake.out_len = 0;
    }
    assert_true(fake.open);
}

static void test_fragments(void **state)
{
    (void)state;
    say_text(TEXT, "one, ");
    say_text(CONTINUATION, "");
    say_text(FIN | PING, "alive?"); /* between fragments */
    expect_out("\x8a\x06"
               "alive?",
               8);
    say_text(CONTINUATION, "two, ");
    say_text(FIN | PONG, "");
    expect_log("");
    say_text(FIN | CONTINUATION, "three");
    expect_log("text one, two, three\n");
    say_text(FIN | BINARY, "next");
    expect_log("binary next\n");
    expect_out(NULL, 0);
    assert_true(fake.open);
}

/* Several messages, fragments and control frames; however the bytes are cut, the same is heard. */
static void test_cuts(void **state)
{
    static const char want[] = "text h\xc3\xa9llo\nbinary \nbinary xyz\n";
    uint8_t bytes[200];
    size_t len = 0;

    len += frame(bytes + len, TEXT, "h\xc3", 2);
    len += frame(bytes + len, FIN | PING, "p", 1);
    len += frame(bytes + len, FIN | CONTINUATION, "\xa9llo", 4);
    len += frame(bytes + len, FIN | BINARY, "", 0);
    len += frame(bytes + len, FIN | BINARY, "xyz", 3);
    for (size_t cut = 1; cut < len; cut++) {
        fake_recv(bytes, cut);
        fake_recv(bytes + cut, len - cut);
        expect_log(want);
        expect_out("\x8a\x01p", 3);
    }
    for (size_t i = 0; i < len; i++)
        fake_recv(bytes + i, 1);
    expect_log(want);
    /* Cut off: nothing that is not whole is heard. */
    for (size_t cut = 0; cut < len; cut++) {
        fake_gone();
        assert_int_equal(start(state), 0);
        fake_recv(bytes, cut);
        assert_true(heard.messages <= 2);
        assert_true(fake.open);
    }
}

/* --- bad frames ------------------------------------------------------------------------------ */

struct bad {
    unsigned code;
    const char *bytes; /* with the mask 0 */
    size_t len;
};
#define BAD(code, bytes)                                                                           \
    {                                                                                              \
        code, bytes, sizeof(bytes) - 1                                                             \
    }
#define M "\0\0\0\0"

static const struct bad bads[] = {
    BAD(1002, "\xc1\x80" M),                           /* reserved bit 1 */
    BAD(1002, "\xa1\x80" M),                           /* 2 */
    BAD(1002, "\x91\x80" M),                           /* 3 */
    BAD(1002, "\x83\x80" M),                           /* reserved opcodes */
    BAD(1002, "\x87\x80" M),                           /* .. */
    BAD(1002, "\x8b\x80" M),                           /* .. of control */
    BAD(1002, "\x8f\x80" M),                           /* .. */
    BAD(1002, "\x81\x01x"),                            /* no mask */
    BAD(1002, "\x80\x80" M),                           /* continuation of nothing */
    BAD(1002, "\x01\x80" M "\x81\x80" M),              /* message inside a message */
    BAD(1002, "\x09\x80" M),                           /* control frame in fragments */
    BAD(1002, "\x89\xfe\x00\x7e" M),                   /* control frame of 126 bytes */
    BAD(1002, "\x82\xfe\x00\x7d" M),                   /* length longer than needed */
    BAD(1002, "\x82\xff\0\0\0\0\0\0\xff\xff" M),       /* .. */
    BAD(1002, "\x82\xff\x80\0\0\0\0\0\0\0" M),         /* length of 2^63 */
    BAD(1002, "\x88\x81" M "x"),                       /* close with half a code */
    BAD(1002, "\x88\x82" M "\x03\xe7"),                /* 999 */
    BAD(1002, "\x88\x82" M "\x03\xec"),                /* 1004 */
    BAD(1002, "\x88\x82" M "\x03\xed"),                /* 1005 */
    BAD(1002, "\x88\x82" M "\x03\xee"),                /* 1006 */
    BAD(1002, "\x88\x82" M "\x04\x4c"),                /* 1100 */
    BAD(1002, "\x88\x82" M "\x07\xd0"),                /* 2000 */
    BAD(1002, "\x88\x82" M "\x13\x88"),                /* 5000 */
    BAD(1007, "\x88\x83" M "\x03\xe8\xff"),            /* reason that is no UTF-8 */
    BAD(1007, "\x81\x82" M "\xc3x"),                   /* text that is none */
    BAD(1007, "\x81\x81" M "\xc3"),                    /* .. cut inside a character */
    BAD(1007, "\x81\x82" M "\xc0\x80"),                /* .. longer than needed */
    BAD(1007, "\x81\x83" M "\xed\xa0\x80"),            /* .. a surrogate */
    BAD(1007, "\x81\x84" M "\xf4\x90\x80\x80"),        /* .. above U+10FFFF */
    BAD(1007, "\x01\x81" M "\xff"),                    /* .. told with its first fragment */
    BAD(1007, "\x01\x81" M "\xc3\x80\x81" M "x"),      /* .. cut by the end of a fragment */
    BAD(1009, "\x82\xff\0\0\0\0\0\x01\x11\x71" M "x"), /* MESSAGE_MAX + 1 */
    BAD(1009, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" M "x"),
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
        /* In one piece, and byte by byte. */
        for (size_t step = bads[i].len; step > 0; step = step > 1 ? 1 : 0) {
            fake_gone();
            assert_int_equal(start(state), 0);
            say_text(FIN | BINARY, "before");
            for (size_t at = 0; at < bads[i].len && fake.open; at += step)
                fake_recv(bads[i].bytes + at, MIN(step, bads[i].len - at));
            if (fake.open)
                print_error("row %zu, code %u: not refused\n", i, bads[i].code);
            expect_close(bads[i].code);
            assert_int_equal(heard.messages, 1);
        }
    }
}

/* A message in fragments is as long as all of them. */
static void test_too_big(void **state)
{
    static uint8_t half[MESSAGE_MAX / 2];

    (void)state;
    say(BINARY, half, sizeof(half));
    say(CONTINUATION, half, sizeof(half));
    say_text(FIN | PING, "");
    assert_true(fake.open);
    fake.out_len = 0;
    say_text(FIN | CONTINUATION, "x");
    expect_close(WS_TOO_BIG);
    assert_int_equal(heard.messages, 0);
}

/* --- closing --------------------------------------------------------------------------------- */

static void test_client_closes(void **state)
{
    static const unsigned codes[] = {1000, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        const char body[] = {(char)(codes[i] >> 8), (char)codes[i], 'b', 'y', 'e'};
        fake_gone();
        assert_int_equal(start(state), 0);
        say(FIN | CLOSE, body, sizeof(body));
        assert_int_equal(fake.out_len, 7);
        assert_memory_equal(fake.out + 2, body, 5);
        expect_close(codes[i]);
    }
    fake_gone();
    assert_int_equal(start(state), 0);
    say_text(FIN | CLOSE, "");
    expect_out("\x88\x00", 2);
    expect_log("closed 1005\n");
    assert_false(fake.open);
}

static void test_client_gone(void **state)
{
    (void)state;
    say_text(TEXT, "half a mess");
    fake_gone();
    expect_log("closed 1006\n");
}

static void test_we_close(void **state)
{
    (void)state;
    ws_close(heard.w, WS_TAKEN_OVER, "taken over");
    heard.w = NULL;
    assert_int_equal(fake.closed_ms, 10000);
    expect_out("\x88\x0c\x0f\xa2taken over", 14);
    expect_log(""); /* the handler knows */
}

/* From inside a message: what follows is not heard any more. */
static void test_close_inside(void **state)
{
    uint8_t bytes[100];
    size_t len = frame(bytes, FIN | TEXT, "1", 1);

    (void)state;
    heard.close_each = true;
    len += frame(bytes + len, FIN | TEXT, "2", 1);
    fake_recv(bytes, len);
    expect_log("text 1\n");
    expect_out("\x88\x08\x03\xe8"
               "enough",
               10);
    assert_false(fake.open);
}

/* --- pace ------------------------------------------------------------------------------------ */

/* While it is held nothing is heard; afterwards everything, in order, and the rest is read. */
static void test_hold(void **state)
{
    static uint8_t bytes[20000];
    size_t len = 0;
    unsigned total = 0;
    char want[64];

    (void)state;
    heard.hold_each = true;
    while (len + 32 < sizeof(bytes)) {
        char text[16];
        int n = snprintf(text, sizeof(text), "m%u", total++);
        len += frame(bytes + len, FIN | TEXT, text, (size_t)n);
    }
    fake_recv(bytes, len);
    assert_true(fake.full);
    assert_true(fake.in_len + 4096 >= len); /* what the library has is bounded */
    for (unsigned i = 0; i < total; i++) {
        (void)snprintf(want, sizeof(want), "text m%u\n", i);
        expect_log(want);
        ws_more(heard.w);
        fake_feed();
    }
    expect_log("");
    assert_int_equal(heard.messages, total);
    assert_int_equal(fake.in_len, 0);
}

/* Bytes that come while messages are held are not taken, and not lost. */
static void test_hold_more(void **state)
{
    (void)state;
    heard.hold_each = true;
    say_text(FIN | TEXT, "1");
    say_text(FIN | TEXT, "2");
    assert_true(fake.full);
    expect_log("text 1\n");
    ws_more(heard.w);
    fake_feed();
    expect_log("text 2\n");
    heard.hold_each = false;
    ws_more(heard.w);
    say_text(FIN | TEXT, "3");
    expect_log("text 3\n");
}

static void test_writable(void **state)
{
    (void)state;
    ws_want(heard.w);
    assert_true(fake.wants);
    fake.h.writable(fake.h.ctx);
    expect_log("writable\n");
}

static void tick(usec_t at)
{
    if (fake.open)
        fake.h.tick(fake.h.ctx, at);
}

static void test_silent(void **state)
{
    usec_t t = usec_now();

    (void)state;
    tick(t + 29 * USEC_SEC);
    expect_out(NULL, 0);
    tick(t + 31 * USEC_SEC);
    expect_out("\x89\x00", 2);
    tick(t + 59 * USEC_SEC);
    expect_out(NULL, 0);
    say_text(FIN | PONG, ""); /* counts by the clock: from now on */
    t = usec_now();
    tick(t + 31 * USEC_SEC);
    fake.out_len = 0;
    tick(t + 61 * USEC_SEC);
    expect_close(WS_GOING_AWAY);
    expect_log("closed 1001\n");
}

/* Taking nothing for 30 s is the end; taking a little is not, and silence does not count then. */
static void test_stalled(void **state)
{
    usec_t t = usec_now();

    (void)state;
    fake.blocked = true;
    for (int i = 0; i < 10; i++) {
        t += 25 * USEC_SEC;
        fake.taken++;
        tick(t);
        assert_true(fake.open);
    }
    tick(t + 29 * USEC_SEC);
    assert_true(fake.open);
    tick(t + 30 * USEC_SEC);
    expect_close(WS_SLOW);
    expect_log("closed 4001\n");
}

/* A pause in between begins the 30 s again. */
static void test_stalled_again(void **state)
{
    usec_t t = usec_now();

    (void)state;
    fake.blocked = true;
    tick(t);
    tick(t + 20 * USEC_SEC);
    fake.blocked = false;
    tick(t + 21 * USEC_SEC);
    fake.blocked = true;
    tick(t + 22 * USEC_SEC);
    tick(t + 51 * USEC_SEC);
    assert_true(fake.open);
    tick(t + 52 * USEC_SEC);
    expect_close(WS_SLOW);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_handshake_refused),
        EACH(test_head),
        EACH(test_gone_at_once),
        EACH(test_lengths),
        EACH(test_fragments),
        EACH(test_cuts),
        EACH(test_bad),
        EACH(test_too_big),
        EACH(test_client_closes),
        EACH(test_client_gone),
        EACH(test_we_close),
        EACH(test_close_inside),
        EACH(test_hold),
        EACH(test_hold_more),
        EACH(test_writable),
        EACH(test_silent),
        EACH(test_stalled),
        EACH(test_stalled_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
