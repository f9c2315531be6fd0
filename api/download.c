#include "api/download.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_message.h"
#include "api/rpc_run.h"
#include "base/err.h"
#include "base/text.h"
#include "storage/spool.h"

#define MORE_MAX       2
#define VALUE_MAX      72
#define TAIL_MAX       8
#define COULD_NOT_READ "the message could not be read"
#define B64_BYTES      (HTTP_PIECE_MAX / 4 * 3) /* of the file in one piece of base64 */

static_assert(B64_LEN(B64_BYTES) == HTTP_PIECE_MAX && B64_BYTES % 3 == 0,
              "pieces of base64 join without padding in between");

struct download {
    struct hnode node;
    struct asked asked;
    unsigned status;
    const char *content_type;
    char tail[TAIL_MAX]; /* "": no base64 */
    const char *names[MORE_MAX];
    char values[MORE_MAX][VALUE_MAX];
    size_t n_more;
    uint64_t file, at, left; /* of the file */
    struct json_out head;
    bool opened, head_done;
};

static struct download *find(struct api *a, http_id id)
{
    uint64_t hash = hmap_hash(&a->downloads, &id, sizeof(id));

    for (struct hnode *n = hmap_first(&a->downloads, hash); n; n = hmap_next(n, hash)) {
        struct download *d = container_of(n, struct download, node);
        if (d->asked.id == id)
            return d;
    }
    return NULL;
}

/* False: no memory. */
static bool submit(struct api *a, enum spool_kind kind, uint64_t file, http_id tag, uint64_t offset,
                   uint64_t len)
{
    struct spool_op *op = spool_op_new(kind, file);

    if (!op)
        return false;
    op->tag = tag;
    op->offset = offset;
    op->len = len;
    op->quiet = kind == SPOOL_CLOSE;
    to_spool(a, op);
    return true;
}

static void unpin(struct api *a, uint64_t file)
{
    (void)submit(a, SPOOL_CLOSE, file, 0, 0, 0); /* without memory it stays open until the end */
}

static void end(struct api *a, struct download *d)
{
    hmap_del(&a->downloads, &d->node);
    a->stats.downloads--;
    if (d->opened)
        unpin(a, d->file); /* else once it is */
    json_out_fini(&d->head);
    free(d);
}

static void break_off(struct api *a, struct download *d)
{
    struct asked q = d->asked;

    end(a, d);
    a->stats.downloads_broken++;
    if (q.rpc)
        answer_text(a, &q, 503, COULD_NOT_READ);
    else
        http_answer_break(q.server, q.id);
}

static void fail(struct api *a, struct download *d, int rc)
{
    struct asked q = d->asked;

    end(a, d);
    a->stats.downloads_broken++;
    if (q.problems && !q.rpc)
        answer_error(a, &q, rc == ERR_NOENT || rc == ERR_NOMEM ? rc : ERR_IO);
    else
        answer_text(a, &q, 503, COULD_NOT_READ);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static uint64_t answer_len(const struct download *d)
{
    if (!*d->tail)
        return d->left;
    return d->head.len + (d->left + 2) / 3 * 4 + strlen(d->tail);
}

/* Asks the spool for it. */
static void next_piece(struct api *a, struct download *d)
{
    uint64_t most = *d->tail ? B64_BYTES : HTTP_PIECE_MAX;

    if (!submit(a, SPOOL_READ, d->file, d->asked.id, d->at, MIN(d->left, most)))
        break_off(a, d);
}

static void opened(struct api *a, struct download *d)
{
    struct http_header more[MORE_MAX];

    d->opened = true;
    if (d->asked.rpc) {
        rpc_file_begin(d->asked.rpc);
        rpc_file_bytes(d->asked.rpc, d->head.p, d->head.len);
        next_piece(a, d);
        return;
    }
    for (size_t i = 0; i < d->n_more; i++)
        more[i] = (struct http_header){d->names[i], d->values[i]};
    if (!answer_begin(&d->asked, d->status, d->content_type, answer_len(d), more, d->n_more))
        end(a, d);
}

/* The client has taken what it was given. */
static void go_on(struct api *a, struct download *d)
{
    http_id id = d->asked.id;

    if (d->head.len > 0 && !d->head_done) {
        d->head_done = true;
        (void)http_answer_piece(d->asked.server, id, d->head.p, d->head.len); /* not the last one */
        return;
    }
    if (d->left > 0) {
        next_piece(a, d);
        return;
    }
    (void)http_answer_piece(d->asked.server, id, d->tail, strlen(d->tail)); /* the last one */
    end(a, d);
}

static void came_rpc(struct api *a, struct download *d, const void *bytes, size_t len)
{
    struct rpc_run *r = d->asked.rpc;

    rpc_file_bytes(r, bytes, len);
    if (d->left > 0) {
        next_piece(a, d);
        return;
    }
    rpc_file_bytes(r, d->tail, strlen(d->tail));
    end(a, d);
    rpc_file_end(r);
}

static void came(struct api *a, struct download *d, const struct blob *b)
{
    static char text[HTTP_PIECE_MAX + 1]; /* loop only */
    const void *bytes = b->data;
    http_id id = d->asked.id;
    size_t len = b->len;

    d->at += b->len;
    d->left -= b->len;
    a->stats.download_bytes += b->len;
    if (*d->tail) {
        len = b64_encode(b->data, b->len, text);
        bytes = text;
    }
    if (d->asked.rpc)
        came_rpc(a, d, bytes, len);
    else if (!http_answer_piece(d->asked.server, id, bytes, len))
        end(a, d);
}

/* --- public ---------------------------------------------------------------------------------- */

bool downloads_full(const struct api *a)
{
    return a->stats.downloads >= DOWNLOADS_MAX;
}

static void begin(struct api *a, const struct asked *q, const struct download_conf *c)
{
    struct download *d = calloc(1, sizeof(*d));
    struct json_out head = c->head;

    if (!d || head.bad || !submit(a, SPOOL_OPEN, c->file, q->id, 0, 0)) {
        json_out_fini(&head);
        free(d);
        answer_error(a, q, ERR_NOMEM);
        return;
    }
    assert(c->n_more <= MORE_MAX && head.len <= HTTP_PIECE_MAX);
    d->asked = *q;
    d->status = c->status;
    d->content_type = c->content_type;
    if (c->tail)
        (void)snprintf(d->tail, TAIL_MAX, "%s%s", c->tail, c->close ? c->close : ""); /* fits */
    d->n_more = c->n_more;
    for (size_t i = 0; i < c->n_more; i++) {
        d->names[i] = c->more[i].name;
        (void)snprintf(d->values[i], VALUE_MAX, "%s", c->more[i].value); /* fits */
    }
    d->file = c->file;
    d->at = c->range.from;
    d->left = c->range.len;
    d->head = head;
    hmap_add(&a->downloads, &d->node, hmap_hash(&a->downloads, &q->id, sizeof(q->id)));
    a->stats.downloads++;
}

void download_begin(struct api *a, const struct asked *q, const struct download_conf *c)
{
    struct download_conf conf = *c;
    struct asked asked = *q;

    if (q->rpc)
        (void)rpc_passes_on(q->rpc, &conf, &asked); /* false: as it is */
    begin(a, &asked, &conf);
}

void download_message(struct api *a, const struct asked *q, const struct bus_message *m)
{
    struct download_conf c = {
        .file = m->file,
        .range = {0, m->len},
        .status = 200,
        .content_type = "application/json",
        .tail = "\"}",
    };

    json_message_begin(&c.head, m, a->conf.self_key.b);
    json_put(&c.head, "\"");
    download_begin(a, q, &c);
}

void download_drained(struct api *a, http_id id)
{
    struct download *d = find(a, id);

    if (d)
        go_on(a, d);
}

void download_gone(struct api *a, http_id id)
{
    struct download *d = find(a, id);

    if (d)
        end(a, d);
}

bool download_spooled(struct api *a, const struct spool_op *op)
{
    struct download *d = find(a, op->tag);
    bool open = op->kind == SPOOL_OPEN;

    if (!d) {
        if (open && op->rc == OK)
            unpin(a, op->file); /* its client has gone meanwhile */
        return false;
    }
    if (open && op->rc == OK)
        opened(a, d);
    else if (open)
        fail(a, d, op->rc);
    else if (op->rc == OK && op->data && op->data->len == op->len)
        came(a, d, op->data);
    else
        break_off(a, d);
    return true;
}

void downloads_free(struct api *a)
{
    size_t slot;
    struct hnode *n;

    while (slot = 0, (n = hmap_each(&a->downloads, &slot, NULL)) != NULL) {
        struct download *d = container_of(n, struct download, node);
        d->opened = false; /* the spool is closed */
        end(a, d);
    }
    hmap_fini(&a->downloads);
}
