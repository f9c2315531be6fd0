/* topics: list and change the rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "clients/commands.h"
#include "clients/escape.h"
#include "clients/listing.h"
#include "clients/topic_text.h"

#define TOPICS    "/messages/topics"
#define WHAT_LIST "list the topic rules"

/* The topic as the API takes it. False: told. */
static bool encode(const char *topic, const char *what, char ret[static TOPIC_TEXT_MAX])
{
    int rc = topic_base64(topic, ret);
    if (rc != OK)
        command_fail("cannot %s: %s", what,
                     rc == ERR_TOOBIG ? "a topic has at most 255 bytes"
                                      : "what follows base64: is no base64");
    return rc == OK;
}

/* The path of a rule, with what stands behind its topic. False: told. */
static bool rule_path(const char *topic, const char *behind, const char *more, const char *what,
                      char ret[static 2048])
{
    char base64[TOPIC_TEXT_MAX], escaped[3 * TOPIC_TEXT_MAX], tail[512] = "";
    if (!encode(topic, what, base64))
        return false;
    if (!url_escape(base64, escaped, sizeof(escaped)) ||
        (more && !url_escape(more, tail, sizeof(tail)))) {
        command_fail("cannot %s: the name is too long", what);
        return false;
    }
    snprintf(ret, 2048, TOPICS "/%s%s%s", escaped, behind, tail);
    return true;
}

/* {"key":"text"}, or the text alone; NULL: told. */
static char *body_of(const char *key, const char *text, const char *what, size_t *ret_len)
{
    char *body = NULL;
    FILE *f = utf8_valid(text, strlen(text)) ? open_memstream(&body, ret_len) : NULL;
    if (f) {
        if (key)
            fprintf(f, "{\"%s\":", key);
        json_string_write(f, text, strlen(text));
        if (key)
            fputc('}', f);
    }
    if (f && fclose(f) == 0)
        return body;
    free(body);
    command_fail("cannot %s: %s", what, f ? err_str(ERR_NOMEM) : "not a text");
    return NULL;
}

static int call_with(const struct api_target *t, const char *method, const char *path,
                     const char *key, const char *text, const char *what)
{
    size_t len = 0;
    char *body = body_of(key, text, what, &len);
    if (!body)
        return 1;
    const struct call_args a = {
        .method = method, .path = path, .body = body, .body_len = len, .what = what};
    int status = api_call_plain(t, &a);
    free(body);
    return status;
}

/* --- the list ------------------------------------------------------------------------------ */

/* {"topic","sources","forward"}; NULL: told. */
static json_t *rule_of(const struct api_target *t, const char *base64)
{
    char path[2048], escaped[3 * TOPIC_TEXT_MAX];
    json_t *sources = NULL, *forward = NULL;
    if (!url_escape(base64, escaped, sizeof(escaped))) {
        command_fail_shape(WHAT_LIST);
        return NULL;
    }
    struct call_args a = {.path = path, .what = WHAT_LIST};
    snprintf(path, sizeof(path), TOPICS "/%s/sources", escaped);
    if (api_call_json(t, &a, &sources) != OK)
        return NULL;
    snprintf(path, sizeof(path), TOPICS "/%s/forward", escaped);
    if (api_call_json(t, &a, &forward) != OK) {
        json_decref(sources);
        return NULL;
    }
    return json_pack("{s:s,s:o,s:o}", "topic", base64, "sources", sources, "forward", forward);
}

static bool rule_row(struct table *t, json_t *rule, const void *ctx)
{
    char topic[TOPIC_TEXT_MAX], *text = NULL;
    size_t len = 0, i;
    json_t *source;
    (void)ctx;
    const json_t *forward = json_object_get(rule, "forward");
    if (!topic_text(json_string_value(json_object_get(rule, "topic")), topic))
        return false;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return false;
    json_array_foreach(json_object_get(rule, "sources"), i, source) fprintf(
        f, "%s%s", i > 0 ? ", " : "", json_is_string(source) ? json_string_value(source) : "?");
    bool ok = fclose(f) == 0;
    table_cell(t, "%s", topic);
    table_cell(t, "%s", ok && len > 0 ? text : "nobody");
    table_cell(t, "%s", json_is_string(forward) ? json_string_value(forward) : "");
    free(text);
    return ok;
}

static int rules_collect(const struct api_target *t, json_t **ret)
{
    const struct call_args a = {.path = TOPICS, .what = WHAT_LIST};
    json_t *topics = NULL, *topic, *rules = json_array();
    size_t i;
    if (!rules || api_call_json(t, &a, &topics) != OK) {
        json_decref(rules);
        return ERR_INVAL;
    }
    json_array_foreach(topics, i, topic)
    {
        json_t *rule = json_is_string(topic) ? rule_of(t, json_string_value(topic)) : NULL;
        if (!rule || json_array_append_new(rules, rule) != 0) {
            json_decref(topics);
            json_decref(rules);
            return ERR_INVAL;
        }
    }
    json_decref(topics);
    *ret = rules;
    return OK;
}

int command_topics_list(const struct api_target *t, bool json)
{
    static const char *const heads[] = {"Topic", "Senders", "Forward socket"};
    const struct call_args a = {.path = TOPICS "/default", .what = WHAT_LIST};
    json_t *def = NULL, *rules = NULL;
    if (api_call_json(t, &a, &def) != OK)
        return 1;
    int status = rules_collect(t, &rules) == OK ? 0 : 1;
    bool accept = json_is_true(json_object_get(def, "accept"));
    json_decref(def);
    if (status != 0)
        return status;
    if (json) {
        json_t *all = json_pack("{s:b,s:O}", "accept", accept, "rules", rules);
        if (all && json_dumpf(all, stdout, JSON_INDENT(2)) == 0)
            fputc('\n', stdout);
        json_decref(all);
    } else {
        printf("Topics without a rule: %s\n", accept ? "accepted from everybody" : "refused");
        if (json_array_size(rules) > 0)
            status = listing_rows(WHAT_LIST, rules, heads, ARRAY_LEN(heads), rule_row, NULL);
    }
    json_decref(rules);
    return command_flush() != 0 ? 1 : status;
}

/* --- changes ------------------------------------------------------------------------------- */

int command_topics_default(const struct api_target *t, const char *action)
{
    const char *what = "set what holds for topics without a rule";
    bool accept = strcmp(action, "accept") == 0;
    if (!accept && strcmp(action, "reject") != 0)
        return command_fail("cannot %s: accept or reject, not %s", what, action);
    const char *body = accept ? "{\"accept\":true}" : "{\"accept\":false}";
    const struct call_args a = {.method = "PUT",
                                .path = TOPICS "/default",
                                .body = body,
                                .body_len = strlen(body),
                                .what = what};
    return api_call_plain(t, &a);
}

int command_topics_add(const struct api_target *t, const char *topic)
{
    const char *what = "add the topic rule";
    char base64[TOPIC_TEXT_MAX], body[4 * TOPIC_TEXT_MAX + 3] = "[";
    uint8_t bytes[TOPIC_TEXT_MAX];
    size_t len = 0, used = 1;
    if (!encode(topic, what, base64))
        return 1;
    if (b64_decode(base64, strlen(base64), bytes, sizeof(bytes), &len, NULL) != OK)
        return command_fail("cannot %s: the topic is no base64", what);
    /* As numbers: a node of another program takes nothing else here. */
    for (size_t i = 0; i < len; i++)
        used += (size_t)snprintf(body + used, sizeof(body) - used, i ? ",%u" : "%u", bytes[i]);
    snprintf(body + used, sizeof(body) - used, "]");
    const struct call_args a = {
        .method = "POST", .path = TOPICS, .body = body, .body_len = strlen(body), .what = what};
    return api_call_plain(t, &a);
}

int command_topics_remove(const struct api_target *t, const char *topic)
{
    const char *what = "remove the topic rule";
    char path[2048];
    if (!rule_path(topic, "", NULL, what, path))
        return 1;
    const struct call_args a = {.method = "DELETE", .path = path, .what = what};
    return api_call_plain(t, &a);
}

int command_topics_allow(const struct api_target *t, const char *topic, const char *source)
{
    const char *what = "allow a sender";
    char path[2048];
    if (!rule_path(topic, "/sources", NULL, what, path))
        return 1;
    return call_with(t, "POST", path, "subnet", source, what);
}

int command_topics_deny(const struct api_target *t, const char *topic, const char *source)
{
    const char *what = "take a sender away";
    char path[2048];
    if (!rule_path(topic, "/sources/", source, what, path))
        return 1;
    const struct call_args a = {.method = "DELETE", .path = path, .what = what};
    return api_call_plain(t, &a);
}

int command_topics_forward(const struct api_target *t, const char *topic, const char *socket)
{
    const char *what = socket ? "set the forward socket" : "remove the forward socket";
    char path[2048];
    if (!rule_path(topic, "/forward", NULL, what, path))
        return 1;
    if (socket)
        return call_with(t, "PUT", path, "socketPath", socket, what);
    const struct call_args a = {.method = "DELETE", .path = path, .what = what};
    return api_call_plain(t, &a);
}
