/* The client's side of the tests of the HTTP server: blocking sockets. */
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static inline int dial(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static inline void say_bytes(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

static inline void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

struct reply {
    unsigned status;
    char head[2048];
    char *body; /* heap */
    size_t body_len;
};

/* Reads exactly one answer, byte by byte in the head, so that the next one stays in the socket. */
static inline struct reply hear(int fd, bool no_body)
{
    struct reply r = {0};
    size_t n = 0;
    const char *length;
    while (n < 4 || memcmp(r.head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n < sizeof(r.head) - 1);
        assert_int_equal(recv(fd, r.head + n++, 1, 0), 1);
    }
    assert_int_equal(sscanf(r.head, "HTTP/1.1 %u ", &r.status), 1);
    length = strstr(r.head, "content-length: ");
    r.body_len = length && !no_body ? (size_t)atol(length + 16) : 0;
    r.body = calloc(1, r.body_len + 1);
    assert_non_null(r.body);
    for (size_t got = 0; got < r.body_len;) {
        ssize_t k = recv(fd, r.body + got, r.body_len - got, 0);
        assert_true(k > 0);
        got += (size_t)k;
    }
    return r;
}

static inline void expect(int fd, unsigned status, const char *body)
{
    struct reply r = hear(fd, false);
    assert_int_equal(r.status, status);
    if (body)
        assert_string_equal(r.body, body);
    free(r.body);
}

static inline void expect_end(int fd)
{
    char c;
    assert_int_equal(recv(fd, &c, 1, 0), 0);
    close(fd);
}

static inline bool quiet(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 0;
}
