#include "bus/send_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/outbox.h"
#include "bus/send_chunks.h"
#include "bus/send_transfer.h"

int send_file_new(struct bus *b, struct out_msg *m)
{
    (void)b;
    if (m->data)
        return OK;
    struct send_file *f = calloc(1, sizeof(*f));
    if (!f)
        return ERR_NOMEM;
    f->op.owner = OP_OUT_FILE;
    f->m = m;
    m->data = f;
    return OK;
}

static void piece_drop(struct bus *b, struct send_piece *p)
{
    if (!p->data)
        return;
    b->out.file_bytes -= p->data->len;
    blob_unref(p->data);
    p->data = NULL;
}

void send_file_free(struct bus *b, struct out_msg *m)
{
    struct send_file *f = m->data;
    if (!f)
        return;
    op_drop(&b->ops, &f->op);
    for (uint32_t i = 0; i < f->n; i++)
        piece_drop(b, &f->ahead[i]);
    piece_drop(b, &f->again);
    free(f);
    m->data = NULL;
}

static uint32_t piece_end(const struct send_piece *p)
{
    return p->offset + p->data->len;
}

static bool piece_has(const struct send_piece *p, uint64_t offset, uint32_t n)
{
    return p->data && p->offset <= offset && offset + n <= piece_end(p);
}

/* End of what is read ahead; offset: where it would begin. */
static uint32_t ahead_end(const struct send_file *f, uint32_t offset)
{
    return f->n > 0 ? piece_end(&f->ahead[f->n - 1]) : offset;
}

static bool ahead_has(const struct send_file *f, uint64_t offset, uint32_t n)
{
    return f->n > 0 && f->ahead[0].offset <= offset && offset + n <= ahead_end(f, 0);
}

static void ahead_drop_first(struct bus *b, struct send_file *f)
{
    piece_drop(b, &f->ahead[0]);
    f->n--;
    memmove(f->ahead, f->ahead + 1, f->n * sizeof(f->ahead[0]));
}

/* The next chunk begins here: what is before is done; what is elsewhere is of no use. */
static void ahead_move(struct bus *b, struct send_file *f, uint32_t offset)
{
    while (f->n > 0 && piece_end(&f->ahead[0]) <= offset)
        ahead_drop_first(b, f);
    while (f->n > 0 && f->ahead[0].offset > offset)
        ahead_drop_first(b, f);
}

/* May one piece more be read ahead? */
static bool ahead_room(const struct bus *b, const struct send_file *f)
{
    return f->n < SEND_PIECES && ahead_end(f, 0) < f->m->len &&
           b->out.file_bytes + SEND_PIECE <= b->limits.out_read_bytes;
}

bool send_file_ready(struct bus *b, struct out_msg *m, uint64_t offset, uint32_t n, bool next)
{
    struct send_file *f = m->data;
    if (next)
        ahead_move(b, f, (uint32_t)offset);
    bool ready = ahead_has(f, offset, n) || piece_has(&f->again, offset, n);
    if (!ready) {
        f->want_at = (uint32_t)offset;
        f->want_len = n;
    }
    if (!ready || (next && ahead_room(b, f)))
        op_want(&b->ops, &f->op);
    return ready;
}

void send_file_get(const struct send_file *f, uint64_t offset, uint8_t *ret, uint32_t n)
{
    if (piece_has(&f->again, offset, n)) {
        memcpy(ret, f->again.data->data + (offset - f->again.offset), n);
        return;
    }
    assert(ahead_has(f, offset, n));
    for (uint32_t i = 0; n > 0; i++) {
        const struct send_piece *p = &f->ahead[i];
        if (piece_end(p) <= offset)
            continue;
        uint32_t part = MIN(n, (uint32_t)(piece_end(p) - offset));
        memcpy(ret, p->data->data + (offset - p->offset), part);
        ret += part;
        offset += part;
        n -= part;
    }
}

bool send_file_fill(struct bus *b, struct send_file *f, struct bus_store_op *op)
{
    const struct out_msg *m = f->m;
    bool waits = f->want_len > 0 && !ahead_has(f, f->want_at, f->want_len) &&
                 !piece_has(&f->again, f->want_at, f->want_len);
    /* The next chunk: what is read ahead begins with it, or goes on to it. */
    bool goes_on = waits && chunks_waiting(m) && list_empty(&m->lost) &&
                   f->want_at == chunk_offset(&m->plan, m->next) &&
                   (f->n == 0 || (f->n < SEND_PIECES && f->ahead[0].offset <= f->want_at));
    f->reading_again = waits && !goes_on;
    if (f->reading_again) {
        f->read_at = f->want_at;
        f->read_len = MIN(SEND_AGAIN, m->len - f->want_at);
    } else if (goes_on || (f->n > 0 && ahead_room(b, f))) {
        f->read_at = ahead_end(f, f->want_at);
        f->read_len = MIN(SEND_PIECE, m->len - f->read_at);
    } else {
        return false;
    }
    op->kind = BUS_STORE_FILE_READ;
    op->file.number = m->file;
    op->file.offset = f->read_at;
    op->file.len = f->read_len;
    return true;
}

static void keep(struct bus *b, struct send_file *f, struct blob *data)
{
    struct send_piece p = {.offset = f->read_at, .data = blob_ref(data)};
    if (f->reading_again) {
        piece_drop(b, &f->again);
        f->again = p;
    } else if (f->n < SEND_PIECES && (f->n == 0 || ahead_end(f, 0) == f->read_at)) {
        f->ahead[f->n++] = p;
    } else { /* it went on elsewhere meanwhile */
        blob_unref(p.data);
        return;
    }
    b->out.file_bytes += data->len;
}

void send_file_stored(struct bus *b, struct send_file *f, const struct bus_store_result *res,
                      struct instant now)
{
    struct out_msg *m = f->m;
    bool whole = res->rc == OK && res->body && res->body->len == f->read_len;
    if (res->rc == ERR_NOENT || (res->rc == OK && !whole)) {
        outbox_lost(b, m, now);
        return;
    }
    if (!whole) { /* its timer asks again */
        send_arm(b, m, now.mono + OUTBOX_RETRY);
        return;
    }
    keep(b, f, res->body);
    if (piece_has(&f->again, f->want_at, f->want_len) || ahead_has(f, f->want_at, f->want_len))
        f->want_len = 0;
    else if (f->want_len > 0)
        op_want(&b->ops, &f->op);
    send_requeue(b, m);
}
