#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct line {
    char buf[LOG_LINE_MAX];
    size_t len;
    bool cut;
};

/* Written by log_setup() before threads start, read only afterwards. */
static struct log_conf conf = {
    .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_COMPACT, .fd = STDERR_FILENO, .colour = false};

/* Lines that the budget held back, for the next line of this thread. */
static _Thread_local uint64_t pending_suppressed;

static const struct level_look {
    const char *upper, *lower, *colour;
} level_look[] = {
    [LOG_LEVEL_ERROR] = {"ERROR", "error", "\x1b[31m"},
    [LOG_LEVEL_WARN] = {" WARN", "warn", "\x1b[33m"},
    [LOG_LEVEL_INFO] = {" INFO", "info", "\x1b[32m"},
    [LOG_LEVEL_DEBUG] = {"DEBUG", "debug", "\x1b[34m"},
};
_Static_assert(ARRAY_LEN(level_look) == LOG_LEVEL_DEBUG + 1, "one look per level");

#define DIM   "\x1b[2m"
#define RESET "\x1b[0m"

/* Room for the mark of a cut line, the end of a colour and the line feed. */
#define LINE_RESERVE 16

void log_setup(const struct log_conf *c)
{
    conf = *c;
}

bool log_enabled(enum log_level level)
{
    return level <= conf.level;
}

bool log_budget_pass(struct log_budget *b, usec_t now)
{
    if (b->burst_left > 0) {
        b->burst_left--;
    } else if (now < b->next) {
        b->suppressed++;
        return false;
    }
    b->next = now + USEC_SEC;
    pending_suppressed = b->suppressed;
    b->suppressed = 0;
    return true;
}

static void add(struct line *l, const char *s)
{
    size_t n = strlen(s), room = sizeof(l->buf) - LINE_RESERVE - l->len;
    if (n > room) {
        n = room;
        l->cut = true;
    }
    memcpy(l->buf + l->len, s, n);
    l->len += n;
}

/* Text that may hold what others chose: one line stays one line. */
static void add_text(struct line *l, const char *s, bool quoted)
{
    char c[5];
    for (; *s && !l->cut; s++) {
        uint8_t u = (uint8_t)*s;
        if (u == '\n')
            (void)strcpy(c, "\\n");
        else if (u < 0x20 || u == 0x7f)
            (void)snprintf(c, sizeof(c), "\\x%02x", u);
        else if (quoted && (u == '"' || u == '\\'))
            (void)snprintf(c, sizeof(c), "\\%c", u);
        else
            (void)snprintf(c, sizeof(c), "%c", u);
        add(l, c);
    }
}

static bool needs_quotes(const char *s)
{
    for (; *s; s++)
        if ((uint8_t)*s <= ' ' || *s == '=' || *s == '"' || *s == 0x7f)
            return true;
    return false;
}

static void add_time(struct line *l, bool nanoseconds)
{
    struct timespec ts;
    struct tm tm;
    char s[64];
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail with this clock */
    if (!gmtime_r(&ts.tv_sec, &tm))
        memset(&tm, 0, sizeof(tm)); /* a year beyond int */
    size_t n = strftime(s, sizeof(s), "%Y-%m-%dT%H:%M:%S", &tm);
    if (nanoseconds)
        (void)snprintf(s + n, sizeof(s) - n, ".%09ldZ", ts.tv_nsec);
    else
        (void)snprintf(s + n, sizeof(s) - n, ".%06ldZ", ts.tv_nsec / 1000);
    add(l, s);
}

static void add_target(struct line *l, const char *target)
{
    add(l, "mycelium");
    if (target && *target) {
        add(l, "::");
        add(l, target);
    }
}

static void begin_compact(struct line *l, enum log_level level, const char *target, const char *msg)
{
    if (conf.colour)
        add(l, DIM);
    add_time(l, false);
    add(l, conf.colour ? RESET " " : " ");
    if (conf.colour)
        add(l, level_look[level].colour);
    add(l, level_look[level].upper);
    add(l, conf.colour ? RESET " " DIM : " ");
    add_target(l, target);
    add(l, conf.colour ? ":" RESET " " : ": ");
    add_text(l, msg, false);
}

static void begin_logfmt(struct line *l, enum log_level level, const char *target, const char *msg)
{
    bool colour = conf.colour && conf.format == LOG_FORMAT_LOGFMT;
    add(l, "ts=");
    add_time(l, true);
    add(l, " level=");
    if (colour)
        add(l, level_look[level].colour);
    add(l, level_look[level].lower);
    if (colour)
        add(l, RESET);
    add(l, " target=");
    add_target(l, target);
    add(l, " message=");
    bool quotes = needs_quotes(msg) || *msg == '\0';
    add(l, quotes ? "\"" : "");
    add_text(l, msg, quotes);
    add(l, quotes ? "\"" : "");
}

void log_write(enum log_level level, const char *target, const char *msg, const char *fmt, ...)
{
    char pairs[LOG_LINE_MAX];
    struct line l;
    va_list ap;
    int kept = errno;
    uint64_t suppressed = pending_suppressed;

    pending_suppressed = 0;
    if (!log_enabled(level))
        return;
    l.len = 0;
    l.cut = false;
    if (conf.format == LOG_FORMAT_COMPACT)
        begin_compact(&l, level, target, msg);
    else
        begin_logfmt(&l, level, target, msg);

    va_start(ap, fmt);
    if (vsnprintf(pairs, sizeof(pairs), fmt, ap) < 0)
        pairs[0] = '\0'; /* a broken multibyte character: the message alone */
    va_end(ap);
    const char *p = pairs + strspn(pairs, " ");
    if (*p) {
        add(&l, " ");
        add_text(&l, p, false);
    }
    if (suppressed > 0) {
        (void)snprintf(pairs, sizeof(pairs), " suppressed=%llu", (unsigned long long)suppressed);
        add(&l, pairs);
    }
    const char *end = l.cut ? "...\n" : "\n";
    memcpy(l.buf + l.len, end, strlen(end)); /* LINE_RESERVE */
    l.len += strlen(end);

    ssize_t n;
    do /* one call per line, so that lines of threads do not mix; there is nobody to tell if it
          fails */
        n = write(conf.fd, l.buf, l.len);
    while (n < 0 && errno == EINTR);
    errno = kept;
}
