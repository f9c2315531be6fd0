/* Listening at the path of a Unix socket: who may connect, what is replaced, what is left alone. */
#include "api/http_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static uv_loop_t loop;
static char folder[64], path[80];
static unsigned accepted, closed;

static void on_accepted(void *ctx, int fd, const struct sockaddr *peer)
{
    (void)ctx;
    assert_int_equal(peer->sa_family, AF_UNIX);
    accepted++;
    close(fd);
}

static void on_tick(void *ctx)
{
    (void)ctx;
}

static void on_closed(void *ctx)
{
    (void)ctx;
    closed++;
}

static int listen_at(const char *at, struct http_listen **ret)
{
    const struct http_listen_conf c = {
        .loop = &loop,
        .path = at,
        .group = (gid_t)-1,
        .tick_ms = 1000,
        .accepted = on_accepted,
        .tick = on_tick,
        .closed = on_closed,
    };
    return http_listen_new(&c, ret);
}

static int connect_to(const char *at)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(a.sun_path, at);
    int rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
    close(fd);
    return rc;
}

static void close_it(struct http_listen *l)
{
    closed = 0;
    http_listen_close(l);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(closed, 1);
}

static void test_socket(void **state)
{
    struct http_listen *l = NULL;
    struct stat st;
    mode_t old = umask(0077);
    (void)state;
    assert_int_equal(listen_at(path, &l), OK);
    (void)umask(old);
    assert_int_equal(http_listen_port(l), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0660);
    accepted = 0;
    assert_int_equal(connect_to(path), 0);
    while (accepted == 0)
        uv_run(&loop, UV_RUN_ONCE);
    close_it(l);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(errno, ENOENT);
}

static void test_taken(void **state)
{
    struct http_listen *l = NULL, *second = NULL;
    (void)state;
    assert_int_equal(listen_at(path, &l), OK);
    assert_int_equal(listen_at(path, &second), ERR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(connect_to(path), 0); /* the first one is still there */
    close_it(l);
}

/* What a killed process left is replaced. */
static void test_stale(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct http_listen *l = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;
    strcpy(a.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    close(fd);
    assert_int_equal(connect_to(path), -1);
    assert_int_equal(listen_at(path, &l), OK);
    assert_int_equal(connect_to(path), 0);
    close_it(l);
}

/* What is no socket, or has become somebody else's, is not touched. */
static void test_not_ours(void **state)
{
    struct http_listen *l = NULL;
    struct stat st;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    (void)state;
    close(fd);
    assert_int_equal(listen_at(path, &l), ERR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(listen_at(path, &l), OK);
    assert_int_equal(unlink(path), 0);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    close_it(l);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(unlink(path), 0);
}

static void test_paths(void **state)
{
    char long_path[200];
    struct http_listen *l = NULL;
    (void)state;
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(listen_at(long_path, &l), ERR_INVAL);
    assert_int_equal(listen_at("", &l), ERR_INVAL);
    assert_int_equal(listen_at("/nonexistent/socket", &l), ERR_IO);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket),   cmocka_unit_test(test_taken), cmocka_unit_test(test_stale),
        cmocka_unit_test(test_not_ours), cmocka_unit_test(test_paths),
    };
    strcpy(folder, "/tmp/mycelium-listen-XXXXXX");
    if (!mkdtemp(folder) || uv_loop_init(&loop) != 0)
        return 1;
    snprintf(path, sizeof(path), "%s/api.sock", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)uv_loop_close(&loop);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed;
}
