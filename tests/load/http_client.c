#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(2);
}

void http_init(struct http_client *c, uint16_t port, size_t out_cap, size_t in_cap)
{
    *c = (struct http_client){.fd = -1, .port = port, .out_cap = out_cap, .in_cap = in_cap};
    c->out = malloc(out_cap);
    c->in = malloc(in_cap + 1);
    if (!c->out || !c->in)
        die("memory");
}

void http_fini(struct http_client *c)
{
    http_close(c);
    free(c->out);
    free(c->in);
}

bool http_connect(struct http_client *c, int epoll_fd, void *tag)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, room = (int)c->out_cap;
    a.sin_port = htons(c->port);
    http_close(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    /* A whole request fits: one daemon that does not read must not hold up the clients of others.
     */
    setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        http_close(c);
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = tag};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
        die("epoll_ctl");
    return true;
}

void http_close(struct http_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->in_len = 0;
    c->asked = false;
}

static void room_for(const struct http_client *c, size_t len)
{
    if (len > c->out_cap - c->out_len) {
        fprintf(stderr, "a request does not fit into %zu bytes\n", c->out_cap);
        exit(2);
    }
}

void http_begin(struct http_client *c, const char *method, const char *path, const char *headers,
                size_t body_len)
{
    int n = snprintf(c->out, c->out_cap,
                     "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", method,
                     path, headers, body_len);
    c->out_len = 0;
    room_for(c, (size_t)n);
    c->out_len = (size_t)n;
}

void http_append(struct http_client *c, const char *text, size_t len)
{
    room_for(c, len);
    memcpy(c->out + c->out_len, text, len);
    c->out_len += len;
}

void http_append_base64(struct http_client *c, const void *bytes, size_t len)
{
    room_for(c, base64_len(len));
    c->out_len += base64_encode(bytes, len, c->out + c->out_len);
}

void http_send(struct http_client *c)
{
    c->asked = true;
    for (size_t off = 0; off < c->out_len;) {
        ssize_t n = send(c->fd, c->out + off, c->out_len - off, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return;
        off += n > 0 ? (size_t)n : 0;
    }
}

/* The whole answer at the start of c->in. */
static bool parse_answer(const struct http_client *c, struct http_answer *ret, size_t *ret_len,
                         bool *ret_ends)
{
    c->in[c->in_len] = 0;
    char *head_end = strstr(c->in, "\r\n\r\n");
    if (!head_end)
        return false;
    size_t head_len = (size_t)(head_end - c->in) + 4, body_len = 0;
    *head_end = 0;
    const char *field = strcasestr(c->in, "\r\ncontent-length:");
    if (field)
        body_len = strtoul(field + 17, NULL, 10);
    *ret_ends = strcasestr(c->in, "\r\nconnection: close");
    bool good =
        sscanf(c->in, "HTTP/1.%*d %d", &ret->status) == 1 && head_len + body_len <= c->in_cap;
    if (!good) {
        fprintf(stderr, "not understood: %.60s\n", c->in);
        exit(2);
    }
    *head_end = '\r';
    ret->body = c->in + head_len;
    ret->len = body_len;
    *ret_len = head_len + body_len;
    return c->in_len >= *ret_len;
}

enum http_event http_read(struct http_client *c, struct http_answer *ret)
{
    size_t len = 0;
    bool ends = false;
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return HTTP_NOTHING;
    if (n <= 0) {
        bool asked = c->asked;
        http_close(c);
        c->asked = asked;
        return HTTP_BROKEN;
    }
    c->in_len += (size_t)n;
    if (!parse_answer(c, ret, &len, &ends))
        return HTTP_NOTHING;
    c->in[len] = 0; /* one request at a time: nothing follows */
    if (ends)
        http_close(c);
    c->in_len = 0;
    c->asked = false;
    return HTTP_ANSWER;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

size_t base64_encode(const void *bytes, size_t len, char *out)
{
    const uint8_t *in = bytes;
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;
        v |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
        v |= i + 2 < len ? in[i + 2] : 0;
        out[n++] = letters[v >> 18];
        out[n++] = letters[v >> 12 & 63];
        out[n++] = i + 1 < len ? letters[v >> 6 & 63] : '=';
        out[n++] = i + 2 < len ? letters[v & 63] : '=';
    }
    return n;
}

size_t base64_decode(const char *text, size_t len, uint8_t *ret, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i + 4 <= len && n < cap; i += 4) {
        uint32_t v = 0;
        size_t pad = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = strchr(letters, text[i + k]);
            pad += text[i + k] == '=';
            if (text[i + k] != '=' && (!at || !*at))
                return SIZE_MAX;
            v = v << 6 | (text[i + k] == '=' ? 0 : (uint32_t)(at - letters));
        }
        for (size_t k = 0; k + pad < 3 && n < cap; k++)
            ret[n++] = (uint8_t)(v >> (16 - 8 * k));
    }
    return n;
}

const char *json_text(const char *from, const char *end, const char *name, size_t *ret_len)
{
    char key[40];
    int n = snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = memmem(from, (size_t)(end - from), key, (size_t)n);
    const char *quote = at ? memchr(at + n, '"', (size_t)(end - at - n)) : NULL;
    if (!quote)
        return NULL;
    *ret_len = (size_t)(quote - at) - (size_t)n;
    return at + n;
}

long long json_number(const char *from, const char *end, const char *name, long long otherwise)
{
    char key[40];
    int n = snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = memmem(from, (size_t)(end - from), key, (size_t)n);
    return at ? strtoll(at + n, NULL, 10) : otherwise;
}
