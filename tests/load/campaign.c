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

#include "campaign_clients.h"

#define STALL_MS     1000 /* no work done: the next kill comes without it */
#define DOWN_MAX_MS  120
#define EARLY_MAX_MS 40 /* kills during the start */
#define QUIET_MS     3000
#define DRAIN_MS     120000 /* after the last kill, for everything to arrive */
#define PROGRESS_MS  10000

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

/* --- the run ------------------------------------------------------------------------------ */

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
        if (clients_sending(m) || m->done_kills < m->kills)
            continue;
        if (drain_end == 0)
            drain_end = now + DRAIN_MS;
        m->finishing = now - last_work_at >= QUIET_MS;
        if (!m->finishing)
            continue;
        struct missing left = books_missing(&m->books, false);
        bool arrived = left.leased == 0 && left.popped <= m->books.cut_pops;
        if ((arrived && clients_all_empty(m)) || now >= drain_end)
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
