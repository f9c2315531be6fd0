/* Topic rules. They hold from the next INIT on; what runs is not touched. */
#include <string.h>

#include "api/calls.h"
#include "api/json_topic.h"
#include "base/err.h"
#include "base/text.h"

static struct topics *rules(struct api *a)
{
    return bus_topics(a->conf.bus);
}

/* What a rule could not be made for. */
static void answer_change(struct api *a, const struct asked *q, int rc)
{
    if (rc == OK)
        answer_empty(a, q, 201);
    else if (rc == ERR_LIMIT)
        answer_text(a, q, 429, "too many topic rules: a limit is reached");
    else
        answer_error(a, q, rc);
}

/* False, answered: the topic in the path is no base64, or too long. */
static bool read_topic(struct api *a, const struct asked *q, const struct match *m,
                       struct topic *ret)
{
    uint8_t bytes[(MSG_TOPIC_MAX + 2) / 3 * 3];
    size_t len = 0;

    if (b64_decode(m->param, m->param_len, bytes, sizeof(bytes), &len, NULL) < 0 ||
        len > MSG_TOPIC_MAX) {
        answer_empty(a, q, 400);
        return false;
    }
    ret->len = (uint8_t)len;
    memcpy(ret->b, bytes, len);
    return true;
}

void call_topic_default(struct api *a, const struct asked *q)
{
    const char *text = topics_accept(rules(a)) ? "{\"accept\":true}" : "{\"accept\":false}";

    answer_json(a, q, 200, text, strlen(text));
}

void call_topic_default_set(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct json_fault fault;
    bool accept;

    if (!body_is_json(a, q, r))
        return;
    if (accept_body_read(r->body, r->body_len, &accept, &fault) < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    topics_set_accept(rules(a), accept);
    answer_empty(a, q, 204);
}

static void visit_topic(void *ctx, const struct topic *t)
{
    json_topic(ctx, t);
}

void call_topics(struct api *a, const struct asked *q)
{
    struct json_out o = {0};

    json_put(&o, "[");
    topics_each(rules(a), visit_topic, &o);
    json_put(&o, "]");
    answer_out(a, q, 200, &o);
}

void call_topic_add(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct json_fault fault;
    struct topic t;

    if (!body_is_json(a, q, r))
        return;
    if (topic_body_read(r->body, r->body_len, &t, &fault) < 0)
        answer_fault(a, q, &fault);
    else
        answer_change(a, q, topics_add(rules(a), &t));
}

void call_topic_remove(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic t;

    if (!read_topic(a, q, m, &t))
        return;
    topics_remove(rules(a), &t);
    answer_empty(a, q, 204);
}

void call_topic_sources(struct api *a, const struct asked *q, const struct match *m)
{
    const struct topic_source *v;
    struct json_out o = {0};
    struct topic t;
    size_t n = 0;

    if (!read_topic(a, q, m, &t))
        return;
    v = topics_sources(rules(a), &t, &n);
    if (!v) {
        answer_empty(a, q, 404);
        return;
    }
    json_put(&o, "[");
    for (size_t i = 0; i < n; i++)
        json_source(&o, &v[i]);
    json_put(&o, "]");
    answer_out(a, q, 200, &o);
}

void call_topic_source_add(struct api *a, const struct asked *q, const struct http_request *r,
                           const struct match *m)
{
    struct json_fault fault;
    struct topic_source s;
    struct topic t;

    if (!body_is_json(a, q, r))
        return;
    if (source_body_read(r->body, r->body_len, &s, &fault) < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    if (read_topic(a, q, m, &t))
        answer_change(a, q, topics_add_source(rules(a), &t, &s));
}

void call_topic_source_remove(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic_source s;
    struct topic t;

    if (!read_topic(a, q, m, &t))
        return;
    if (topic_source_parse(m->second, &s) < 0) {
        answer_empty(a, q, 400);
        return;
    }
    topics_remove_source(rules(a), &t, &s);
    answer_empty(a, q, 204);
}
