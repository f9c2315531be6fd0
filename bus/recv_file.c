/* What follows what. INIT: the file is created; then, for a plain sender, the row; then INIT ACK.
 * Chunks: a run is written, one at a time; a sync follows when much was written, when a plain
 * sender waits for its ACKs, or at the end; behind each sync a row. DONE, when all is there: what
 * waits is written, the checksum read from the file, the file synced; then the row that makes it
 * READY, and DONE ACK. */
#include "bus/recv_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/bus_core.h"
#include "bus/recv_answer.h"
#include "bus/timer.h"

/* Neighbours in order, in bytes and in chunks. */
struct part_run {
    struct list link;
    struct range range;
    uint32_t epoch, chunks;
    uint64_t version; /* of its last chunk */
    struct held_ack last;
    bool flying;
    struct blob *data; /* PART_RUN_BYTES, until it leaves */
};

static void want(struct bus *b, struct part_file *f)
{
    op_want(&b->ops, &f->op);
}

int part_file_new(struct bus *b, struct part *p)
{
    struct part_file *f = calloc(1, sizeof(*f));
    if (!f)
        return ERR_NOMEM;
    f->part = p;
    f->op.owner = OP_PART_FILE;
    list_init(&f->runs);
    f->number = (rng_u64(b->rng) & INT64_MAX) | 1;
    p->file = f;
    b->parts.files++;
    b->parts.file_bytes += p->len;
    p->node->in_files++;
    p->node->in_file_bytes += p->len;
    return OK;
}

static void run_free(struct bus *b, struct part_run *r)
{
    b->parts.write_bytes -= PART_RUN_BYTES;
    list_del(&r->link);
    blob_unref(r->data);
    free(r);
}

static void runs_free(struct bus *b, struct part_file *f)
{
    struct part_run *r;
    while ((r = list_first(&f->runs, struct part_run, link)))
        run_free(b, r);
}

void part_file_free(struct bus *b, struct part *p, bool keep)
{
    struct part_file *f = p->file;
    if (!f)
        return;
    op_drop(&b->ops, &f->op);
    runs_free(b, f);
    if (!keep && (f->there || f->flying == PART_FILE_CREATE))
        bus_file_drop(b, f->number);
    ranges_fini(&f->came);
    ranges_fini(&f->written);
    blob_unref(f->got);
    b->parts.files--;
    b->parts.file_bytes -= p->len;
    p->node->in_files--;
    p->node->in_file_bytes -= p->len;
    free(f);
    p->file = NULL;
}

bool part_file_allowed(const struct bus *b, const struct node *n, uint64_t len, bool plain)
{
    return (!plain || n->in_files < b->limits.in_files_plain) &&
           n->in_file_bytes + len <= b->limits.in_files_node &&
           b->parts.file_bytes + len <= b->limits.in_files_bytes;
}

void part_file_init_again(struct bus *b, struct part *p, usec_t now)
{
    struct part_file *f = p->file;
    if (!f->there || p->finishing)
        return; /* the answer comes when it can be given */
    if (p->ours || p->durable > 0) {
        if (now - p->init_acked_at >= PART_INIT_GAP)
            answer_init(b, p, TRAILER_RESUMED, now);
    } else {
        p->init_held = true;
        op_want(&b->ops, &p->op);
    }
}

/* --- chunks ------------------------------------------------------------------------------- */

static void sack_written(struct bus *b, struct part *p, const struct held_ack *last,
                         uint32_t chunks, bool at_once, usec_t now)
{
    p->last = *last;
    if (p->unacked == 0)
        timer_set(&b->parts.holds, &p->hold, now + PART_SACK_DELAY);
    p->unacked += chunks;
    if (at_once || p->unacked >= PART_SACK_EVERY)
        sack_now(b, p);
}

/* What is there is of another cut: it begins anew. */
static void forget_all(struct bus *b, struct part_file *f)
{
    ranges_clear(&f->came);
    ranges_clear(&f->written);
    f->part->n_acks = 0;
    f->epoch++;
    struct part_run *r = list_first(&f->runs, struct part_run, link);
    bool flying = r && r->flying; /* its result is still to come, and void */
    list_foreach_safe (l, &f->runs) {
        r = list_entry(l, struct part_run, link);
        if (!(flying && r->flying))
            run_free(b, r);
    }
}

/* The last run, if the chunk is the next of it. */
static struct part_run *run_before(struct part_file *f, const struct range *x)
{
    if (list_empty(&f->runs))
        return NULL;
    struct part_run *r = list_entry(f->runs.prev, struct part_run, link);
    bool next = r->range.end == x->offset && r->range.last + 1 == x->first;
    bool room = x->end - r->range.offset <= PART_RUN_BYTES;
    return next && room && !r->flying && r->epoch == f->epoch ? r : NULL;
}

static struct part_run *run_new(struct bus *b, struct part_file *f, const struct range *x)
{
    if (x->end - x->offset > PART_RUN_BYTES ||
        b->parts.write_bytes + PART_RUN_BYTES > b->limits.in_write_bytes)
        return NULL;
    struct part_run *r = calloc(1, sizeof(*r));
    struct blob *data = blob_new(PART_RUN_BYTES);
    if (!r || !data) {
        free(r);
        blob_unref(data);
        return NULL;
    }
    r->data = data;
    r->range = (struct range){x->offset, x->offset, x->first, x->first};
    r->epoch = f->epoch;
    b->parts.write_bytes += PART_RUN_BYTES;
    list_push_back(&f->runs, &r->link);
    return r;
}

/* Takes the chunk in. False: no room now, it comes again. */
static bool collect(struct bus *b, struct part *p, const struct msg_packet *c,
                    const struct range *x)
{
    struct part_file *f = p->file;
    struct part_run *r = run_before(f, x);
    if (!r)
        r = run_new(b, f, x);
    if (!r) {
        b->stats.in_write_full++;
        return false;
    }
    if (ranges_add(&f->came, x) != OK) {
        if (r->chunks == 0)
            run_free(b, r);
        return false;
    }
    memcpy(r->data->data + (x->offset - r->range.offset), c->data, c->data_len);
    r->range.end = x->end;
    r->range.last = x->last;
    r->chunks++;
    r->version = ++p->version;
    r->last =
        (struct held_ack){.index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
    return true;
}

/* A plain sender's: its ACK waits for the row that names it. */
static void hold_plain(struct bus *b, struct part *p, const struct msg_packet *c, bool known,
                       usec_t now)
{
    if (known && p->version == p->durable) {
        struct held_ack a = {
            .index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
        part_chunk_ack(b, p, &a);
        return;
    }
    if (part_ack_hold(p, c, PART_FILE_ACKS_MAX) != OK) {
        b->stats.refused_limit++;
        return;
    }
    if (p->n_acks == 1)
        p->held_since = now;
    part_file_hold_settle(b, p, now);
}

void part_file_chunk(struct bus *b, struct part *p, const struct msg_packet *c, usec_t now)
{
    struct part_file *f = p->file;
    struct range x = {.offset = (uint32_t)c->offset,
                      .end = (uint32_t)(c->offset + c->data_len),
                      .first = (uint32_t)c->index,
                      .last = (uint32_t)c->index};
    p->heard_at = now;
    if (!f->there || p->finishing)
        return;
    enum ranges_fit fit = ranges_check(&f->came, &x);
    if (fit == RANGES_FULL) {
        b->stats.in_write_full++;
        return;
    }
    if (fit == RANGES_OTHER)
        forget_all(b, f);
    bool known = fit == RANGES_KNOWN;
    if (!known) {
        if (!collect(b, p, c, &x))
            return;
        want(b, f);
    }
    if (!p->ours) {
        hold_plain(b, p, c, known, now);
    } else if (known && ranges_check(&f->written, &x) == RANGES_KNOWN) { /* else: when it is */
        struct held_ack a = {
            .index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
        sack_written(b, p, &a, 1, true, now);
    }
}

bool part_file_complete(const struct part *p, uint64_t count)
{
    const struct ranges *r = &p->file->came;
    return ranges_solid(r) == p->len && ranges_missing(r) == count;
}

void part_file_hold_settle(struct bus *b, struct part *p, usec_t now)
{
    struct part_file *f = p->file;
    if (p->n_acks == 0)
        timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    else if (now - p->held_since >= PART_FILE_HOLD || ranges_solid(&f->came) == p->len)
        part_file_hold_over(b, p);
    else
        timer_set(&b->parts.holds, &p->hold, p->held_since + PART_FILE_HOLD);
}

void part_file_hold_over(struct bus *b, struct part *p)
{
    p->file->sync_due = true;
    want(b, p->file);
}

/* --- the row ------------------------------------------------------------------------------ */

/* As of now: a sync came back, and nothing was written since it left. */
static void row_ranges(struct bus *b, struct part_file *f)
{
    struct blob *got = blob_new((size_t)f->written.n * RANGES_ENTRY);
    if (!got)
        return; /* the next one */
    (void)ranges_encode(&f->written, got->data, got->len);
    blob_unref(f->got);
    f->got = got;
    f->got_new = true;
    op_want(&b->ops, &f->part->op);
}

bool part_file_fill_row(struct bus *b, struct part *p, struct bus_in_row *r)
{
    struct part_file *f = p->file;
    if (!f->there || (p->row && !f->got_new && !p->init_held))
        return false;
    f->got_new = false;
    p->flying = MAX(f->synced_to, 1); /* INIT is version 1 */
    r->state = ranges_solid(&f->came) == p->len ? IN_PART_FULL : IN_PART;
    r->expire_ms = p->ours ? bus_run_ms(b, b->next_at) + (p->life_end - b->next_at.mono) / USEC_MS
                           : p->expire_ms;
    if (p->init_has_sum)
        memcpy(r->sum, p->init_sum, sizeof(r->sum));
    b->lent_body = blob_ref(f->got); /* until bus_next() is called again */
    r->got = f->got ? f->got->data : NULL;
    r->got_len = f->got ? f->got->len : 0;
    r->chunks_seen = f->written.n > 0 ? f->written.v[f->written.n - 1].last + UINT64_C(1) : 0;
    p->row = true;
    return true;
}

void part_file_row_failed(struct part *p)
{
    p->file->got_new = true; /* with the next change */
}

int part_file_load(struct part *p, const struct bus_in_row *row)
{
    static const uint8_t none[MSG_SUM_BYTES];
    struct part_file *f = p->file;
    f->number = row->file;
    f->there = true;
    p->ours = p->init_has_sum = memcmp(row->sum, none, sizeof(none)) != 0;
    memcpy(p->init_sum, row->sum, sizeof(p->init_sum));
    int rc = ranges_decode(&f->written, row->got, row->got_len, p->len);
    if (rc == OK)
        rc = ranges_copy(&f->came, &f->written);
    f->written_to = f->synced_to = p->version;
    return rc;
}

/* --- operations --------------------------------------------------------------------------- */

static uint32_t row_every(const struct part *p)
{
    return p->ours ? MAX(PART_ROW_MIN, MIN(p->len / PART_ROW_SHARE, PART_ROW_MAX)) : PART_ROW_MIN;
}

static bool fill_write(struct part_file *f, struct part_run *r, struct bus_store_op *op)
{
    uint32_t solid = ranges_solid(&f->written);
    r->flying = true;
    r->data->len = r->range.end - r->range.offset; /* nobody else has it yet */
    f->flying = PART_FILE_WRITE;
    op->kind = BUS_STORE_FILE_WRITE;
    op->file.offset = r->range.offset;
    op->file.data = r->data;
    op->file.solid = solid == r->range.offset ? r->range.end : solid;
    return true;
}

static bool fill_sync(struct part_file *f, struct bus_store_op *op)
{
    f->sync_due = false;
    f->loose = 0;
    f->flying = PART_FILE_SYNC;
    op->kind = BUS_STORE_FILE_SYNC;
    return true;
}

bool part_file_fill(struct bus *b, struct part_file *f, struct bus_store_op *op)
{
    struct part *p = f->part;
    struct part_run *r = list_first(&f->runs, struct part_run, link);
    (void)b;
    op->file.number = f->number;
    if (!f->there) {
        f->flying = PART_FILE_CREATE;
        op->kind = BUS_STORE_FILE_CREATE;
        op->file.len = p->len;
        return true;
    }
    /* What a plain sender waits for is all in runs by then, unless more and more comes. */
    bool enough = f->loose >= row_every(p);
    if (r && !enough)
        return fill_write(f, r, op);
    if (enough || (f->sync_due && f->synced_to < f->written_to))
        return fill_sync(f, op);
    f->sync_due = false;
    if (r)
        return fill_write(f, r, op);
    if (!p->finishing || p->ready_flying)
        return false;
    if (!f->summed) {
        f->flying = PART_FILE_SUM;
        op->kind = BUS_STORE_FILE_SUM;
        op->file.len = p->len;
        return true;
    }
    return f->loose > 0 ? fill_sync(f, op) : false;
}

static void create_done(struct bus *b, struct part *p, int rc, struct instant now)
{
    struct part_file *f = p->file;
    if (rc != OK) { /* mostly no room on the disk */
        answer_part_busy(b, p);
        part_give_up(b, p, now.mono);
        return;
    }
    f->there = true;
    if (p->ours)
        answer_init(b, p, TRAILER_NEW, now.mono);
    else
        p->init_held = true;
    op_want(&b->ops, &p->op);
}

static void write_done(struct bus *b, struct part *p, int rc, struct instant now)
{
    struct part_file *f = p->file;
    struct part_run *r = list_first(&f->runs, struct part_run, link);
    struct held_ack last = r->last;
    uint32_t chunks = r->chunks;
    bool counts = r->epoch == f->epoch;
    if (rc == OK && counts && ranges_add(&f->written, &r->range) == OK) {
        f->written_to = r->version;
        f->loose += r->range.end - r->range.offset;
    } else if (counts && (rc == ERR_BUSY || rc == ERR_NOMEM || rc == OK)) {
        counts = false; /* for a moment: it comes again */
        if (ranges_copy(&f->came, &f->written) != OK)
            rc = ERR_IO;
        p->n_acks = 0;
        f->epoch++;
    }
    run_free(b, r);
    if (rc != OK && rc != ERR_BUSY && rc != ERR_NOMEM) {
        part_give_up(b, p, now.mono); /* nothing of it is acknowledged as a whole */
        return;
    }
    if (counts && p->ours && !p->finishing)
        sack_written(b, p, &last, chunks, ranges_solid(&f->written) == p->len, now.mono);
    want(b, f);
}

static void sync_done(struct bus *b, struct part *p, int rc, struct instant now)
{
    struct part_file *f = p->file;
    if (rc != OK) {
        part_give_up(b, p, now.mono);
        return;
    }
    f->synced_to = f->written_to;
    if (p->finishing && f->summed && list_empty(&f->runs)) {
        op_want(&b->ops, &p->op);
        return;
    }
    row_ranges(b, f);
    want(b, f);
}

static void sum_done(struct bus *b, struct part *p, const struct bus_store_result *res,
                     struct instant now)
{
    struct part_file *f = p->file;
    if (res->rc != OK) {
        part_give_up(b, p, now.mono);
        return;
    }
    if (res->hashed < p->len) {
        want(b, f);
        return;
    }
    if (memcmp(res->sum, p->sum, MSG_SUM_BYTES) != 0) { /* a right DONE may follow */
        p->finishing = false;
        b->stats.ignored++;
        part_file_hold_settle(b, p, now.mono);
        return;
    }
    if (part_known(b, p, now))
        return;
    f->summed = true;
    if (f->loose > 0)
        want(b, f);
    else
        op_want(&b->ops, &p->op);
}

void part_file_stored(struct bus *b, struct part_file *f, const struct bus_store_result *res,
                      struct instant now)
{
    enum part_file_op was = f->flying;
    f->flying = PART_FILE_NONE;
    switch (was) {
    case PART_FILE_CREATE:
        create_done(b, f->part, res->rc, now);
        break;
    case PART_FILE_WRITE:
        write_done(b, f->part, res->rc, now);
        break;
    case PART_FILE_SYNC:
        sync_done(b, f->part, res->rc, now);
        break;
    case PART_FILE_SUM:
        sum_done(b, f->part, res, now);
        break;
    case PART_FILE_NONE:
        break;
    }
}
