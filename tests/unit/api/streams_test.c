/* Large messages from request to answer: a real bus, with a store that answers at once, a spool in
 * memory that works when it is told to, and an HTTP server that writes down what goes through it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/download.h"
#include "api/json_in.h"
#include "api/upload.h"
#include "base/blake3.h"
#include "base/err.h"
#include "base/text.h"
#include "storage/spool.h"
#include "tests/unit/api/no_raw.h"
#include "tests/unit/unit.h"

#define LEN     200000
#define MAX_LEN 300000
#define FILES   64

struct file {
    uint64_t number; /* 0: none */
    uint8_t *bytes;
    size_t len;
    unsigned pins;
    bool dropped, synced, broken;
};

static struct {
    struct api *api;
    struct peers *peers;
    struct bus *bus;
    struct rng rng;
    http_id next_id, last;
    /* the spool */
    struct file files[FILES];
    struct spool_op *queue[256];
    size_t queued;
    uint64_t number;
    int fail_rc; /* of the next operation of this kind */
    enum spool_kind fail_kind;
    size_t most_queued;
    /* the last answer */
    unsigned answers, status, more, broken;
    char type[64], fields[256];
    uint8_t *body;
    size_t len, cap;
    uint64_t left;
    http_id open; /* being answered in pieces */
    bool drained;
} t;

/* --- the spool ------------------------------------------------------------------------------- */

struct spool_op *spool_op_new(enum spool_kind kind, uint64_t file)
{
    struct spool_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = kind;
    op->file = file;
    return op;
}

void spool_op_free(struct spool_op *op)
{
    if (op)
        blob_unref(op->data);
    free(op);
}

uint64_t spool_number(void)
{
    return ++t.number;
}

void spool_submit(struct spool *s, struct spool_op *op)
{
    (void)s;
    assert_true(t.queued < ARRAY_LEN(t.queue));
    t.queue[t.queued++] = op;
    t.most_queued = MAX(t.most_queued, t.queued);
}

static struct file *file_of(uint64_t number)
{
    for (size_t i = 0; i < FILES; i++)
        if (t.files[i].number == number)
            return &t.files[i];
    return NULL;
}

static void file_end(struct file *f)
{
    if (f->dropped && f->pins == 0) {
        free(f->bytes);
        *f = (struct file){0};
    }
}

static int work(struct spool_op *op)
{
    struct file *f = file_of(op->file);
    if (t.fail_rc && op->kind == t.fail_kind) {
        int rc = t.fail_rc;
        t.fail_rc = 0;
        if (f)
            f->broken = true;
        return rc;
    }
    if (op->kind == SPOOL_CREATE) {
        assert_null(f);
        f = file_of(0);
        assert_non_null(f);
        *f = (struct file){.number = op->file, .bytes = malloc(1 << 20)};
        assert_non_null(f->bytes);
        return OK;
    }
    if (!f)
        return op->kind == SPOOL_DROP || op->kind == SPOOL_CLOSE ? OK : ERR_NOENT;
    switch (op->kind) {
    case SPOOL_OPEN:
        f->pins++;
        op->size = f->len;
        break;
    case SPOOL_CLOSE:
        assert_true(f->pins > 0);
        f->pins--;
        file_end(f);
        break;
    case SPOOL_WRITE:
        if (f->broken)
            return ERR_IO;
        assert_true(op->solid == f->len && op->offset == f->len); /* one behind the other */
        assert_true(f->len + op->data->len <= 1 << 20);
        memcpy(f->bytes + op->offset, op->data->data, op->data->len);
        f->len += op->data->len;
        f->synced = false;
        break;
    case SPOOL_SYNC:
        f->synced = true;
        break;
    case SPOOL_READ:
        assert_true(op->offset + op->len <= f->len);
        op->data = blob_copy(f->bytes + op->offset, op->len);
        break;
    case SPOOL_SUM:
        op->hashed = MIN(op->len, op->hashed + (t.number % 2 ? op->len : op->len / 2));
        if (op->hashed < op->len && t.number % 2 == 0)
            t.number++; /* the second time it is done */
        struct blake3 b;
        blake3_init(&b);
        blake3_update(&b, f->bytes, op->len);
        blake3_final(&b, op->sum);
        break;
    case SPOOL_DROP:
        f->dropped = true;
        file_end(f);
        break;
    case SPOOL_CREATE:
        break;
    }
    return OK;
}

static void drain(void);

/* One operation. */
static void spool_step(void)
{
    struct spool_op *op = t.queue[0];
    t.queued--;
    memmove(&t.queue[0], &t.queue[1], t.queued * sizeof(t.queue[0]));
    op->rc = work(op);
    if (op->user == 7 && !op->quiet) {
        api_spooled(t.api, op);
    } else if (op->user != 7) {
        struct bus_store_result res = {
            .tag = op->tag, .rc = op->rc, .body = op->data, .hashed = op->hashed, .sum = op->sum};
        bus_stored(t.bus, &res, instant_now());
    }
    spool_op_free(op);
    drain();
}

/* The bus until it is quiet; its store does what it is asked. */
static void drain(void)
{
    struct bus_out out;
    struct instant now = instant_now();
    while (bus_next(t.bus, now, &out)) {
        if (out.kind == BUS_OUT_STORE && out.store->kind == BUS_STORE_FILE_DROP) {
            struct spool_op *op = spool_op_new(SPOOL_DROP, out.store->file.number);
            op->tag = out.store->tag;
            spool_submit(NULL, op);
        } else if (out.kind == BUS_OUT_STORE) {
            struct bus_store_result res = {.tag = out.store->tag};
            if (out.store->kind == BUS_STORE_OUT_PUT && out.store->out.file) {
                const struct file *f = file_of(out.store->out.file);
                assert_non_null(f);
                assert_true(f->synced && f->len == out.store->out.len);
            }
            bus_stored(t.bus, &res, now);
        } else if (out.kind != BUS_OUT_PACKET && out.kind != BUS_OUT_WANT) {
            api_bus_answer(t.api, &out);
        }
    }
}

static size_t files(void)
{
    size_t n = 0;
    for (size_t i = 0; i < FILES; i++)
        n += t.files[i].number != 0;
    return n;
}

/* --- the HTTP server ------------------------------------------------------------------------- */

static void begin(const struct http_response *r)
{
    t.answers++;
    t.status = r->status;
    (void)snprintf(t.type, sizeof(t.type), "%s", r->content_type ? r->content_type : "");
    t.fields[0] = '\0';
    for (size_t i = 0; i < r->extra_count; i++) {
        size_t n = strlen(t.fields);
        (void)snprintf(t.fields + n, sizeof(t.fields) - n, "%s: %s\n", r->extra[i].name,
                       r->extra[i].value);
    }
    t.len = 0;
}

static void add(const void *bytes, size_t len)
{
    if (t.len + len + 1 > t.cap) {
        t.cap = t.len + len + 1;
        t.body = realloc(t.body, t.cap);
        assert_non_null(t.body);
    }
    if (len > 0)
        memcpy(t.body + t.len, bytes, len);
    t.len += len;
    t.body[t.len] = '\0';
}

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    (void)id;
    begin(r);
    add(r->body, r->content_type ? r->body_len : 0);
    return true;
}

bool http_answer_begin(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    begin(r);
    add(NULL, 0);
    t.left = r->body_len;
    t.open = id;
    t.drained = true;
    return true;
}

bool http_answer_piece(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    (void)s;
    assert_int_equal(id, t.open);
    assert_false(t.drained);
    assert_true(len > 0 && len <= HTTP_PIECE_MAX && len <= t.left);
    add(bytes, len);
    t.left -= len;
    t.drained = t.left > 0;
    if (t.left == 0)
        t.open = 0;
    return t.left > 0;
}

void http_answer_break(struct http_server *s, http_id id)
{
    (void)s;
    assert_int_equal(id, t.open);
    t.open = 0;
    t.broken++;
}

void http_more(struct http_server *s, http_id id)
{
    (void)s;
    assert_int_equal(id, t.last);
    t.more++;
}

/* Everything that can go on does. */
static void settle_down(void)
{
    struct http_handler h = api_handler(t.api);
    drain();
    while (t.queued > 0 || (t.open && t.drained)) {
        if (t.queued > 0) {
            spool_step();
        } else {
            t.drained = false;
            h.drained(h.ctx, t.open);
        }
    }
}

/* --- requests -------------------------------------------------------------------------------- */

static const struct ip6 self = {.b = {4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
#define SELF "401:203:405:607:809:a0b:c0d:e0f"
#define JSON "application/json"
#define RAW  "application/octet-stream"

static struct http_request request(enum http_method method, const char *target, const char *type)
{
    static char path[256];
    const char *mark = strchr(target, '?');
    (void)snprintf(path, sizeof(path), "%.*s",
                   (int)(mark ? mark - target : (ptrdiff_t)strlen(target)), target);
    t.last = ++t.next_id;
    return (struct http_request){
        .id = t.last,
        .method = method,
        .path = path,
        .query = mark ? mark + 1 : "",
        .content_type = type,
        .loopback = true,
        .local_addr = "127.0.0.1",
        .local_port = 8989,
    };
}

/* The head alone. */
static struct http_want head(const char *target, const char *type, uint64_t length)
{
    struct http_handler h = api_handler(t.api);
    struct http_request r = request(HTTP_POST, target, type);
    r.length = length;
    t.status = 0;
    return h.head(h.ctx, &r);
}

/* The bytes of the body, while nobody answers; waits for the spool only where it has to. */
static void pieces(const char *body, size_t len, size_t step)
{
    struct http_handler h = api_handler(t.api);
    unsigned before = t.answers;
    for (size_t at = 0; at < len && t.answers == before; at += step) {
        unsigned more = t.more;
        if (h.piece(h.ctx, t.last, (const uint8_t *)body + at, MIN(step, len - at)))
            continue;
        while (t.more == more && t.answers == before) {
            assert_true(t.queued > 0);
            spool_step();
        }
    }
    if (t.answers == before)
        h.end(h.ctx, t.last);
}

/* A whole request whose body comes in pieces. */
static void post(const char *target, const char *type, const char *body, size_t len, size_t step,
                 bool announced)
{
    struct http_want w = head(target, type, announced ? len : HTTP_LENGTH_UNKNOWN);
    if (w.kind == HTTP_BODY_PIECES)
        pieces(body, len, step);
    settle_down();
}

static void ask(enum http_method method, const char *target, const char *body, const char *range)
{
    struct http_handler h = api_handler(t.api);
    struct http_request r = request(method, target, JSON);
    r.range = range;
    r.body = (const uint8_t *)body;
    r.body_len = strlen(body);
    h.request(h.ctx, &r);
    drain();
}

static void expect(unsigned status, const char *part)
{
    if (t.status != status || !strstr((char *)t.body, part))
        print_message("%u %.300s\n", t.status, (char *)t.body);
    assert_int_equal(t.status, status);
    assert_non_null(strstr((char *)t.body, part));
}

static uint8_t payload[LEN];
static char json[2 * LEN];

/* A message as JSON with so many bytes of payload. */
static size_t message(size_t len, const char *more)
{
    size_t n = (size_t)snprintf(json, sizeof(json),
                                "{\"dst\":{\"ip\":\"" SELF "\"},%s\"payload\":\"", more);
    n += b64_encode(payload, len, json + n);
    return n + (size_t)snprintf(json + n, sizeof(json) - n, "\",\"topic\":\"dGVzdA==\"}");
}

static void kick(void *ctx)
{
    (void)ctx;
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    rng_init_seeded(&t.rng, 1);
    rng_bytes(&t.rng, payload, LEN);
    struct bus_conf bc = {.self = self, .rng = &t.rng};
    bus_limits_default(&bc.limits);
    bc.limits.len_max = MAX_LEN;
    assert_int_equal(bus_new(&bc, instant_now(), &t.bus), OK);
    assert_int_equal(peers_new(&t.rng, &t.peers), OK);
    struct api_conf c = {.bus = t.bus,
                         .peers = t.peers,
                         .spool_user = 7,
                         .max_len = MAX_LEN,
                         .max_body = 1000000,
                         .kick = kick};
    assert_int_equal(api_new(&c, &t.api), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    settle_down();
    api_stop(t.api);
    api_free(t.api);
    bus_free(t.bus);
    peers_free(t.peers);
    for (size_t i = 0; i < FILES; i++)
        free(t.files[i].bytes);
    for (size_t i = 0; i < t.queued; i++)
        spool_op_free(t.queue[i]);
    free(t.body);
    return 0;
}

static void stats(struct api_stats *ret)
{
    api_stats(t.api, ret);
}

/* --- tests ----------------------------------------------------------------------------------- */

#define RAW_TARGET "/bus/v1/messages?dst=" SELF "&topicText=test"

static void test_raw(void **state)
{
    (void)state;
    static const size_t lens[] = {MSG_LEN_MAX + 1, 2 * UPLOAD_PIECE, LEN};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        for (int announced = 0; announced < 2; announced++) {
            post(RAW_TARGET, RAW, (char *)payload, lens[i], i ? 30000 : 1000, announced);
            expect(201, "\"state\":\"received\"");
            assert_int_equal(files(), 1);
            assert_memory_equal(t.files[0].bytes, payload, lens[i]);
            ask(HTTP_GET, "/bus/v1/inbox", "", NULL);
            json_t *v = json_loadb((char *)t.body, t.len, 0, NULL);
            const json_t *e = json_array_get(json_object_get(v, "entries"), 0);
            char target[64];
            assert_int_equal(json_integer_value(json_object_get(e, "len")), lens[i]);
            (void)snprintf(target, sizeof(target), "/bus/v1/inbox/%d/payload",
                           (int)json_integer_value(json_object_get(e, "seq")));
            json_decref(v);
            ask(HTTP_GET, target, "", NULL);
            settle_down();
            assert_int_equal(t.status, 200);
            assert_string_equal(t.type, RAW);
            assert_int_equal(t.len, lens[i]);
            assert_memory_equal(t.body, payload, lens[i]);
            ask(HTTP_GET, target, "", "bytes=10-65536");
            settle_down();
            assert_int_equal(t.status, 206);
            assert_int_equal(t.len, 65527);
            assert_memory_equal(t.body, payload + 10, t.len);
            char want[64];
            (void)snprintf(want, sizeof(want), "content-range: bytes 10-65536/%zu\n", lens[i]);
            assert_non_null(strstr(t.fields, want));
            ask(HTTP_GET, target, "", "bytes=999999-");
            assert_int_equal(t.status, 416);
            *strrchr(target, '/') = '\0';
            ask(HTTP_DELETE, target, "", NULL);
            settle_down();
            assert_int_equal(t.status, 204);
            assert_int_equal(files(), 0);
        }
    }
}

/* Short ones are as if they had come whole, however they come, and leave no file. */
static void test_short(void **state)
{
    (void)state;
    post(RAW_TARGET, RAW, "hello", 5, 2, false);
    expect(201, "\"state\":\"received\"");
    post(RAW_TARGET, RAW, "", 0, 1, false);
    expect(201, "\"state\":\"received\"");
    post(RAW_TARGET, RAW, (char *)payload, MSG_LEN_MAX, 5000, false);
    expect(201, "\"state\":\"received\"");
    size_t len = message(5, "");
    post("/api/v1/messages", JSON, json, len, 7, false);
    expect(201, "{\"id\":\"");
    assert_int_equal(files(), 0);
    assert_int_equal(t.number, 0);
    post("/api/v1/messages", JSON, "{\"payload\":5}", 13, 3, false);
    expect(422, "payload: invalid type: number, expected a string");
    post("/api/v1/messages", JSON, "{", 1, 3, false);
    expect(400, "Failed to parse the request body as JSON: ");
    post("/api/v1/messages", "text/plain", "{", 1, 3, false);
    expect(415, "");
    /* long as text, short as a payload */
    size_t spaces = 100000;
    memmove(json + spaces, json, len);
    memset(json, ' ', spaces);
    len = message(5, "") + spaces;
    memmove(json + spaces, json, len - spaces);
    memset(json, ' ', spaces);
    post("/api/v1/messages", JSON, json, len, 3000, true);
    expect(201, "{\"id\":\"");
    assert_int_equal(t.number, 0);
}

static void expect_popped(size_t len)
{
    ask(HTTP_GET, "/api/v1/messages", "", NULL);
    settle_down();
    assert_int_equal(t.status, 200);
    assert_string_equal(t.type, JSON);
    json_t *v = json_loadb((char *)t.body, t.len, 0, NULL);
    assert_non_null(v);
    static const char *const keys[] = {"id",    "srcIp", "srcPk",  "dstIp",
                                       "dstPk", "topic", "payload"};
    size_t n = 0;
    for (void *i = json_object_iter(v); i; i = json_object_iter_next(v, i), n++)
        assert_string_equal(json_object_iter_key(i), keys[n]);
    assert_int_equal(n, ARRAY_LEN(keys));
    const char *text = json_string_value(json_object_get(v, "payload"));
    uint8_t *got = malloc(LEN + 3);
    size_t got_len = 0;
    assert_int_equal(b64_decode(text, strlen(text), got, LEN + 3, &got_len, NULL), OK);
    assert_int_equal(got_len, len);
    assert_memory_equal(got, payload, len);
    free(got);
    json_decref(v);
}

static void test_json(void **state)
{
    (void)state;
    static const size_t lens[] = {MSG_LEN_MAX + 1, 100000, LEN - 2, LEN - 1, LEN};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        size_t len = message(lens[i], "");
        post("/api/v1/messages", JSON, json, len, 777 + i, i % 2);
        expect(201, "{\"id\":\"");
        assert_int_equal(files(), 1);
        expect_popped(lens[i]);
        assert_int_equal(files(), 0);
    }
    size_t len = message(LEN, "");
    post("/api/v1/messages/reply/0011223344556677", JSON, json, len, 30000, true);
    assert_int_equal(t.status, 204);
    ask(HTTP_GET, "/api/v1/messages", "", NULL);
    settle_down();
    len = message(LEN, "\"ttlMs\":5000,");
    post("/bus/v1/messages", JSON, json, len, 30000, true);
    expect(201, "\"state\":\"received\"");
    ask(HTTP_POST, "/bus/v1/messages/fetch", "{}", NULL);
    expect(200, "\"payloadHref\":\"/bus/v1/inbox/");
}

static void refused(const char *target, const char *type, size_t len, unsigned status,
                    const char *part)
{
    post(target, type, json, len, 20000, true);
    expect(status, part);
    assert_int_equal(files(), 0);
    struct api_stats s;
    stats(&s);
    assert_int_equal(s.uploads, 0);
}

static void test_refused(void **state)
{
    (void)state;
    size_t len = message(LEN, "");
    json[150000] = '_';
    refused("/api/v1/messages", JSON, len, 422, "payload: Invalid symbol 95, offset 149");
    refused("/bus/v1/messages", JSON, len, 422, "\"code\":\"bad-base64\"");
    json[150000] = '\n';
    refused("/api/v1/messages", JSON, len, 400, "Failed to parse the request body as JSON: ");
    len = message(LEN, "");
    refused("/api/v1/messages", JSON, len - 1, 400, "Failed to parse the request body as JSON: ");
    refused("/api/v1/messages?reply_timeout=x", JSON, len, 400, "Failed to deserialize query");
    refused("/api/v1/messages/reply/zz", JSON, len, 400, "Invalid URL");
    memcpy(strstr(json, "\"ip\":\"4"), "\"ip\":\"2", 7);
    refused("/api/v1/messages", JSON, len, 400, "not an address of the network");
    len = message(LEN, "\"colour\":1,");
    refused("/bus/v1/messages", JSON, len, 422, "unknown field");
    refused("/bus/v1/messages", "text/plain", len, 415, "unsupported-media-type");
    refused("/bus/v1/messages?dst=zz", RAW, len, 422, "bad-destination");
    /* too long: by its head, or once it is */
    post(RAW_TARGET, RAW, json, MAX_LEN + 1, 20000, true);
    expect(413, "too-large");
    post(RAW_TARGET, RAW, json, MAX_LEN + 1, 20000, false);
    expect(413, "too-large");
    post("/api/v1/messages", JSON, json, 1000001, 20000, true);
    expect(413, JSON_TOO_LONG);
    assert_int_equal(files(), 0);
    /* what is not the payload has its own limit */
    char *rest = malloc(JSON_BODY_MAX + 2);
    memset(rest, ' ', JSON_BODY_MAX + 1);
    post("/api/v1/messages", JSON, rest, JSON_BODY_MAX + 1, 30000, true);
    expect(413, JSON_TOO_LONG);
    free(rest);
}

static void test_disk(void **state)
{
    (void)state;
    static const struct {
        enum spool_kind kind;
        int rc;
        unsigned status;
        const char *code;
    } v[] = {
        {SPOOL_CREATE, ERR_NOSPACE, 507, "store-full"}, {SPOOL_CREATE, ERR_IO, 503, "store-failed"},
        {SPOOL_WRITE, ERR_NOSPACE, 507, "store-full"},  {SPOOL_WRITE, ERR_IO, 503, "store-failed"},
        {SPOOL_SUM, ERR_IO, 503, "store-failed"},       {SPOOL_SYNC, ERR_IO, 503, "store-failed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        t.fail_kind = v[i].kind;
        t.fail_rc = v[i].rc;
        post(RAW_TARGET, RAW, (char *)payload, LEN, 20000, true);
        expect(v[i].status, v[i].code);
        assert_int_equal(files(), 0);
        t.fail_rc = v[i].rc;
        post("/api/v1/messages", JSON, json, message(LEN, ""), 20000, true);
        expect(v[i].status, "");
        assert_int_equal(files(), 0);
    }
    t.fail_kind = SPOOL_CREATE; /* the number is taken: another one */
    t.fail_rc = ERR_EXIST;
    post(RAW_TARGET, RAW, (char *)payload, LEN, 20000, true);
    expect(201, "");
    assert_int_equal(files(), 1);
}

/* The client is not read while the disk has enough to do. */
static void test_back_pressure(void **state)
{
    (void)state;
    struct http_handler h = api_handler(t.api);
    size_t taken = 0;
    assert_int_equal(head(RAW_TARGET, RAW, LEN * 1ull).kind, HTTP_BODY_PIECES);
    for (int round = 0; round < 2; round++) {
        while (h.piece(h.ctx, t.last, payload + taken % LEN, 10000))
            taken += 10000;
        taken += 10000;
        assert_true(taken <= (size_t)(UPLOAD_FLYING + 2) * UPLOAD_PIECE);
        if (round == 0) {
            unsigned more = t.more;
            while (t.more == more)
                spool_step(); /* only what makes room */
        }
    }
    assert_true(t.most_queued <= UPLOAD_FLYING + 1);
}

static void test_gone(void **state)
{
    (void)state;
    struct http_handler h = api_handler(t.api);
    for (size_t steps = 0; steps < 9; steps++) { /* at each point of its way */
        (void)head(RAW_TARGET, RAW, LEN);
        for (size_t at = 0; at < LEN; at += 40000)
            (void)h.piece(h.ctx, t.last, payload + at, 40000);
        h.end(h.ctx, t.last);
        for (size_t i = 0; i < steps && t.queued > 0; i++)
            spool_step();
        unsigned before = t.answers;
        h.gone(h.ctx, t.last);
        settle_down();
        struct api_stats s;
        stats(&s);
        assert_int_equal(s.uploads, 0);
        assert_int_equal(s.pending, 0);
        if (before == t.answers && t.status == 0)
            assert_int_equal(files(), 0);
        ask(HTTP_GET, "/api/v1/messages", "", NULL); /* what was accepted by then */
        settle_down();
        t.status = 0;
        assert_int_equal(files(), 0);
    }
}

static void test_limits(void **state)
{
    (void)state;
    for (int i = 0; i < UPLOADS_MAX; i++)
        assert_int_equal(head(RAW_TARGET, RAW, LEN).kind, HTTP_BODY_PIECES);
    assert_int_equal(head(RAW_TARGET, RAW, LEN).kind, HTTP_BODY_NONE);
    expect(503, "");
    assert_non_null(strstr(t.fields, "retry-after: 1\n"));
    struct api_stats s;
    stats(&s);
    assert_int_equal(s.uploads, UPLOADS_MAX);
    assert_int_equal(s.uploads_refused, 1);
    assert_int_equal(head("/api/v1/messages", JSON, 100).kind, HTTP_BODY_WHOLE); /* short ones */
}

static void accept_one(void)
{
    post(RAW_TARGET, RAW, (char *)payload, LEN, 20000, true);
    expect(201, "");
}

/* What becomes of the message meanwhile does not matter to who reads it. */
static void test_pinned(void **state)
{
    (void)state;
    struct http_handler h = api_handler(t.api);
    accept_one();
    ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
    spool_step(); /* open: the answer has begun */
    t.drained = false;
    h.drained(h.ctx, t.open);
    spool_step();
    assert_true(t.len > 0 && t.len < LEN);
    uint8_t *part = malloc(LEN);
    size_t len = t.len;
    memcpy(part, t.body, len);
    http_id open = t.open;
    ask(HTTP_DELETE, "/bus/v1/inbox/1", "", NULL);
    assert_int_equal(t.status, 204);
    while (t.queued > 0)
        spool_step();
    assert_int_equal(files(), 1);
    t.len = 0;
    add(part, len);
    free(part);
    t.open = open;
    t.left = LEN - len;
    t.drained = true;
    settle_down();
    assert_int_equal(t.len, LEN);
    assert_memory_equal(t.body, payload, LEN);
    assert_int_equal(files(), 0);
}

static void test_unreadable(void **state)
{
    (void)state;
    struct http_handler h = api_handler(t.api);
    struct api_stats s;
    accept_one();
    t.fail_kind = SPOOL_OPEN;
    t.fail_rc = ERR_IO;
    ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
    settle_down();
    expect(503, "store-failed");
    t.fail_kind = SPOOL_READ;
    t.fail_rc = ERR_IO;
    ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
    settle_down();
    assert_int_equal(t.broken, 1);
    /* the client leaves before it is open, and in the middle */
    ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
    h.gone(h.ctx, t.last);
    settle_down();
    ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
    spool_step();
    t.drained = false;
    h.drained(h.ctx, t.open);
    t.open = 0;
    h.gone(h.ctx, t.last);
    settle_down();
    stats(&s);
    assert_int_equal(s.downloads, 0);
    assert_int_equal(s.downloads_broken, 2);
    assert_int_equal(t.files[0].pins, 0);
    /* taken by /api/v1, and not readable */
    t.fail_kind = SPOOL_OPEN;
    t.fail_rc = ERR_NOENT;
    ask(HTTP_GET, "/api/v1/messages", "", NULL);
    settle_down();
    expect(503, "the message could not be read");
}

static void test_download_limit(void **state)
{
    (void)state;
    accept_one();
    for (int i = 0; i < DOWNLOADS_MAX; i++) {
        ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
        spool_step();
    }
    ask(HTTP_GET, "/bus/v1/inbox/1/payload", "", NULL);
    expect(503, "not-ready");
    ask(HTTP_GET, "/api/v1/messages", "", NULL); /* refused before it takes one */
    expect(503, "");
    ask(HTTP_GET, "/bus/v1/inbox/1", "", NULL);
    assert_int_equal(t.status, 200);
    t.open = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_raw),    TEST(test_short),         TEST(test_json),           TEST(test_refused),
        TEST(test_disk),   TEST(test_back_pressure), TEST(test_gone),           TEST(test_limits),
        TEST(test_pinned), TEST(test_unreadable),    TEST(test_download_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
