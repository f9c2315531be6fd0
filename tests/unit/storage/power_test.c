/* power_test.c - the power goes out at every point of a run, the disk keeping only what was synced
 * and any part of the rest, in any order, torn at sector borders: what was reported as stored is
 * there.
 *
 * The run is recorded once by the file layer below SQLite, with a mark where each result was handed
 * back. Each point of the record is then made into files and opened. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit.h"
#include "base/err.h"
#include "base/rng.h"
#include "fixture.h"
#include "former.h"
#include "story.h"
#include "vfs_shim.h"

#define GROUPS    10
#define GROUP_OPS 11
#define FILES     4
#define SECTOR    512

/* --- the disk after the power came back --------------------------------------------------- */

enum keep { KEEP_NOTHING, KEEP_ALL, KEEP_SOME, KEEP_KINDS }; /* of what was not synced */

struct image {
    uint8_t *bytes;
    size_t len, cap;
    bool exists;
};

static void image_size(struct image *m, size_t len)
{
    if (len > m->cap) {
        m->cap = len * 2;
        m->bytes = realloc(m->bytes, m->cap);
        assert_non_null(m->bytes);
    }
    if (len > m->len)
        memset(m->bytes + m->len, 0, len - m->len);
    m->len = len;
}

static void image_write(struct image *m, const struct shim_event *e, uint32_t from, uint32_t to)
{
    m->exists = true;
    if (e->at + to > m->len)
        image_size(m, (size_t)e->at + to);
    memcpy(m->bytes + e->at + from, e->bytes + from, to - from);
}

/* What a file was before its last sync is on disk. */
static size_t last_sync(const struct shim_event *ev, size_t end, int file)
{
    for (size_t i = end; i > 0; i--)
        if (ev[i - 1].what == SHIM_SYNC && ev[i - 1].file == file)
            return i - 1;
    return 0;
}

static void apply_unsynced(struct image *m, const struct shim_event *e, enum keep keep,
                           struct rng *r)
{
    bool whole = keep == KEEP_ALL || (keep == KEEP_SOME && rng_below(r, 2) == 0);
    if (e->what == SHIM_CUT) {
        if (whole)
            image_size(m, (size_t)e->at);
        return;
    }
    if (whole) {
        image_write(m, e, 0, e->len);
    } else if (keep == KEEP_SOME) { /* some of its sectors */
        for (uint32_t at = 0; at < e->len; at += SECTOR)
            if (rng_below(r, 2) == 0)
                image_write(m, e, at, MIN(at + SECTOR, e->len));
    }
}

static void build(const char *dir, const struct shim_event *ev, size_t end, enum keep keep,
                  struct rng *r)
{
    struct image m[FILES] = {{.bytes = NULL}};
    size_t synced[FILES];
    for (int f = 0; f < FILES; f++)
        synced[f] = last_sync(ev, end, f);
    for (size_t i = 0; i < end; i++) {
        const struct shim_event *e = &ev[i];
        if (e->what == SHIM_MARK || e->what == SHIM_SYNC || e->file < 0)
            continue;
        assert_true(e->file < FILES);
        struct image *at = &m[e->file];
        if (e->what == SHIM_DELETE) {
            /* For good if the directory was synced, or the file made anew since and synced. */
            bool sure = e->at == 1 || i < synced[e->file];
            if (sure || keep == KEEP_ALL || (keep == KEEP_SOME && rng_below(r, 2) == 0)) {
                at->exists = false;
                at->len = 0;
            }
        } else if (i >= synced[e->file]) {
            apply_unsynced(at, e, keep, r);
        } else if (e->what == SHIM_CUT) {
            image_size(at, (size_t)e->at);
        } else {
            image_write(at, e, 0, e->len);
        }
    }
    for (int f = 0; f < FILES; f++) {
        char path[4096];
        bool is_db =
            shim_name(f) && strcmp(shim_name(f), "bus.db") == 0; /* made before SQLite opens it */
        if (m[f].exists || is_db) {
            (void)snprintf(path, sizeof(path), "%s/%s", dir, shim_name(f));
            int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            assert_true(fd >= 0);
            assert_true(write(fd, m[f].bytes ? m[f].bytes : (const uint8_t *)"", m[f].len) ==
                        (ssize_t)m[f].len);
            (void)close(fd);
        }
        free(m[f].bytes);
    }
}

/* --- the run ------------------------------------------------------------------------------ */

/* In the writer thread, at the moment when a result is handed over: the last one in the mailbox. */
static void mark_result(void *arg)
{
    struct mailbox *b = arg;
    struct mail *m = b->head;
    while (m && m->next)
        m = m->next;
    if (!m)
        return;
    const struct store_op *op = container_of(m, struct store_op, mail);
    if (op->rc == OK)
        shim_mark(op->tag);
}

static void take_all(struct mailbox *b, int want)
{
    while (want > 0) {
        for (struct mail *m = mailbox_take_all(b), *next; m; m = next) {
            next = m->next;
            struct store_op *op = container_of(m, struct store_op, mail);
            assert_int_equal(op->rc, OK);
            store_op_free(op);
            want--;
        }
        (void)usleep(200);
    }
}

static void record_run(const char *dir, struct story *st, const struct store_pace *pace)
{
    struct store_conf c = {.dir = dir, .pace = pace, .owner_text = "400::1"};
    struct mailbox results;
    struct store *s;
    const char *text;
    memset(c.owner_key, 1, sizeof(c.owner_key));
    assert_int_equal(mailbox_init(&results, mark_result, &results), OK);
    c.results = &results;
    shim_record(true);
    assert_int_equal(store_open(&c, &s, &text), OK);
    assert_int_equal(store_start(s), OK);
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; i < GROUP_OPS; i++)
            store_submit(s, story_next(st));
        take_all(&results, GROUP_OPS);
    }
    store_close(s);
    shim_record(false);
    mailbox_fini(&results);
}

static void sweep(const struct store_pace *pace)
{
    const struct shim_event *ev;
    struct rng r;
    char *dir = dir_new(true);
    struct story *st = calloc(1, sizeof(*st)), *upto = calloc(1, sizeof(*upto));
    assert_true(st && upto);
    st->body_bytes = 700;
    rng_init_seeded(&r, 42);
    record_run(dir, st, pace);
    dir_remove(dir);
    size_t n = shim_events(&ev);
    size_t marks = 0;
    *upto = *st; /* everything was submitted some time; acknowledged is what a mark says */
    for (size_t i = 0; i < STORY_MAX; i++)
        upto->m[i].out_acked = upto->m[i].in_acked = 0;
    assert_true(n > 100);
    for (size_t end = 0; end <= n; end++) {
        if (end > 0 && ev[end - 1].what == SHIM_MARK) {
            story_acked(upto, ev[end - 1].at);
            marks++;
            if (end < n && ev[end].what == SHIM_MARK)
                continue; /* the same files as at the next point, which knows more */
        }
        for (enum keep keep = KEEP_NOTHING; keep < KEEP_KINDS; keep++) {
            char *after = dir_new(true);
            build(after, ev, end, keep, &r);
            int faults = story_check(upto, after, STORY_ABOVE);
            if (faults > 0)
                print_message("power lost after event %zu of %zu, keep %d\n", end, n, (int)keep);
            assert_int_equal(faults, 0);
            dir_remove(after);
            free(after);
        }
    }
    assert_int_equal(marks, GROUPS * GROUP_OPS);
    free(upto);
    free(st);
    free(dir);
}

static void test_commits(void **state)
{
    (void)state;
    sweep(NULL);
}

/* With the log moved into the database after every commit, and begun anew often. */
static void test_checkpoints(void **state)
{
    (void)state;
    const struct store_pace eager = {
        .wal_passive = 1, .wal_restart = 60000, .checkpoint_usec = USEC_SEC, .idle_usec = USEC_SEC};
    sweep(&eager);
}

/* While the store of a former version becomes one of this version. */
static void check_migrated(const char *dir)
{
    static struct rows r;
    struct fixture f;
    assert_int_equal(fixture_open(&f, dir, 1, NULL), OK);
    assert_int_equal(rows_load(&r, &f, 1000, 0), OK);
    assert_int_equal(r.outs, 1);
    assert_true(r.out[0].seq == 3 && blob_is(r.out[0].body, "hi"));
    assert_int_equal(r.ins, 1);
    assert_true(r.in[0].seq == 5 && blob_is(r.in[0].body, "yo"));
    assert_int_equal(r.seens, 1);
    assert_int_equal(r.seen[0].node, 13);
    assert_int_equal(r.out_seq, 4);
    assert_int_equal(r.in_seq, 6);
    rows_free(&r);
    fixture_start(&f);
    struct store_op *op = op_make(STORE_IN_STATE, 1); /* into a table of a later version */
    op->in.seq = 5;
    op->in.state = 3;
    assert_int_equal(fixture_do(&f, op), OK);
    fixture_close(&f);
}

static void test_migration(void **state)
{
    const struct shim_event *ev;
    struct rng r;
    char db[4096], *dir = dir_new(true);
    (void)state;
    rng_init_seeded(&r, 43);
    (void)snprintf(db, sizeof(db), "%s/bus.db", dir);
    shim_record(true);
    former_store(db);
    shim_mark(1);
    check_migrated(dir);
    shim_record(false);
    dir_remove(dir);
    free(dir);
    size_t n = shim_events(&ev), end = 0;
    while (ev[end].what != SHIM_MARK)
        end++;
    assert_true(n > end + 20);
    for (; end <= n; end++) {
        for (enum keep keep = KEEP_NOTHING; keep < KEEP_KINDS; keep++) {
            char *after = dir_new(true);
            build(after, ev, end, keep, &r);
            check_migrated(after);
            dir_remove(after);
            free(after);
        }
    }
}

int main(void)
{
    log_nothing();
    shim_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commits),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
