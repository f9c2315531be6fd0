#include "tests/unit/bus/fake_spool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"

void fake_spool_init(struct fake_spool *s)
{
    memset(s, 0, sizeof(*s));
    list_init(&s->files);
    list_init(&s->waiting);
    list_init(&s->results);
    s->op_usec = 50;
    s->sync_usec = 5 * USEC_MS;
    s->bytes_per_s = 1u << 30;
}

static void file_free(struct fake_file *f)
{
    list_del(&f->link);
    free(f->bytes);
    free(f->loose);
    free(f);
}

static void op_free(struct fake_spool_op *o)
{
    list_del(&o->link);
    blob_unref(o->data);
    blob_unref(o->res.body);
    free(o);
}

static void ops_clear(struct list *l)
{
    struct fake_spool_op *o;
    while ((o = list_first(l, struct fake_spool_op, link)))
        op_free(o);
}

void fake_spool_fini(struct fake_spool *s)
{
    struct fake_file *f;
    ops_clear(&s->waiting);
    ops_clear(&s->results);
    while ((f = list_first(&s->files, struct fake_file, link)))
        file_free(f);
}

struct fake_file *fake_file_find(const struct fake_spool *s, uint64_t number)
{
    list_foreach (l, &s->files)
        if (list_entry(l, struct fake_file, link)->number == number)
            return list_entry(l, struct fake_file, link);
    return NULL;
}

size_t fake_file_count(const struct fake_spool *s)
{
    size_t n = 0;
    list_foreach (l, &s->files)
        n++;
    return n;
}

void fake_file_make(struct fake_spool *s, uint64_t number, uint8_t *bytes, uint64_t size)
{
    assert(number != 0 && !fake_file_find(s, number));
    struct fake_file *f = calloc(1, sizeof(*f));
    f->number = number;
    f->bytes = bytes;
    f->cap = size;
    f->size = size;
    list_push_back(&s->files, &f->link);
}

bool fake_file_durable(const struct fake_file *f, uint64_t offset, uint64_t end)
{
    for (size_t i = 0; i < f->n_loose; i++)
        if (f->loose[i].offset < end && offset < f->loose[i].end)
            return false;
    return end <= f->size;
}

/* --- operations --------------------------------------------------------------------------- */

void fake_spool_add(struct fake_spool *s, const struct bus_store_op *op, usec_t now)
{
    struct fake_spool_op *o = calloc(1, sizeof(*o));
    o->op = *op;
    o->data = blob_ref(op->file.data);
    o->res.tag = op->tag;
    usec_t took = s->op_usec;
    uint64_t bytes = op->kind == BUS_STORE_FILE_WRITE ? o->data->len : op->file.len;
    bool moves = op->kind == BUS_STORE_FILE_WRITE || op->kind == BUS_STORE_FILE_READ;
    if (op->kind == BUS_STORE_FILE_SYNC)
        took += s->sync_usec;
    else if (s->bytes_per_s && moves)
        took += (usec_t)(bytes * 1000000 / s->bytes_per_s);
    s->free_at = MAX(s->free_at, now) + took;
    o->done_at = s->free_at;
    list_push_back(&s->waiting, &o->link);
}

static int do_write(struct fake_spool *s, struct fake_file *f, const struct fake_spool_op *o)
{
    uint64_t at = o->op.file.offset, end = at + o->data->len;
    if (s->fail_writes > 0) {
        s->fail_writes--;
        return ERR_IO;
    }
    if (end > f->size) {
        if (end > f->cap) { /* not at each write: a sanitizer's realloc() copies everything */
            f->cap = MAX(end, f->cap * 2);
            f->bytes = realloc(f->bytes, f->cap);
        }
        memset(f->bytes + f->size, 0, end - f->size);
        f->size = end;
    }
    memcpy(f->bytes + at, o->data->data, o->data->len);
    if (f->n_loose > 0 && f->loose[f->n_loose - 1].end == at) {
        f->loose[f->n_loose - 1].end = end;
    } else {
        if (f->n_loose == f->cap_loose) {
            f->cap_loose = f->cap_loose ? f->cap_loose * 2 : 16;
            f->loose = reallocarray(f->loose, f->cap_loose, sizeof(*f->loose));
        }
        f->loose[f->n_loose++] = (struct fake_write){at, end};
    }
    s->written += o->data->len;
    return OK;
}

static int do_sync(struct fake_spool *s, struct fake_file *f)
{
    if (s->fail_syncs > 0) {
        s->fail_syncs--;
        f->broken = true;
    }
    if (f->broken)
        return ERR_IO;
    f->n_loose = 0;
    return OK;
}

static int do_read(struct fake_spool *s, struct fake_file *f, struct fake_spool_op *o)
{
    if (s->fail_reads > 0) {
        s->fail_reads--;
        return ERR_IO;
    }
    uint64_t at = MIN(o->op.file.offset, f->size);
    uint64_t n = MIN(o->op.file.len, f->size - at);
    o->res.body = blob_copy(f->bytes + at, n);
    s->read += n;
    return OK;
}

static int do_sum(struct fake_file *f, struct fake_spool_op *o, uint64_t *ret_hashed)
{
    if (f->size < o->op.file.len)
        return ERR_NOENT;
    blake3(f->bytes, o->op.file.len, o->sum);
    *ret_hashed = o->op.file.len;
    return OK;
}

static int do_op(struct fake_spool *s, struct fake_spool_op *o)
{
    struct fake_file *f = fake_file_find(s, o->op.file.number);
    enum bus_store_kind kind = o->op.kind;
    if (kind == BUS_STORE_FILE_CREATE) {
        s->creates++;
        if (s->full)
            return ERR_NOSPACE;
        if (f)
            return ERR_EXIST;
        fake_file_make(s, o->op.file.number, NULL, 0);
        return OK;
    }
    if (kind == BUS_STORE_FILE_DROP) {
        s->drops++;
        if (f)
            file_free(f);
        return OK;
    }
    if (!f)
        return ERR_NOENT;
    if (kind == BUS_STORE_FILE_WRITE) {
        s->writes++;
        return do_write(s, f, o);
    }
    if (kind == BUS_STORE_FILE_SYNC) {
        s->syncs++;
        return do_sync(s, f);
    }
    if (kind == BUS_STORE_FILE_READ) {
        s->reads++;
        return do_read(s, f, o);
    }
    assert(kind == BUS_STORE_FILE_SUM);
    s->sums++;
    return do_sum(f, o, &o->res.hashed);
}

usec_t fake_spool_deadline(const struct fake_spool *s)
{
    if (!list_empty(&s->results))
        return 0;
    const struct fake_spool_op *o = list_first(&s->waiting, struct fake_spool_op, link);
    return o ? o->done_at : USEC_NEVER;
}

void fake_spool_run(struct fake_spool *s, usec_t now)
{
    struct fake_spool_op *o;
    while ((o = list_first(&s->waiting, struct fake_spool_op, link)) && o->done_at <= now) {
        list_del(&o->link);
        o->res.rc = do_op(s, o);
        o->res.sum = o->sum;
        list_push_back(&s->results, &o->link);
    }
}

bool fake_spool_result(struct fake_spool *s, struct bus_store_result *ret)
{
    struct fake_spool_op *o = list_first(&s->results, struct fake_spool_op, link);
    if (o && o->done) {
        op_free(o);
        o = list_first(&s->results, struct fake_spool_op, link);
    }
    if (!o)
        return false;
    o->done = true;
    *ret = o->res;
    return true;
}

void fake_spool_crash(struct fake_spool *s, bool power)
{
    ops_clear(&s->waiting);
    ops_clear(&s->results);
    s->free_at = 0;
    list_foreach (l, &s->files) {
        struct fake_file *f = list_entry(l, struct fake_file, link);
        for (size_t i = 0; power && i < f->n_loose; i++)
            memset(f->bytes + f->loose[i].offset, 0xee, f->loose[i].end - f->loose[i].offset);
        f->n_loose = 0;
    }
}
