/* load.c - a load generator for the message calls of the REST surface: clients that send and
 * clients that take, in one loop, so that accepted and delivered are measured by one clock.
 *
 *   load --send PORT --take PORT --dst ADDRESS --count N --size BYTES [--clients N] [--takers N]
 *        [--limit SECONDS] [--rate N] [--memory]
 *
 * --memory: with durable: false. Every message carries its number; each is sent once and counted
 * when it comes out. Prints one JSON object. Exit 0: all accepted and each delivered exactly once;
 * 1: not so; 2: usage. Only loopback, plain HTTP/1.1 with persistent connections and Content-Length
 * answers. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "http_client.h"

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
    uint32_t rate; /* messages per second, all clients together; 0: as fast as it goes */
    bool memory;   /* durable: false */
};

struct client {
    struct http_client http;
    bool taker, idle;
    bool paced;                    /* sender: waits until its next message is due */
    uint32_t number;               /* sender: of the message under way */
    uint32_t refusals;             /* in a row */
    int64_t asked_us, retry_at_us; /* retry_at_us 0: none */
};

struct load {
    struct config c;
    int epoll_fd;
    struct client *clients; /* senders first */
    uint32_t clients_count, next_number;
    uint8_t *taken;                       /* by number, how often */
    int64_t *sent_us;                     /* by number */
    uint32_t *accept_took, *deliver_took; /* in the order of their end */
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

/* The number at the start of a payload in base64; UINT32_MAX: not one of ours. */
static uint32_t payload_number(const char *text, size_t len)
{
    char plain[NUMBER_BYTES + 1] = {0}, *end;
    if (base64_decode(text, len, (uint8_t *)plain, NUMBER_BYTES) != NUMBER_BYTES)
        return UINT32_MAX;
    plain[16] = 0;
    unsigned long long n = strtoull(plain, &end, 16);
    return *end || n >= UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void client_connect(struct load *l, struct client *c)
{
    if (!http_connect(&c->http, l->epoll_fd, c))
        die("connect");
}

static void client_request_again(struct client *c)
{
    c->asked_us = now_us();
    http_send(&c->http);
}

static void sender_next(struct load *l, struct client *c)
{
    uint8_t payload[SIZE_MAX_MSG];
    if (l->next_number == l->c.count) {
        c->idle = true;
        return;
    }
    int64_t due_us = l->c.rate ? l->start_us + (int64_t)l->next_number * 1000000 / l->c.rate : 0;
    if (due_us > now_us()) {
        c->paced = true;
        c->retry_at_us = due_us;
        return;
    }
    c->number = l->next_number++;
    memset(payload, '.', l->c.size);
    char head[NUMBER_BYTES + 1], start[128];
    snprintf(head, sizeof(head), "%016x..", c->number);
    memcpy(payload, head, NUMBER_BYTES);
    int n = snprintf(start, sizeof(start), "{\"dst\":{\"ip\":\"%s\"},%s\"payload\":\"", l->c.dst,
                     l->c.memory ? "\"durable\":false," : "");
    http_begin(&c->http, "POST", l->c.memory ? "/bus/v1/messages" : "/api/v1/messages",
               "Content-Type: application/json\r\n", (size_t)n + base64_len(l->c.size) + 2);
    http_append(&c->http, start, (size_t)n);
    http_append_base64(&c->http, payload, l->c.size);
    http_append(&c->http, "\"}", 2);
    client_request_again(c);
    l->sent_us[c->number] = c->asked_us;
}

static uint32_t since(int64_t us)
{
    int64_t took = now_us() - us;
    return took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

static void sender_answer(struct load *l, struct client *c, int status)
{
    if (status == 201) {
        l->accept_took[l->accepted++] = since(l->sent_us[c->number]);
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

static void taker_answer(struct load *l, struct client *c, const struct http_answer *a)
{
    size_t text_len = 0;
    const char *text =
        a->status == 200 ? json_text(a->body, a->body + a->len, "payload", &text_len) : NULL;
    if (text) {
        uint32_t number = payload_number(text, text_len);
        if (number >= l->c.count || text_len != base64_len(l->c.size)) {
            l->foreign++;
        } else if (l->taken[number]++) {
            l->duplicates++;
        } else {
            l->deliver_took[l->delivered++] = since(l->sent_us[number]);
            l->delivered_us = now_us();
        }
    } else if (a->status != 204) {
        l->failed++;
        c->retry_at_us = now_us() + RETRY_WAIT_MS * 1000;
        return;
    }
    client_request_again(c);
}

static void client_readable(struct load *l, struct client *c)
{
    struct http_answer a;
    switch (http_read(&c->http, &a)) {
    case HTTP_NOTHING:
        return;
    case HTTP_BROKEN: /* the answer is lost: a taken message would be too, so this fails the run */
        if (!c->idle)
            l->failed++;
        client_connect(l, c);
        if (c->taker)
            client_request_again(c);
        else
            sender_next(l, c);
        return;
    case HTTP_ANSWER:
        break;
    }
    if (c->http.fd < 0)
        client_connect(l, c);
    if (c->taker)
        taker_answer(l, c, &a);
    else
        sender_answer(l, c, a.status);
}

static void load_start(struct load *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->clients_count = l->c.clients + l->c.takers;
    l->clients = calloc(l->clients_count, sizeof(*l->clients));
    l->taken = calloc(l->c.count, 1);
    l->sent_us = calloc(l->c.count, sizeof(*l->sent_us));
    l->accept_took = calloc(l->c.count, sizeof(*l->accept_took));
    l->deliver_took = calloc(l->c.count, sizeof(*l->deliver_took));
    if (l->epoll_fd < 0 || !l->clients || !l->taken || !l->sent_us || !l->accept_took ||
        !l->deliver_took)
        die("start");
    for (uint32_t i = 0; i < l->clients_count; i++) {
        struct client *c = &l->clients[i];
        c->taker = i >= l->c.clients;
        http_init(&c->http, c->taker ? l->c.take_port : l->c.send_port,
                  (size_t)l->c.size * 2 + 1024, IN_MAX);
        client_connect(l, c);
    }
    l->start_us = now_us();
    for (uint32_t i = 0; i < l->clients_count; i++) {
        struct client *c = &l->clients[i];
        if (c->taker) {
            http_begin(&c->http, "GET", "/api/v1/messages?timeout=1", "", 0);
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
            if (c->paced) {
                c->paced = false;
                sender_next(l, c);
            } else {
                client_request_again(c);
            }
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

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts v. */
static void report_times(const char *name, uint32_t *v, uint32_t n)
{
    qsort(v, n, sizeof(*v), by_value);
    printf("\"%s\":{\"p50\":%u,\"p99\":%u,\"max\":%u},", name, n ? v[n / 2] : 0,
           n ? v[(uint32_t)((uint64_t)n * 99 / 100)] : 0, n ? v[n - 1] : 0);
}

static void load_report(struct load *l)
{
    double accept_s = (double)(l->accepted_us - l->start_us) / 1e6;
    double deliver_s = (double)(l->delivered_us - l->start_us) / 1e6;
    putchar('{');
    report_times("acceptMicroseconds", l->accept_took, l->accepted);
    report_times("deliverMicroseconds", l->deliver_took, l->delivered);
    printf("\"count\":%u,\"size\":%u,\"clients\":%u,\"takers\":%u,\"accepted\":%u,\"delivered\":%u,"
           "\"duplicates\":%u,\"foreign\":%u,\"refused\":%u,\"failed\":%u,\"busy\":%u,"
           "\"acceptedSeconds\":%.6f,\"deliveredSeconds\":%.6f}\n",
           l->c.count, l->c.size, l->c.clients, l->c.takers, l->accepted, l->delivered,
           l->duplicates, l->foreign, l->refused, l->failed, l->busy, accept_s > 0 ? accept_s : 0,
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
        {"rate", required_argument, NULL, 'r'},
        {"memory", no_argument, NULL, 'm'},
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
        case 'r':
            c->rate = number_arg(optarg, 1, 1000000);
            break;
        case 'm':
            c->memory = true;
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
