/* Frames of a WebSocket client. How the bytes are cut into reads must not change what is heard; no
 * message is longer than the limit, and nothing follows the end. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/ws.h"
#include "tests/unit/api/fake_raw.h"

#define MESSAGE_MAX 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct ws *w;
    uint64_t sum;
    bool hold;
} seen;

static void mix(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i++)
        seen.sum = (seen.sum ^ p[i]) * 1099511628211u;
}

static void on_message(void *ctx, bool text, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    if (len > MESSAGE_MAX || !seen.w)
        abort();
    mix(&text, 1);
    mix(&len, sizeof(len));
    mix(bytes, len);
    if (len == 1) {
        ws_close(seen.w, WS_NORMAL, "one");
        seen.w = NULL;
    } else if (seen.hold) {
        ws_hold(seen.w);
    } else if (len == 2) {
        (void)ws_send(seen.w, text, bytes, len);
    }
}

static void on_writable(void *ctx)
{
    (void)ctx;
}

static void on_closed(void *ctx, unsigned code)
{
    (void)ctx;
    if (!seen.w)
        abort();
    seen.w = NULL;
    (void)code; /* the library's: depends on the cuts for a close with a reason in UTF-8 */
    mix("closed", 6);
}

static uint64_t run(const uint8_t *data, size_t size, size_t step, bool hold)
{
    static const struct ws_handler h = {
        .message = on_message, .writable = on_writable, .closed = on_closed};
    const struct http_request r = {.id = 1};
    const struct ws_handshake shake = {.accept = "x"};
    struct ws_limits l;

    ws_limits_default(&l);
    l.message_bytes = MESSAGE_MAX;
    fake_reset();
    memset(&seen, 0, sizeof(seen));
    seen.hold = hold;
    seen.w = ws_accept(NULL, &r, &shake, &l, &h);
    if (!seen.w)
        return 0;
    for (size_t at = 0; at < size && fake.open; at += step)
        fake_recv(data + at, step < size - at ? step : size - at);
    while (hold && seen.w && fake.full) {
        ws_more(seen.w);
        fake_feed();
    }
    fake_gone();
    if (seen.w)
        abort();
    fake_reset();
    return seen.sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t whole;

    if (size == 0)
        return 0;
    whole = run(data, size, size, false);
    if (run(data, size, 1, false) != whole || run(data, size, 1 + data[0] % 50, false) != whole)
        abort();
    (void)run(data, size, size, true);
    return 0;
}
