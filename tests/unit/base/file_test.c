#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static char root[64];

static const char *at(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];
    (void)snprintf(p, 256, "%s/%s", root, name);
    return p;
}

static size_t entries(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d)) /* NOLINT(concurrency-mt-unsafe): one thread */
        n++;
    (void)closedir(d);
    return n - 2;
}

static int setup(void **state)
{
    (void)state;
    (void)strcpy(root, "mycelium-file-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[128];
    (void)snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    return system(cmd); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static void expect_content(const char *path, const char *text)
{
    char buf[64];
    size_t len;
    uint64_t size;
    assert_int_equal(file_read(path, buf, sizeof(buf), &len, &size), OK);
    assert_int_equal(len, strlen(text));
    assert_int_equal(size, len);
    assert_memory_equal(buf, text, len);
}

static void test_write_and_replace(void **state)
{
    (void)state;
    struct stat st;
    const char *p = at("a");
    mode_t mask = umask(077);
    assert_int_equal(file_write_atomic(p, "old", 3, 0640), OK);
    (void)umask(mask);
    assert_int_equal(stat(p, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    expect_content(p, "old");
    assert_int_equal(file_write_atomic(p, "newer", 5, 0600), OK);
    assert_int_equal(stat(p, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    expect_content(p, "newer");
    assert_int_equal(file_write_atomic(p, NULL, 0, 0600), OK);
    expect_content(p, "");
    assert_int_equal(entries(root), 1); /* no temporary file left */
}

static void test_write_new(void **state)
{
    (void)state;
    const char *p = at("n");
    assert_int_equal(file_write_new(p, "one", 3, 0600), OK);
    assert_int_equal(file_write_new(p, "two", 3, 0600), ERR_EXIST);
    assert_int_equal(errno, EEXIST);
    expect_content(p, "one");
    assert_int_equal(symlink("nowhere", at("dangling")), 0);
    assert_int_equal(file_write_new(at("dangling"), "x", 1, 0600), ERR_EXIST);
    assert_int_equal(entries(root), 2);
}

static void test_relative_path(void **state)
{
    (void)state;
    char cwd[1024];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_int_equal(chdir(root), 0);
    int rc = file_write_atomic("plain", "x", 1, 0600);
    assert_int_equal(chdir(cwd), 0);
    assert_int_equal(rc, OK);
    expect_content(at("plain"), "x");
}

/* A full disk, here a limit on the size of files: the old content stays, nothing is left over. */
static void test_failed_write_keeps_old(void **state)
{
    (void)state;
    struct rlimit before, small;
    static char big[8192];
    assert_int_equal(file_write_atomic(at("k"), "old", 3, 0600), OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = file_write_atomic(at("k"), big, sizeof(big), 0600);
    int e = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, ERR_TOOBIG);
    assert_int_equal(e, EFBIG);
    expect_content(at("k"), "old");
    assert_int_equal(entries(root), 1);
}

static void test_errors(void **state)
{
    (void)state;
    char buf[4];
    size_t len = 77;
    uint64_t size = 77;
    assert_int_equal(file_write_atomic(at("no/such/folder"), "x", 1, 0600), ERR_NOENT);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(file_read(at("missing"), buf, 4, &len, &size), ERR_NOENT);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(file_read(root, buf, 4, &len, &size), ERR_IO);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(len, 77);
    assert_int_equal(size, 77);
    /* a folder in the way cannot be replaced by a file */
    assert_int_equal(mkdir(at("d"), 0700), 0);
    assert_true(file_write_atomic(at("d"), "x", 1, 0600) < 0);
    assert_int_equal(entries(root), 1);
}

static void test_read_part(void **state)
{
    (void)state;
    char buf[8] = "-------";
    size_t len;
    uint64_t size;
    assert_int_equal(file_write_atomic(at("p"), "0123456789", 10, 0600), OK);
    assert_int_equal(file_read(at("p"), buf, 4, &len, &size), OK);
    assert_int_equal(len, 4);
    assert_int_equal(size, 10);
    assert_memory_equal(buf, "0123---", 7);
    assert_int_equal(file_read(at("p"), NULL, 0, &len, &size), OK);
    assert_int_equal(len, 0);
    assert_int_equal(size, 10);
}

static void test_dir_create(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(dir_create(at("x/y//z/"), 0700), OK);
    assert_int_equal(stat(at("x/y/z"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(dir_create(at("x/y/z"), 0700), OK); /* there already */
    assert_int_equal(dir_create("/", 0700), OK);
    assert_int_equal(file_write_atomic(at("f"), "x", 1, 0600), OK);
    assert_int_equal(dir_create(at("f"), 0700), ERR_EXIST);
    assert_int_equal(errno, ENOTDIR);
    assert_true(dir_create(at("f/g"), 0700) < 0);
    assert_int_equal(dir_create("", 0700), ERR_NOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_write_and_replace),
        T(test_write_new),
        T(test_relative_path),
        T(test_failed_write_keeps_old),
        T(test_errors),
        T(test_read_part),
        T(test_dir_create),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
