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
        {"READ|ACK", MSG_KIND_READ_ACK},
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
    case MSG_KIND_INIT_ACK:
    case MSG_KIND_CHUNK_ACK:
    case MSG_KIND_READ_ACK:
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),   cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_exchanges), cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_plans),     cmocka_unit_test(test_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
