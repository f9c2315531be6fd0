#include "node/topic_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/toml.h"

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

static int read_rule(const struct reading *r, struct topic_rule *rule,
                     const struct toml_value *table)
{
    int rc = OK;
    for (const struct toml_value *v = toml_first(table); v && rc == OK; v = toml_next(v)) {
        if (v == toml_get(table, "subnets"))
            rc = read_sources(r, rule, v);
        else if (v == toml_get(table, "forward_socket"))
            /* To leave it out would put messages where nobody looks for them. */
            rc = refuse(r, v, ERR_UNSUPPORTED, "this release has no forward_socket");
        else
            warn_unknown(r, v);
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

int topic_file_parse(const char *path, const char *text, size_t len, struct rng *rng,
                     struct topics **ret, char why[static TOPIC_FILE_WHY_MAX])
{
    struct reading r = {.path = path, .why = why};
    struct toml_error e;
    struct toml *t = NULL;
    int rc = toml_parse(text, len, &t, &e);
    if (rc != OK) {
        (void)snprintf(why, TOPIC_FILE_WHY_MAX, "%s:%u:%u: %s", path, e.line, e.column,
                       e.text); /* may be cut: for people */
        return rc;
    }
    rc = topics_new(rng, &r.topics);
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

int topic_file_read(const char *path, struct rng *rng, struct topics **ret,
                    char why[static TOPIC_FILE_WHY_MAX])
{
    size_t len = 0;
    uint64_t size = 0;
    char *text = malloc(TOML_TEXT_MAX + 1);
    int rc = text ? file_read(path, text, TOML_TEXT_MAX + 1, &len, &size) : ERR_NOMEM;
    if (rc == OK)
        rc = topic_file_parse(path, text, len, rng, ret, why); /* one byte too many: too long */
    else
        (void)snprintf(why, TOPIC_FILE_WHY_MAX, "%s: %s", path,
                       text && errno ? strerror(errno) : err_str(rc));
    free(text);
    return rc;
}
