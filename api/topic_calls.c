/* Topic rules. They hold from the next INIT on; what runs is not touched. A change is answered when
 * it is durable. */
#include <string.h>

#include "api/calls.h"
#include "api/json_topic.h"
#include "base/err.h"
#include "base/text.h"

static const struct topics *rules(struct api *a)
{
    return bus_topics(a->conf.bus);
}

void ask_topic_change(struct api *a, const struct asked *q, const struct topic_change *c,
                      unsigned status)
{
    struct pending_more more = {.status = status};
    int rc = pending_add(a, q, PENDING_RULE, &more);

    if (rc == OK)
        rc = bus_topic_change(a->conf.bus, c, q->id, instant_now());
    asked_bus(a, q, rc);
}

void topic_answer(struct api *a, const struct pending *p, const struct bus_out *out)
{
    if (out->rc == OK)
        answer_empty(a, &p->asked, p->more.status);
    else if (out->rc == ERR_NOENT)
        answer_text(a, &p->asked, 404, "there is no rule for this topic");
    else if (out->rc == ERR_LIMIT)
        answer_text(a, &p->asked, 429, "too many topic rules: a limit is reached");
    else
        answer_error(a, &p->asked, out->rc);
}

int topic_text_read(const char *text, size_t text_len, struct topic *ret)
{
    uint8_t bytes[(MSG_TOPIC_MAX + 2) / 3 * 3];
    size_t len = 0;

    if (b64_decode(text, text_len, bytes, sizeof(bytes), &len, NULL) < 0 || len > MSG_TOPIC_MAX)
        return ERR_INVAL;
    ret->len = (uint8_t)len;
    memcpy(ret->b, bytes, len);
    return OK;
}

/* False, answered: the topic in the path is no base64, or too long. */
static bool read_topic(struct api *a, const struct asked *q, const struct match *m,
                       struct topic *ret)
{
    if (topic_text_read(m->param, m->param_len, ret) == OK)
        return true;
    answer_empty(a, q, 400);
    return false;
}

void call_topic_default(struct api *a, const struct asked *q)
{
    const char *text = topics_accept(rules(a)) ? "{\"accept\":true}" : "{\"accept\":false}";

    answer_json(a, q, 200, text, strlen(text));
}

void call_topic_default_set(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct topic_change c = {.kind = TOPIC_DEFAULT};
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return;
    if (accept_body_read(r->body, r->body_len, &c.accept, &fault) < 0)
        answer_fault(a, q, &fault);
    else
        ask_topic_change(a, q, &c, 204);
}

static void visit_rule(void *ctx, const struct topic_rule *r)
{
    json_topic(ctx, topic_rule_topic(r));
}

void call_topics(struct api *a, const struct asked *q)
{
    struct json_out o = {0};

    json_put(&o, "[");
    topics_each(rules(a), visit_rule, &o);
    json_put(&o, "]");
    answer_out(a, q, 200, &o);
}

void call_topic_add(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct topic_change c = {.kind = TOPIC_ADD};
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return;
    if (topic_body_read(r->body, r->body_len, &c.topic, &fault) < 0)
        answer_fault(a, q, &fault);
    else
        ask_topic_change(a, q, &c, 201);
}

void call_topic_remove(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic_change c = {.kind = TOPIC_REMOVE};

    if (read_topic(a, q, m, &c.topic))
        ask_topic_change(a, q, &c, 204);
}

void ask_topic_sources(struct api *a, const struct asked *q, const struct topic *t)
{
    const struct topic_rule *r = topics_find(rules(a), t->b, t->len);
    const struct topic_source *v;
    struct json_out o = {0};
    size_t n = 0;

    if (!r) {
        answer_empty(a, q, 404);
        return;
    }
    v = topic_rule_sources(r, &n);
    json_put(&o, "[");
    for (size_t i = 0; i < n; i++)
        json_source(&o, &v[i]);
    json_put(&o, "]");
    answer_out(a, q, 200, &o);
}

void call_topic_sources(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic t;

    if (read_topic(a, q, m, &t))
        ask_topic_sources(a, q, &t);
}

void call_topic_source_add(struct api *a, const struct asked *q, const struct http_request *r,
                           const struct match *m)
{
    struct topic_change c = {.kind = TOPIC_ALLOW};
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return;
    if (source_body_read(r->body, r->body_len, &c.source, &fault) < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    if (read_topic(a, q, m, &c.topic))
        ask_topic_change(a, q, &c, 201);
}

void call_topic_source_remove(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic_change c = {.kind = TOPIC_DENY};

    if (!read_topic(a, q, m, &c.topic))
        return;
    if (topic_source_parse(m->second, &c.source) < 0)
        answer_empty(a, q, 400);
    else
        ask_topic_change(a, q, &c, 204);
}

void ask_topic_forward(struct api *a, const struct asked *q, const struct topic *t)
{
    const struct topic_rule *r = topics_find(rules(a), t->b, t->len);
    struct json_out o = {0};

    json_forward(&o, r ? topic_rule_forward(r) : NULL);
    answer_out(a, q, 200, &o);
}

void call_topic_forward(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic t;

    if (read_topic(a, q, m, &t))
        ask_topic_forward(a, q, &t);
}

void call_topic_forward_set(struct api *a, const struct asked *q, const struct http_request *r,
                            const struct match *m)
{
    struct topic_change c = {.kind = TOPIC_FORWARD};
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return;
    if (forward_body_read(r->body, r->body_len, &c.forward, &fault) < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    if (read_topic(a, q, m, &c.topic))
        ask_topic_change(a, q, &c, 204);
}

void call_topic_forward_remove(struct api *a, const struct asked *q, const struct match *m)
{
    struct topic_change c = {.kind = TOPIC_UNFORWARD};

    if (read_topic(a, q, m, &c.topic))
        ask_topic_change(a, q, &c, 204);
}
