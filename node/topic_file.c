#include "node/topic_file.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "node/toml_file.h"

#define LOG_TARGET "node"

struct reading {
    const char *path;
    char *why;
    struct topics *topics;
};

static int refuse(const struct reading *r, const struct toml_value *v, int rc, const char *text)
{
    (void)snprintf(r->why, TOPIC_FILE_WHY_MAX, "%s:%u: %s", r->path, toml_line(v),
                   text); /* may be cut: for people */
    return rc;
}

static void warn_unknown(const struct reading *r, const struct toml_value *v)
{
    size_t len;
    const char *key = toml_key(v, &len);
    if (toml_kind(v) == TOML_TABLE)
        log_warn("unknown table in a topic: a topic with dots is written in quotes",
                 "file=%s:%u key=%s", r->path, toml_line(v), key);
    else
        log_warn("unknown key in a topic", "file=%s:%u key=%s", r->path, toml_line(v), key);
}

static int read_default(const struct reading *r, const struct toml_value *v)
{
    size_t len = 0;
    const char *text = toml_string(v, &len);
    bool accept = text && strcmp(text, "Accept") == 0;
    if (!accept && !(text && strcmp(text, "Reject") == 0))
        return refuse(r, v, ERR_MALFORMED, "default is \"Accept\" or \"Reject\"");
    topics_set_accept(r->topics, accept);
    return OK;
}

static int read_source(const struct reading *r, struct topic_rule *rule, const struct toml_value *v)
{
    size_t len = 0;
    const char *text = toml_string(v, &len);
    struct topic_source s;
    if (!text || strlen(text) != len || topic_source_parse(text, &s) != OK)
        return refuse(r, v, ERR_MALFORMED,
                      "not a subnet, an address or a public key of 64 hex digits");
    int rc = topic_rule_allow(rule, &s);
    return rc == OK ? OK : refuse(r, v, rc, err_str(rc));
}

static int read_sources(const struct reading *r, struct topic_rule *rule,
                        const struct toml_value *list)
{
    int rc = OK;
    if (toml_kind(list) != TOML_ARRAY)
        return refuse(r, list, ERR_MALFORMED, "the subnets of a topic are an array of strings");
    for (const struct toml_value *v = toml_first(list); v && rc == OK; v = toml_next(v))
        rc = read_source(r, rule, v);
    return rc;
}

static int read_path(const struct reading *r, const struct toml_value *v, struct topic_forward *ret)
{
    size_t len = 0;
    const char *text = toml_string(v, &len);
    if (!text || topic_forward_path(ret, text, len) < 0)
        return refuse(r, v, ERR_MALFORMED, "a forward_socket is a path of 1 to 107 bytes");
    return OK;
}

static int read_reply_timeout(const struct reading *r, const struct toml_value *v,
                              struct topic_forward *ret)
{
    int64_t s = 0;
    if (!toml_integer(v, &s) || s < 1 || s > TOPIC_REPLY_MAX_MS / 1000)
        return refuse(r, v, ERR_MALFORMED, "forward_reply_timeout is 1 to 3000 seconds");
    ret->reply_ms = (uint32_t)s * 1000;
    return OK;
}

/* False: it is no setting of the socket. */
static bool reads_forward(const struct reading *r, const struct toml_value *table,
                          const struct toml_value *v, struct topic_forward *ret, int *ret_rc)
{
    if (v == toml_get(table, "forward_socket")) {
        *ret_rc = read_path(r, v, ret);
    } else if (v == toml_get(table, "forward_half_close")) {
        if (!toml_bool(v, &ret->half_close))
            *ret_rc = refuse(r, v, ERR_MALFORMED, "forward_half_close is true or false");
    } else if (v == toml_get(table, "forward_reply_timeout")) {
        *ret_rc = read_reply_timeout(r, v, ret);
    } else {
        return false;
    }
    return true;
}

/* A whole number from 1 to max. */
static int read_number(const struct reading *r, const struct toml_value *v, int64_t max,
                       const char *what, int64_t *ret)
{
    if (!toml_integer(v, ret) || *ret < 1 || *ret > max)
        return refuse(r, v, ERR_MALFORMED, what);
    return OK;
}

static int read_discard(const struct reading *r, const struct toml_value *v, bool *ret_oldest)
{
    size_t len = 0;
    const char *text = toml_string(v, &len);
    *ret_oldest = text && strcmp(text, "old") == 0;
    if (!*ret_oldest && !(text && strcmp(text, "new") == 0))
        return refuse(r, v, ERR_MALFORMED, "discard is \"new\" or \"old\"");
    return OK;
}

/* False: it is no limit. */
static bool reads_limit(const struct reading *r, const struct toml_value *table,
                        const struct toml_value *v, struct bus_topic_limits *ret, int *ret_rc)
{
    int64_t n = 0;
    if (v == toml_get(table, "max_msgs")) {
        *ret_rc = read_number(r, v, UINT32_MAX, "max_msgs is a whole number from 1 on", &n);
        ret->max_msgs = (uint32_t)n;
    } else if (v == toml_get(table, "max_bytes")) {
        *ret_rc = read_number(r, v, INT64_MAX, "max_bytes is a whole number from 1 on", &n);
        ret->max_bytes = (uint64_t)n;
    } else if (v == toml_get(table, "max_age")) {
        *ret_rc = read_number(r, v, BUS_EXPIRE_MAX_MS / 1000,
                              "max_age is seconds, from 1 to ten years of them", &n);
        ret->expire_ms = n * 1000;
    } else if (v == toml_get(table, "discard")) {
        *ret_rc = read_discard(r, v, &ret->drop_oldest);
    } else {
        return false;
    }
    return true;
}

static bool forward_set(const struct toml_value *table)
{
    return toml_get(table, "forward_half_close") || toml_get(table, "forward_reply_timeout");
}

static int read_rule(const struct reading *r, struct topic_rule *rule,
                     const struct toml_value *table)
{
    struct topic_forward forward = TOPIC_FORWARD_INIT;
    struct bus_topic_limits limits = {0};
    bool limited = false;
    int rc = OK;
    for (const struct toml_value *v = toml_first(table); v && rc == OK; v = toml_next(v)) {
        if (v == toml_get(table, "subnets"))
            rc = read_sources(r, rule, v);
        else if (reads_limit(r, table, v, &limits, &rc))
            limited = true;
        else if (!reads_forward(r, table, v, &forward, &rc))
            warn_unknown(r, v);
    }
    if (rc == OK && limited)
        topic_rule_set_limits(rule, &limits);
    if (rc == OK && !*forward.path && forward_set(table))
        return refuse(r, table, ERR_MALFORMED, "settings of a forward_socket, and none is named");
    if (rc == OK && *forward.path) {
        rc = topic_rule_set_forward(rule, &forward);
        if (rc < 0)
            return refuse(r, table, rc, err_str(rc));
    }
    return rc;
}

static int read_topic(const struct reading *r, const struct toml_value *v)
{
    struct topic topic = {.len = 0};
    size_t len = 0;
    const char *key = toml_key(v, &len);
    if (toml_kind(v) != TOML_TABLE && toml_kind(v) != TOML_ARRAY)
        return refuse(r, v, ERR_MALFORMED, "a topic is a table with subnets");
    if (len > MSG_TOPIC_MAX)
        return refuse(r, v, ERR_TOOBIG, "a topic has at most 255 bytes");
    memcpy(topic.b, key, len);
    topic.len = (uint8_t)len;
    struct topic_rule *rule = NULL;
    int rc = topic_rule_new(&topic, &rule);
    if (rc != OK)
        return refuse(r, v, rc, err_str(rc));
    /* An older form of the file has the list itself. */
    rc = toml_kind(v) == TOML_ARRAY ? read_sources(r, rule, v) : read_rule(r, rule, v);
    if (rc == OK) {
        rc = topics_fit(r->topics, rule);
        if (rc == OK) {
            topics_put(r->topics, rule);
            return OK;
        }
        rc = refuse(r, v, rc, err_str(rc));
    }
    topic_rule_free(rule);
    return rc;
}

static int read_document(const struct reading *r, const struct toml_value *root)
{
    int rc = OK;
    for (const struct toml_value *v = toml_first(root); v && rc == OK; v = toml_next(v))
        rc = v == toml_get(root, "default") ? read_default(r, v) : read_topic(r, v);
    return rc;
}

/* Takes t. */
static int read_topics(const char *path, struct toml *t, struct rng *rng, struct topics **ret,
                       char why[static TOPIC_FILE_WHY_MAX])
{
    struct reading r = {.path = path, .why = why};
    int rc = topics_new(rng, &r.topics);
    if (rc == OK)
        rc = read_document(&r, toml_root(t));
    else
        (void)snprintf(why, TOPIC_FILE_WHY_MAX, "%s: %s", path, err_str(rc));
    toml_free(t);
    if (rc != OK) {
        topics_free(r.topics);
        return rc;
    }
    *ret = r.topics;
    return OK;
}

int topic_file_parse(const char *path, const char *text, size_t len, struct rng *rng,
                     struct topics **ret, char why[static TOPIC_FILE_WHY_MAX])
{
    struct toml *t = NULL;
    int rc = toml_file_parse(path, text, len, &t, why);
    return rc == OK ? read_topics(path, t, rng, ret, why) : rc;
}

int topic_file_read(const char *path, struct rng *rng, struct topics **ret,
                    char why[static TOPIC_FILE_WHY_MAX])
{
    struct toml *t = NULL;
    int rc = toml_file_read(path, &t, why);
    return rc == OK ? read_topics(path, t, rng, ret, why) : rc;
}
