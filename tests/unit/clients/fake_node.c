#include "tests/unit/clients/fake_node.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* What the head announces. */
static uint64_t body_length(const char *head)
{
    const char *p = strstr(head, "content-length:");
    return p ? strtoull(p + strlen("content-length:"), NULL, 10) : 0;
}

static void request_add(struct fake_node *n, const char *bytes, size_t len)
{
    if (n->request_bytes < FAKE_REQUEST_MAX - 1) {
        size_t room = FAKE_REQUEST_MAX - 1 - (size_t)n->request_bytes;
        memcpy(n->request + n->request_bytes, bytes, len < room ? len : room);
    }
    n->request_bytes += len;
}

static void serve(struct fake_node *n, int fd, const char *answer)
{
    static char buf[65536];
    const char *end = NULL;
    uint64_t whole = UINT64_MAX;
    memset(n->request, 0, sizeof(n->request));
    n->request_bytes = 0;
    while (n->request_bytes < whole) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);
        if (got <= 0)
            return;
        request_add(n, buf, (size_t)got);
        if (!end)
            end = strstr(n->request, "\r\n\r\n");
        if (end)
            whole = (uint64_t)(end + 4 - n->request) + body_length(n->request);
        if (end && n->early)
            break;
    }
    size_t left = strlen(answer);
    while (left > 0) {
        ssize_t put = send(fd, answer, left, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        answer += put;
        left -= (size_t)put;
    }
    if (n->early) { /* lets the answer arrive before the reset that unread bytes cause */
        (void)shutdown(fd, SHUT_WR);
        usleep(100000);
    }
}

static void *run(void *arg)
{
    struct fake_node *n = arg;
    for (size_t i = 0; i < n->count; i++) {
        int fd = accept(n->listener, NULL, NULL);
        if (fd < 0)
            break;
        serve(n, fd, n->answers[i]);
        close(fd);
    }
    return NULL;
}

void fake_node_start(struct fake_node *n, const char *const *answers, size_t count, bool early)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    *n = (struct fake_node){.answers = answers, .count = count, .early = early};
    n->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(n->listener >= 0);
    assert_int_equal(bind(n->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(n->listener, 8), 0);
    assert_int_equal(getsockname(n->listener, (struct sockaddr *)&a, &len), 0);
    n->target = (struct api_target){.host = "127.0.0.1", .port = ntohs(a.sin_port)};
    assert_int_equal(pthread_create(&n->thread, NULL, run, n), 0);
}

void fake_node_stop(struct fake_node *n)
{
    (void)shutdown(n->listener, SHUT_RDWR); /* wakes accept() when a test ended early */
    assert_int_equal(pthread_join(n->thread, NULL), 0);
    close(n->listener);
}
