#include "api/upload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/query.h"
#include "api/rpc_http.h"
#include "api/sending.h"
#include "base/err.h"
#include "base/lift.h"
#include "base/text.h"
#include "storage/spool.h"

/* A JSON body of this length has a payload that stays in memory. */
#define JSON_SHORT B64_LEN(MSG_LEN_MAX)
#define STEP       8192 /* bytes of a body that are decoded at once */
/* What may come of a body above its limit, so that we say why it is refused. */
#define COMES_TOO_LONG (UINT64_C(1) << 40)

static_assert(UPLOAD_PIECE == MSG_LEN_MAX, "what fits into one piece needs no file");

enum upload_state {
    UPLOAD_COMING,  /* the body;                       leaves by: its end */
    UPLOAD_WRITING, /* all is there, writes under way; leaves by: the last one */
    UPLOAD_SUMMING, /* leaves by: the hash */
    UPLOAD_SYNCING, /* leaves by: it is on disk */
};

struct upload {
    struct hnode node;
    struct asked asked;
    struct sending send;
    struct json_fault fault; /* RPC: why its payload cannot be had; its call will be told */
    uint64_t connection;     /* RPC */
    enum upload_state state;
    uint64_t max;
    /* JSON */
    struct lift lift;
    struct b64_in b64;
    uint8_t *kept; /* all of a body that may be short: it is read as any other then; else NULL */
    size_t kept_len;
    /* The payload */
    uint64_t len;
    struct blob *piece; /* being filled */
    size_t piece_len;
    struct blob
        *full[UPLOAD_FLYING + 3]; /* wait for the file; one read may bring two, the end one */
    unsigned n_full, flying;
    uint64_t file, offset; /* 0: none yet; offset of the next write */
    bool created, paused;
    uint8_t sum[MSG_SUM_BYTES];
};

static struct upload *find(struct api *a, http_id id)
{
    uint64_t hash = hmap_hash(&a->uploads, &id, sizeof(id));

    for (struct hnode *n = hmap_first(&a->uploads, hash); n; n = hmap_next(n, hash)) {
        struct upload *u = container_of(n, struct upload, node);
        if (u->asked.id == id)
            return u;
    }
    return NULL;
}

/* --- end of an upload ------------------------------------------------------------------------ */

/* With its file, unless the bus has that. */
static void end(struct api *a, struct upload *u)
{
    hmap_del(&a->uploads, &u->node);
    a->stats.uploads--;
    if (u->created)
        drop_file(a, u->file); /* else once it is */
    lift_fini(&u->lift);
    blob_unref(u->piece);
    sending_fini(&u->send);
    for (unsigned i = 0; i < u->n_full; i++)
        blob_unref(u->full[i]);
    free(u->kept);
    free(u);
}

static bool is_rpc(const struct upload *u)
{
    return u->send.form == SEND_RPC;
}

/* What is not the payload becomes calls. */
static void hand_over_rpc(struct api *a, struct upload *u, struct rpc_large *large)
{
    const struct rpc_from from = {.http = u->asked, .connection = u->connection};
    uint8_t *text = u->kept ? u->kept : (uint8_t *)u->lift.text;
    size_t len = u->kept ? u->kept_len : u->lift.text_len;

    if (u->kept)
        u->kept = NULL;
    else
        u->lift.text = NULL;
    end(a, u);
    rpc_http_body(a, &from, text, len, large);
    free(text);
}

static void refuse(struct api *a, struct upload *u, const struct json_fault *fault)
{
    bool rpc = is_rpc(u);
    struct asked q = u->asked;

    end(a, u);
    if (rpc && fault->status == 413)
        rpc_http_too_big(a, &q, JSON_BODY_MAX);
    else if (rpc && fault->status == 400)
        rpc_http_no_json(a, &q);
    else
        answer_fault(a, &q, fault);
}

/* The payload cannot be had. JSON-RPC: the call that has it will be told; true. */
static bool refuse_payload(struct api *a, struct upload *u, const struct json_fault *fault)
{
    if (!is_rpc(u)) {
        refuse(a, u, fault);
        return false;
    }
    u->fault = *fault;
    return true;
}

/* The disk or the memory said no. */
static void fail(struct api *a, struct upload *u, int rc)
{
    struct asked q = u->asked;

    if (rc != ERR_NOSPACE && rc != ERR_NOMEM)
        rc = ERR_IO;
    if (is_rpc(u) && u->state != UPLOAD_COMING) {
        struct rpc_large large = {.there = true};
        (void)json_problem(&large.fault, problem_of_error(rc), "the message could not be stored");
        hand_over_rpc(a, u, &large);
        return;
    }
    end(a, u);
    if (q.problems || rc == ERR_NOSPACE)
        answer_error(a, &q, rc);
    else
        answer_text(a, &q, 503, "the message could not be stored");
}

/* --- to the disk ----------------------------------------------------------------------------- */

/* False: failed and gone. */
static bool submit(struct api *a, struct upload *u, struct spool_op *op)
{
    if (!op) {
        fail(a, u, ERR_NOMEM);
        return false;
    }
    op->tag = u->asked.id;
    to_spool(a, op);
    return true;
}

static bool submit_plain(struct api *a, struct upload *u, enum spool_kind kind, uint64_t len)
{
    struct spool_op *op = spool_op_new(kind, u->file);

    if (op)
        op->len = len;
    return submit(a, u, op);
}

/* The number of a file is only ours once it was created. */
static bool create(struct api *a, struct upload *u)
{
    u->file = spool_number();
    return submit_plain(a, u, SPOOL_CREATE, 0);
}

/* Writes what is full. */
static bool write_full(struct api *a, struct upload *u)
{
    while (u->created && u->n_full > 0) {
        struct spool_op *op = spool_op_new(SPOOL_WRITE, u->file);
        if (!op) {
            fail(a, u, ERR_NOMEM);
            return false;
        }
        op->data = u->full[0];
        op->offset = op->solid = u->offset;
        u->offset += op->data->len;
        u->n_full--;
        for (unsigned i = 0; i < u->n_full; i++)
            u->full[i] = u->full[i + 1];
        u->flying++;
        (void)submit(a, u, op); /* it is there */
    }
    return true;
}

/* The piece being filled waits for the disk; takes it. */
static bool push_piece(struct api *a, struct upload *u)
{
    assert(u->n_full < ARRAY_LEN(u->full));
    u->piece->len = (uint32_t)u->piece_len; /* nobody else knows it yet */
    u->full[u->n_full++] = u->piece;
    u->piece = NULL;
    u->piece_len = 0;
    if (!u->file)
        return create(a, u);
    return write_full(a, u);
}

/* False: answered and gone. */
static bool take_payload(struct api *a, struct upload *u, const uint8_t *bytes, size_t len)
{
    struct json_fault fault = {0};

    if (len > u->max - u->len) {
        (void)json_problem(&fault, PROBLEM_TOO_LARGE, "the payload is longer than allowed");
        return refuse_payload(a, u, &fault);
    }
    u->len += len;
    while (len > 0) {
        size_t n;
        if (u->piece && u->piece_len == UPLOAD_PIECE && !push_piece(a, u))
            return false;
        if (!u->piece)
            u->piece = blob_new(UPLOAD_PIECE);
        if (!u->piece) {
            fail(a, u, ERR_NOMEM);
            return false;
        }
        n = MIN(len, UPLOAD_PIECE - u->piece_len);
        memcpy(u->piece->data + u->piece_len, bytes, n);
        u->piece_len += n;
        bytes += n;
        len -= n;
    }
    return true;
}

/* --- out of JSON ----------------------------------------------------------------------------- */

static void bad_base64(struct upload *u, const struct b64_error *e, struct json_fault *fault)
{
    char why[B64_TEXT_MAX];

    if (u->asked.problems || u->send.form == SEND_RPC)
        (void)json_problem(fault, PROBLEM_BAD_BASE64, b64_error_str(e, why));
    else
        (void)json_wrong_shape(fault, "payload", b64_error_str(e, why));
}

static int lift_fault(int rc, struct json_fault *fault)
{
    if (rc == ERR_TOOBIG)
        return json_refuse(fault, 413, JSON_TOO_LONG);
    if (rc == ERR_NOMEM)
        return json_refuse(fault, 503, "out of memory");
    return json_no_json(fault, "control character or unknown escape in a string");
}

static bool take_json(struct api *a, struct upload *u, const uint8_t *bytes, size_t len)
{
    struct json_fault fault = {0};
    struct b64_error e;
    static char value[JSON_SHORT + STEP]; /* loop only; what of JSON-RPC turns out to be long comes
                                             all at once */
    static uint8_t raw[JSON_SHORT + STEP + 3];

    for (size_t at = 0; at < len; at += STEP) {
        size_t n = 0, got = 0;
        int rc = lift_feed(&u->lift, bytes + at, MIN(len - at, (size_t)STEP), value, &n);
        if (rc < 0) {
            (void)lift_fault(rc, &fault);
            refuse(a, u, &fault);
            return false;
        }
        if (u->fault.status)
            continue;
        if (b64_in_feed(&u->b64, value, n, raw, &got, &e) < 0) {
            bad_base64(u, &e, &fault);
            if (!refuse_payload(a, u, &fault))
                return false;
        } else if (!take_payload(a, u, raw, got)) {
            return false;
        }
    }
    return true;
}

/* While it may be short it is kept; then all of it goes the way of the long ones. */
static bool take_kept(struct api *a, struct upload *u, const uint8_t *bytes, size_t len)
{
    uint8_t *kept = u->kept;
    bool ok;

    if (len <= JSON_SHORT - u->kept_len) {
        memcpy(kept + u->kept_len, bytes, len);
        u->kept_len += len;
        return true;
    }
    u->kept = NULL;
    ok = take_json(a, u, kept, u->kept_len) && take_json(a, u, bytes, len);
    free(kept);
    return ok;
}

/* --- end of the body ------------------------------------------------------------------------- */

/* False: answered and gone. */
static bool read_rest(struct api *a, struct upload *u)
{
    struct json_fault fault = {0};
    struct b64_error e;
    uint8_t raw[3];
    size_t n = 0;

    if (u->send.form == SEND_BUS_BYTES || u->fault.status)
        return true;
    if (b64_in_end(&u->b64, raw, &n, &e) < 0) {
        bad_base64(u, &e, &fault);
        if (is_rpc(u))
            return refuse_payload(a, u, &fault);
    } else if (!take_payload(a, u, raw, n))
        return false;
    else if (is_rpc(u) ||
             sending_rest(&u->send, u->len > MSG_LEN_MAX, (const uint8_t *)u->lift.text,
                          u->lift.text_len, &fault) == OK)
        return true;
    refuse(a, u, &fault);
    return false;
}

/* All of it was in memory. */
static void hand_over_short(struct api *a, struct upload *u)
{
    struct blob *payload = u->piece ? u->piece : blob_new(0);
    struct asked q = u->asked;
    struct sending x = u->send;

    u->piece = NULL;
    if (!payload) {
        fail(a, u, ERR_NOMEM);
        return;
    }
    payload->len = (uint32_t)u->piece_len; /* nobody else knows it yet */
    if (is_rpc(u)) {
        struct rpc_large large = {.there = true, .payload = payload};
        hand_over_rpc(a, u, &large);
        return;
    }
    x.s.payload = payload;
    u->send = (struct sending){0}; /* x's now */
    end(a, u);
    (void)sending_hand_over(a, &q, &x); /* false: answered */
}

static void hand_over_file(struct api *a, struct upload *u)
{
    struct msg_file f = {.number = u->file, .len = u->len};
    struct asked q = u->asked;
    struct sending x = u->send;

    memcpy(f.sum, u->sum, MSG_SUM_BYTES);
    uint64_t file = u->file;
    u->created = false; /* not ours any more */
    if (is_rpc(u)) {
        struct rpc_large large = {.there = true, .file = f};
        hand_over_rpc(a, u, &large);
        return;
    }
    x.s.file = f;
    u->send = (struct sending){0}; /* x's now */
    end(a, u);
    if (!sending_hand_over(a, &q, &x))
        drop_file(a, file);
}

/* Goes on once the last write is done. */
static void go_on(struct api *a, struct upload *u)
{
    if (u->state != UPLOAD_WRITING || u->n_full > 0 || u->flying > 0)
        return;
    u->state = UPLOAD_SUMMING;
    (void)submit_plain(a, u, SPOOL_SUM, u->len); /* false: it is gone */
}

void upload_end(struct api *a, http_id id)
{
    struct upload *u = find(a, id);

    if (!u)
        return;
    if (is_rpc(u) && (u->kept || !u->lift.found)) {
        hand_over_rpc(a, u, NULL);
        return;
    }
    if (u->kept || (u->send.form != SEND_BUS_BYTES && !u->lift.found)) {
        struct asked q = u->asked;
        struct sending x = u->send;
        const uint8_t *text = u->kept ? u->kept : (const uint8_t *)u->lift.text;
        size_t len = u->kept ? u->kept_len : u->lift.text_len;
        u->send = (struct sending){0};       /* x's now */
        sending_whole(a, &q, &x, text, len); /* without a payload this says so */
        end(a, u);
        return;
    }
    if (!read_rest(a, u))
        return;
    if (u->fault.status) {
        struct rpc_large large = {.there = true, .fault = u->fault};
        hand_over_rpc(a, u, &large);
        return;
    }
    if (!u->file && u->len <= MSG_LEN_MAX) {
        hand_over_short(a, u);
        return;
    }
    u->state = UPLOAD_WRITING;
    if (u->piece && !push_piece(a, u))
        return;
    go_on(a, u);
}

/* --- public ---------------------------------------------------------------------------------- */

static bool is_json(const struct http_request *r)
{
    return json_content_type(r->content_type);
}

bool upload_wanted(const struct http_request *r, enum call call)
{
    if (call != CALL_SEND && call != CALL_REPLY && call != CALL_PUSH)
        return false;
    return r->length == HTTP_LENGTH_UNKNOWN || r->length > (is_json(r) ? JSON_SHORT : MSG_LEN_MAX);
}

static struct upload *upload_new(struct api *a, const struct asked *q, const struct sending *x,
                                 bool may_be_short)
{
    struct upload *u = calloc(1, sizeof(*u));

    if (!u)
        return NULL;
    if (may_be_short && x->form != SEND_BUS_BYTES) {
        u->kept = malloc(JSON_SHORT);
        if (!u->kept) {
            free(u);
            return NULL;
        }
    }
    u->asked = *q;
    u->send = *x;
    u->max = MAX(a->conf.max_len, MSG_LEN_MAX);
    if (x->form == SEND_RPC)
        lift_init_deep(&u->lift, "payload", JSON_BODY_MAX, RPC_LARGE_MARK, JSON_SHORT - 1);
    else
        lift_init(&u->lift, "payload", JSON_BODY_MAX);
    hmap_add(&a->uploads, &u->node, hmap_hash(&a->uploads, &q->id, sizeof(q->id)));
    a->stats.uploads++;
    return u;
}

/* False: answered. */
static bool take_up(struct api *a, const struct asked *q, const struct sending *x,
                    const struct http_request *r)
{
    struct json_fault fault = {0};
    struct upload *u;

    if (a->stats.uploads >= UPLOADS_MAX) {
        a->stats.uploads_refused++;
        (void)json_refuse(&fault, 503, "too many large messages are coming");
        answer_fault(a, q, &fault);
        return false;
    }
    u = upload_new(a, q, x, r->length == HTTP_LENGTH_UNKNOWN);
    if (!u) {
        answer_error(a, q, ERR_NOMEM);
        return false;
    }
    u->connection = r->connection;
    return true;
}

struct http_want upload_begin_rpc(struct api *a, const struct asked *q,
                                  const struct http_request *r)
{
    uint64_t max = MAX(a->conf.max_body, JSON_BODY_MAX);
    struct sending x = {.form = SEND_RPC};

    if (r->length != HTTP_LENGTH_UNKNOWN && r->length > max)
        rpc_http_too_big(a, q, max);
    else if (take_up(a, q, &x, r))
        return (struct http_want){HTTP_BODY_PIECES, max};
    return (struct http_want){.kind = HTTP_BODY_NONE};
}

struct http_want upload_begin(struct api *a, const struct asked *q, const struct http_request *r,
                              const struct match *m)
{
    struct http_want want = {.kind = HTTP_BODY_NONE};
    bool unknown = r->length == HTTP_LENGTH_UNKNOWN;
    struct json_fault fault = {0};
    struct sending x;
    uint64_t max;

    if (!sending_begin(a, q, r, m, &x))
        return want;
    max = x.form == SEND_BUS_BYTES ? MAX(a->conf.max_len, MSG_LEN_MAX)
                                   : MAX(a->conf.max_body, JSON_BODY_MAX);
    if (!unknown && r->length > max) {
        (void)json_problem(&fault, PROBLEM_TOO_LARGE, JSON_TOO_LONG);
        answer_fault(a, q, &fault);
        return want;
    }
    if (!take_up(a, q, &x, r))
        return want;
    /* One that is longer than it may be is answered by us, as soon as it is. */
    if (unknown && x.form == SEND_BUS_BYTES)
        max += COMES_TOO_LONG;
    return (struct http_want){HTTP_BODY_PIECES, max};
}

bool upload_piece(struct api *a, http_id id, const uint8_t *bytes, size_t len)
{
    struct upload *u = find(a, id);
    bool ok;

    if (!u)
        return true;
    a->stats.upload_bytes += len;
    if (u->kept)
        ok = take_kept(a, u, bytes, len);
    else if (u->send.form == SEND_BUS_BYTES)
        ok = take_payload(a, u, bytes, len);
    else
        ok = take_json(a, u, bytes, len);
    if (!ok)
        return true;
    u->paused = u->n_full + u->flying >= UPLOAD_FLYING;
    return !u->paused;
}

void upload_gone(struct api *a, http_id id)
{
    struct upload *u = find(a, id);

    if (u)
        end(a, u);
}

bool upload_spooled(struct api *a, const struct spool_op *op)
{
    struct upload *u = find(a, op->tag);

    if (!u) {
        if (op->kind == SPOOL_CREATE && op->rc == OK)
            drop_file(a, op->file); /* its client has gone meanwhile */
        return false;
    }
    if (op->kind == SPOOL_CREATE && op->rc == ERR_EXIST) {
        (void)create(a, u); /* false: it is gone */
        return true;
    }
    if (op->rc < 0) {
        fail(a, u, op->rc);
        return true;
    }
    if (op->kind == SPOOL_CREATE)
        u->created = true;
    if (op->kind == SPOOL_WRITE)
        u->flying--;
    if (op->kind == SPOOL_SUM && op->hashed < u->len) {
        (void)submit_plain(a, u, SPOOL_SUM, u->len); /* false: it is gone */
    } else if (op->kind == SPOOL_SUM) {
        memcpy(u->sum, op->sum, sizeof(u->sum));
        u->state = UPLOAD_SYNCING;
        (void)submit_plain(a, u, SPOOL_SYNC, 0); /* false: it is gone */
    } else if (op->kind == SPOOL_SYNC) {
        hand_over_file(a, u);
    } else if (write_full(a, u)) {
        if (u->paused && u->n_full + u->flying < UPLOAD_FLYING) {
            u->paused = false;
            http_more(u->asked.server, u->asked.id);
        }
        go_on(a, u);
    }
    return true;
}

void uploads_free(struct api *a)
{
    size_t slot;
    struct hnode *n;

    while (slot = 0, (n = hmap_each(&a->uploads, &slot, NULL)) != NULL) {
        struct upload *u = container_of(n, struct upload, node);
        u->created = false; /* the spool is closed: the file goes at the next start */
        end(a, u);
    }
    hmap_fini(&a->uploads);
}
