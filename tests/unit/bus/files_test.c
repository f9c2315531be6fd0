/* files_test.c - large messages in the bus: accepted, handed over, thrown away; what happens to
 * their files. Their way to other nodes: large_test.c. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

#define LARGE (MSG_LEN_MAX + 1000u)

static void setup(struct rig *r)
{
    rig_init(r, 7);
    for (unsigned i = 0; i < RIG_NODES; i++)
        rig_start(r, i);
}

static void to_self(struct rig *r, uint64_t len)
{
    bus_client c = rig_send_file(r, 0, &r->node[0].addr, len, OUT_AT_LEAST_ONCE);
    assert_true(c != 0);
    rig_run(r, 20 * USEC_MS);
    assert_int_equal(rig_answer(r, 0, c, BUS_OUT_ACCEPTED)->rc, OK);
}

/* The same file goes from the one row to the other, and when the message is taken. */
static void test_to_self(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    to_self(&r, LARGE);
    struct fake_spool *s = &r.node[0].spool;
    uint64_t number = list_entry(s->files.next, struct fake_file, link)->number;
    assert_int_equal(s->writes + s->reads, 0); /* nothing was copied */
    bus_client c = rig_take(&r, 0, 0);
    rig_run(&r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(&r, 0, c, BUS_OUT_TAKEN);
    assert_int_equal(a->rc, OK);
    assert_int_equal(a->file, number);
    assert_int_equal(a->len, LARGE);
    assert_null(a->payload);
    assert_int_equal(fake_file_count(s), 0);
    assert_int_equal(s->drops, 1);
    rig_fini(&r);
}

static void test_peek_body_fetch(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    to_self(&r, LARGE);
    struct bus_take peek = {.any_topic = true, .peek = true};
    bus_client c = rig_take_ex(&r, 0, &peek);
    rig_run(&r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(&r, 0, c, BUS_OUT_TAKEN);
    assert_true(a->file != 0);
    uint64_t number = a->file, seq = a->seq;
    c = ++r.node[0].next_client;
    assert_int_equal(bus_inbox_body(r.node[0].bus, seq, c, rig_instant(&r)), OK);
    rig_run(&r, 20 * USEC_MS);
    a = rig_answer(&r, 0, c, BUS_OUT_BODY);
    assert_int_equal(a->rc, OK);
    assert_int_equal(a->file, number);
    assert_int_equal(a->len, LARGE);
    struct bus_fetch f = {.max = 10, .max_bytes = 10};
    c = rig_fetch(&r, 0, &f);
    rig_run(&r, 20 * USEC_MS);
    a = rig_answer(&r, 0, c, BUS_OUT_FETCHED);
    assert_int_equal(a->n, 1);
    assert_int_equal(a->messages[0].file, number);
    assert_int_equal(a->messages[0].len, LARGE);
    assert_int_equal(fake_file_count(&r.node[0].spool), 1);
    c = rig_settle(&r, 0, BUS_ACK, &a->messages[0].token, 1, 0);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_answer(&r, 0, c, BUS_OUT_SETTLED)->done, 1);
    assert_int_equal(fake_file_count(&r.node[0].spool), 0);
    rig_fini(&r);
}

/* A message whose file is lost is put aside at the start, not given out. */
static void test_restart(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    to_self(&r, LARGE);
    to_self(&r, LARGE + 1);
    rig_crash(&r, 0);
    struct fake_spool *s = &r.node[0].spool;
    struct bus_store_op drop = {.kind = BUS_STORE_FILE_DROP};
    drop.file.number = list_entry(s->files.next, struct fake_file, link)->number;
    fake_spool_add(s, &drop, 0);
    fake_spool_run(s, USEC_NEVER);
    fake_spool_crash(s, false);
    fake_file_make(s, 4711, calloc(1, 1), 1); /* of no row */
    rig_start(&r, 0);
    assert_null(fake_file_find(s, 4711));
    rig_run(&r, 20 * USEC_MS);
    struct bus_stats st;
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.in_ready, 1);
    assert_int_equal(st.in_dead, 1);
    bus_client c = rig_take(&r, 0, 0);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_answer(&r, 0, c, BUS_OUT_TAKEN)->len, LARGE + 1);
    c = ++r.node[0].next_client;
    assert_int_equal(bus_inbox_body(r.node[0].bus, 1, c, rig_instant(&r)), OK);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_answer(&r, 0, c, BUS_OUT_BODY)->rc, ERR_NOENT);
    c = ++r.node[0].next_client;
    assert_int_equal(bus_inbox_drop(r.node[0].bus, 1, c, rig_instant(&r)), OK);
    rig_run(&r, 20 * USEC_MS);
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.in_dead, 0);
    assert_int_equal(fake_file_count(s), 0);
    rig_fini(&r);
}

/* A plain receiver whose client waits says READ right behind the DONE ACK: the receipt stands
 * behind a note of progress that the store has not answered, and READ must not overtake it. */
static void test_read_at_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 8);
    r.node[1].plain = true;
    r.node[0].commit_min = r.node[0].commit_max = 200 * USEC_MS;
    r.node[1].commit_min = r.node[1].commit_max = USEC_MS;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (int i = 0; i < 3; i++) {
        (void)rig_take(&r, 1, 20000);
        bus_client c = rig_send_file(&r, 0, &r.node[1].addr, LARGE, OUT_AT_LEAST_ONCE);
        rig_run(&r, 10 * USEC_SEC);
        struct msg_id id = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->id;
        struct fake_out *row = fake_out_find(&r.node[0].store, &id, ip6_node(&r.node[1].addr));
        assert_non_null(row);
        assert_int_equal(row->row.state, OUT_READ);
    }
    rig_fini(&r);
}

static void test_refused(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    struct rig_node *n = &r.node[0];
    struct bus_send s = {.dst = r.node[1].addr};
    s.file = (struct msg_file){.number = 5, .len = MSG_LEN_MAX};
    assert_int_equal(bus_send(n->bus, &s, 1, rig_instant(&r)), ERR_INVAL);
    s.file.len = n->limits.len_max + 1;
    assert_int_equal(bus_send(n->bus, &s, 1, rig_instant(&r)), ERR_TOOBIG);
    s.payload = rig_pattern(10);
    s.file.len = LARGE;
    assert_int_equal(bus_send(n->bus, &s, 1, rig_instant(&r)), ERR_INVAL); /* one of them */
    blob_unref(s.payload);
    rig_fini(&r);
}

/* A send that was known already, and one that could not be stored: their files go. */
static void test_file_not_needed(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    struct rig_node *n = &r.node[0];
    struct bus_send s = {.dst = n->addr, .idem = {.len = 1, .b = "k"}};
    for (uint64_t i = 1; i <= 3; i++) {
        fake_file_make(&n->spool, i, calloc(1, LARGE), LARGE);
        s.file = (struct msg_file){.number = i, .len = LARGE};
        if (i == 3) {
            s.idem.len = 0;
            n->store.fail_next = 1;
        }
        bus_client c = rig_send_ex(&r, 0, &s);
        rig_run(&r, 20 * USEC_MS);
        assert_int_equal(rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->rc, i == 3 ? ERR_IO : OK);
        assert_int_equal(rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->replayed, i == 2);
    }
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(fake_file_count(&n->spool), 1);
    assert_non_null(fake_file_find(&n->spool, 1));
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_self),         cmocka_unit_test(test_peek_body_fetch),
        cmocka_unit_test(test_restart),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_file_not_needed), cmocka_unit_test(test_read_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
