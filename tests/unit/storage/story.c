#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "fixture.h"

#define LAG 3 /* messages between coming and going */

enum step { STEP_PUT, STEP_PART, STEP_READY, STEP_LEASE, STEP_FINAL, STEP_TAKE };

/* So many messages between the coming of one and the step. */
static const uint8_t lags[] = {[STEP_LEASE] = 1, [STEP_FINAL] = LAG, [STEP_TAKE] = LAG};

/* Every fifth message is also put into the inbox of its own node, in the same operation. */
static bool is_local(uint64_t i)
{
    return i % 5 == 4;
}

static uint64_t local_seq(uint64_t i)
{
    return 1000000 + i;
}

static void make_id(uint64_t i, uint8_t id[8])
{
    uint64_t v = i * 0x9e3779b97f4a7c15u + 1; /* scattered, and different for each */
    memcpy(id, &v, 8);
}

/* Which message and which step an operation is; false: none (the first ones have nothing to end).
 */
static bool locate(uint64_t tag, uint64_t *ret_msg, enum step *ret_step)
{
    uint64_t i = tag / STORY_STEPS;
    enum step step = (enum step)(tag % STORY_STEPS);
    if (i < lags[step])
        return false;
    *ret_msg = i - lags[step];
    *ret_step = step;
    return true;
}

static struct blob *make_body(const struct story *st, uint64_t i)
{
    size_t len = (size_t)(st->body_bytes + i % 50);
    struct blob *b = blob_new(len);
    if (!b)
        abort();
    for (size_t k = 0; k < len; k++)
        b->data[k] = (uint8_t)(i + k);
    return b;
}

static void fill_in(const struct story *st, struct store_in *in, uint64_t i, uint64_t seq,
                    int state)
{
    in->seq = seq;
    in->state = state;
    in->len = st->body_bytes + i % 50;
    in->recv_ms = 1000;
    make_id(i, in->id);
    in->body = make_body(st, i);
}

static struct store_op *make(const struct story *st, uint64_t tag, uint64_t i, enum step step)
{
    static const enum store_kind kind[] = {
        [STEP_PUT] = STORE_OUT_PUT,     [STEP_PART] = STORE_IN_PART,
        [STEP_READY] = STORE_IN_READY,  [STEP_LEASE] = STORE_IN_STATE,
        [STEP_FINAL] = STORE_OUT_STATE, [STEP_TAKE] = STORE_IN_TAKE};
    struct store_op *op = op_make(kind[step], tag);
    op->out.seq = i + 1;
    make_id(i, op->out.id);
    switch (step) {
    case STEP_PUT:
        op->out.len = st->body_bytes + i % 50;
        op->out.body = make_body(st, i);
        op->has_in = is_local(i);
        if (op->has_in)
            fill_in(st, &op->in, i, local_seq(i), 2);
        break;
    case STEP_PART:
        fill_in(st, &op->in, i, 2 * i + 1, 0);
        break;
    case STEP_READY:
        fill_in(st, &op->in, i, 2 * i + 2, 2);
        op->part_seq = 2 * i + 1;
        op->has_seen = true;
        op->seen.node = i;
        op->seen.expire_ms = 2000;
        break;
    case STEP_LEASE:
        op->in.seq = 2 * i + 2;
        op->in.state = 3;
        op->in.tries = (uint32_t)(i % 3);
        op->in.offers = (uint32_t)i + 1;
        op->in.since_ms = 1200;
        break;
    case STEP_FINAL:
        op->out.state = 4;
        op->out.final_ms = 1500;
        break;
    case STEP_TAKE:
        op->in.seq = 2 * i + 2;
        op->want_body = true;
        break;
    }
    return op;
}

/* The stage that a step leads to, in *ret_in or *ret_out. */
static uint8_t *stage(struct story_msg *m, enum step step, bool acked, uint8_t *ret_to)
{
    static const uint8_t to[] = {[STEP_PUT] = STORY_OUT_PUT,     [STEP_PART] = STORY_IN_PART,
                                 [STEP_READY] = STORY_IN_READY,  [STEP_LEASE] = STORY_IN_LEASED,
                                 [STEP_FINAL] = STORY_OUT_FINAL, [STEP_TAKE] = STORY_IN_TAKEN};
    bool out = step == STEP_PUT || step == STEP_FINAL;
    *ret_to = to[step];
    if (out)
        return acked ? &m->out_acked : &m->out_sent;
    return acked ? &m->in_acked : &m->in_sent;
}

static void mark(struct story *st, uint64_t i, enum step step, bool acked)
{
    uint8_t to;
    uint8_t *at = stage(&st->m[i], step, acked, &to);
    *at = MAX(*at, to);
}

struct store_op *story_next(struct story *st)
{
    uint64_t i;
    enum step step;
    while (!locate(st->next, &i, &step))
        st->next++;
    if (i >= STORY_MAX)
        abort();
    mark(st, i, step, false);
    struct store_op *op = make(st, st->next, i, step);
    st->next++;
    return op;
}

void story_acked(struct story *st, uint64_t tag)
{
    uint64_t i;
    enum step step;
    if (!locate(tag, &i, &step) || i >= STORY_MAX)
        abort();
    mark(st, i, step, true);
}

static bool body_right(const struct story *st, uint64_t i, const struct blob *b)
{
    struct blob *want = make_body(st, i);
    bool same = b && b->len == want->len && memcmp(b->data, want->data, want->len) == 0;
    blob_unref(want);
    return same;
}

int story_body(const struct story *st, const struct store_op *op)
{
    uint64_t i;
    enum step step;
    if (op->rc < 0 || !locate(op->tag, &i, &step) || step != STEP_TAKE)
        return 0;
    if (body_right(st, i, op->body))
        return 0;
    (void)fprintf(stderr, "message %llu: wrong body\n", (unsigned long long)i);
    return 1;
}

/* --- checking ----------------------------------------------------------------------------- */

struct found {
    const struct story *st;
    struct {
        bool out, part, ready, leased, local, seen, final, bad;
    } m[STORY_MAX];
    int faults;
};

static void fault(struct found *f, uint64_t i, const char *what)
{
    if (f->faults++ < 10)
        (void)fprintf(stderr, "message %llu: %s (sent %d %d, acknowledged %d %d)\n",
                      (unsigned long long)i, what, f->st->m[i].out_sent, f->st->m[i].in_sent,
                      f->st->m[i].out_acked, f->st->m[i].in_acked);
}

static int found_out(void *ctx, const struct store_out *row)
{
    struct found *f = ctx;
    uint64_t i = row->seq - 1;
    if (i >= STORY_MAX)
        return ERR_CORRUPT;
    f->m[i].out = true;
    if (!body_right(f->st, i, row->body))
        fault(f, i, "wrong body in the outbox");
    return OK;
}

static int found_in(void *ctx, const struct store_in *row)
{
    struct found *f = ctx;
    bool local = row->seq >= local_seq(0);
    uint64_t i = local ? row->seq - local_seq(0) : (row->seq - 1) / 2;
    bool part = !local && row->seq % 2 == 1;
    if (i >= STORY_MAX || (row->state == 0) != part)
        return ERR_CORRUPT;
    f->m[i].local = f->m[i].local || local;
    f->m[i].part = f->m[i].part || part;
    f->m[i].ready = f->m[i].ready || (!local && !part);
    f->m[i].leased = f->m[i].leased || row->state == 3;
    if (row->state == 3 ? row->tries != i % 3 || row->offers != i + 1 || row->since_ms != 1200
                        : row->offers != 0)
        fault(f, i, "half of a lease");
    if (!body_right(f->st, i, row->body))
        fault(f, i, "wrong body in the inbox");
    return OK;
}

static int found_seen(void *ctx, const struct store_seen *row)
{
    struct found *f = ctx;
    if (row->node >= STORY_MAX)
        return ERR_CORRUPT;
    f->m[row->node].seen = true;
    return OK;
}

/* Final messages are not loaded: they are asked for by their id. */
static void find_final(struct found *f, struct fixture *x, uint64_t msgs)
{
    uint64_t asked = 0;
    for (uint64_t i = 0; i < msgs; i++) {
        if (f->m[i].out || f->st->m[i].out_sent < STORY_OUT_FINAL)
            continue;
        struct store_op *op = op_make(STORE_OUT_FIND, i);
        make_id(i, op->out.id);
        store_submit(x->s, op);
        asked++;
    }
    for (; asked > 0; asked--) {
        struct store_op *op = fixture_take(x);
        uint64_t i = op->tag;
        f->m[i].final = op->rc == OK && op->out.seq == i + 1 && op->out.state == 4;
        if (op->rc < 0 && op->rc != ERR_NOENT)
            fault(f, i, err_str(op->rc));
        store_op_free(op);
    }
}

static void judge(struct found *f, uint64_t i, enum story_slack slack)
{
    const struct story_msg *m = &f->st->m[i];
    uint8_t out = f->m[i].final ? STORY_OUT_FINAL : f->m[i].out ? STORY_OUT_PUT : STORY_OUT_NONE;
    uint8_t in = f->m[i].part ? STORY_IN_PART : STORY_IN_NONE;
    if (f->m[i].seen)
        in = f->m[i].leased ? STORY_IN_LEASED : f->m[i].ready ? STORY_IN_READY : STORY_IN_TAKEN;
    if (out < m->out_acked)
        fault(f, i, "acknowledged but lost from the outbox");
    if (in < m->in_acked)
        fault(f, i, "acknowledged but lost from the inbox");
    if (out > m->out_sent || in > m->in_sent)
        fault(f, i, "more than was ever asked for");
    if (slack == STORY_EXACT && (out > m->out_acked || in > m->in_acked))
        fault(f, i, "reported as failed but stored");
    if (f->m[i].ready && !f->m[i].seen)
        fault(f, i, "complete but not remembered");
    if (f->m[i].seen && f->m[i].part)
        fault(f, i, "complete and incomplete");
    if (f->m[i].local != (is_local(i) && out > STORY_OUT_NONE))
        fault(f, i, "half of an operation");
}

int story_check(const struct story *st, const char *dir, enum story_slack slack)
{
    struct fixture x;
    struct found *f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    f->st = st;
    uint64_t out_seq = 0, in_seq = 0, msgs = MIN(st->next / STORY_STEPS + 1, STORY_MAX);
    if (fixture_open(&x, dir, 1, NULL) < 0) {
        (void)fprintf(stderr, "not opened: %s\n", x.text);
        free(f);
        return 1;
    }
    struct store_visitor v = {.out = found_out, .in = found_in, .seen = found_seen, .ctx = f};
    int rc = store_load(x.s, &v, UINT64_MAX, 0, &out_seq, &in_seq);
    if (rc < 0) {
        (void)fprintf(stderr, "not loaded: %s\n", err_str(rc));
        f->faults++;
    }
    fixture_start(&x);
    find_final(f, &x, msgs);
    fixture_close(&x);
    for (uint64_t i = 0; i < msgs; i++) {
        judge(f, i, slack);
        if (st->m[i].out_acked > 0 && out_seq < i + 1)
            fault(f, i, "its number could be used again");
    }
    int faults = f->faults;
    free(f);
    return faults;
}
