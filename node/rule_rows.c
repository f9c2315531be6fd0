#include "node/rule_rows.h"

#include <string.h>

#include "base/err.h"

_Static_assert(TOPIC_FORWARD_PATH_MAX == STORE_SOCKET_MAX, "paths of the bus and of the store");

int rule_row_write(const struct topic_rule *r, struct store_rule *ret)
{
    char text[TOPIC_SOURCE_STR_MAX];
    const struct topic *t = topic_rule_topic(r);
    size_t n = 0, len = 0;
    const struct topic_source *v = topic_rule_sources(r, &n);
    for (size_t i = 0; i < n; i++)
        len += strlen(topic_source_str(&v[i], text)) + 1;
    ret->sources = blob_new(len);
    if (!ret->sources)
        return ERR_NOMEM;
    for (size_t i = 0, at = 0; i < n; i++) {
        size_t line = strlen(topic_source_str(&v[i], text));
        memcpy(ret->sources->data + at, text, line);
        ret->sources->data[at + line] = '\n';
        at += line + 1;
    }
    const struct topic_forward *f = topic_rule_forward(r);
    if (f) {
        ret->socket_len = (uint8_t)strlen(f->path);
        memcpy(ret->socket, f->path, ret->socket_len);
        ret->half_close = f->half_close;
        ret->reply_ms = f->reply_ms;
    }
    ret->topic_len = t->len;
    memcpy(ret->topic, t->b, t->len);
    return OK;
}

/* One line, without its end. */
static int read_source(const uint8_t *line, size_t len, struct topic_rule *r)
{
    char text[TOPIC_SOURCE_STR_MAX];
    struct topic_source s;
    if (len >= sizeof(text) || memchr(line, '\0', len))
        return ERR_CORRUPT;
    memcpy(text, line, len);
    text[len] = '\0';
    if (topic_source_parse(text, &s) < 0)
        return ERR_CORRUPT;
    int rc = topic_rule_allow(r, &s);
    return rc == ERR_LIMIT ? ERR_CORRUPT : rc;
}

static int read_forward(const struct store_rule *row, struct topic_rule *r)
{
    struct topic_forward f = {.half_close = row->half_close, .reply_ms = row->reply_ms};
    if (row->socket_len == 0)
        return OK;
    if (topic_forward_path(&f, (const char *)row->socket, row->socket_len) < 0 ||
        f.reply_ms < TOPIC_REPLY_MIN_MS || f.reply_ms > TOPIC_REPLY_MAX_MS)
        return ERR_CORRUPT;
    return topic_rule_set_forward(r, &f);
}

int rule_row_read(const struct store_rule *row, struct topic_rule **ret)
{
    struct topic topic = {.len = row->topic_len};
    struct topic_rule *r = NULL;
    const uint8_t *p = row->sources->data;
    size_t left = row->sources->len;
    memcpy(topic.b, row->topic, row->topic_len);
    int rc = topic_rule_new(&topic, &r);
    while (rc == OK && left > 0) {
        const uint8_t *end = memchr(p, '\n', left);
        rc = end ? read_source(p, (size_t)(end - p), r) : ERR_CORRUPT;
        if (rc == OK) {
            left -= (size_t)(end - p) + 1;
            p = end + 1;
        }
    }
    if (rc == OK)
        rc = read_forward(row, r);
    if (rc < 0) {
        topic_rule_free(r);
        return rc;
    }
    *ret = r;
    return OK;
}
