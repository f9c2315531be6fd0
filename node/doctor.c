#include "node/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "clients/escape.h"
#include "clients/snapshot.h"
#include "clients/units.h"
#include "node/key_file.h"
#include "node/paths.h"
#include "router/identity.h"

#define FREE_FAIL  (UINT64_C(100) << 20)
#define FREE_WARN  (UINT64_C(1) << 30)
#define SYNCS      9 /* of 4 KiB; the middle one counts */
#define SYNC_SLOW  (50 * USEC_MS)
#define FILES_WARN 4096 /* 2048 connections by the API, and as many peers */
/* No node of this program ran before: 2025-01-01. */
#define CLOCK_LEAST ((time_t)1735689600)

enum result { RESULT_OK, RESULT_WARN, RESULT_FAIL };
static const char *const result_names[] = {"ok", "warn", "fail"};

struct doctor {
    const struct options *o;
    const struct api_target *target;
    bool json, colour;
    size_t told, failed;
    bool running; /* a node answers */
    char state[PATH_TEXT_MAX];
};

/* One line. advice: what to do; "" where nothing is. */
static void tell(struct doctor *d, enum result r, const char *check, const char *advice,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);
static void tell(struct doctor *d, enum result r, const char *check, const char *advice,
                 const char *fmt, ...)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    char text[PATH_TEXT_MAX + 200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_make_printable(text);
    d->failed += r == RESULT_FAIL;
    if (d->json) {
        printf("%s\n    {\"check\": \"%s\", \"result\": \"%s\", \"text\": ", d->told ? "," : "",
               check, result_names[r]);
        json_string_write(stdout, text, strlen(text));
        fputs(", \"advice\": ", stdout);
        json_string_write(stdout, advice, strlen(advice));
        fputc('}', stdout);
    } else {
        printf("%s%-4s%s  %-10s  %s%s%s\n", d->colour ? colours[r] : "", result_names[r],
               d->colour ? "\033[0m" : "", check, text, *advice ? "; " : "", advice);
    }
    d->told++;
}

/* --- files ------------------------------------------------------------------------------------ */

static void check_key(struct doctor *d)
{
    char path[PATH_TEXT_MAX];
    struct stat st;
    if (key_file_path(d->o->key_file, path) != OK) {
        tell(d, RESULT_FAIL, "key", "give a shorter path with --key-file", "its path is too long");
    } else if (stat(path, &st) != 0 && errno == ENOENT) {
        tell(d, RESULT_WARN, "key", "the first start makes one, or mycelium generate-keys",
             "%s does not exist", path);
    } else if (access(path, R_OK) != 0) {
        tell(d, RESULT_FAIL, "key", "run this as the user of the node", "%s cannot be read: %s",
             path, strerrordesc_np(errno));
    } else if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 32) {
        tell(d, RESULT_FAIL, "key", "bring back a copy, or mycelium generate-keys --force",
             "%s is no key file of 32 bytes", path);
    } else if (st.st_mode & 077) {
        tell(d, RESULT_WARN, "key", "chmod 600 it", "%s: others may use it (mode %04o)", path,
             st.st_mode & 07777);
    } else {
        tell(d, RESULT_OK, "key", "", "%s", path);
    }
}

static void check_space(struct doctor *d)
{
    char text[UNITS_TEXT_MAX];
    struct statvfs fs;
    if (statvfs(d->state, &fs) != 0) {
        tell(d, RESULT_WARN, "space", "", "%s: %s", d->state, strerrordesc_np(errno));
        return;
    }
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    enum result r = bytes < FREE_FAIL ? RESULT_FAIL : bytes < FREE_WARN ? RESULT_WARN : RESULT_OK;
    tell(d, r, "space", r == RESULT_OK ? "" : "make room, or move --state-dir", "%s free in %s",
         bytes_text(bytes, text), d->state);
}

static int by_value(const void *a, const void *b)
{
    usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;
    return (x > y) - (x < y);
}

/* Every promise of the bus waits for one of these. */
static void check_sync(struct doctor *d)
{
    static const char block[4096] = {1};
    usec_t took[SYNCS];
    size_t n = 0;
    int fd = open(d->state, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        tell(d, RESULT_WARN, "disk", "run this as the user of the node",
             "nothing can be written in %s: %s", d->state, strerrordesc_np(errno));
        return;
    }
    for (; n < SYNCS; n++) {
        usec_t began = usec_now();
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fdatasync(fd) != 0)
            break;
        took[n] = usec_now() - began;
    }
    if (n < SYNCS) {
        tell(d, RESULT_FAIL, "disk", "look at the kernel's log", "writing in %s failed: %s",
             d->state, strerrordesc_np(errno));
    } else {
        qsort(took, SYNCS, sizeof(took[0]), by_value);
        usec_t middle = took[SYNCS / 2];
        bool slow = middle > SYNC_SLOW;
        tell(d, slow ? RESULT_WARN : RESULT_OK, "disk",
             slow ? "a message waits for one: use a faster disk for --state-dir" : "",
             "a write is synced in %.2f ms", (double)middle / (double)USEC_MS);
    }
    close(fd);
}

static void check_state(struct doctor *d)
{
    struct stat st;
    if (path_state(d->o->state_dir, d->o->key_file, d->state, sizeof(d->state)) != OK) {
        tell(d, RESULT_FAIL, "state", "give a shorter path with --state-dir",
             "its path is too long");
        return;
    }
    if (stat(d->state, &st) != 0) {
        bool none = errno == ENOENT;
        tell(d, none ? RESULT_WARN : RESULT_FAIL, "state",
             none ? "the first start makes it" : "run this as the user of the node", "%s: %s",
             d->state, strerrordesc_np(errno));
        return;
    }
    tell(d, S_ISDIR(st.st_mode) ? RESULT_OK : RESULT_FAIL, "state",
         S_ISDIR(st.st_mode) ? "" : "give another --state-dir", "%s%s", d->state,
         S_ISDIR(st.st_mode) ? "" : " is no folder");
    if (S_ISDIR(st.st_mode)) {
        check_space(d);
        check_sync(d);
    }
}

/* --- the node --------------------------------------------------------------------------------- */

static void check_api(struct doctor *d, struct snapshot *s)
{
    const struct api_target *t = d->target;
    char where[200], up[UNITS_TEXT_MAX];
    unsigned status = 0;
    snprintf(where, sizeof(where), t->socket ? "%s" : "%s port %u", t->socket ? t->socket : t->host,
             t->port);
    int rc = snapshot_take(t, s, &status);
    d->running = rc == OK || rc == ERR_INVAL;
    if (rc == ERR_INVAL && status == 401)
        tell(d, RESULT_FAIL, "api", "give --token-file, or MYCELIUM_API_TOKEN",
             "the node at %s wants a token", where);
    else if (rc == ERR_INVAL)
        tell(d, RESULT_FAIL, "api", "look at what else listens there", "%s answers with %u", where,
             status);
    else if (rc != OK)
        tell(d, RESULT_FAIL, "api", "start the node, or say with --api-addr where it is",
             "no answer at %s (%s)", where, rc == ERR_IO ? "no connection" : err_str(rc));
    else if (s->ours && !s->ready)
        tell(d, RESULT_FAIL, "api", "look at its log: the store takes nothing, or it is stopping",
             "the node at %s is not ready", where);
    else
        tell(d, RESULT_OK, "api", "", "%s at %s, up %s", s->ip, where,
             duration_text((uint64_t)MAX(s->up_s, 0), up));
}

static void check_peers(struct doctor *d, const struct snapshot *s)
{
    if (s->peers_alive > 0)
        tell(d, RESULT_OK, "peers", "", "%" PRIu64 " of %" PRIu64 " connected", s->peers_alive,
             s->peers);
    else if (s->peers > 0)
        tell(d, RESULT_FAIL, "peers",
             "see that they can be reached from here: firewall, address, port",
             "none of %" PRIu64 " is connected", s->peers);
    else
        tell(d, RESULT_FAIL, "peers",
             "mycelium peers add tcp://ADDRESS:PORT, or --peers at its start", "there are none");
}

/* Of the queues what needs somebody. */
static void check_queues(struct doctor *d, const struct snapshot *s)
{
    if (!s->ours)
        return;
    if (s->in_dead > 0)
        tell(d, RESULT_WARN, "inbox", "mycelium inbox list --state dead, then requeue or drop",
             "%" PRIu64 " messages were given up by their clients", s->in_dead);
    else
        tell(d, RESULT_OK, "inbox", "", "%" PRIu64 " ready, none given up", s->in_ready);
}

/* Where a node runs it must listen; where none does the port must be free. */
static void check_port(struct doctor *d)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(d->o->tcp_listen_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    unsigned port = d->o->tcp_listen_port;
    if (fd < 0) {
        tell(d, RESULT_FAIL, "port", "", "no socket: %s", strerrordesc_np(errno));
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* as the node does */
    bool free_port = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0;
    int why = errno;
    close(fd);
    if (d->running)
        tell(d, free_port ? RESULT_WARN : RESULT_OK, "port",
             free_port ? "give the -t of the node, if it has one" : "",
             free_port ? "nobody listens on TCP port %u" : "TCP port %u is listened on", port);
    else
        tell(d, free_port ? RESULT_OK : RESULT_FAIL, "port",
             free_port ? "" : "end what uses it, or start the node with another -t",
             free_port ? "TCP port %u is free" : "TCP port %u cannot be used: %s", port,
             strerrordesc_np(why));
}

/* --- the machine ------------------------------------------------------------------------------ */

static void check_clock(struct doctor *d)
{
    struct timex t = {.modes = 0};
    time_t now = time(NULL);
    if (now < CLOCK_LEAST)
        tell(d, RESULT_FAIL, "clock", "set it: messages have deadlines",
             "it is wrong: %lld s since 1970", (long long)now);
    else if (adjtimex(&t) == TIME_ERROR)
        tell(d, RESULT_WARN, "clock", "run a time service",
             "the kernel knows of nothing that keeps it right");
    else
        tell(d, RESULT_OK, "clock", "", "kept by a time service");
}

static void check_files(struct doctor *d)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return;
    bool few = l.rlim_cur != RLIM_INFINITY && l.rlim_cur < FILES_WARN;
    tell(d, few ? RESULT_WARN : RESULT_OK, "files",
         few ? "ulimit -n 65536, or LimitNOFILE= of the service" : "",
         "a program started here may open %llu", (unsigned long long)l.rlim_cur);
}

int command_doctor(const struct options *o, const struct api_target *t)
{
    struct snapshot s = {0};
    struct doctor d = {
        .o = o,
        .target = t,
        .json = o->json,
        .colour =
            isatty(STDOUT_FILENO) == 1 && !getenv("NO_COLOR"), /* NOLINT(concurrency-mt-unsafe) */
    };
    if (d.json)
        fputs("{\n  \"checks\": [", stdout);
    check_key(&d);
    check_state(&d);
    check_api(&d, &s);
    check_port(&d);
    if (s.at > 0) {
        check_peers(&d, &s);
        check_queues(&d, &s);
    }
    check_clock(&d);
    check_files(&d);
    snapshot_fini(&s);
    if (d.json)
        printf("\n  ],\n  \"ok\": %s\n}\n", d.failed ? "false" : "true");
    return fflush(stdout) != 0 || d.failed > 0;
}
