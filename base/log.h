/* log.h - one line per event: message first, then key=value.
 *
 * Levels follow --silent (error), default (info), --debug. The node logs to standard output, the
 * other commands to standard error. Ids and addresses may be logged, payloads and keys never.
 * Thread: any. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_COMPACT, LOG_FORMAT_LOGFMT, LOG_FORMAT_PLAIN };

struct log_conf {
    enum log_level level;
    enum log_format format;
    int fd;      /* where lines go */
    bool colour; /* the caller decides: a terminal, and NO_COLOR not set */
};

void log_setup(const struct log_conf *c); /* once, before threads start */
bool log_enabled(enum log_level level);

/* Longest line, cut behind it with "..."; below PIPE_BUF, so that lines of threads never mix. */
#define LOG_LINE_MAX 2048

/* `target` is the module's folder ("router", "bus"), shown as mycelium::router ("": mycelium);
 * `fmt` gives key=value pairs. Control characters in it are shown as \xNN, line feeds as \n. Keeps
 * errno. Call it through the macros below: they put a space before the format. */
void log_write(enum log_level level, const char *target, const char *msg, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* For what a remote can trigger: a burst of lines, then one per second; the next line that this
 * thread writes after log_budget_pass() said yes ends in suppressed=N when N lines were left out.
 */
struct log_budget {
    usec_t next;
    uint32_t burst_left;
    uint64_t suppressed;
};
#define LOG_BUDGET_INIT                                                                            \
    {                                                                                              \
        .next = 0, .burst_left = 20, .suppressed = 0                                               \
    }
bool log_budget_pass(struct log_budget *b, usec_t now);

/* Each .c file that logs defines LOG_TARGET before including this header. The format is a literal
 * and may be "". */
#define log_error(msg, ...) log_write(LOG_LEVEL_ERROR, LOG_TARGET, msg, " " __VA_ARGS__)
#define log_warn(msg, ...)  log_write(LOG_LEVEL_WARN, LOG_TARGET, msg, " " __VA_ARGS__)
#define log_info(msg, ...)  log_write(LOG_LEVEL_INFO, LOG_TARGET, msg, " " __VA_ARGS__)
#define log_debug(msg, ...)                                                                        \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                          \
            log_write(LOG_LEVEL_DEBUG, LOG_TARGET, msg, " " __VA_ARGS__);                          \
    } while (0)
/* The form for what a remote can trigger: struct log_budget *budget, usec_t now. */
#define log_remote(level, budget, now, msg, ...)                                                   \
    do {                                                                                           \
        if (log_enabled(level) && log_budget_pass((budget), (now)))                                \
            log_write(level, LOG_TARGET, msg, " " __VA_ARGS__);                                    \
    } while (0)
