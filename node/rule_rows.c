#include "node/rule_rows.h"

#include <string.h>

#include "base/err.h"

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
    if (rc < 0) {
        topic_rule_free(r);
        return rc;
    }
    *ret = r;
    return OK;
}
