/* store_test.c - each operation, the order of results, groups, and what is there after a restart.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit.h"
#include "base/err.h"
#include "fixture.h"

struct ctx {
    char *dir;
    struct fixture f;
};

static int setup(void **state)
{
    struct ctx *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->dir = dir_new(true);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    fixture_start(&c->f);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct ctx *c = *state;
    if (c->f.s)
        fixture_close(&c->f);
    dir_remove(c->dir);
    free(c->dir);
    free(c);
    return 0;
}

/* Closes, opens, loads, starts: the rows are the caller's to free. */
static void restart(struct ctx *c, struct rows *r, uint64_t budget, int64_t now_ms)
{
    if (c->f.s)
        fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    assert_int_equal(rows_load(r, &c->f, budget, now_ms), OK);
    fixture_start(&c->f);
}

static void make_id(uint64_t seq, uint8_t id[8])
{
    memset(id, 0xf0, 8);
    memcpy(id, &seq, 4);
}

static struct store_op *put(uint64_t seq, const char *body)
{
    struct store_op *op = op_make(STORE_OUT_PUT, seq);
    op->out.seq = seq;
    make_id(seq, op->out.id);
    op->out.created_ms = 1000 + (int64_t)seq;
    op->out.deadline_ms = 301000;
    op->out.dst.b[0] = 4;
    op->out.dst.b[7] = (uint8_t)seq;
    op->out.dst.b[15] = 9;
    if (body) {
        op->out.body = blob_text(body);
        op->out.len = strlen(body);
    }
    return op;
}

static struct store_op *out_op(enum store_kind kind, uint64_t seq)
{
    struct store_op *op = op_make(kind, seq);
    op->out.seq = seq;
    make_id(seq, op->out.id);
    op->out.dst.b[0] = 4;
    op->out.dst.b[7] = (uint8_t)seq;
    return op;
}

static struct store_op *out_state(uint64_t seq, int state)
{
    struct store_op *op = out_op(STORE_OUT_STATE, seq);
    op->out.state = state;
    op->out.final_ms = 5000;
    return op;
}

static struct store_op *in_op(enum store_kind kind, uint64_t seq, int state, const char *body)
{
    struct store_op *op = op_make(kind, seq);
    op->in.seq = seq;
    op->in.state = state;
    op->in.src.b[0] = 5;
    op->in.recv_ms = 2000;
    if (body) {
        op->in.body = blob_text(body);
        op->in.len = strlen(body);
    }
    return op;
}

/* --- outbox ------------------------------------------------------------------------------- */

static void test_out_put_all_fields(void **state)
{
    struct ctx *c = *state;
    struct store_op *op = put(7, "hello");
    for (size_t i = 0; i < 16; i++) {
        op->out.src.b[i] = (uint8_t)(0x40 + i);
        op->out.dst.b[i] = (uint8_t)(0xf0 + i);
    }
    memset(op->out.sum, 0xee, sizeof(op->out.sum));
    memset(op->out.topic, 0, STORE_TOPIC_MAX); /* bytes, not text */
    op->out.topic_len = STORE_TOPIC_MAX;
    memset(op->out.id, 0xff, 8); /* negative as a number */
    op->out.reply = true;
    op->out.state = 3;
    op->out.policy = 1;
    op->out.prio = 3;
    op->out.ordered = true;
    op->out.idem_len = STORE_IDEM_MAX;
    memset(op->out.idem, 0, STORE_IDEM_MAX); /* bytes too */
    struct store_out want = op->out;
    assert_int_equal(fixture_do(&c->f, op), OK);

    struct rows r;
    restart(c, &r, 1000, 0);
    assert_int_equal(r.outs, 1);
    assert_true(blob_is(r.out[0].body, "hello"));
    assert_memory_equal(r.out[0].id, want.id, 8);
    assert_true(ip6_eq(&r.out[0].src, &want.src) && ip6_eq(&r.out[0].dst, &want.dst));
    assert_true(r.out[0].reply);
    assert_int_equal(r.out[0].state, 3);
    assert_int_equal(r.out[0].policy, 1);
    assert_int_equal(r.out[0].prio, 3);
    assert_true(r.out[0].ordered);
    assert_int_equal(r.out[0].idem_len, STORE_IDEM_MAX);
    assert_memory_equal(r.out[0].idem, want.idem, STORE_IDEM_MAX);
    assert_int_equal(r.out[0].created_ms, 1007);
    assert_int_equal(r.out[0].deadline_ms, 301000);
    assert_int_equal(r.out[0].final_ms, 0);
    assert_int_equal(r.out[0].len, 5);
    assert_memory_equal(r.out[0].sum, want.sum, 32);
    assert_int_equal(r.out[0].topic_len, STORE_TOPIC_MAX);
    assert_memory_equal(r.out[0].topic, want.topic, STORE_TOPIC_MAX);
    assert_int_equal(r.out_seq, 7);
    assert_int_equal(r.in_seq, 0);
    rows_free(&r);
}

static struct store_op *put_key(uint64_t seq, const char *key)
{
    struct store_op *op = put(seq, "body");
    op->out.idem_len = (uint8_t)strlen(key);
    memcpy(op->out.idem, key, op->out.idem_len);
    return op;
}

/* A key is in one row; who comes second is told which, as long as that row is there. */
static void test_out_key(void **state)
{
    struct ctx *c = *state;
    assert_int_equal(fixture_do(&c->f, put_key(1, "one")), OK);
    assert_int_equal(fixture_do(&c->f, put_key(2, "two")), OK);
    assert_int_equal(fixture_do(&c->f, out_state(1, 4)), OK);
    for (int round = 0; round < 2; round++) {
        struct store_op *op = fixture_run(&c->f, put_key(3, "one"));
        assert_int_equal(op->rc, ERR_EXIST);
        assert_non_null(op->found);
        assert_int_equal(op->found->seq, 1);
        assert_int_equal(op->found->state, 4);
        assert_memory_equal(op->found->idem, "one", 3);
        store_op_free(op);
        op = fixture_run(&c->f, put(1, "used")); /* the number, not the key */
        assert_int_equal(op->rc, ERR_EXIST);
        assert_null(op->found);
        store_op_free(op);
        struct rows r;
        restart(c, &r, 1000, 0);
        assert_int_equal(r.outs, 1);
        assert_int_equal(r.out_seq, 2);
        rows_free(&r);
    }
    struct store_op *op = op_make(STORE_SWEEP, 0);
    op->before_ms = 1000000;
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, put_key(3, "one")), OK); /* its row is gone */
    assert_int_equal(fixture_do(&c->f, put_key(4, "two")), ERR_EXIST);
}

/* Rows seq .. seq + n - 1, of one push; `here` is the one that is final from the start. */
static struct store_op *put_many(uint64_t seq, size_t n, size_t here, const char *key)
{
    struct store_op *op = put_key(seq, key);
    struct store_out_copy copy;
    op->out.many = (uint32_t)n;
    op->out.state = here == 0 ? STORE_OUT_FINAL : 0;
    op->copies = blob_new((n - 1) * sizeof(copy));
    for (size_t i = 1; i < n; i++) {
        memset(&copy, 0, sizeof(copy));
        copy.seq = seq + i;
        copy.id[0] = (uint8_t)i;
        copy.dst.b[15] = (uint8_t)i;
        copy.final = i == here;
        memcpy(op->copies->data + (i - 1) * sizeof(copy), &copy, sizeof(copy));
    }
    return op;
}

static bool body_there(struct ctx *c, uint64_t seq)
{
    struct store_op *op = fixture_run(&c->f, out_op(STORE_OUT_BODY, seq));
    bool there = op->rc == OK && blob_is(op->body, "body");
    assert_true(there || op->rc == ERR_NOENT);
    store_op_free(op);
    return there;
}

/* All or none, one payload, which is there until the last of them is at its end; the key tells all
 * of them. */
static void test_out_many(void **state)
{
    struct ctx *c = *state;
    for (size_t here = 0; here < 4; here++) {
        uint64_t seq = 10 * (here + 1);
        char key[] = {(char)('a' + here), 0};
        assert_int_equal(fixture_do(&c->f, put_many(seq, 4, here, key)), OK);
        if (here == 0) /* a number was used: none of the others came */
            assert_int_equal(fixture_do(&c->f, put_many(seq - 2, 4, 9, "z")), ERR_EXIST);
        struct rows r;
        restart(c, &r, 1000, 0);
        assert_int_equal(r.outs, 3);
        assert_int_equal(r.out_seq, seq + 3);
        for (size_t i = 0; i < 3; i++)
            assert_true(blob_is(r.out[i].body, "body"));
        rows_free(&r);
        struct store_op *op = fixture_run(&c->f, put_many(seq + 4, 4, 9, key));
        assert_int_equal(op->rc, ERR_EXIST);
        assert_int_equal(op->found->seq, seq);
        assert_int_equal(op->found->many, 4);
        assert_int_equal(op->list.count, 4);
        assert_int_equal(op->list.rows[0].seq, seq + 3);
        assert_int_equal(op->list.rows[0].dst.b[15], 3);
        assert_int_equal(op->list.rows[3].seq, seq);
        store_op_free(op);
        for (size_t i = 0; i < 4; i++) {
            if (i == here)
                continue;
            assert_true(body_there(c, seq + i));
            assert_int_equal(fixture_do(&c->f, out_state(seq + i, 6)), OK);
            assert_false(body_there(c, seq + i) && i == 3);
        }
        assert_false(body_there(c, seq));
    }
}

static struct store_op *list_op(uint64_t before, uint32_t limit)
{
    struct store_op *op = op_make(STORE_OUT_LIST, 1);
    op->list.before = before;
    op->list.limit = limit;
    return op;
}

/* Runs it and compares the numbers that come, up to a 0. */
static void expect_list(struct ctx *c, struct store_op *op, const uint64_t *seqs, uint64_t next)
{
    op = fixture_run(&c->f, op);
    assert_int_equal(op->rc, OK);
    size_t n = 0;
    while (seqs[n])
        n++;
    assert_int_equal(op->list.count, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(op->list.rows[i].seq, seqs[i]);
    assert_int_equal(op->list.next_before, next);
    store_op_free(op);
}

#define SEQS(...) ((const uint64_t[]){__VA_ARGS__})

static void test_out_list(void **state)
{
    struct ctx *c = *state;
    for (uint64_t seq = 1; seq <= 6; seq++) {
        struct store_op *op = put(seq, "x");
        op->out.dst = (struct ip6){.b = {[7] = seq % 2}};
        if (seq == 5)
            memset(op->out.id, 9, 8);
        assert_int_equal(fixture_do(&c->f, op), OK);
    }
    struct store_op *op = out_state(2, 6);
    op->out.reason = 1;
    assert_int_equal(fixture_do(&c->f, op), OK);
    expect_list(c, list_op(0, 10), SEQS(6, 5, 4, 3, 2, 1, 0), 0);
    expect_list(c, list_op(0, 4), SEQS(6, 5, 4, 3, 0), 3);
    expect_list(c, list_op(3, 4), SEQS(2, 1, 0), 0);
    expect_list(c, list_op(1, 4), SEQS(0), 0);
    op = list_op(0, 10);
    op->list.states = 1u << 6;
    expect_list(c, op, SEQS(2, 0), 0);
    op = list_op(0, 10);
    op->list.by_dst = true;
    op->list.dst.b[7] = 1;
    expect_list(c, op, SEQS(5, 3, 1, 0), 0);
    op = list_op(6, 10);
    op->list.by_id = true;
    memset(op->list.id, 9, 8);
    expect_list(c, op, SEQS(5, 0), 0);
    op = out_op(STORE_OUT_GET, 2);
    op = fixture_run(&c->f, op);
    assert_int_equal(op->rc, OK);
    assert_int_equal(op->out.state, 6);
    assert_int_equal(op->out.reason, 1);
    store_op_free(op);
    assert_int_equal(fixture_do(&c->f, out_op(STORE_OUT_GET, 7)), ERR_NOENT);
}

/* A page looks at so many rows and no more, and says where to go on. */
static void test_out_list_is_bounded(void **state)
{
    struct ctx *c = *state;
    for (uint64_t seq = 1; seq <= STORE_LIST_ROWS + 5; seq++)
        store_submit(c->f.s, put(seq, "x"));
    for (uint64_t seq = 1; seq <= STORE_LIST_ROWS + 5; seq++)
        store_op_free(fixture_take(&c->f));
    assert_int_equal(fixture_do(&c->f, out_state(2, 4)), OK);
    struct store_op *op = list_op(0, 10);
    op->list.states = 1u << 4;
    expect_list(c, op, SEQS(0), 6);
    op = list_op(6, 10);
    op->list.states = 1u << 4;
    expect_list(c, op, SEQS(2, 0), 0);
}

static void test_out_state(void **state)
{
    struct ctx *c = *state;
    assert_int_equal(fixture_do(&c->f, put(1, "a")), OK);
    assert_int_equal(fixture_do(&c->f, put(2, "b")), OK);
    assert_int_equal(fixture_do(&c->f, out_state(1, 3)), OK); /* lives on */
    assert_int_equal(fixture_do(&c->f, out_state(2, 4)), OK); /* final: the body goes */
    assert_int_equal(fixture_do(&c->f, out_state(9, 4)), ERR_NOENT);
    struct store_op *op = fixture_run(&c->f, out_op(STORE_OUT_BODY, 1));
    assert_int_equal(op->rc, OK);
    assert_true(blob_is(op->body, "a"));
    store_op_free(op);
    assert_int_equal(fixture_do(&c->f, out_op(STORE_OUT_BODY, 2)), ERR_NOENT);
    struct rows r;
    restart(c, &r, 1000, 0);
    assert_int_equal(r.outs, 1);
    assert_int_equal(r.out[0].seq, 1);
    assert_int_equal(r.out[0].state, 3);
    assert_int_equal(r.out_seq, 2);
    rows_free(&r);
}

static struct store_out find(struct ctx *c, uint64_t seq, int want_rc)
{
    struct store_op *op = fixture_run(&c->f, out_op(STORE_OUT_FIND, seq));
    struct store_out o = op->out;
    assert_int_equal(op->rc, want_rc);
    assert_null(op->body);
    store_op_free(op);
    return o;
}

static void test_out_find(void **state)
{
    struct ctx *c = *state;
    assert_int_equal(fixture_do(&c->f, put(1, "a")), OK);
    struct store_op *op = put(2, "b"); /* a reply has the id of another message */
    make_id(1, op->out.id);
    op->out.reply = true;
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, out_state(2, 6)), OK);
    struct store_out o = find(c, 1, OK);
    assert_int_equal(o.seq, 2); /* the newest */
    assert_int_equal(o.state, 6);
    assert_int_equal(o.final_ms, 5000);
    assert_true(o.reply);
    (void)find(c, 3, ERR_NOENT);
}

static void test_out_read(void **state)
{
    struct ctx *c = *state;
    assert_int_equal(fixture_do(&c->f, put(1, "a")), OK);
    assert_int_equal(fixture_do(&c->f, out_op(STORE_OUT_READ, 1)), OK); /* not received: stays */
    assert_int_equal(find(c, 1, OK).state, 0);
    assert_int_equal(fixture_do(&c->f, out_state(1, 4)), OK);
    struct store_op *op = out_op(STORE_OUT_READ, 1);
    op->out.dst.b[7] = 77; /* another node */
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(find(c, 1, OK).state, 4);
    assert_int_equal(fixture_do(&c->f, out_op(STORE_OUT_READ, 1)),
                     OK); /* another host of the /64 */
    assert_int_equal(find(c, 1, OK).state, 5);
    assert_int_equal(find(c, 1, OK).final_ms, 5000);
    assert_int_equal(fixture_do(&c->f, out_op(STORE_OUT_READ, 50)), OK); /* nothing there: fine */
}

/* --- inbox -------------------------------------------------------------------------------- */

static void test_in_part_then_ready(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_PART, 1, 0, NULL)), OK);
    struct store_op *op = in_op(STORE_IN_PART, 1, 1, "body");
    op->in.got = blob_text("\1\2\3");
    op->in.chunks_seen = 12;
    op->in.expire_ms = 330000;
    op->in.topic_len = 2;
    memcpy(op->in.topic, "t\0", 2);
    memset(op->in.src_key, 0xab, sizeof(op->in.src_key));
    assert_int_equal(fixture_do(&c->f, op), OK); /* takes the place of the first */
    restart(c, &r, 0, 0);
    assert_int_equal(r.ins, 1);
    assert_int_equal(r.in[0].state, 1);
    assert_true(blob_is(r.in[0].body, "body")); /* of a PART also without budget */
    assert_true(blob_is(r.in[0].got, "\1\2\3"));
    assert_int_equal(r.in[0].chunks_seen, 12);
    assert_int_equal(r.in[0].expire_ms, 330000);
    assert_int_equal(r.in[0].src_key[31], 0xab);
    assert_int_equal(r.in[0].topic_len, 2);
    rows_free(&r);

    op = in_op(STORE_IN_READY, 2, 2, "body");
    op->part_seq = 1;
    op->has_seen = true;
    op->seen.node = UINT64_MAX - 5; /* no number is too large */
    memset(op->seen.id, 0x90, sizeof(op->seen.id));
    memset(op->seen.sum, 0x11, sizeof(op->seen.sum));
    op->seen.reply = op->seen.ours = true;
    op->seen.len = 4;
    op->seen.count = 1;
    op->seen.expire_ms = 9000;
    assert_int_equal(fixture_do(&c->f, op), OK);
    restart(c, &r, 1000, 9000);
    assert_int_equal(r.ins, 1);
    assert_int_equal(r.in[0].seq, 2);
    assert_int_equal(r.in[0].state, 2);
    assert_null(r.in[0].got);
    assert_int_equal(r.seens, 1);
    assert_true(r.seen[0].node == UINT64_MAX - 5);
    assert_int_equal(r.seen[0].id[7], 0x90);
    assert_int_equal(r.seen[0].sum[31], 0x11);
    assert_true(r.seen[0].reply && r.seen[0].ours);
    assert_int_equal(r.seen[0].len, 4);
    assert_int_equal(r.seen[0].count, 1);
    assert_int_equal(r.seen[0].expire_ms, 9000);
    rows_free(&r);
    restart(c, &r, 1000, 9001); /* expired by now */
    assert_int_equal(r.seens, 0);
    rows_free(&r);
}

/* Only behind a row that is there, also when that one fails in the same group. */
static void test_in_after(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    struct store_op *op = in_op(STORE_IN_READY, 2, 2, "two");
    op->after_seq = 1;
    assert_int_equal(fixture_do(&c->f, op), ERR_NOENT);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 1, 2, "one")), OK);
    op = in_op(STORE_IN_READY, 3, 2, "three");
    op->after_seq = 1;
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_TAKE, 1, 2, NULL)), OK);
    op = in_op(STORE_IN_READY, 4, 2, "four");
    op->after_seq = 1;
    assert_int_equal(fixture_do(&c->f, op), ERR_NOENT);
    restart(c, &r, 1000, 0);
    assert_int_equal(r.ins, 1);
    assert_int_equal(r.in[0].seq, 3);
    rows_free(&r);
}

static void test_in_take(void **state)
{
    struct ctx *c = *state;
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 1, 2, "one")), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 2, 2, "two")), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 3, 2, "")), OK);
    struct store_op *op = fixture_run(&c->f, in_op(STORE_IN_BODY, 1, 0, NULL)); /* leaves it */
    assert_int_equal(op->rc, OK);
    assert_true(blob_is(op->body, "one"));
    store_op_free(op);
    op = in_op(STORE_IN_TAKE, 1, 0, NULL);
    op->want_body = true;
    op = fixture_run(&c->f, op);
    assert_int_equal(op->rc, OK);
    assert_true(blob_is(op->body, "one"));
    store_op_free(op);
    op = in_op(STORE_IN_TAKE, 1, 0, NULL); /* once only */
    op->want_body = true;
    assert_int_equal(fixture_do(&c->f, op), ERR_NOENT);
    op = fixture_run(&c->f, in_op(STORE_IN_TAKE, 2, 0, NULL));
    assert_int_equal(op->rc, OK);
    assert_null(op->body); /* not asked for */
    store_op_free(op);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_TAKE, 2, 0, NULL)), ERR_NOENT);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_BODY, 2, 0, NULL)), ERR_NOENT);
    op = fixture_run(&c->f, in_op(STORE_IN_BODY, 3, 0, NULL)); /* empty is not missing */
    assert_int_equal(op->rc, OK);
    assert_true(blob_is(op->body, ""));
    store_op_free(op);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_DROP, 3, 0, NULL)), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_DROP, 3, 0, NULL)), OK); /* gone is gone */
    struct rows r;
    restart(c, &r, 1000, 0);
    assert_int_equal(r.ins, 0);
    assert_int_equal(r.in_seq, 3);
    rows_free(&r);
}

/* Rows of seen that may be forgotten before their time. */
static void test_seen_drop(void **state)
{
    struct ctx *c = *state;
    for (uint64_t i = 1; i <= 4; i++) {
        struct store_op *op = in_op(STORE_IN_READY, i, 2, "x");
        op->has_seen = true;
        op->seen.ours = i == 4;
        op->seen.expire_ms = 5000 + (int64_t)(i / 2);
        assert_int_equal(fixture_do(&c->f, op), OK);
    }
    const struct store_seen_key keys[] = {{5001, 2}, {5000, 1}, {5000, 4}, {9999, 9}};
    struct store_op *op = op_make(STORE_SEEN_DROP, 0);
    op->keys = blob_copy(keys, sizeof(keys));
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, op_make(STORE_SEEN_DROP, 0)), OK); /* none */
    struct rows r;
    restart(c, &r, 1000, 0);
    assert_int_equal(r.seens, 2);
    assert_int_equal(r.seen[0].seq, 3);
    assert_int_equal(r.seen[0].expire_ms, 5001);
    assert_false(r.seen[0].ours);
    assert_int_equal(r.seen[1].seq, 4);
    assert_true(r.seen[1].ours);
    rows_free(&r);
}

static struct store_op *state_op(uint64_t seq, int state, uint32_t tries, uint32_t offers)
{
    struct store_op *op = in_op(STORE_IN_STATE, seq, state, NULL);
    op->in.tries = tries;
    op->in.offers = offers;
    op->in.since_ms = 1700000000000 + (int64_t)offers;
    return op;
}

/* What happened to a complete message is kept beside it, and goes with it. */
static void test_in_state(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    assert_int_equal(fixture_do(&c->f, state_op(1, 3, 0, 1)), ERR_NOENT);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, i, 2, "body")), OK);
    assert_int_equal(fixture_do(&c->f, state_op(1, 3, 0, 1)), OK);
    assert_int_equal(fixture_do(&c->f, state_op(1, 2, 1, 2)),
                     OK); /* takes the place of the first */
    assert_int_equal(fixture_do(&c->f, state_op(2, 4, 6, 7)), OK);
    restart(c, &r, 1000, 0);
    assert_int_equal(r.ins, 3);
    assert_int_equal(r.in[0].state, 2);
    assert_int_equal(r.in[0].tries, 1);
    assert_int_equal(r.in[0].offers, 2);
    assert_true(r.in[0].since_ms == 1700000000002);
    assert_int_equal(r.in[1].state, 4);
    assert_int_equal(r.in[1].tries, 6);
    assert_true(blob_is(r.in[1].body, "body"));
    assert_int_equal(r.in[2].state, 2);
    assert_int_equal(r.in[2].offers, 0);
    rows_free(&r);

    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_TAKE, 2, 0, NULL)), OK);
    assert_int_equal(fixture_do(&c->f, state_op(2, 3, 0, 1)), ERR_NOENT);
    struct store_op *again = in_op(STORE_IN_READY, 2, 2, "another");
    assert_int_equal(fixture_do(&c->f, again), OK);
    restart(c, &r, 1000, 0);
    assert_int_equal(r.in[1].state, 2); /* nothing is left of the one before */
    assert_int_equal(r.in[1].tries, 0);
    rows_free(&r);
}

static void test_secret(void **state)
{
    struct ctx *c = *state;
    uint8_t first[STORE_SECRET], then[STORE_SECRET], none[STORE_SECRET] = {0};
    struct rows r;
    store_secret(c->f.s, first);
    assert_memory_not_equal(first, none, sizeof(none));
    restart(c, &r, 0, 0);
    rows_free(&r);
    store_secret(c->f.s, then);
    assert_memory_equal(first, then, sizeof(then));
}

/* --- sweeping ----------------------------------------------------------------------------- */

static void test_sweep(void **state)
{
    struct ctx *c = *state;
    for (uint64_t i = 1; i <= STORE_SWEEP_ROWS + 5; i++) {
        store_submit(c->f.s, put(i, "x"));
        if (i != 3)
            store_submit(c->f.s, out_state(i, 6));
    }
    for (uint64_t i = 1; i <= 4; i++) {
        struct store_op *op = in_op(STORE_IN_READY, i, 2, "x");
        op->has_seen = true;
        op->seen.expire_ms = 100 * (int64_t)(i / 2); /* 0, 100, 100, 200: two at the same time */
        op->run_ms = (int64_t)i;
        store_submit(c->f.s, op);
    }
    for (uint64_t i = 1; i <= 2 * (STORE_SWEEP_ROWS + 5) - 1 + 4; i++)
        store_op_free(fixture_take(&c->f));
    struct store_op *op = op_make(STORE_SWEEP, 0);
    op->before_ms = 1002; /* created_ms is 1000 + seq */
    op->run_ms = 200;
    op = fixture_run(&c->f, op);
    assert_int_equal(op->rc, OK);
    assert_int_equal(op->swept, 3); /* seen; one of out */
    store_op_free(op);
    (void)find(c, 1, ERR_NOENT);
    (void)find(c, 2, OK);
    op = op_make(STORE_SWEEP, 0);
    op->before_ms = 1000000;
    op = fixture_run(&c->f, op);
    assert_int_equal(op->swept, STORE_SWEEP_ROWS);
    store_op_free(op);
    op = op_make(STORE_SWEEP, 0);
    op->before_ms = 1000000;
    op = fixture_run(&c->f, op);
    assert_int_equal(op->swept, 3);
    store_op_free(op);
    struct rows r;
    restart(c, &r, 1000, 0);
    assert_int_equal(r.outs, 1); /* lives */
    assert_int_equal(r.out[0].seq, 3);
    assert_int_equal(r.seens, 1);
    assert_int_equal(r.seen[0].expire_ms, 200);
    assert_int_equal(r.run_ms, 200);
    assert_int_equal(r.out_seq, STORE_SWEEP_ROWS + 5); /* although that row is gone */
    rows_free(&r);
}

/* --- groups ------------------------------------------------------------------------------- */

/* Everything queued before the start is one group (up to its limits), in order. */
static void test_group_and_order(void **state)
{
    struct ctx *c = *state;
    struct store_stats t;
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    for (uint64_t i = 1; i <= 40; i++) {
        store_submit(c->f.s, put(i, "body"));
        store_submit(c->f.s, out_op(STORE_OUT_BODY, i)); /* sees what is not yet committed */
    }
    store_stats(c->f.s, &t);
    assert_int_equal(t.queued, 80);
    fixture_start(&c->f);
    for (uint64_t i = 1; i <= 40; i++) {
        struct store_op *op = fixture_take(&c->f);
        assert_int_equal(op->kind, STORE_OUT_PUT);
        assert_int_equal(op->tag, i);
        assert_int_equal(op->rc, OK);
        store_op_free(op);
        op = fixture_take(&c->f);
        assert_int_equal(op->kind, STORE_OUT_BODY);
        assert_int_equal(op->tag, i);
        assert_true(blob_is(op->body, "body"));
        store_op_free(op);
    }
    store_stats(c->f.s, &t);
    assert_int_equal(t.ops, 80);
    assert_int_equal(t.queued, 0);
    assert_true(t.commits < 20); /* not one sync each; the time limit may split the group */
    assert_true(t.batch_max > 4);
    assert_true(t.wal_bytes > 0);
    assert_int_equal(t.rc, OK);
}

static void test_group_limit(void **state)
{
    struct ctx *c = *state;
    struct store_stats t;
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    for (uint64_t i = 1; i <= 3ul * STORE_BATCH_OPS; i++)
        store_submit(c->f.s, out_op(STORE_OUT_FIND, i));
    fixture_start(&c->f);
    for (uint64_t i = 1; i <= 3ul * STORE_BATCH_OPS; i++) {
        struct store_op *op = fixture_take(&c->f);
        assert_int_equal(op->tag, i);
        assert_int_equal(op->rc, ERR_NOENT);
        store_op_free(op);
    }
    store_stats(c->f.s, &t);
    assert_true(t.batch_max <= STORE_BATCH_OPS);
    assert_true(t.commits >= 3);
    assert_int_equal(t.statement_failures, 0); /* not found is an answer */
}

/* One operation fails, its neighbours do not; with one that fails half way, nothing of it stays. */
static void test_single_failure(void **state)
{
    struct ctx *c = *state;
    struct store_stats t;
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    struct store_op *half = put(12, "half");
    half->has_in = true;
    half->in.seq = 21;
    half->in.state = 2;
    half->in.body = blob_text("half");
    store_submit(c->f.s, put(10, "ten"));
    store_submit(c->f.s, in_op(STORE_IN_READY, 21, 2, "in"));
    store_submit(c->f.s, out_op(STORE_OUT_BODY, 10));
    store_submit(c->f.s, put(10, "again")); /* fails in its first statement */
    store_submit(c->f.s, half);             /* fails in its last */
    store_submit(c->f.s, put(11, "eleven"));
    store_submit(c->f.s, out_op(STORE_OUT_BODY, 12));
    struct store_op *huge = put(UINT64_MAX, "huge"); /* no number of a row */
    store_submit(c->f.s, huge);
    struct store_op *both = put(13, "both");
    both->has_in = true;
    both->in.seq = 22;
    both->in.state = 2;
    store_submit(c->f.s, both);
    static const int rc[] = {OK, OK, OK, ERR_EXIST, ERR_EXIST, OK, ERR_NOENT, ERR_TOOBIG, OK};
    fixture_start(&c->f);
    for (size_t i = 0; i < ARRAY_LEN(rc); i++) {
        struct store_op *op = fixture_take(&c->f);
        assert_int_equal(op->rc, rc[i]);
        if (i == 2)
            assert_true(blob_is(op->body, "ten"));
        store_op_free(op);
    }
    store_stats(c->f.s, &t);
    assert_int_equal(t.statement_failures, 3);
    assert_int_equal(t.commit_failures, 0);
    struct rows r;
    restart(c, &r, 1000, 0);
    assert_int_equal(r.outs, 3);
    assert_true(blob_is(r.out[0].body, "ten"));
    assert_int_equal(r.out[1].seq, 11);
    assert_int_equal(r.out[2].seq, 13);
    assert_int_equal(r.ins, 2);
    assert_true(blob_is(r.in[0].body, "in"));
    assert_int_equal(r.in[1].seq, 22);
    assert_null(r.in[1].body);
    rows_free(&r);
}

/* A disk that is nearly full takes nothing new, but lets go of what is there. */
static void test_scarce(void **state)
{
    struct ctx *c = *state;
    struct store_stats t;
    struct store_pace pace = {.wal_passive = STORE_WAL_PASSIVE,
                              .wal_restart = STORE_WAL_RESTART,
                              .free_bytes = UINT64_MAX / 2,
                              .checkpoint_usec = STORE_CHECKPOINT_USEC,
                              .idle_usec = STORE_IDLE_USEC};
    assert_int_equal(fixture_do(&c->f, put(1, "x")), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 1, 2, "x")), OK);
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, &pace), OK);
    fixture_start(&c->f);
    assert_int_equal(fixture_do(&c->f, put(2, "x")), ERR_NOSPACE);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 2, 2, "x")), ERR_NOSPACE);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_PART, 3, 0, "x")), ERR_NOSPACE);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_BODY, 1, 0, NULL)), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_TAKE, 1, 0, NULL)), OK);
    assert_int_equal(fixture_do(&c->f, out_state(1, 4)), OK);
    store_stats(c->f.s, &t);
    assert_int_equal(t.refused_full, 3);
    assert_int_equal(t.commit_failures, 0);
    assert_int_equal(t.rc, OK);
}

/* --- restart ------------------------------------------------------------------------------ */

static void test_budget(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(fixture_do(&c->f, put(i, "12345")), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_READY, 1, 2, "12345")), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_PART, 2, 0, "12345")), OK);
    restart(c, &r, 11, 0);
    assert_non_null(r.out[0].body);
    assert_non_null(r.out[1].body);
    assert_null(r.out[2].body);
    assert_int_equal(r.out[2].len, 5);
    assert_null(r.in[0].body);
    assert_non_null(r.in[1].body);
    rows_free(&r);
}

static int refuse(void *ctx, const struct store_out *row)
{
    (void)row;
    ++*(int *)ctx;
    return ERR_LIMIT;
}

static void test_visitor_stops(void **state)
{
    struct ctx *c = *state;
    int calls = 0;
    uint64_t a = 77, b = 77;
    assert_int_equal(fixture_do(&c->f, put(1, "x")), OK);
    assert_int_equal(fixture_do(&c->f, put(2, "x")), OK);
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    struct store_visitor v = {.out = refuse, .ctx = &calls};
    assert_int_equal(store_load(c->f.s, &v, 0, 0, &a, &b), ERR_LIMIT);
    assert_int_equal(calls, 1);
    assert_int_equal(a, 77); /* outputs only with OK */
}

static void test_numbers_are_not_used_again(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_PART, 8, 0, NULL)), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_DROP, 8, 0, NULL)), OK);
    struct store_op *op = put(5, "x"); /* into the own inbox, with a higher number there */
    op->has_in = true;
    op->in.seq = 9;
    op->in.state = 2;
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, in_op(STORE_IN_TAKE, 9, 0, NULL)), OK);
    for (int i = 0; i < 3; i++) {
        restart(c, &r, 0, 0);
        assert_int_equal(r.out_seq, 5);
        assert_int_equal(r.in_seq, 9);
        assert_int_equal(r.ins, 0);
        rows_free(&r);
    }
}

/* --- payloads in files -------------------------------------------------------------------- */

#define LARGE (STORE_BODY_MAX + UINT64_C(1))

static struct store_op *put_file(uint64_t seq, uint64_t file)
{
    struct store_op *op = put(seq, "");
    blob_unref(op->out.body);
    op->out.body = NULL;
    op->out.len = LARGE;
    op->out.file = file;
    return op;
}

static struct store_op *in_file(enum store_kind kind, uint64_t seq, int state, uint64_t file)
{
    struct store_op *op = op_make(kind, seq);
    op->in.seq = seq;
    op->in.state = state;
    op->in.len = LARGE;
    op->in.file = file;
    return op;
}

static void test_out_file(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    assert_int_equal(fixture_do(&c->f, put_file(1, 77)), OK);
    assert_int_equal(fixture_do(&c->f, put_file(2, INT64_MAX)), OK);
    assert_int_equal(fixture_do(&c->f, put(3, "small")), OK);
    struct store_op *op = op_make(STORE_OUT_ACKED, 0);
    op->out.seq = 1;
    op->out.acked = blob_text("progress");
    assert_int_equal(fixture_do(&c->f, op), OK);
    op = op_make(STORE_OUT_ACKED, 0);
    op->out.seq = 3; /* has no file */
    assert_int_equal(fixture_do(&c->f, op), ERR_NOENT);
    restart(c, &r, 1000, 0);
    assert_int_equal(r.outs, 3);
    assert_int_equal(r.out[0].file, 77);
    assert_true(blob_is(r.out[0].acked, "progress"));
    assert_null(r.out[0].body);
    assert_int_equal(r.out[1].file, INT64_MAX);
    assert_null(r.out[1].acked);
    assert_int_equal(r.out[2].file, 0);
    assert_true(blob_is(r.out[2].body, "small")); /* large ones took nothing of the budget */
    rows_free(&r);
    op = op_make(STORE_OUT_STATE, 0);
    op->out.seq = 1;
    op->out.state = 4;
    assert_int_equal(fixture_do(&c->f, op), OK);
    op = op_make(STORE_OUT_ACKED, 0); /* too late */
    op->out.seq = 1;
    assert_int_equal(fixture_do(&c->f, op), ERR_NOENT);
}

/* To this node itself: the name of the file goes from the one row to the other. */
static void test_file_moves(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    struct store_op *op = put_file(1, 77);
    op->out.state = 4;
    op->has_in = true;
    op->in.seq = 1;
    op->in.state = 2;
    op->in.len = LARGE;
    op->in.file = 77;
    assert_int_equal(fixture_do(&c->f, op), OK);
    op = op_make(STORE_OUT_ACKED, 0);
    op->out.seq = 1;
    assert_int_equal(fixture_do(&c->f, op), ERR_NOENT);
    restart(c, &r, 0, 0);
    assert_int_equal(r.outs, 0);
    assert_int_equal(r.ins, 1);
    assert_int_equal(r.in[0].file, 77);
    rows_free(&r);
}

static void test_in_file(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_PART, 1, 0, 5)), OK);
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_PART, 1, 1, 5)), OK); /* again */
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_PART, 2, 0, 6)), OK);
    restart(c, &r, 0, 0);
    assert_int_equal(r.ins, 2);
    assert_int_equal(r.in[0].file, 5);
    assert_int_equal(r.in[1].file, 6);
    rows_free(&r);
    struct store_op *op = in_file(STORE_IN_READY, 3, 2, 5);
    op->part_seq = 1;
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_DROP, 2, 0, 0)), OK);
    restart(c, &r, 0, 0);
    assert_int_equal(r.ins, 1);
    assert_int_equal(r.in[0].seq, 3);
    assert_int_equal(r.in[0].file, 5);
    rows_free(&r);
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_TAKE, 3, 0, 0)), OK);
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_TAKE, 3, 0, 0)), ERR_NOENT);
    /* A row of a large message without a name is one of before large ones: without payload. */
    assert_int_equal(fixture_do(&c->f, in_file(STORE_IN_READY, 4, 2, 0)), OK);
    restart(c, &r, 0, 0);
    assert_int_equal(r.ins, 1);
    assert_int_equal(r.in[0].file, 0);
    rows_free(&r);
}

/* --- rules -------------------------------------------------------------------------------- */

static struct store_op *rule_op(enum store_kind kind, const char *topic, const char *sources)
{
    struct store_op *op = op_make(kind, 1);
    op->rule = calloc(1, sizeof(*op->rule));
    assert_non_null(op->rule);
    op->rule->topic_len = (uint8_t)strlen(topic);
    memcpy(op->rule->topic, topic, strlen(topic));
    op->rule->sources = sources ? blob_text(sources) : NULL;
    return op;
}

static void test_rules(void **state)
{
    struct ctx *c = *state;
    static struct rows r;
    struct store_op *op = op_make(STORE_RULE_DEFAULT, 2);
    restart(c, &r, 0, 0);
    assert_int_equal(r.rules, 0);
    assert_int_equal(r.accept, -1);
    rows_free(&r);
    assert_int_equal(fixture_do(&c->f, rule_op(STORE_RULE_PUT, "b", "400::/7\n")), OK);
    struct store_op *with_socket = rule_op(STORE_RULE_PUT, "", "");
    memcpy(with_socket->rule->socket, "/run/x", 6);
    with_socket->rule->socket_len = 6;
    with_socket->rule->half_close = true;
    with_socket->rule->reply_ms = 1234;
    assert_int_equal(fixture_do(&c->f, with_socket), OK);
    assert_int_equal(fixture_do(&c->f, rule_op(STORE_RULE_PUT, "gone", "x\n")), OK);
    assert_int_equal(fixture_do(&c->f, rule_op(STORE_RULE_PUT, "b", "401::1\n402::2\n")), OK);
    assert_int_equal(fixture_do(&c->f, rule_op(STORE_RULE_DROP, "gone", NULL)), OK);
    assert_int_equal(fixture_do(&c->f, rule_op(STORE_RULE_DROP, "never", NULL)), OK);
    op->accept = true;
    assert_int_equal(fixture_do(&c->f, op), OK);
    assert_int_equal(fixture_do(&c->f, op_make(STORE_RULE_DEFAULT, 3)), OK);
    restart(c, &r, 0, 0);
    assert_int_equal(r.rules, 2);
    assert_int_equal(r.rule[0].topic_len, 0);
    assert_true(blob_is(r.rule[0].sources, ""));
    assert_int_equal(r.rule[0].socket_len, 6);
    assert_memory_equal(r.rule[0].socket, "/run/x", 6);
    assert_true(r.rule[0].half_close);
    assert_int_equal(r.rule[0].reply_ms, 1234);
    assert_int_equal(r.rule[1].socket_len, 0);
    assert_memory_equal(r.rule[1].topic, "b", 1);
    assert_true(blob_is(r.rule[1].sources, "401::1\n402::2\n"));
    assert_int_equal(r.accept, 0);
    rows_free(&r);
}

/* --- contacts ----------------------------------------------------------------------------- */

/* n contacts from number `first` on, each used one ms after the one before. */
static struct store_op *contacts_op(uint64_t first, size_t n, uint64_t via)
{
    struct store_op *op = op_make(STORE_CONTACTS_PUT, first);
    op->contacts = calloc(n ? n : 1, sizeof(*op->contacts));
    assert_non_null(op->contacts);
    op->contacts_count = n;
    for (size_t i = 0; i < n; i++)
        op->contacts[i] = (struct store_contact){.node = UINT64_C(0xf400000000000000) + first +
                                                         i, /* the sign bit is a bit */
                                                 .via = via,
                                                 .used_ms = 1000 + (int64_t)(first + i)};
    return op;
}

static void test_contacts(void **state)
{
    struct ctx *c = *state;
    static struct rows r;
    assert_int_equal(fixture_do(&c->f, contacts_op(1, 3, 70)), OK);
    assert_int_equal(fixture_do(&c->f, contacts_op(2, 1, UINT64_MAX)), OK); /* replaced */
    assert_int_equal(fixture_do(&c->f, contacts_op(9, 0, 0)), OK);
    restart(c, &r, 0, 0);
    assert_int_equal(r.contacts, 3); /* the last used first */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(r.contact[i].node, UINT64_C(0xf400000000000003) - i);
        assert_int_equal(r.contact[i].used_ms, 1003 - i);
    }
    assert_int_equal(r.contact[0].via, 70);
    assert_int_equal(r.contact[1].via, UINT64_MAX);
    assert_int_equal(r.contact[2].via, 70);
    rows_free(&r);
}

static void test_contacts_limit(void **state)
{
    struct ctx *c = *state;
    static struct rows r;
    const uint64_t all = STORE_CONTACTS_MAX + 300;
    for (uint64_t i = 0; i < all; i += STORE_CONTACTS_ROWS)
        assert_int_equal(fixture_do(&c->f, contacts_op(i, MIN(all - i, STORE_CONTACTS_ROWS), 7)),
                         OK);
    restart(c, &r, 0, 0);
    assert_int_equal(r.contacts, STORE_CONTACTS_MAX);
    for (size_t i = 0; i < r.contacts; i++)
        assert_int_equal(r.contact[i].used_ms, 1000 + all - 1 - i);
    rows_free(&r);
}

/* Without a start, closing still does what was asked for. */
static void test_close_commits(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    for (uint64_t i = 1; i <= 20; i++)
        store_submit(c->f.s, put(i, "x"));
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    for (uint64_t i = 21; i <= 25; i++)
        store_submit(c->f.s, put(i, "x"));
    store_close(c->f.s);
    c->f.s = NULL; /* the results are in the mailbox, which outlives the store */
    for (uint64_t i = 21; i <= 25; i++) {
        struct store_op *op = fixture_take(&c->f);
        assert_int_equal(op->tag, i);
        assert_int_equal(op->rc, OK);
        store_op_free(op);
    }
    mailbox_fini(&c->f.results);
    restart(c, &r, 0, 0);
    assert_int_equal(r.outs, 25);
    rows_free(&r);
}

int main(void)
{
    log_nothing();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_out_put_all_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_list_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_part_then_ready, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_after, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_take, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seen_drop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_and_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_single_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scarce, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_visitor_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_are_not_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contacts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contacts_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_commits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
