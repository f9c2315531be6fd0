/* load.c - a load generator for the message calls of the REST surface: clients that send and
 * clients that take, in one loop, so that accepted and delivered are measured by one clock.
 *
 *   load --send PORT --take PORT --dst ADDRESS --count N --size BYTES [--clients N] [--takers N]
 *        [--limit SECONDS]
 *
 * Every message carries its number; each is sent once and counted when it comes out. Prints one
 * JSON object. Exit 0: all accepted and each delivered exactly once; 1: not so; 2: usage. Only
 * loopback, plain HTTP/1.1 with persistent connections and Content-Length answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX   1024
#define NUMBER_BYTES  18 /* "%016x" and two of filling: 24 letters of base64, no padding */
#define SIZE_MAX_MSG  65536
#define IN_MAX        (256 * 1024)
#define RETRY_MAX     200 /* refusals (429, 503) in a row before a client gives up */
#define RETRY_WAIT_MS 10
#define SETTLE_MS     1000 /* after the last message: would a second copy come? */

struct config {
    uint16_t send_port, take_port;
    const char *dst;
    uint32_t count, size, clients, takers, limit_s;
};

struct client {
    int fd;
    bool taker, idle;
    uint32_t number;     /* sender: of the message under way */
    uint32_t refusals;   /* in a row */
    int64_t retry_at_us; /* 0: none */
    size_t out_len, out_off, in_len;
    char *out; /* one request; takers: the same each time */
    char *in;
};

struct load {
    struct config c;
    int epoll_fd;
    struct client *clients; /* senders first */
    uint32_t clients_count, next_number;
    uint8_t *taken; /* by number, how often */
    uint32_t accepted, delivered, duplicates, foreign, refused, failed, busy;
    int64_t start_us, accepted_us, delivered_us;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t base64_encode(const uint8_t *in, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;
        v |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
        v |= i + 2 < len ? in[i + 2] : 0;
        out[n++] = base64_letters[v >> 18];
        out[n++] = base64_letters[v >> 12 & 63];
        out[n++] = i + 1 < len ? base64_letters[v >> 6 & 63] : '=';
        out[n++] = i + 2 < len ? base64_letters[v & 63] : '=';
    }
    return n;
}

/* The number at the start of a payload in base64; UINT32_MAX: not one of ours. */
static uint32_t payload_number(const char *text, size_t len)
{
    char plain[NUMBER_BYTES + 1] = {0}, *end;
    if (len < NUMBER_BYTES / 3 * 4)
        return UINT32_MAX;
    for (size_t i = 0; i < NUMBER_BYTES / 3; i++) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *letter = strchr(base64_letters, text[4 * i + k]);
            if (!letter || !*letter)
                return UINT32_MAX;
            v = v << 6 | (uint32_t)(letter - base64_letters);
        }
        plain[3 * i] = (char)(v >> 16 & 255);
        plain[3 * i + 1] = (char)(v >> 8 & 255);
        plain[3 * i + 2] = (char)(v & 255);
    }
    plain[16] = 0;
    unsigned long long n = strtoull(plain, &end, 16);
    return *end || n >= UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void client_connect(struct load *l, struct client *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    a.sin_port = htons(c->taker ? l->c.take_port : l->c.send_port);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->in_len = c->out_off = 0;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
        die("epoll_ctl");
}

/* Requests are at most some 100 KiB: a blocking write to a daemon that reads is short. */
static void client_write(struct client *c)
{
    while (c->out_off < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* the end shows when reading */
        c->out_off += n > 0 ? (size_t)n : 0;
    }
}

static void client_request_again(struct client *c)
{
    c->out_off = 0;
    client_write(c);
}

static void sender_next(struct load *l, struct client *c)
{
    uint8_t payload[SIZE_MAX_MSG];
    if (l->next_number == l->c.count) {
        c->idle = true;
        return;
    }
    c->number = l->next_number++;
    memset(payload, '.', l->c.size);
    char head[NUMBER_BYTES + 1];
    snprintf(head, sizeof(head), "%016x..", c->number);
    memcpy(payload, head, NUMBER_BYTES);
    char body_start[128];
    int start_len = snprintf(body_start, sizeof(body_start),
                             "{\"dst\":{\"ip\":\"%s\"},\"payload\":\"", l->c.dst);
    size_t body_len = (size_t)start_len + (l->c.size + 2) / 3 * 4 + 2;
    int n = sprintf(c->out,
                    "POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                    body_len, body_start);
    c->out_len = (size_t)n;
    c->out_len += base64_encode(payload, l->c.size, c->out + c->out_len);
    memcpy(c->out + c->out_len, "\"}", 2);
    c->out_len += 2;
    client_request_again(c);
}

static void sender_answer(struct load *l, struct client *c, int status)
{
    if (status == 201) {
        l->accepted++;
        l->accepted_us = now_us();
        c->refusals = 0;
    } else if ((status == 429 || status == 503) && ++c->refusals <= RETRY_MAX) {
        l->busy++;
        c->retry_at_us = now_us() + RETRY_WAIT_MS * 1000;
        return;
    } else {
        l->refused++;
    }
    sender_next(l, c);
}

static void taker_answer(struct load *l, struct client *c, int status, const char *body, size_t len)
{
    static const char key[] = "\"payload\":\"";
    const char *text = status == 200 ? memmem(body, len, key, sizeof(key) - 1) : NULL;
    if (text) {
        text += sizeof(key) - 1;
        const char *end = memchr(text, '"', len - (size_t)(text - body));
        size_t text_len = end ? (size_t)(end - text) : 0;
        uint32_t number = payload_number(text, text_len);
        if (number >= l->c.count || text_len != (l->c.size + 2) / 3 * 4) {
            l->foreign++;
        } else if (l->taken[number]++) {
            l->duplicates++;
        } else {
            l->delivered++;
            l->delivered_us = now_us();
        }
    } else if (status != 204) {
        l->failed++;
        c->retry_at_us = now_us() + RETRY_WAIT_MS * 1000;
        return;
    }
    client_request_again(c);
}

/* Handles one whole answer at the start of c->in, if there is one. */
static bool client_answer(struct load *l, struct client *c)
{
    c->in[c->in_len] = 0;
    char *head_end = strstr(c->in, "\r\n\r\n");
    if (!head_end)
        return false;
    size_t head_len = (size_t)(head_end - c->in) + 4, body_len = 0;
    int status = 0;
    *head_end = 0;
    const char *field = strcasestr(c->in, "\r\ncontent-length:");
    if (field)
        body_len = strtoul(field + 17, NULL, 10);
    bool ends = strcasestr(c->in, "\r\nconnection: close");
    if (sscanf(c->in, "HTTP/1.%*d %d", &status) != 1 || head_len + body_len >= IN_MAX) {
        fprintf(stderr, "not understood: %.60s\n", c->in);
        exit(2);
    }
    *head_end = '\r';
    if (c->in_len < head_len + body_len)
        return false;
    c->in_len = 0; /* one request at a time: nothing follows */
    if (ends)
        client_connect(l, c);
    if (c->taker)
        taker_answer(l, c, status, c->in + head_len, body_len);
    else
        sender_answer(l, c, status);
    return true;
}

static void client_readable(struct load *l, struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, IN_MAX - 1 - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* the answer is lost: a taken message would be too, so this fails the run */
        if (!c->idle)
            l->failed++;
        client_connect(l, c);
        if (!c->taker)
            sender_next(l, c);
        else
            client_request_again(c);
        return;
    }
    c->in_len += (size_t)n;
    client_answer(l, c);
}

static void load_start(struct load *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->clients_count = l->c.clients + l->c.takers;
    l->clients = calloc(l->clients_count, sizeof(*l->clients));
    l->taken = calloc(l->c.count, 1);
    if (l->epoll_fd < 0 || !l->clients || !l->taken)
        die("start");
    for (uint32_t i = 0; i < l->clients_count; i++) {
        struct client *c = &l->clients[i];
        c->fd = -1;
        c->taker = i >= l->c.clients;
        c->out = malloc((size_t)l->c.size * 2 + 1024);
        c->in = malloc(IN_MAX);
        if (!c->out || !c->in)
            die("memory");
        client_connect(l, c);
    }
    l->start_us = now_us();
    for (uint32_t i = 0; i < l->clients_count; i++) {
        struct client *c = &l->clients[i];
        if (c->taker) {
            c->out_len = (size_t)sprintf(c->out, "GET /api/v1/messages?timeout=1 HTTP/1.1\r\n"
                                                 "Host: localhost\r\n\r\n");
            client_request_again(c);
        } else {
            sender_next(l, c);
        }
    }
}

static void load_retry(struct load *l)
{
    int64_t now = now_us();
    for (uint32_t i = 0; i < l->clients_count; i++) {
        struct client *c = &l->clients[i];
        if (c->retry_at_us && now >= c->retry_at_us) {
            c->retry_at_us = 0;
            client_request_again(c);
        }
    }
}

static bool load_sending(const struct load *l)
{
    for (uint32_t i = 0; i < l->c.clients; i++)
        if (!l->clients[i].idle)
            return true;
    return false;
}

static void load_run(struct load *l)
{
    int64_t end = l->start_us + (int64_t)l->c.limit_s * 1000000, settled = 0;
    struct epoll_event events[64];
    while (now_us() < end) {
        int n = epoll_wait(l->epoll_fd, events, 64, RETRY_WAIT_MS);
        for (int i = 0; i < n; i++)
            client_readable(l, events[i].data.ptr);
        load_retry(l);
        if (load_sending(l) || l->delivered < l->accepted)
            continue;
        if (!settled)
            settled = now_us() + SETTLE_MS * 1000;
        if (now_us() >= settled)
            return;
    }
}

static void load_report(const struct load *l)
{
    double accept_s = (double)(l->accepted_us - l->start_us) / 1e6;
    double deliver_s = (double)(l->delivered_us - l->start_us) / 1e6;
    printf(
        "{\"count\":%u,\"size\":%u,\"clients\":%u,\"takers\":%u,\"accepted\":%u,\"delivered\":%u,"
        "\"duplicates\":%u,\"foreign\":%u,\"refused\":%u,\"failed\":%u,\"busy\":%u,"
        "\"acceptedSeconds\":%.6f,\"deliveredSeconds\":%.6f}\n",
        l->c.count, l->c.size, l->c.clients, l->c.takers, l->accepted, l->delivered, l->duplicates,
        l->foreign, l->refused, l->failed, l->busy, accept_s > 0 ? accept_s : 0,
        deliver_s > 0 ? deliver_s : 0);
}

static uint32_t number_arg(const char *text, uint32_t min, uint32_t max)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || end == text || v < min || v > max) {
        fprintf(stderr, "load: %s: a number from %u to %u is wanted\n", text, min, max);
        exit(2);
    }
    return (uint32_t)v;
}

static void parse(int argc, char **argv, struct config *c)
{
    static const struct option names[] = {
        {"send", required_argument, NULL, 's'},
        {"take", required_argument, NULL, 't'},
        {"dst", required_argument, NULL, 'd'},
        {"count", required_argument, NULL, 'n'},
        {"size", required_argument, NULL, 'b'},
        {"clients", required_argument, NULL, 'c'},
        {"takers", required_argument, NULL, 'k'},
        {"limit", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (o) {
        case 's':
            c->send_port = (uint16_t)number_arg(optarg, 1, 65535);
            break;
        case 't':
            c->take_port = (uint16_t)number_arg(optarg, 1, 65535);
            break;
        case 'd':
            c->dst = optarg;
            break;
        case 'n':
            c->count = number_arg(optarg, 1, 100000000);
            break;
        case 'b':
            c->size = number_arg(optarg, NUMBER_BYTES, SIZE_MAX_MSG);
            break;
        case 'c':
            c->clients = number_arg(optarg, 1, CLIENTS_MAX);
            break;
        case 'k':
            c->takers = number_arg(optarg, 1, CLIENTS_MAX);
            break;
        case 'l':
            c->limit_s = number_arg(optarg, 1, 86400);
            break;
        default:
            exit(2);
        }
    }
    if (!c->send_port || !c->take_port || !c->dst || !c->count || !c->size || strlen(c->dst) > 45) {
        fprintf(stderr, "load: --send, --take, --dst, --count and --size are needed\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct load l = {.c = {.clients = 16, .takers = 4, .limit_s = 120}};
    parse(argc, argv, &l.c);
    load_start(&l);
    load_run(&l);
    load_report(&l);
    bool good = l.accepted == l.c.count && l.delivered == l.accepted && !l.duplicates &&
                !l.foreign && !l.failed;
    return good ? 0 : 1;
}
