#include "fixture.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

/* --- directories -------------------------------------------------------------------------- */

char *dir_new(bool in_memory)
{
    char *path = NULL;
    bool shm = in_memory && access("/dev/shm", W_OK) == 0;
    if (asprintf(&path, "%s/store_test.XXXXXX", shm ? "/dev/shm" : ".") < 0 || !mkdtemp(path))
        abort();
    return path;
}

void dir_remove(const char *path)
{
    char name[4096 + 300];
    DIR *d = opendir(path);
    if (!d)
        return;
    for (;;) {
        struct dirent *e = readdir(d); /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (!e)
            break;
        (void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        (void)unlink(name); /* fails for . and .. */
    }
    (void)closedir(d);
    (void)rmdir(path);
}

void log_nothing(void)
{
    struct log_conf c = {.level = LOG_LEVEL_ERROR, .fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    if (c.fd < 0)
        abort();
    log_setup(&c);
}

/* --- store -------------------------------------------------------------------------------- */

int fixture_open(struct fixture *f, const char *dir, uint8_t owner, const struct store_pace *pace)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "400::%x", owner);
    struct store_conf c = {.dir = dir, .owner_text = text, .pace = pace, .results = &f->results};
    memset(c.owner_key, owner, sizeof(c.owner_key));
    f->s = NULL;
    f->taken = NULL;
    if (mailbox_init(&f->results, NULL, NULL) < 0)
        abort();
    int rc = store_open(&c, &f->s, &f->text);
    if (rc < 0)
        mailbox_fini(&f->results);
    return rc;
}

void fixture_start(struct fixture *f)
{
    if (store_start(f->s) < 0)
        abort();
}

void fixture_close(struct fixture *f)
{
    store_close(f->s);
    f->s = NULL;
    for (int i = 0; i < 2; i++) {
        for (struct mail *next; f->taken; f->taken = next) {
            next = f->taken->next;
            store_op_free(container_of(f->taken, struct store_op, mail));
        }
        f->taken = mailbox_take_all(&f->results);
    }
    assert(!f->taken);
    mailbox_fini(&f->results);
}

struct store_op *op_make(enum store_kind kind, uint64_t tag)
{
    struct store_op *op = store_op_new(kind);
    if (!op)
        abort();
    op->tag = tag;
    return op;
}

struct store_op *fixture_take(struct fixture *f)
{
    if (!f->taken)
        f->taken = mailbox_wait(&f->results);
    struct mail *m = f->taken;
    assert(m);
    f->taken = m->next;
    return container_of(m, struct store_op, mail);
}

struct store_op *fixture_run(struct fixture *f, struct store_op *op)
{
    store_submit(f->s, op);
    return fixture_take(f);
}

int fixture_do(struct fixture *f, struct store_op *op)
{
    op = fixture_run(f, op);
    int rc = op->rc;
    store_op_free(op);
    return rc;
}

/* --- rows --------------------------------------------------------------------------------- */

static int add_out(void *ctx, const struct store_out *row)
{
    struct rows *r = ctx;
    assert(r->outs < ARRAY_LEN(r->out));
    r->out[r->outs] = *row;
    (void)blob_ref(r->out[r->outs].acked);
    (void)blob_ref(r->out[r->outs++].body);
    return OK;
}

static int add_in(void *ctx, const struct store_in *row)
{
    struct rows *r = ctx;
    assert(r->ins < ARRAY_LEN(r->in));
    r->in[r->ins] = *row;
    (void)blob_ref(r->in[r->ins].got);
    (void)blob_ref(r->in[r->ins++].body);
    return OK;
}

static int add_seen(void *ctx, const struct store_seen *row)
{
    struct rows *r = ctx;
    assert(r->seens < ARRAY_LEN(r->seen));
    r->seen[r->seens++] = *row;
    return OK;
}

static int add_contact(void *ctx, const struct store_contact *row)
{
    struct rows *r = ctx;
    assert(r->contacts < ARRAY_LEN(r->contact));
    r->contact[r->contacts++] = *row;
    return OK;
}

static int add_rule(void *ctx, const struct store_rule *row)
{
    struct rows *r = ctx;
    assert(r->rules < ARRAY_LEN(r->rule));
    r->rule[r->rules] = *row;
    (void)blob_ref(r->rule[r->rules++].sources);
    return OK;
}

static void add_default(void *ctx, bool accept)
{
    struct rows *r = ctx;
    r->accept = accept;
}

int rows_load(struct rows *r, struct fixture *f, uint64_t budget, int64_t now_ms)
{
    memset(r, 0, sizeof(*r));
    r->run_ms = store_run_ms(f->s);
    r->accept = -1;
    struct store_visitor v = {.out = add_out,
                              .in = add_in,
                              .seen = add_seen,
                              .contact = add_contact,
                              .rule = add_rule,
                              .rule_default = add_default,
                              .ctx = r};
    return store_load(f->s, &v, budget, now_ms, &r->out_seq, &r->in_seq);
}

void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->outs; i++) {
        blob_unref(r->out[i].body);
        blob_unref(r->out[i].acked);
    }
    for (size_t i = 0; i < r->rules; i++)
        blob_unref(r->rule[i].sources);
    for (size_t i = 0; i < r->ins; i++) {
        blob_unref(r->in[i].body);
        blob_unref(r->in[i].got);
    }
}

struct blob *blob_text(const char *text)
{
    struct blob *b = blob_copy(text, strlen(text));
    if (!b)
        abort();
    return b;
}

bool blob_is(const struct blob *b, const char *text)
{
    return b && b->len == strlen(text) && memcmp(b->data, text, b->len) == 0;
}
