#include "bus/codec.h"

#include "base/blake3.h"
#include "bus/chunk_plan.h"
#include "tests/unit/vectors.h"

#define USER_HEADER 4 /* version, type, reserved: taken off before the bus sees the packet */

static uint64_t num(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum msg_kind kind;
    } kinds[] = {
        {"INIT", MSG_KIND_INIT},         {"INIT|REPLY", MSG_KIND_INIT},
        {"INIT|ACK", MSG_KIND_INIT_ACK}, {"INIT|REPLY|ACK", MSG_KIND_INIT_ACK},
        {"CHUNK", MSG_KIND_CHUNK},       {"CHUNK|ACK", MSG_KIND_CHUNK_ACK},
        {"DONE", MSG_KIND_DONE},         {"DONE|ACK", MSG_KIND_DONE_ACK},
        {"ABORT", MSG_KIND_ABORT},       {"READ", MSG_KIND_READ},
        {"READ|ACK", MSG_KIND_FORGET},
    };
    static const uint8_t body[MSG_DONE_BYTES];
    json_t *root = vectors_load("messages.json");
    json_t *rows = json_object_get(root, "headers_computed");
    size_t i, found = 0;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        uint8_t packet[MSG_HEADER_BYTES + sizeof(body)] = {0};
        struct msg_packet m;
        vectors_bytes(row, "header", packet, MSG_HEADER_BYTES);
        assert_int_equal(msg_decode(wire_rd_of(packet, sizeof(packet)), &m), OK);
        assert_memory_equal(m.id.b, packet, MSG_ID_BYTES);
        assert_int_equal(m.echo, (uint32_t)packet[8] << 24 | (uint32_t)packet[9] << 16);
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            if (strcmp(kinds[k].name, vectors_str(row, "name")) == 0) {
                assert_int_equal(m.kind, kinds[k].kind);
                found++;
            }
        if (m.kind == MSG_KIND_INIT)
            assert_int_equal(m.reply, (packet[8] & 0x04) != 0);
    }
    assert_int_equal(found, ARRAY_LEN(kinds));
    assert_int_equal(i, ARRAY_LEN(kinds));
    json_decref(root);
}

/* Builds a packet again from what was read out of it. */
static struct pkt *rebuild(const struct msg_packet *m)
{
    struct topic t = {.len = (uint8_t)wire_left(&m->topic)};
    struct wire_rd topic = m->topic;
    wire_copy(&topic, t.b, t.len);
    switch (m->kind) {
    case MSG_KIND_INIT:
        return msg_init(&m->id, m->reply, m->len, &t);
    case MSG_KIND_CHUNK:
        return msg_chunk(&m->id, m->index, m->offset, m->data, m->data_len);
    case MSG_KIND_DONE:
        return msg_done(&m->id, m->count, m->sum);
    case MSG_KIND_READ:
        return msg_read(&m->id);
    case MSG_KIND_ABORT:
        return msg_abort(&m->id);
    case MSG_KIND_DONE_ACK:
        return msg_done_ack(&m->id, m->count, m->sum);
    case MSG_KIND_FORGET:
        return msg_forget(&m->id, m->has_sum ? m->sum : NULL);
    case MSG_KIND_INIT_ACK:
    case MSG_KIND_CHUNK_ACK:
    case MSG_KIND_OTHER:
        return NULL; /* their bodies are not read as a whole */
    }
    return NULL;
}

/* The ACK that answers a packet. */
static struct pkt *ack_of(const struct msg_packet *m)
{
    struct pkt *p = NULL;
    if (m->kind == MSG_KIND_INIT)
        p = msg_init_ack(&m->id, m->reply, m->len, (uint8_t)wire_left(&m->topic));
    else if (m->kind == MSG_KIND_CHUNK)
        p = msg_chunk_ack(&m->id, m->index, m->offset, m->size);
    else if (m->kind == MSG_KIND_DONE)
        p = msg_done_ack(&m->id, m->count, m->sum);
    if (p)
        msg_echo(p, m->echo);
    return p;
}

static size_t check_exchange(const json_t *steps)
{
    size_t i, acks = 0;
    json_t *step;
    json_array_foreach(steps, i, step)
    {
        struct msg_packet m, later;
        size_t len;
        uint8_t *bytes = vectors_hex(step, "plain", &len);
        assert_int_equal(msg_decode(wire_rd_of(bytes + USER_HEADER, len - USER_HEADER), &m), OK);
        struct pkt *p = rebuild(&m);
        if (p) {
            assert_int_equal(p->len, len - USER_HEADER);
            assert_memory_equal(p->data, bytes + USER_HEADER, p->len);
            pkt_free(p);
        }
        struct pkt *ack = ack_of(&m);
        for (size_t k = i + 1; ack && k < json_array_size(steps); k++) {
            size_t ack_len;
            uint8_t *other = vectors_hex(json_array_get(steps, k), "plain", &ack_len);
            if (ack_len == ack->len + USER_HEADER &&
                memcmp(other + USER_HEADER, ack->data, ack->len) == 0) {
                assert_int_equal(msg_decode(wire_rd_of(ack->data, ack->len), &later), OK);
                assert_int_equal(later.index, m.index);
                acks++;
                k = json_array_size(steps);
            }
            free(other);
        }
        pkt_free(ack);
        free(bytes);
    }
    return acks;
}

static void test_exchanges(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    json_t *computed = json_object_get(root, "exchange_computed");
    assert_int_equal(check_exchange(json_object_get(computed, "steps")),
                     4); /* INIT, 2 CHUNK, DONE */
    json_t *all = json_object_get(root, "exchanges_captured");
    size_t i;
    json_t *one;
    json_array_foreach(all, i, one)
    {
        assert_true(check_exchange(json_object_get(one, "steps")) >= 2);
    }
    assert_true(i >= 4);
    json_decref(root);
}

static void test_bodies(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "bodies_computed"), i, row)
    {
        const char *name = vectors_str(row, "name");
        uint16_t flags = strncmp(name, "INIT ACK", 8) == 0    ? MSG_INIT | MSG_ACK
                         : strncmp(name, "CHUNK ACK", 9) == 0 ? MSG_CHUNK | MSG_ACK
                         : strncmp(name, "INIT", 4) == 0      ? MSG_INIT
                         : strncmp(name, "CHUNK", 5) == 0     ? MSG_CHUNK
                                                              : MSG_DONE;
        uint8_t packet[2000] = {1, 2, 3, 4, 5, 6, 7, 8, (uint8_t)(flags >> 8), (uint8_t)flags};
        size_t len = num(row, "body_len");
        struct msg_packet m;
        if (json_is_null(json_object_get(row, "body"))) {
            uint8_t data[1300], sum[MSG_SUM_BYTES], have[BLAKE3_OUT_LEN];
            for (size_t k = 0; k < sizeof(data); k++)
                data[k] = (uint8_t)(7 * k + 3);
            struct pkt *p = msg_chunk(&(struct msg_id){.b = {1}}, num(row, "idx"),
                                      num(row, "offset"), data, sizeof(data));
            assert_int_equal(p->len, MSG_HEADER_BYTES + len);
            vectors_bytes(row, "body_blake3", sum, sizeof(sum));
            blake3(p->data + MSG_HEADER_BYTES, len, have);
            assert_memory_equal(have, sum, sizeof(sum));
            pkt_free(p);
            continue;
        }
        vectors_bytes(row, "body", packet + MSG_HEADER_BYTES, len);
        assert_int_equal(msg_decode(wire_rd_of(packet, MSG_HEADER_BYTES + len), &m), OK);
        if (flags == MSG_INIT) {
            assert_int_equal(m.len, num(row, "length"));
            assert_int_equal(wire_left(&m.topic), len - MSG_INIT_MIN_BYTES);
        } else if (flags & MSG_CHUNK) {
            assert_int_equal(m.index, num(row, "idx"));
            if (flags == MSG_CHUNK) {
                assert_int_equal(m.offset, num(row, "offset"));
                assert_int_equal(m.size, num(row, "size"));
                assert_int_equal(m.data_len, m.size);
            }
        } else if (flags == MSG_DONE) {
            uint8_t sum[MSG_SUM_BYTES];
            vectors_bytes(row, "checksum", sum, sizeof(sum));
            assert_int_equal(m.count, num(row, "count"));
            assert_memory_equal(m.sum, sum, sizeof(sum));
        }
    }
    assert_int_equal(i, 13);
    json_decref(root);
}

static void test_checksums(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "payload_checksums_computed"), i, row)
    {
        size_t len = num(row, "len");
        uint8_t *data = malloc(len + 1);
        uint8_t sum[MSG_SUM_BYTES], have[BLAKE3_OUT_LEN];
        for (size_t k = 0; k < len; k++)
            data[k] = (uint8_t)(7 * k + 3);
        vectors_bytes(row, "blake3", sum, sizeof(sum));
        blake3(data, len, have);
        assert_memory_equal(have, sum, sizeof(sum));
        free(data);
    }
    assert_true(i >= 10);
    json_decref(root);
}

static void test_plans(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "chunk_plans_computed"), i, row)
    {
        struct chunk_plan p = chunk_plan(num(row, "len"), MSG_CHUNK_DATA);
        assert_int_equal(p.count, num(row, "chunks"));
        if (p.count == 0)
            continue;
        assert_int_equal(chunk_size(&p, 0), num(row, "even_first"));
        assert_int_equal(chunk_size(&p, p.count - 1), num(row, "even_last"));
    }
    assert_int_equal(i, 22);
    json_decref(root);
    /* Every length: no gap, no overlap, and above one chunk none that a receiver would refuse. */
    for (uint64_t len = 0; len <= MSG_LEN_MAX; len += len < 8000 ? 1 : 7) {
        for (uint32_t max = 1000; max <= 1300; max += 300) {
            struct chunk_plan p = chunk_plan(len, max);
            uint64_t at = 0;
            for (uint64_t k = 0; k < p.count; k++) {
                assert_int_equal(chunk_offset(&p, k), at);
                assert_true(chunk_size(&p, k) <= max);
                assert_true(p.count == 1 || chunk_size(&p, k) >= 250);
                at += chunk_size(&p, k);
            }
            assert_int_equal(at, len);
        }
    }
}

/* Too short for its kind: refused. Never a read beyond the end (the heap block ends there). */
static void test_every_cut(void **state)
{
    (void)state;
    struct msg_id id = {.b = {1, 2, 3, 4, 5, 6, 7, 8}};
    struct topic t = {.len = 13, .b = "example.topic"};
    uint8_t sum[MSG_SUM_BYTES] = {5}, data[100] = {1};
    struct {
        struct pkt *p;
        size_t min; /* bytes below which it is malformed */
    } all[] = {
        {msg_init(&id, false, 5, &t), MSG_HEADER_BYTES + 9 + 13},
        {msg_init(&id, true, 5, &(struct topic){.len = 0}), MSG_HEADER_BYTES + 9},
        {msg_chunk(&id, 1, 2, data, sizeof(data)), MSG_HEADER_BYTES + MSG_CHUNK_MIN_BYTES},
        {msg_done(&id, 3, sum), MSG_HEADER_BYTES + MSG_DONE_BYTES},
        {msg_read(&id), MSG_HEADER_BYTES},
        {msg_abort(&id), MSG_HEADER_BYTES},
        {msg_init_ack(&id, false, 5, 13), MSG_HEADER_BYTES},
        {msg_chunk_ack(&id, 1, 2, 3), MSG_HEADER_BYTES + 8},
        {msg_done_ack(&id, 3, sum), MSG_HEADER_BYTES},
        {msg_forget(&id, sum), MSG_HEADER_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (size_t cut = 0; cut <= all[i].p->len; cut++) {
            struct msg_packet m;
            uint8_t *exact = malloc(cut ? cut : 1);
            memcpy(exact, all[i].p->data, cut);
            int rc = msg_decode(wire_rd_of(exact, cut), &m);
            assert_int_equal(rc, cut < all[i].min ? ERR_MALFORMED : OK);
            if (rc == OK && m.kind == MSG_KIND_CHUNK)
                assert_int_equal(m.data_len, cut - MSG_HEADER_BYTES - MSG_CHUNK_MIN_BYTES);
            free(exact);
        }
        pkt_free(all[i].p);
    }
}

/* --- the trailer -------------------------------------------------------------------------- */

static const struct msg_id some_id = {.b = {1, 2, 3, 4, 5, 6, 7, 8}};
static const struct topic topic_t = {.len = 1, .b = "t"};

/* Of the vectors, which are older than TRAILER_ORDER. */
#define VECTOR_FEATURES (TRAILER_SACK | TRAILER_FORGET | TRAILER_RESUME)

static struct trailer init_trailer(void)
{
    struct trailer t = {.has_life = true,
                        .life_ms = 86400000,
                        .has_sum = true,
                        .has_count = true,
                        .count = 2,
                        .has_attempt = true,
                        .attempt = 1,
                        .has_features = true,
                        .features = VECTOR_FEATURES};
    uint8_t data[1400];
    for (size_t k = 0; k < sizeof(data); k++)
        data[k] = (uint8_t)(7 * k + 3);
    blake3(data, sizeof(data), t.sum);
    return t;
}

static struct pkt *ack_with(enum trailer_status status, bool map, uint32_t wait_ms)
{
    static const uint8_t no_more[1] = {0};
    struct trailer t = {.has_status = true,
                        .status = (uint8_t)status,
                        .has_map = map,
                        .missing = 1,
                        .map = wire_rd_of(no_more, sizeof(no_more)),
                        .has_wait = wait_ms > 0,
                        .wait_ms = wait_ms,
                        .has_features = true,
                        .features = VECTOR_FEATURES};
    return msg_with_trailer(msg_init_ack(&some_id, false, 1400, 1), &t);
}

static void expect_vector(const json_t *rows, size_t i, struct pkt *p)
{
    size_t len;
    uint8_t *want = vectors_hex(json_array_get(rows, i), "plain", &len);
    assert_int_equal(p->len, len - USER_HEADER);
    assert_memory_equal(p->data, want + USER_HEADER, p->len);
    free(want);
}

static void test_extension_vectors(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    json_t *rows = json_object_get(json_object_get(root, "extension_proposal_computed"), "rows");
    struct trailer t = init_trailer();
    struct pkt *all[] = {
        msg_with_trailer(msg_init(&some_id, false, 1400, &topic_t), &t),
        msg_init_ack(&some_id, false, 1400, 1),
        ack_with(TRAILER_NEW, false, 0),
        ack_with(TRAILER_RESUMED, true, 0),
        ack_with(TRAILER_COMPLETE, false, 0),
        ack_with(TRAILER_BUSY, false, 2000),
        msg_forget(&some_id, NULL),
    };
    static const enum msg_kind kinds[] = {MSG_KIND_INIT,     MSG_KIND_INIT_ACK, MSG_KIND_INIT_ACK,
                                          MSG_KIND_INIT_ACK, MSG_KIND_INIT_ACK, MSG_KIND_INIT_ACK,
                                          MSG_KIND_FORGET};
    assert_int_equal(json_array_size(rows), ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct msg_packet m;
        expect_vector(rows, i, all[i]);
        assert_int_equal(msg_decode(wire_rd_of(all[i]->data, all[i]->len), &m), OK);
        assert_int_equal(m.kind, kinds[i]);
        assert_int_equal(m.trailer.there, i != 1 && i != 6);
        if (i == 0) {
            assert_true(m.trailer.has_life && m.trailer.has_sum && m.trailer.has_count &&
                        m.trailer.has_attempt && m.trailer.has_features);
            assert_false(m.trailer.has_status || m.trailer.has_map || m.trailer.has_wait);
            assert_int_equal(m.trailer.life_ms, 86400000);
            assert_memory_equal(m.trailer.sum, t.sum, sizeof(t.sum));
            assert_int_equal(m.trailer.count, 2);
            assert_int_equal(m.trailer.attempt, 1);
            assert_int_equal(wire_left(&m.topic), 1);
        } else if (m.trailer.there) {
            assert_true(m.trailer.has_status);
            assert_int_equal(m.trailer.status, i - 2);
            assert_int_equal(m.trailer.features, VECTOR_FEATURES);
        }
        if (i == 3) {
            assert_true(m.trailer.has_map);
            assert_int_equal(m.trailer.missing, 1);
            assert_int_equal(wire_left(&m.trailer.map), 1);
        }
        if (i == 5)
            assert_int_equal(m.trailer.wait_ms, 2000);
        pkt_free(all[i]);
    }
    json_decref(root);
}

/* A CHUNK ACK that speaks for many, as long as it gets. */
/* Busy for one topic: an item without value; with one, nothing of the trailer counts. */
static void test_topic_only(void **state)
{
    (void)state;
    struct trailer t = {.has_status = true, .status = TRAILER_BUSY, .topic_only = true};
    struct pkt *p = msg_with_trailer(msg_init_ack(&some_id, false, 1400, 1), &t);
    struct msg_packet m;
    assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
    assert_true(m.trailer.there && m.trailer.topic_only);
    p->data[p->len - 1] = 1; /* the length of the last item */
    assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
    assert_false(m.trailer.there);
    assert_false(m.trailer.topic_only);
    pkt_free(p);
    t.topic_only = false;
    p = msg_with_trailer(msg_init_ack(&some_id, false, 1400, 1), &t);
    assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
    assert_false(m.trailer.topic_only);
    pkt_free(p);
}

/* The message that one comes behind: an id; of another length nothing of the trailer counts. */
static void test_after(void **state)
{
    (void)state;
    struct trailer t = {.has_after = true, .after = some_id};
    struct pkt *p = msg_with_trailer(msg_init(&some_id, false, 1400, &topic_t), &t);
    struct msg_packet m;
    assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
    assert_true(m.trailer.there && m.trailer.has_after);
    assert_memory_equal(m.trailer.after.b, some_id.b, MSG_ID_BYTES);
    for (size_t cut = 1; cut <= 2 + MSG_ID_BYTES; cut++) {
        assert_int_equal(msg_decode(wire_rd_of(p->data, p->len - cut), &m), OK);
        assert_false(m.trailer.there || m.trailer.has_after);
    }
    p->data[p->len - MSG_ID_BYTES - 1] = MSG_ID_BYTES - 1;
    assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
    assert_false(m.trailer.there || m.trailer.has_after);
    pkt_free(p);
}

static void test_map(void **state)
{
    (void)state;
    uint8_t map[TRAILER_MAP_MAX];
    for (size_t i = 0; i < sizeof(map); i++)
        map[i] = (uint8_t)(i * 37);
    struct trailer t = {
        .has_map = true, .missing = UINT64_C(5000000000), .map = wire_rd_of(map, sizeof(map))};
    struct pkt *p = msg_with_trailer(msg_chunk_ack(&some_id, 7, 8, 9), &t);
    struct msg_packet m;
    assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
    assert_int_equal(m.index, 7);
    assert_true(m.trailer.there && m.trailer.has_map);
    assert_int_equal(m.trailer.missing, t.missing);
    assert_int_equal(wire_left(&m.trailer.map), sizeof(map));
    assert_memory_equal(m.trailer.map.p, map, sizeof(map));
    pkt_free(p);
}

/* A window may have more chunks than one map shows: it goes on in further items. */
static void test_long_map(void **state)
{
    (void)state;
    static const size_t lens[] = {1, TRAILER_MAP_MAX, TRAILER_MAP_MAX + 1, 700, TRAILER_MAP_ALL};
    uint8_t map[TRAILER_MAP_ALL];
    for (size_t i = 0; i < sizeof(map); i++)
        map[i] = (uint8_t)(i * 37 + i / 256);
    for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
        struct trailer t = {.has_map = true, .missing = 9, .map = wire_rd_of(map, lens[k])};
        struct pkt *p = msg_with_trailer(msg_chunk_ack(&some_id, 7, 8, 9), &t);
        struct msg_packet m;
        assert_true(p->len <= MSG_HEADER_BYTES + 1388); /* fits into a packet of the network */
        for (size_t cut = MSG_HEADER_BYTES + 24; cut < p->len; cut++) {
            assert_int_equal(msg_decode(wire_rd_of(p->data, cut), &m), OK);
            assert_false(m.trailer.there);
        }
        assert_int_equal(msg_decode(wire_rd_of(p->data, p->len), &m), OK);
        assert_true(m.trailer.there);
        assert_int_equal(trailer_map_len(&m.trailer), lens[k]);
        assert_int_equal(wire_left(&m.trailer.map), MIN(lens[k], TRAILER_MAP_MAX));
        for (size_t bit = 0; bit < lens[k] * 8; bit++)
            assert_int_equal(trailer_map_bit(&m.trailer, bit), map[bit / 8] >> bit % 8 & 1);
        assert_false(trailer_map_bit(&m.trailer, lens[k] * 8));
        pkt_free(p);
    }
}

static bool decodes(const uint8_t *bytes, size_t len, struct trailer *ret)
{
    uint8_t *exact = malloc(len ? len : 1); /* reads beyond its end are seen */
    memcpy(exact, bytes, len);
    trailer_decode(wire_rd_of(exact, len), ret);
    bool there = ret->there;
    ret->map = wire_rd_of(NULL, 0);
    ret->n_more = 0;
    free(exact);
    return there;
}

/* Cut anywhere, it is no trailer; the packet before it stays what it is. */
static void test_trailer_cuts(void **state)
{
    (void)state;
    static const uint8_t map[3] = {1, 2, 3};
    struct trailer all = init_trailer(), t;
    uint8_t bytes[TRAILER_MAX];
    all.has_status = all.has_map = all.has_wait = true;
    all.map = wire_rd_of(map, sizeof(map));
    size_t n = trailer_encode(&all, bytes);
    for (size_t cut = 0; cut <= n; cut++)
        assert_int_equal(decodes(bytes, cut, &t), cut == n);
    bytes[n] = 0x55; /* behind the list: for later releases */
    assert_true(decodes(bytes, n + 1, &t));
    /* The list may end anywhere between two items, and nowhere else. */
    size_t ends = 0;
    for (size_t len = 0; len <= n - 6; len++) {
        bytes[4] = (uint8_t)(len >> 8);
        bytes[5] = (uint8_t)len;
        ends += decodes(bytes, n, &t);
    }
    assert_int_equal(ends, 9); /* none, and after each of eight items */
    struct pkt *p = msg_with_trailer(msg_init(&some_id, false, 1400, &topic_t), &all);
    for (size_t cut = MSG_HEADER_BYTES + 10; cut <= p->len; cut++) {
        struct msg_packet m;
        assert_int_equal(msg_decode(wire_rd_of(p->data, cut), &m), OK);
        assert_int_equal(m.len, 1400);
        assert_int_equal(wire_left(&m.topic), 1);
        assert_int_equal(m.trailer.there, cut == p->len);
    }
    pkt_free(p);
}

static void test_trailer_odd(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t len;
        uint8_t bytes[24];
        bool there;
    } rows[] = {
        {"another magic", 6, {0x4d, 0x42, 0x58, 0x32, 0, 0}, false},
        {"no items", 6, {0x4d, 0x42, 0x58, 0x31, 0, 0}, true},
        {"unknown item", 11, {0x4d, 0x42, 0x58, 0x31, 0, 5, 0x7f, 3, 1, 2, 3}, true},
        {"unknown item, empty", 8, {0x4d, 0x42, 0x58, 0x31, 0, 2, 0x05, 0}, true},
        {"status too long", 10, {0x4d, 0x42, 0x58, 0x31, 0, 4, 0x81, 2, 0, 0}, false},
        {"status too short", 8, {0x4d, 0x42, 0x58, 0x31, 0, 2, 0x81, 0}, false},
        {"item beyond the list", 9, {0x4d, 0x42, 0x58, 0x31, 0, 3, 0x81, 2, 0}, false},
        {"half an item head", 7, {0x4d, 0x42, 0x58, 0x31, 0, 1, 0x81}, false},
        {"list beyond the packet", 9, {0x4d, 0x42, 0x58, 0x31, 0xff, 0xff, 0x81, 1, 0}, false},
        {"map without bits", 16, {0x4d, 0x42, 0x58, 0x31, 0, 10, 0x82, 8}, true},
        {"map too short", 15, {0x4d, 0x42, 0x58, 0x31, 0, 9, 0x82, 7}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trailer t;
        if (decodes(rows[i].bytes, rows[i].len, &t) != rows[i].there)
            fail_msg("%s", rows[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_extension_vectors),
        cmocka_unit_test(test_topic_only),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_long_map),
        cmocka_unit_test(test_trailer_cuts),
        cmocka_unit_test(test_trailer_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
