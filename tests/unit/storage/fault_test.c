/* fault_test.c - every write, cut and sync of a run fails once: nothing acknowledged may be
 * missing, nothing may be stored by halves, and the store works again once the disk does. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "../unit.h"
#include "base/err.h"
#include "fixture.h"
#include "story.h"
#include "vfs_shim.h"

#define GROUPS     8L
#define GROUP_OPS  7
#define BODY_BYTES 300

static struct story *story_new(void)
{
    struct story *st = calloc(1, sizeof(*st));
    assert_non_null(st);
    st->body_bytes = BODY_BYTES;
    return st;
}

/* A group at a time, so that the number of commits is always about the same. Returns how many
 * failed. */
static int play(struct fixture *f, struct story *st, long groups)
{
    int failed = 0;
    for (long g = 0; g < groups; g++) {
        for (int i = 0; i < GROUP_OPS; i++)
            store_submit(f->s, story_next(st));
        for (int i = 0; i < GROUP_OPS; i++) {
            struct store_op *op = fixture_take(f);
            assert_int_equal(story_body(st, op), 0);
            if (op->rc == OK)
                story_acked(st, op->tag);
            else
                failed++;
            store_op_free(op);
        }
    }
    return failed;
}

struct mode {
    int result;
    bool forever;
    bool checkpoints; /* also after every commit */
};

static const struct store_pace eager = {
    .wal_passive = 1, .wal_restart = 1 << 20, .checkpoint_usec = USEC_SEC, .idle_usec = USEC_SEC};

/* One run with a fault at call n. Returns the calls that there were. */
static long run(const struct mode *m, long n)
{
    struct fixture f;
    char *dir = dir_new(true);
    struct story *st = story_new();
    assert_int_equal(fixture_open(&f, dir, 1, m->checkpoints ? &eager : NULL), OK);
    fixture_start(&f);
    (void)play(&f, st, 1);
    shim_fail(n, m->result, m->forever);
    int failed = play(&f, st, GROUPS);
    long calls = shim_calls();
    if (n > 0 && n <= calls && m->forever && !m->checkpoints)
        assert_true(failed > 0);
    shim_fail(0, 0, false);
    struct store_op *op = fixture_run(&f, op_make(STORE_SWEEP, 0)); /* alive again? */
    if (op->rc < 0) { /* the one attempt of a second may have fallen into the bad time */
        struct store_stats stats;
        store_stats(f.s, &stats);
        assert_true(stats.rc != ERR_CORRUPT);
    }
    store_op_free(op);
    fixture_close(&f);
    int faults = story_check(st, dir, STORY_EXACT);
    if (faults > 0)
        print_message("fault at call %ld, result %d%s\n", n, m->result,
                      m->forever ? ", lasting" : "");
    assert_int_equal(faults, 0);
    free(st);
    dir_remove(dir);
    free(dir);
    return calls;
}

static void sweep(const struct mode *m)
{
    long calls = run(m, 0);
    assert_true(calls > GROUPS * 2);
    for (long n = 1; n <= calls; n++)
        (void)run(m, n);
}

static void test_one_write_fails(void **state)
{
    (void)state;
    sweep(&(struct mode){.result = SQLITE_IOERR_WRITE});
}

static void test_one_sync_fails(void **state)
{
    (void)state;
    sweep(&(struct mode){.result = SQLITE_IOERR_FSYNC, .checkpoints = true});
}

static void test_disk_full_once(void **state)
{
    (void)state;
    sweep(&(struct mode){.result = SQLITE_FULL, .checkpoints = true});
}

static void test_disk_full_for_good(void **state)
{
    (void)state;
    sweep(&(struct mode){.result = SQLITE_FULL, .forever = true});
}

static void test_disk_dead(void **state)
{
    (void)state;
    sweep(&(struct mode){.result = SQLITE_IOERR_WRITE, .forever = true, .checkpoints = true});
}

/* The result that each operation of a failed group gets. */
static void test_result_codes(void **state)
{
    (void)state;
    static const struct {
        int result, rc;
    } v[] = {{SQLITE_FULL, ERR_NOSPACE}, {SQLITE_IOERR_WRITE, ERR_IO}};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct fixture f;
        struct store_stats stats;
        char *dir = dir_new(true);
        assert_int_equal(fixture_open(&f, dir, 1, NULL), OK);
        struct store_op *op = op_make(STORE_OUT_PUT, 1);
        op->out.seq = 1;
        op->out.body = blob_text("first");
        store_submit(f.s, op);
        op = op_make(STORE_OUT_BODY, 2); /* would be answered from the same group */
        op->out.seq = 1;
        store_submit(f.s, op);
        shim_fail(1, v[i].result, true);
        fixture_start(&f);
        for (uint64_t tag = 1; tag <= 2; tag++) {
            op = fixture_take(&f);
            assert_int_equal(op->tag, tag);
            assert_int_equal(op->rc, v[i].rc);
            assert_null(op->body);
            store_op_free(op);
        }
        store_stats(f.s, &stats);
        assert_int_equal(stats.commit_failures, 1);
        assert_int_equal(stats.rc, v[i].rc);
        shim_fail(0, 0, false);
        op = op_make(STORE_OUT_PUT, 3);
        op->out.seq = 1; /* free: the first one is not there */
        assert_int_equal(fixture_do(&f, op), OK);
        store_stats(f.s, &stats);
        assert_int_equal(stats.reopens, 1);
        assert_int_equal(stats.rc, OK);
        fixture_close(&f);
        dir_remove(dir);
        free(dir);
    }
}

/* A first start that fails anywhere: an error with a text, no file called damaged, and it works
 * then. */
static void test_first_start(void **state)
{
    (void)state;
    static const int results[] = {SQLITE_IOERR_WRITE, SQLITE_FULL};
    for (size_t k = 0; k < ARRAY_LEN(results); k++) {
        for (long n = 1, calls = 1; n <= calls; n++) {
            struct fixture f;
            char *dir = dir_new(true);
            shim_fail(n, results[k], false);
            int rc = fixture_open(&f, dir, 1, NULL);
            calls = MAX(calls, shim_calls());
            shim_fail(0, 0, false);
            if (rc < 0) {
                assert_int_not_equal(rc, ERR_CORRUPT);
                assert_true(strlen(f.text) > 0);
                assert_int_equal(fixture_open(&f, dir, 1, NULL), OK);
            }
            fixture_start(&f);
            fixture_close(&f);
            dir_remove(dir);
            free(dir);
            if (n == 1)
                assert_true(calls >= 1);
            calls = n == calls && rc < 0 ? calls + 1 : calls; /* a run that ended early saw fewer */
        }
    }
}

int main(void)
{
    log_nothing();
    shim_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_codes),    cmocka_unit_test(test_first_start),
        cmocka_unit_test(test_one_write_fails), cmocka_unit_test(test_one_sync_fails),
        cmocka_unit_test(test_disk_full_once),  cmocka_unit_test(test_disk_full_for_good),
        cmocka_unit_test(test_disk_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
