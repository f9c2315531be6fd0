/* checkpoint_test.c - the log is moved into the database, begun anew, cut, and free pages go back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"
#include "base/clock.h"
#include "base/err.h"
#include "fixture.h"

#define WAIT_USEC (10 * USEC_SEC) /* for what takes milliseconds */

static uint64_t size_of(const char *dir, const char *name)
{
    char path[4096];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static struct store_op *put(uint64_t seq, size_t len)
{
    struct store_op *op = op_make(STORE_OUT_PUT, seq);
    op->out.seq = seq;
    op->out.body = blob_new(len);
    assert_non_null(op->out.body);
    memset(op->out.body->data, 'x', len);
    return op;
}

static void finish(struct fixture *f, uint64_t seq)
{
    struct store_op *op = op_make(STORE_OUT_STATE, seq);
    op->out.seq = seq;
    op->out.state = 4;
    assert_int_equal(fixture_do(f, op), OK);
}

static void test_passive(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats t = {.checkpoints = 0};
    const struct store_pace pace = {.wal_passive = 100000,
                                    .wal_restart = 1ull << 40,
                                    .checkpoint_usec = 3600 * USEC_SEC,
                                    .idle_usec = 3600 * USEC_SEC};
    char *dir = dir_new(true);
    assert_int_equal(fixture_open(&f, dir, 1, &pace), OK);
    fixture_start(&f);
    for (uint64_t i = 1; i <= 100; i++)
        assert_int_equal(fixture_do(&f, put(i, 10000)), OK);
    for (usec_t until = usec_now() + WAIT_USEC; t.checkpoints == 0 && usec_now() < until;) {
        store_stats(f.s, &t);
        (void)usleep(1000);
    }
    assert_true(t.checkpoints > 0);
    assert_int_equal(t.checkpoint_failures, 0);
    assert_true(size_of(dir, "bus.db") > 100000);
    fixture_close(&f);
    assert_int_equal(size_of(dir, "bus.db-wal"), 0); /* all of it is in the database */
    assert_true(size_of(dir, "bus.db") > 1000000);
    dir_remove(dir);
    free(dir);
}

/* However long the load lasts, the log stays near the limit where it is begun anew. */
static void test_restart(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats t = {.wal_bytes = 0};
    uint64_t longest = 0;
    const struct store_pace pace = {.wal_passive = 200000,
                                    .wal_restart = 500000,
                                    .checkpoint_usec = 3600 * USEC_SEC,
                                    .idle_usec = 3600 * USEC_SEC};
    char *dir = dir_new(true);
    assert_int_equal(fixture_open(&f, dir, 1, &pace), OK);
    fixture_start(&f);
    uint64_t sent = 0, back = 0;
    while (back < 4000) { /* 40 MB, with always something under way */
        while (sent < 4000 && sent - back < 30)
            store_submit(f.s, put(++sent, 10000));
        struct store_op *op = fixture_take(&f);
        assert_int_equal(op->rc, OK);
        store_op_free(op);
        back++;
        store_stats(f.s, &t);
        longest = MAX(longest, t.wal_bytes);
    }
    assert_true(t.checkpoints > 2);
    assert_true(longest < 20000000);
    fixture_close(&f);
    dir_remove(dir);
    free(dir);
}

static void test_idle(void **state)
{
    (void)state;
    struct fixture f;
    const struct store_pace pace = {.wal_passive = 1ull << 40,
                                    .wal_restart = 1ull << 40,
                                    .checkpoint_usec = 3600 * USEC_SEC,
                                    .idle_usec = 200 * USEC_MS};
    char *dir = dir_new(true);
    assert_int_equal(fixture_open(&f, dir, 1, &pace), OK);
    fixture_start(&f);
    for (uint64_t i = 1; i <= 300; i++)
        assert_int_equal(fixture_do(&f, put(i, 60000)), OK); /* 18 MB, 4500 pages */
    for (uint64_t i = 1; i <= 300; i++)
        finish(&f, i);
    usec_t until = usec_now() + WAIT_USEC;
    while (size_of(dir, "bus.db-wal") > 0 && usec_now() < until)
        (void)usleep(1000);
    assert_int_equal(size_of(dir, "bus.db-wal"), 0);
    assert_true(size_of(dir, "bus.db") > 4000000);        /* some pages stay for later */
    assert_true(size_of(dir, "bus.db") < 12000000);       /* most went back */
    assert_int_equal(fixture_do(&f, put(1000, 100)), OK); /* and it goes on */
    fixture_close(&f);
    dir_remove(dir);
    free(dir);
}

static const struct store_pace no_checkpoints = {.wal_open = 100000,
                                                 .wal_passive = 1ull << 40,
                                                 .wal_restart = 1ull << 40,
                                                 .checkpoint_usec = 3600 * USEC_SEC,
                                                 .idle_usec = 3600 * USEC_SEC};

/* 50 rows by a process that ends without closing. Returns the length of the log. */
static uint64_t crash_with_a_log(const char *dir)
{
    struct fixture f;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (fixture_open(&f, dir, 1, &no_checkpoints) < 0)
            _exit(1);
        fixture_start(&f);
        for (uint64_t i = 1; i <= 50; i++)
            if (fixture_do(&f, put(i, 10000)) < 0)
                _exit(2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return size_of(dir, "bus.db-wal");
}

/* The next start begins with a short log, and all is there. A log that is short enough stays. */
static void test_opening_after_a_crash(void **state)
{
    (void)state;
    struct rows *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    for (int moved = 0; moved < 2; moved++) {
        struct fixture f;
        struct store_pace pace = no_checkpoints;
        char *dir = dir_new(true);
        uint64_t left = crash_with_a_log(dir);
        assert_true(left > 500000);
        pace.wal_open = moved ? left - 1 : left;
        assert_int_equal(fixture_open(&f, dir, 1, &pace), OK);
        assert_int_equal(size_of(dir, "bus.db-wal"), moved ? 0 : left);
        assert_int_equal(rows_load(r, &f, UINT64_MAX, 0), OK);
        assert_int_equal(r->outs, 50);
        rows_free(r);
        fixture_close(&f);
        dir_remove(dir);
        free(dir);
    }
    free(r);
}

int main(void)
{
    log_nothing();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passive),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_opening_after_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
