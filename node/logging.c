#include "node/logging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LOG_TARGET "node"
#define OUR_TARGET "mycelium"

static const struct {
    const char *word;
    enum log_level level;
} level_words[] = {
    {"off", LOG_LEVEL_ERROR}, /* errors are always told */
    {"error", LOG_LEVEL_ERROR}, {"1", LOG_LEVEL_ERROR},   {"warn", LOG_LEVEL_WARN},
    {"2", LOG_LEVEL_WARN},      {"info", LOG_LEVEL_INFO}, {"3", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG}, {"4", LOG_LEVEL_DEBUG},   {"trace", LOG_LEVEL_DEBUG},
    {"5", LOG_LEVEL_DEBUG},
};

static bool level_parse(const char *text, size_t len, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_words); i++)
        if (strlen(level_words[i].word) == len &&
            strncasecmp(level_words[i].word, text, len) == 0) {
            *ret = level_words[i].level;
            return true;
        }
    return false;
}

/* `mycelium`, `mycelium::router`, but not `mycelium_of_others`. */
static bool target_is_ours(const char *text, size_t len)
{
    size_t n = strlen(OUR_TARGET);
    return len >= n && strncmp(text, OUR_TARGET, n) == 0 && (len == n || text[n] == ':');
}

static bool target_is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] == 0x7f || strchr("[]{}\"", text[i]))
            return false;
    return len > 0;
}

bool log_filter_parse(const char *text, enum log_level *level)
{
    enum log_level most = LOG_LEVEL_ERROR;
    bool named = false;
    for (size_t n; *text; text += n + (text[n] == ',')) {
        enum log_level one = LOG_LEVEL_ERROR;
        n = strcspn(text, ",");
        const char *equal = memchr(text, '=', n);
        size_t target = equal ? (size_t)(equal - text) : 0;
        if (n == 0)
            continue; /* "a,,b" and a comma at the end are harmless */
        if (!level_parse(text + (equal ? target + 1 : 0), n - (equal ? target + 1 : 0), &one))
            return false;
        if (equal && !target_is_text(text, target))
            return false;
        if (equal && !target_is_ours(text, target))
            continue;
        most = MAX(most, one);
        named = true;
    }
    if (named)
        *level = most;
    return true;
}

static const char *env_text(const char *name)
{
    const char *v = getenv(name); /* NOLINT(concurrency-mt-unsafe): before there are threads */
    return v && v[0] ? v : NULL;
}

void logging_setup(const struct options *o)
{
    int fd = o->command == CMD_NODE && !o->check_config ? STDOUT_FILENO : STDERR_FILENO;
    struct log_conf c = {
        .level = o->silent  ? LOG_LEVEL_ERROR
                 : o->debug ? LOG_LEVEL_DEBUG
                            : o->log_level,
        .format = o->log_format,
        .fd = fd,
        .colour = o->log_format != LOG_FORMAT_PLAIN && !env_text("NO_COLOR") && isatty(fd),
    };
    const char *name = env_text("MYCELIUM_LOG") ? "MYCELIUM_LOG" : "RUST_LOG";
    const char *filter = env_text(name);
    bool good = !filter || log_filter_parse(filter, &c.level);
    log_setup(&c);
    if (!good)
        log_warn("log filter cannot be understood and is ignored", "variable=%s", name);
}

static void unserved_append(char *list, size_t cap, const char *what)
{
    size_t used = strlen(list);
    snprintf(list + used, cap - used, "%s%s", used ? ", " : "", what);
}

void logging_unserved(const struct options *o)
{
    char list[128] = "", peer[ENDPOINT_STR_MAX];
    if (o->unserved & UNSERVED_QUIC)
        unserved_append(list, sizeof(list), "QUIC");
    if (list[0])
        log_warn("not served by this release", "what=\"%s\"", list);
    if (o->unserved & UNSERVED_TUNNEL)
        log_warn("this release has no tunnel and runs as with --no-tun", "%s", "");
    for (size_t i = 0; i < o->peers_count; i++)
        if (o->peers[i].proto != PROTO_TCP)
            log_warn("this release cannot connect to peers of this kind", "peer=%s",
                     endpoint_str(&o->peers[i], peer));
}
