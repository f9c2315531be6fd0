/* campaign.c - two daemons that send each other messages and are killed with SIGKILL at random
 * moments, thousands of times; clients that keep books (books.h) say whether anything was lost or
 * came twice.
 *
 *   campaign --count N --kills N [--seed N] [--senders N] [--takers N] [--limit SECONDS]
 *            [--victims a|b|ab] [--plain b] [--window N] -- PORT ADDRESS LOG COMMAND.. -- PORT
 * ADDRESS LOG COMMAND..
 *
 * The first daemon is a, the second b; PORT is that of the API, LOG a file for the output. A kill
 * comes after a random number of answers, so that it falls into work and not into waiting, and
 * sometimes while the daemon starts. The program starts it again after a random pause. Prints
 * a line of progress every ten seconds on stderr and one JSON object at the end. At the limit, and
 * at SIGTERM, it stops sending and killing and lets everything arrive. Exit 0: the books are in
 * order and complete; 1: they are not; 2: usage, or a daemon that ended by itself. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "books.h"
#include "daemon.h"
#include "http_client.h"

#define OUT_CAP      (128 * 1024)
#define IN_CAP       (512 * 1024)
#define FETCH_MAX    8
#define FETCH_BYTES  (256 * 1024)
#define TOKEN_MAX    64
#define RETRY_MS     5
#define REFUSED_MS   20
#define STALL_MS     1000 /* no work done: the next kill comes without it */
#define DOWN_MAX_MS  120
#define EARLY_MAX_MS 40 /* kills during the start */
#define QUIET_MS     3000
#define DRAIN_MS     120000 /* after the last kill, for everything to arrive */
#define PROGRESS_MS  10000
#define CLIENTS_MAX  256

enum kind { SENDER, POPPER, LEASER };

struct client {
    enum kind kind;
    int node;
    struct http_client http;
    bool ready;        /* http.out holds a request that is to be sent, or was */
    int64_t again_at;  /* ms; 0: not waiting */
    uint32_t asked_at; /* the clock of the books */
    uint32_t number;   /* sender */
    bool idle;         /* sender: no numbers left */
    bool acking, acking_again;
    uint32_t held[FETCH_MAX], n_held;
    char tokens[FETCH_MAX][TOKEN_MAX];
};

struct side {
    struct daemon daemon;
    const char *address;
    int64_t start_at; /* while it is down */
    bool ready;       /* answered since it was started */
    bool plain;       /* of another program */
    uint32_t next_number;
};

struct campaign {
    uint32_t kills, senders, takers, limit_s;
    uint32_t window; /* accepted and not delivered: more are not sent for now */
    bool victim[2];
    struct side d[2];
    struct books books;
    int epoll_fd;
    struct client c[CLIENTS_MAX];
    uint32_t n_clients;
    uint64_t random;
    int64_t started, kill_by, progress_at;
    uint64_t work, kill_at_work; /* answers that meant something */
    uint32_t done_kills, early_kills;
    bool stopped; /* by the limit or a signal: no more is sent, no more kills */
};

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int signal)
{
    (void)signal;
    asked_to_stop = 1;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t random_below(struct campaign *m, uint32_t n)
{
    m->random = m->random * 6364136223846793005 + 1442695040888963407;
    return n == 0 ? 0 : (uint32_t)((m->random >> 33) % n);
}

/* --- daemons ------------------------------------------------------------------------------ */

/* After as much work as leaves the rest to the other kills, on the average. */
static void plan_kill(struct campaign *m)
{
    uint64_t all = 2ULL * m->books.count, rest = all > m->work ? all - m->work : 0;
    uint32_t left = m->kills - m->done_kills;
    if (left == 0)
        return;
    m->kill_at_work = m->work + random_below(m, (uint32_t)(2 * rest / left) + 2);
    m->kill_by = INT64_MAX; /* until both are ready */
}

static void kill_some(struct campaign *m, int64_t now)
{
    bool both = m->victim[0] && m->victim[1] && random_below(m, 10) == 0;
    int one = m->victim[0] && m->victim[1] ? (int)random_below(m, 2) : m->victim[1];
    for (int i = 0; i < 2; i++) {
        if (i != one && !both)
            continue;
        daemon_kill(&m->d[i].daemon);
        m->d[i].ready = false;
        m->d[i].start_at = now + (random_below(m, 2) ? 0 : random_below(m, DOWN_MAX_MS));
    }
    m->done_kills++;
    plan_kill(m);
    if (m->done_kills < m->kills && random_below(m, 20) == 0) { /* the next one while it starts */
        m->kill_by = m->d[one].start_at + random_below(m, EARLY_MAX_MS);
        m->early_kills++;
    }
}

static void daemons_step(struct campaign *m, int64_t now)
{
    bool up = m->d[0].daemon.pid && m->d[1].daemon.pid;
    if (m->kill_by == INT64_MAX && m->d[0].ready && m->d[1].ready)
        m->kill_by = now + STALL_MS / 4 + random_below(m, STALL_MS);
    if (up && m->done_kills < m->kills && (m->work >= m->kill_at_work || now >= m->kill_by))
        kill_some(m, now);
    for (int i = 0; i < 2; i++) {
        daemon_check(&m->d[i].daemon);
        if (m->d[i].daemon.pid == 0 && now >= m->d[i].start_at)
            daemon_start(&m->d[i].daemon);
    }
}

/* --- clients ------------------------------------------------------------------------------ */

static void client_again(struct client *c, int64_t at)
{
    c->again_at = at;
}

static void send_request(struct campaign *m, struct client *c)
{
    struct plan p = books_plan(&m->books, c->number);
    struct http_client *h = &c->http;
    static uint8_t payload[BOOKS_SIZE_MAX];
    char start[256], topic[64], headers[160];
    const char *to = m->d[!c->node].address;
    topic[base64_encode(p.topic, strlen(p.topic), topic)] = 0;
    books_payload(&m->books, &p, payload);
    int n = snprintf(start, sizeof(start), "{\"dst\":{\"ip\":\"%s\"},\"topic\":\"%s\",", to, topic);
    if (!m->books.plain) /* a day: low priorities may wait for long under so many kills */
        n += snprintf(start + n, sizeof(start) - (size_t)n, "\"priority\":%u,\"ttlMs\":86400000,",
                      p.prio);
    n += snprintf(start + n, sizeof(start) - (size_t)n, "\"payload\":\"");
    snprintf(headers, sizeof(headers), "Content-Type: application/json\r\n");
    if (p.keyed)
        snprintf(headers, sizeof(headers),
                 "Content-Type: application/json\r\nIdempotency-Key: %llx-%x\r\n",
                 (unsigned long long)m->books.seed, p.number);
    http_begin(h, "POST", m->books.plain ? "/api/v1/messages" : "/bus/v1/messages", headers,
               (size_t)n + base64_len(p.size) + 2);
    http_append(h, start, (size_t)n);
    http_append_base64(h, payload, p.size);
    http_append(h, "\"}", 2);
}

static void pop_request(struct campaign *m, struct client *c)
{
    char path[96], topic[8], text[16] = "";
    if (!m->d[c->node].plain) {
        int n = snprintf(topic, sizeof(topic), "p/%u", random_below(m, 4));
        text[base64_encode(topic, (size_t)n, text)] = 0;
        snprintf(path, sizeof(path), "/api/v1/messages?timeout=%u&topic=%s",
                 random_below(m, 16) == 0, text); /* few wait long: the others are behind it */
    } else {
        snprintf(path, sizeof(path), "/api/v1/messages?timeout=0");
    }
    http_begin(&c->http, "GET", path, "", 0);
}

static void fetch_request(struct client *c)
{
    char body[160];
    int n = snprintf(body, sizeof(body),
                     "{\"prefix\":\"bC8=\",\"max\":%u,\"maxBytes\":%u,\"waitMs\":300}", FETCH_MAX,
                     FETCH_BYTES);
    http_begin(&c->http, "POST", "/bus/v1/messages/fetch", "Content-Type: application/json\r\n",
               (size_t)n);
    http_append(&c->http, body, (size_t)n);
}

static void ack_request(struct client *c)
{
    char body[FETCH_MAX * (TOKEN_MAX + 4) + 32];
    int n = snprintf(body, sizeof(body), "{\"tokens\":[");
    for (uint32_t i = 0; i < c->n_held; i++)
        n += snprintf(body + n, sizeof(body) - (size_t)n, "%s\"%s\"", i ? "," : "", c->tokens[i]);
    n += snprintf(body + n, sizeof(body) - (size_t)n, "]}");
    http_begin(&c->http, "POST", "/bus/v1/messages/ack", "Content-Type: application/json\r\n",
               (size_t)n);
    http_append(&c->http, body, (size_t)n);
}

/* Makes the next request, if there is one to be made. */
static bool client_prepare(struct campaign *m, struct client *c)
{
    struct side *d = &m->d[c->node];
    if (c->kind == LEASER) {
        c->acking = c->n_held > 0;
        c->acking_again = false;
        if (c->acking)
            ack_request(c);
        else
            fetch_request(c);
    } else if (c->kind == POPPER) {
        pop_request(m, c);
    } else {
        if (d->next_number >= m->books.count) {
            c->idle = true;
            return false;
        }
        if (m->books.accepted > m->books.delivered + m->books.cut_pops + m->window)
            return false;
        c->number = d->next_number;
        d->next_number += 2;
        send_request(m, c);
    }
    c->ready = true;
    return true;
}

static void client_step(struct campaign *m, struct client *c, int64_t now)
{
    if (c->http.asked || c->idle || now < c->again_at)
        return;
    client_again(c, now + RETRY_MS);
    if (!m->d[c->node].daemon.pid || (c->http.fd < 0 && !http_connect(&c->http, m->epoll_fd, c)))
        return;
    if (!c->ready && !client_prepare(m, c))
        return;
    c->asked_at = ++m->books.clock;
    http_send(&c->http);
}

/* The next one at once. */
static void client_next(struct campaign *m, struct client *c, int64_t now)
{
    c->ready = false;
    client_again(c, 0);
    client_step(m, c, now);
}

static void client_broken(struct campaign *m, struct client *c, int64_t now)
{
    bool asked = c->http.asked;
    c->http.asked = false;
    client_again(c, now + RETRY_MS);
    if (!asked)
        return;
    if (c->kind == SENDER && !books_plan(&m->books, c->number).keyed) {
        books_maybe(&m->books, c->number);
        c->ready = false;
    } else if (c->kind == POPPER) {
        m->books.cut_pops++;
        c->ready = false;
    } else if (c->kind == LEASER) {
        c->acking_again = c->acking;
    }
}

static void sender_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                          int64_t now)
{
    if (a->status == 201 || a->status == 200) {
        m->books.replayed += a->status == 200;
        books_accepted(&m->books, c->number);
        m->work++;
        client_next(m, c, now);
    } else if (a->status == 429 || a->status == 503) {
        client_again(c, now + REFUSED_MS);
    } else {
        fprintf(stderr, "message %u: %d %.200s\n", c->number, a->status, a->body);
        exit(2);
    }
}

static void pop_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                       int64_t now)
{
    const char *end = a->body + a->len;
    size_t topic_len = 0, payload_len = 0;
    c->ready = false;
    if (a->status != 200) {
        client_again(c, now + (a->status == 204 ? RETRY_MS : REFUSED_MS));
        return;
    }
    const char *topic = json_text(a->body, end, "topic", &topic_len);
    const char *payload = json_text(a->body, end, "payload", &payload_len);
    uint32_t number = books_identify(&m->books, topic ? topic : "", topic_len,
                                     payload ? payload : "", payload_len);
    if (number != UINT32_MAX)
        books_popped(&m->books, number, m->d[c->node].plain);
    m->work++;
    client_next(m, c, now);
}

static void fetch_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                         int64_t now)
{
    const char *end = a->body + a->len;
    const char *at = a->status == 200 ? memmem(a->body, a->len, "{\"id\":", 6) : NULL;
    c->n_held = 0;
    while (at && c->n_held < FETCH_MAX) {
        const char *next = memmem(at + 6, (size_t)(end - at) - 6, "{\"id\":", 6);
        const char *stop = next ? next : end;
        size_t topic_len = 0, payload_len = 0, token_len = 0;
        const char *topic = json_text(at, stop, "topic", &topic_len);
        const char *payload = json_text(at, stop, "payload", &payload_len);
        const char *token = json_text(at, stop, "token", &token_len);
        uint32_t number = books_identify(&m->books, topic ? topic : "", topic_len,
                                         payload ? payload : "", payload_len);
        if (number != UINT32_MAX && token && token_len < TOKEN_MAX) {
            books_shown(&m->books, number, json_number(at, stop, "redelivered", -1), c->asked_at);
            memcpy(c->tokens[c->n_held], token, token_len);
            c->tokens[c->n_held][token_len] = 0;
            c->held[c->n_held++] = number;
        }
        at = next;
    }
    if (a->status == 200 || a->status == 204) {
        client_next(m, c, now);
        return;
    }
    c->ready = false;
    client_again(c, now + REFUSED_MS);
}

static void ack_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                       int64_t now)
{
    if (a->status != 200) { /* not stored: they are ours still */
        client_again(c, now + REFUSED_MS);
        return;
    }
    for (uint32_t i = 0; i < c->n_held; i++) {
        if (strstr(a->body, c->tokens[i]))
            books_ack_unknown(&m->books, c->held[i], c->acking_again);
        else
            books_acked(&m->books, c->held[i]);
        m->work++;
    }
    c->n_held = 0;
    client_next(m, c, now);
}

static void client_readable(struct campaign *m, struct client *c, int64_t now)
{
    struct http_answer a;
    switch (http_read(&c->http, &a)) {
    case HTTP_NOTHING:
        return;
    case HTTP_BROKEN:
        client_broken(m, c, now);
        return;
    case HTTP_ANSWER:
        break;
    }
    ++m->books.clock;
    m->d[c->node].ready = true;
    if (c->kind == SENDER)
        sender_answer(m, c, &a, now);
    else if (c->kind == POPPER)
        pop_answer(m, c, &a, now);
    else if (c->acking)
        ack_answer(m, c, &a, now);
    else
        fetch_answer(m, c, &a, now);
}

static void clients_make(struct campaign *m)
{
    for (int node = 0; node < 2; node++) {
        uint32_t poppers = m->d[node].plain ? m->takers : 1; /* a kill cuts one pop off at most */
        uint32_t leasers = m->d[node].plain ? 0 : m->takers;
        for (uint32_t i = 0; i < m->senders + poppers + leasers && m->n_clients < CLIENTS_MAX;
             i++) {
            struct client *c = &m->c[m->n_clients++];
            c->kind = i < m->senders ? SENDER : i < m->senders + poppers ? POPPER : LEASER;
            c->node = node;
            http_init(&c->http, m->d[node].daemon.port, OUT_CAP, IN_CAP);
        }
    }
}

/* --- the run ------------------------------------------------------------------------------ */

static bool sending(const struct campaign *m)
{
    for (uint32_t i = 0; i < m->n_clients; i++)
        if (m->c[i].kind == SENDER && !m->c[i].idle)
            return true;
    return false;
}

static void progress(struct campaign *m, int64_t now)
{
    struct books *b = &m->books;
    if (now < m->progress_at)
        return;
    m->progress_at = now + PROGRESS_MS;
    fprintf(
        stderr,
        "#~ %lld s: %u accepted, %u maybe, %u delivered, %u kills; twice %u, foreign %u, damaged %u\n",
        (long long)(now - m->started) / 1000, b->accepted, b->maybe, b->delivered, m->done_kills,
        b->twice, b->foreign, b->damaged);
}

/* What is under way is finished. */
static void stop(struct campaign *m)
{
    m->stopped = true;
    m->kills = m->done_kills;
    for (int i = 0; i < 2; i++)
        m->d[i].next_number = m->books.count;
}

/* Until all is sent, killed and delivered, and nothing more comes for a while. */
static void run(struct campaign *m)
{
    struct epoll_event events[64];
    int64_t last_work_at = now_ms(), drain_end = 0, end = last_work_at + m->limit_s * 1000LL;
    uint64_t last_work = 0;
    m->started = last_work_at;
    plan_kill(m);
    for (;;) {
        int n = epoll_wait(m->epoll_fd, events, 64, 1);
        int64_t now = now_ms();
        for (int i = 0; i < n; i++)
            client_readable(m, events[i].data.ptr, now);
        daemons_step(m, now);
        for (uint32_t i = 0; i < m->n_clients; i++)
            client_step(m, &m->c[i], now);
        progress(m, now);
        if (!m->stopped && (now >= end || asked_to_stop))
            stop(m);
        if (m->work != last_work) {
            last_work = m->work;
            last_work_at = now;
        }
        if (sending(m) || m->done_kills < m->kills)
            continue;
        if (drain_end == 0)
            drain_end = now + DRAIN_MS;
        if (now - last_work_at < QUIET_MS)
            continue;
        struct missing left = books_missing(&m->books, false);
        if ((left.leased == 0 && left.popped <= m->books.cut_pops) || now >= drain_end)
            return;
    }
}

static bool report(const struct campaign *m)
{
    const struct books *b = &m->books;
    struct missing left = books_missing(b, true);
    bool good = left.leased == 0 && left.popped <= b->cut_pops && b->twice == 0 &&
                b->foreign == 0 && b->damaged == 0 && b->lost_acks == 0;
    bool complete = b->accepted + b->maybe == b->count && !m->stopped;
    printf(
        "{\"count\":%u,\"accepted\":%u,\"maybe\":%u,\"replayed\":%u,\"delivered\":%u,\"kills\":%u,"
        "\"killsOfA\":%u,\"killsOfB\":%u,\"early\":%u,\"lost\":%u,\"lostPops\":%u,\"cutPops\":%u,"
        "\"twice\":%u,\"repeats\":%u,\"foreign\":%u,\"damaged\":%u,\"lostAcks\":%u,\"unmarked\":%u,"
        "\"seconds\":%.1f,\"complete\":%s,\"good\":%s}\n",
        b->count, b->accepted, b->maybe, b->replayed, b->delivered, m->done_kills,
        m->d[0].daemon.kills, m->d[1].daemon.kills, m->early_kills, left.leased, left.popped,
        b->cut_pops, b->twice, b->repeats, b->foreign, b->damaged, b->lost_acks, b->unmarked,
        (double)(now_ms() - m->started) / 1000, complete ? "true" : "false",
        good ? "true" : "false");
    return good && complete;
}

static void usage(void)
{
    fprintf(
        stderr,
        "campaign --count N --kills N [--seed N] [--senders N] [--takers N] [--limit SECONDS]\n"
        "    [--victims a|b|ab] [--plain b] [--window N] -- PORT ADDRESS LOG COMMAND.. -- PORT ADDRESS LOG COMMAND..\n");
    exit(2);
}

/* PORT ADDRESS LOG COMMAND.. up to the next "--" or the end. Returns what is behind it. */
static char **side_parse(char **at, struct side *d)
{
    for (int i = 0; i < 4; i++)
        if (!at[i] || strcmp(at[i], "--") == 0)
            usage();
    d->daemon.port = (uint16_t)strtoul(at[0], NULL, 10);
    d->address = at[1];
    d->daemon.log = at[2];
    d->daemon.command = at += 3;
    while (*at && strcmp(*at, "--") != 0)
        at++;
    char **next = *at ? at + 1 : at;
    *at = NULL;
    return next;
}

static void parse(int argc, char **argv, struct campaign *m)
{
    static const struct option names[] = {
        {"count", required_argument, NULL, 'n'},   {"kills", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 's'},    {"senders", required_argument, NULL, 'c'},
        {"takers", required_argument, NULL, 't'},  {"limit", required_argument, NULL, 'l'},
        {"victims", required_argument, NULL, 'v'}, {"plain", required_argument, NULL, 'p'},
        {"window", required_argument, NULL, 'w'},  {NULL, 0, NULL, 0},
    };
    const char *victims = "ab", *plain = "";
    uint64_t seed = (uint64_t)time(NULL);
    uint32_t count = 0;
    int o;
    while ((o = getopt_long(argc, argv, "+", names, NULL)) != -1) {
        uint64_t v = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (o) {
        case 'n':
            count = (uint32_t)v;
            break;
        case 'k':
            m->kills = (uint32_t)v;
            break;
        case 's':
            seed = v;
            break;
        case 'c':
            m->senders = (uint32_t)v;
            break;
        case 't':
            m->takers = (uint32_t)v;
            break;
        case 'l':
            m->limit_s = (uint32_t)v;
            break;
        case 'w':
            m->window = (uint32_t)v;
            break;
        case 'v':
            victims = optarg;
            break;
        case 'p':
            plain = optarg;
            break;
        default:
            usage();
        }
    }
    if (count == 0 || !argv[optind])
        usage();
    char **rest = side_parse(argv + optind, &m->d[0]);
    if (!*rest)
        usage();
    side_parse(rest, &m->d[1]);
    for (int i = 0; i < 2; i++) {
        m->d[i].daemon.name = (char)('a' + i);
        m->d[i].next_number = (uint32_t)i;
        m->d[i].plain = strchr(plain, 'a' + i);
        m->victim[i] = strchr(victims, 'a' + i);
    }
    m->random = seed;
    books_init(&m->books, seed, count, *plain);
}

int main(int argc, char **argv)
{
    static struct campaign m = {.senders = 8, .takers = 3, .limit_s = 86400, .window = 3000};
    parse(argc, argv, &m);
    m.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    clients_make(&m);
    run(&m);
    bool good = report(&m);
    return good ? 0 : 1;
}
