/* Streams from frame to frame, with a real bus: what is asked, what is told, and what a client that
 * does not read is spared. Two streams at a time: tests/system/test_websocket.py. */
#include "api/stream.h"

#include <stdio.h>
#include <string.h>

#include "api/stream_bin.h"
#include "tests/unit/api/stream_rig.h"
#include "tests/unit/unit.h"

static int start(void **state)
{
    (void)state;
    rig_start(false, 1);
    return 0;
}

static int start_binary(void **state)
{
    (void)state;
    rig_start(true, 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop();
    return 0;
}

static void say(const char *json)
{
    rig_say_bytes(true, json, strlen(json));
}

/* The next frame that was told; "" : none. Static. */
static const char *told(void)
{
    static char text[100000];
    size_t n, head = 2;
    text[0] = '\0';
    if (fake.out_len == 0)
        return text;
    n = fake.out[1];
    if (n == 126) {
        n = (size_t)fake.out[2] << 8 | fake.out[3];
        head = 4;
    }
    assert_true(n < 126 || head == 4);
    assert_true(head + n <= fake.out_len && n < sizeof(text));
    memcpy(text, fake.out + head, n);
    text[n] = '\0';
    fake.out_len -= head + n;
    memmove(fake.out, fake.out + head + n, fake.out_len);
    return text;
}

static void expect(const char *want)
{
    assert_string_equal(told(), want);
}

/* The next frame has all of this in it. */
static const char *expect_in(const char *a, const char *b)
{
    const char *text = told();
    if (!strstr(text, a) || !strstr(text, b))
        fail_msg("%s or %s not in %s", a, b, text);
    return text;
}

static void send_self(const char *payload)
{
    char json[256];
    (void)snprintf(json, sizeof(json),
                   "{\"op\":\"send\",\"dst\":{\"ip\":\"400::1\"},\"topicText\":\"t\","
                   "\"durable\":false,\"payload\":\"%s\"}",
                   payload);
    say(json);
    expect_in("{\"op\":\"ok\",\"id\":\"", "\"state\":");
}

static void test_welcome(void **state)
{
    (void)state;
    expect_in("{\"op\":\"welcome\",\"server\":\"mycelium\",\"protocol\":1,\"nodeIp\":\"",
              "\"resumed\":0,\"limits\":{\"maxFrame\":1048576,\"maxCredit\":1024,\"maxSubs\":64}}");
    expect("");
    say("{\"op\":\"hello\",\"ref\":\"r\",\"consumer\":\"me\"}");
    expect_in("{\"op\":\"welcome\",\"ref\":\"r\",", "\"consumer\":\"me\"");
    say("{\"op\":\"hello\",\"consumer\":\"you\"}");
    expect("{\"op\":\"err\",\"code\":\"bad-request\",\"detail\":\"hello with a consumer comes "
           "first\"}");
}

static void test_credit(void **state)
{
    (void)state;
    (void)told();
    for (int i = 0; i < 5; i++)
        send_self("AA==");
    say("{\"op\":\"sub\",\"ref\":\"1\",\"sub\":\"s\",\"topic\":\"dA==\",\"credit\":2}");
    expect("{\"op\":\"ok\",\"ref\":\"1\"}");
    const char *m = expect_in("{\"op\":\"msg\",\"sub\":\"s\",\"id\":", "\"payload\":\"AA==\"");
    char token[64], json[128];
    assert_int_equal(sscanf(strstr(m, "\"token\":\""), "\"token\":\"%40[^\"]", token), 1);
    expect_in("\"op\":\"msg\"", "\"redelivered\":0");
    expect("");
    (void)snprintf(json, sizeof(json), "{\"op\":\"ack\",\"ref\":\"2\",\"tokens\":[\"%s\"]}", token);
    say(json);
    expect("{\"op\":\"ok\",\"ref\":\"2\",\"done\":1,\"unknown\":[]}");
    expect_in("\"op\":\"msg\"", "\"token\":");
    expect("");
    say("{\"op\":\"unsub\",\"sub\":\"s\"}");
    expect("{\"op\":\"ok\"}");
    struct bus_stats st;
    bus_stats(rig.bus, &st);
    assert_int_equal(st.in_ready, 4);
    assert_int_equal(st.in_leased, 0);
}

/* Blocked: one answer of the bus at most is written, then nothing is taken until it is not. */
static void test_blocked(void **state)
{
    struct bus_stats st;
    (void)state;
    (void)told();
    say("{\"op\":\"sub\",\"sub\":\"s\",\"all\":true,\"credit\":1000}");
    say("{\"op\":\"sub\",\"sub\":\"t\",\"all\":true,\"mode\":\"tap\"}");
    expect("{\"op\":\"ok\"}");
    expect("{\"op\":\"ok\"}");
    fake.blocked = true;
    for (int i = 0; i < 400; i++) {
        struct bus_send s = {.dst = rig.self, .in_memory = true, .payload = blob_copy("x", 1)};
        assert_int_equal(bus_send(rig.bus, &s, 100 + (bus_client)i, instant_now()), OK);
        blob_unref(s.payload);
        rig_drain();
    }
    bus_stats(rig.bus, &st);
    assert_true(st.in_leased <= 1);
    unsigned before = (unsigned)st.in_leased, taps = 0, messages = 0;
    for (const char *f = told(); *f; f = told()) {
        taps += strstr(f, "\"sub\":\"t\"") != NULL;
        messages += strstr(f, "\"sub\":\"s\"") != NULL;
    }
    assert_int_equal(messages, before);
    assert_true(taps <= 1);
    fake.blocked = false;
    rig_drain();
    unsigned dropped = 0, more = 0;
    for (const char *f = told(); *f; f = told()) {
        const char *gap = strstr(f, "\"dropped\":");
        if (gap)
            dropped += (unsigned)atoi(gap + 10);
        else if (strstr(f, "\"sub\":\"t\""))
            more++;
        else
            messages++;
    }
    assert_int_equal(more, BUS_TAP_MESSAGES);
    assert_int_equal(taps + dropped + more, 400); /* the gap says the right number */
    assert_int_equal(messages, 400);
}

/* As many requests as wait for the bus: then the next ones are not read, and all are answered. */
static void test_many_requests(void **state)
{
    (void)state;
    (void)told();
    char all[20000] = "";
    size_t len = 0;
    static const char json[] = "{\"op\":\"send\",\"dst\":{\"ip\":\"400::1\"},\"payload\":\"\"}";
    for (int i = 0; i < 200; i++) {
        const uint8_t head[] = {0x81, 0x80 | (sizeof(json) - 1), 0, 0, 0, 0};
        memcpy(all + len, head, sizeof(head));
        memcpy(all + len + sizeof(head), json, sizeof(json) - 1);
        len += sizeof(head) + sizeof(json) - 1;
    }
    fake_recv(all, len);
    struct bus_stats st;
    rig_drain();
    unsigned answers = 0;
    for (const char *f = told(); *f; f = told())
        answers += strstr(f, "{\"op\":\"ok\"") == f;
    assert_int_equal(answers, 200);
    bus_stats(rig.bus, &st);
    assert_int_equal(st.accepted, 200);
}

static void test_watch(void **state)
{
    (void)state;
    (void)told();
    say("{\"op\":\"watch\",\"all\":true}");
    expect_in("{\"op\":\"ok\",\"epoch\":\"", "\",\"index\":0}");
    send_self("AA==");
    expect_in("{\"op\":\"status\",\"index\":1,\"id\":\"", "\"state\":\"pending\"");
    expect_in("{\"op\":\"status\",\"index\":2,\"id\":\"",
              "\"state\":\"received\",\"ackedBytes\":1}");
    expect("");
    say("{\"op\":\"watch\",\"all\":true,\"index\":1}");
    expect_in("\"op\":\"ok\"", "\"index\":1}");
    expect_in("\"op\":\"status\"", "\"index\":2");
    say("{\"op\":\"watch\",\"all\":true,\"index\":1,\"epoch\":\"0000000000000000\"}");
    expect_in("\"op\":\"ok\"", "\"index\":2}"); /* of another process: from now on */
    expect("");
    say("{\"op\":\"watch\",\"ids\":[\"0011223344556677\"]}");
    expect_in("\"op\":\"ok\"", "\"index\":2}");
    send_self("AA==");
    expect("");
}

static void test_scopes(void **state)
{
    static const char *const asks[] = {
        "{\"op\":\"sub\",\"sub\":\"s\",\"all\":true}",
        "{\"op\":\"send\",\"dst\":{\"ip\":\"400::1\"},\"payload\":\"\"}",
        "{\"op\":\"watch\",\"all\":true}", "{\"op\":\"cancel\",\"seq\":1}"};
    (void)state;
    (void)told();
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        say(asks[i]); /* a caller of this machine may do all */
        if (strstr(told(), "\"forbidden\""))
            fail_msg("%s", asks[i]);
    }
    say("{\"op\":\"nothing\",\"ref\":\"x\"}");
    while (fake.out_len > 0) {
        const char *f = told();
        if (strstr(f, "\"ref\":\"x\""))
            assert_string_equal(f, "{\"op\":\"err\",\"ref\":\"x\",\"code\":\"bad-request\","
                                   "\"detail\":\"no such op\"}");
    }
}

/* The binary frame, cut at every length; and the vectors of the protocol. */
static void test_binary(void **state)
{
    static const char json[] =
        "{\"op\":\"send\",\"ref\":\"1\",\"dst\":{\"ip\":\"400::1\"},\"topic\":\"dGVzdA==\",\"len\":5}";
    uint8_t frame[128];
    struct stream_bin b;
    size_t len = sizeof(json) - 1;
    (void)state;
    (void)told();
    stream_bin_head(frame, len);
    memcpy(frame + 4, json, len);
    memcpy(frame + 4 + len, "hello", 5);
    assert_int_equal(len + 9, 81);
    assert_memory_equal(frame, "\x00\x00\x00\x48", 4);
    for (size_t cut = 0; cut <= 81; cut++) {
        int rc = stream_bin_read(frame, cut, &b);
        assert_int_equal(rc, cut < 76 ? ERR_MALFORMED : OK);
        if (rc == OK)
            assert_int_equal(b.rest_len, cut - 76);
    }
    rig_say_bytes(false, frame, 81);
    assert_int_equal(fake.out[0], 0x82);
    const char *text = told() + 4; /* behind the length of the JSON */
    assert_ptr_equal(strstr(text, "{\"op\":\"ok\",\"ref\":\"1\",\"id\":"), text);
    rig_say_bytes(false, frame, 80); /* len says 5 */
    assert_false(fake.open);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        EACH(test_welcome),
        EACH(test_credit),
        EACH(test_blocked),
        EACH(test_many_requests),
        EACH(test_watch),
        EACH(test_scopes),
        cmocka_unit_test_setup_teardown(test_binary, start_binary, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
