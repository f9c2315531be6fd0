/* open_test.c - the state directory: who may open it, and what happens with what cannot be opened.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"
#include "base/err.h"
#include "fixture.h"
#include "former.h"
#include "storage/schema.h"

#define PAGE 4096L /* bytes of the database's pages */

struct ctx {
    char *dir;
    char db[4096];
    struct fixture f;
};

static int setup(void **state)
{
    struct ctx *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->dir = dir_new(true);
    (void)snprintf(c->db, sizeof(c->db), "%s/bus.db", c->dir);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct ctx *c = *state;
    dir_remove(c->dir);
    free(c->dir);
    free(c);
    return 0;
}

static struct store_op *put(uint64_t seq)
{
    struct store_op *op = op_make(STORE_OUT_PUT, seq);
    op->out.seq = seq;
    op->out.body = blob_new(2000);
    assert_non_null(op->out.body);
    memset(op->out.body->data, 'x', 2000);
    return op;
}

/* A store with n rows, closed. */
static void make_store(struct ctx *c, uint64_t n)
{
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    fixture_start(&c->f);
    for (uint64_t i = 1; i <= n; i++)
        assert_int_equal(fixture_do(&c->f, put(i)), OK);
    fixture_close(&c->f);
}

static void exec(const struct ctx *c, const char *sql)
{
    sqlite3 *h = NULL;
    assert_int_equal(sqlite3_open(c->db, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool text_has(const struct ctx *c, const char *part)
{
    if (strstr(c->f.text, part))
        return true;
    print_message("\"%s\" is not in \"%s\"\n", part, c->f.text);
    return false;
}

/* Databases, without what belongs to them. */
static size_t count_files(const char *dir, const char *prefix, char *ret_last, size_t cap)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (;;) {
        struct dirent *e = readdir(d); /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (!e)
            break;
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || strstr(e->d_name, "-wal") ||
            strstr(e->d_name, "-shm"))
            continue;
        (void)snprintf(ret_last, cap, "%s/%s", dir, e->d_name);
        n++;
    }
    (void)closedir(d);
    return n;
}

static void test_modes(void **state)
{
    struct ctx *c = *state;
    char sub[5000], wal[6000], db[6000];
    (void)snprintf(sub, sizeof(sub), "%s/deep/er", c->dir);
    (void)snprintf(db, sizeof(db), "%s/bus.db", sub);
    (void)snprintf(wal, sizeof(wal), "%s/bus.db-wal", sub);
    mode_t before = umask(0);
    assert_int_equal(fixture_open(&c->f, sub, 1, NULL), OK);
    assert_string_equal(c->f.text, "");
    fixture_start(&c->f);
    assert_int_equal(fixture_do(&c->f, put(1)), OK);
    assert_int_equal(mode_of(sub), 0700);
    assert_int_equal(mode_of(db), 0600);
    assert_int_equal(mode_of(wal), 0600);
    fixture_close(&c->f);
    (void)umask(before);
    assert_int_equal(chmod(db, 0644), 0);
    assert_int_equal(fixture_open(&c->f, sub, 1, NULL), OK); /* is put right */
    assert_int_equal(mode_of(db), 0600);
    fixture_close(&c->f);
    dir_remove(sub);
    sub[strlen(sub) - 3] = '\0';
    (void)rmdir(sub);
}

static void test_no_directory(void **state)
{
    struct ctx *c = *state;
    int fd = open(c->db, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_not_equal(fixture_open(&c->f, c->db, 1, NULL), OK); /* a file is in its place */
    assert_true(text_has(c, c->db));
}

static void test_second_node(void **state)
{
    struct ctx *c = *state;
    struct fixture second;
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "process %ld ", (long)getpid());
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    assert_int_equal(fixture_open(&second, c->dir, 1, NULL), ERR_BUSY);
    c->f.text = second.text;
    assert_true(text_has(c, c->dir));
    assert_true(text_has(c, pid));
    fixture_close(&c->f);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK); /* given back */
    fixture_close(&c->f);
}

static void test_other_owner(void **state)
{
    struct ctx *c = *state;
    make_store(c, 1);
    assert_int_equal(fixture_open(&c->f, c->dir, 2, NULL), ERR_PERM);
    assert_true(text_has(c, "400::1,"));
    assert_true(
        text_has(c, "key 0101010101010101010101010101010101010101010101010101010101010101"));
    assert_true(text_has(c, "400::2"));
    assert_true(text_has(c, c->dir));
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    fixture_close(&c->f);
}

static void test_other_program(void **state)
{
    struct ctx *c = *state;
    char name[5000];
    exec(c, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_UNSUPPORTED);
    assert_true(text_has(c, "another program"));
    exec(c, "INSERT INTO t VALUES(2)"); /* still what it was */
    assert_int_equal(count_files(c->dir, "bus.db.damaged", name, sizeof(name)), 0);
}

static void test_later_version(void **state)
{
    struct ctx *c = *state;
    char name[64];
    make_store(c, 1);
    exec(c, "PRAGMA user_version=99");
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_UNSUPPORTED);
    assert_true(text_has(c, "version 99"));
    (void)snprintf(name, sizeof(name), "PRAGMA user_version=%d", SCHEMA_VERSION);
    exec(c, name);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    fixture_close(&c->f);
}

static int64_t version_of(struct ctx *c)
{
    sqlite3 *h;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(c->db, &h), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(h, "PRAGMA user_version", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(h);
    return v;
}

static void test_former_version(void **state)
{
    struct ctx *c = *state;
    static struct rows r;
    former_store(c->db);
    assert_int_equal(fixture_open(&c->f, c->dir, 2, NULL), ERR_PERM);
    assert_true(text_has(c, "400::1"));
    assert_int_equal(version_of(c), 1); /* another's store is left as it was */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
        assert_int_equal(rows_load(&r, &c->f, 1000, 0), OK);
        assert_int_equal(r.outs, 1);
        assert_int_equal(r.out[0].seq, 3);
        assert_int_equal(r.out[0].prio, 1);
        assert_false(r.out[0].ordered);
        assert_int_equal(r.out[0].idem_len, 0);
        assert_true(blob_is(r.out[0].body, "hi"));
        assert_int_equal(r.ins, 1);
        assert_true(blob_is(r.in[0].body, "yo"));
        assert_int_equal(r.seens, 1);
        assert_int_equal(r.seen[0].node, 13);
        assert_int_equal(r.out_seq, 4);
        assert_int_equal(r.in_seq, 6);
        assert_int_equal(r.contacts, i);
        assert_int_equal(r.in[0].state, 2);
        assert_int_equal(r.in[0].tries, i);
        rows_free(&r);
        fixture_start(&c->f);
        struct store_op *op = op_make(STORE_CONTACTS_PUT, 1);
        op->contacts = calloc(1, sizeof(*op->contacts));
        assert_non_null(op->contacts);
        op->contacts[0] = (struct store_contact){.node = 1, .via = 2, .used_ms = 3};
        op->contacts_count = 1;
        assert_int_equal(fixture_do(&c->f, op), OK);
        op = op_make(STORE_IN_STATE, 2);
        op->in.seq = 5;
        op->in.state = 2;
        op->in.tries = 1;
        assert_int_equal(fixture_do(&c->f, op), OK);
        fixture_close(&c->f);
        assert_int_equal(version_of(c), SCHEMA_VERSION);
    }
}

static void overwrite(const struct ctx *c, off_t at, off_t len)
{
    uint8_t junk[4096];
    memset(junk, 0x5a, sizeof(junk));
    int fd = open(c->db, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    while (len > 0) {
        off_t n = MIN(len, (off_t)sizeof(junk));
        assert_true(pwrite(fd, junk, (size_t)n, at) == n);
        at += n;
        len -= n;
    }
    (void)close(fd);
}

/* Kept under another name, said so, and said so again until a person did something. */
static void expect_kept_aside(struct ctx *c)
{
    char kept[5000], now[5000];
    struct stat before, after;
    assert_int_equal(stat(c->db, &before), 0);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_CORRUPT);
    assert_false(exists(c->db));
    assert_int_equal(count_files(c->dir, "bus.db.damaged", kept, sizeof(kept)), 1);
    assert_true(text_has(c, kept));
    assert_int_equal(stat(kept, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_CORRUPT);
    assert_true(text_has(c, kept));
    assert_false(exists(c->db));
    assert_int_equal(count_files(c->dir, "bus.db.damaged", now, sizeof(now)), 1);
    assert_int_equal(unlink(kept), 0); /* the operator's decision */
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    fixture_close(&c->f);
}

static void test_no_database(void **state)
{
    struct ctx *c = *state;
    make_store(c, 100);
    overwrite(c, 0, PAGE);
    expect_kept_aside(c);
}

static void test_damaged_inside(void **state)
{
    struct ctx *c = *state;
    make_store(c, 100);
    overwrite(c, PAGE * 20, PAGE * 20);
    expect_kept_aside(c);
}

static void test_cut_off(void **state)
{
    struct ctx *c = *state;
    make_store(c, 100);
    assert_int_equal(truncate(c->db, PAGE * 15), 0);
    expect_kept_aside(c);
}

/* The log goes with its database, unchanged. */
static void test_damaged_with_log(void **state)
{
    struct ctx *c = *state;
    char wal[5000], kept[5000], name[5100];
    struct stat before, after;
    int status = 1;
    (void)snprintf(wal, sizeof(wal), "%s-wal", c->db);
    make_store(c, 100);
    pid_t child = fork();
    if (child == 0) { /* dies with commits in the log */
        if (fixture_open(&c->f, c->dir, 1, NULL) < 0)
            _exit(1);
        fixture_start(&c->f);
        _exit(fixture_do(&c->f, put(101)) == OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(stat(wal, &before), 0);
    overwrite(c, PAGE * 20, PAGE * 20);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_CORRUPT);
    assert_false(exists(wal));
    const char *at = strstr(c->f.text, "bus.db.damaged-");
    assert_non_null(at);
    (void)snprintf(kept, sizeof(kept), "%s/%.*s", c->dir, (int)strcspn(at, " ;"), at);
    (void)snprintf(name, sizeof(name), "%s-wal", kept);
    assert_int_equal(stat(name, &after), 0);
    assert_true(before.st_size == after.st_size);
    assert_true(before.st_size > 0);
}

static void test_log_without_database(void **state)
{
    struct ctx *c = *state;
    char wal[5000];
    (void)snprintf(wal, sizeof(wal), "%s-wal", c->db);
    int fd = open(wal, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "rows", 4), 4);
    (void)close(fd);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_CORRUPT);
    assert_true(text_has(c, wal));
    assert_true(exists(wal));
}

static void test_files_without_database(void **state)
{
    struct ctx *c = *state;
    char folder[5000], file[5100];
    (void)snprintf(folder, sizeof(folder), "%s/spool", c->dir);
    (void)snprintf(file, sizeof(file), "%s/00000000000000ff", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK); /* nothing in it */
    fixture_close(&c->f);
    assert_int_equal(unlink(c->db), 0);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), ERR_CORRUPT);
    assert_true(text_has(c, folder));
    assert_true(exists(file));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Damage that shows while running: the group fails, nothing more is written, the next start sees
 * it. */
static void test_damage_while_running(void **state)
{
    struct ctx *c = *state;
    struct store_stats t;
    make_store(c, 200);
    overwrite(c, PAGE * 20, PAGE * 20);
    struct store_conf conf = {.dir = c->dir, .no_check = true, .results = &c->f.results};
    memset(conf.owner_key, 1, sizeof(conf.owner_key));
    assert_int_equal(mailbox_init(&c->f.results, NULL, NULL), OK);
    assert_int_equal(store_open(&conf, &c->f.s, &c->f.text), OK); /* did not look */
    fixture_start(&c->f);
    int rc = OK;
    for (uint64_t i = 1; i <= 200 && rc == OK; i++) {
        struct store_op *op = op_make(STORE_OUT_BODY, i);
        op->out.seq = i;
        rc = fixture_do(&c->f, op);
    }
    assert_int_equal(rc, ERR_CORRUPT);
    assert_int_equal(fixture_do(&c->f, put(1000)), ERR_CORRUPT);
    store_stats(c->f.s, &t);
    assert_int_equal(t.rc, ERR_CORRUPT);
    fixture_close(&c->f);
    expect_kept_aside(c);
}

/* A row that passes the check of the file, but is none of ours. */
static void test_strange_row(void **state)
{
    struct ctx *c = *state;
    struct rows r;
    make_store(c, 2);
    exec(c, "UPDATE outbox SET dst=x'0400' WHERE seq=2");
    assert_int_equal(fixture_open(&c->f, c->dir, 1, NULL), OK);
    assert_int_equal(rows_load(&r, &c->f, 0, 0), ERR_CORRUPT);
    rows_free(&r);
    fixture_close(&c->f);
}

int main(void)
{
    log_nothing();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_program, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_former_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_with_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_without_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_without_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_while_running, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_row, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
