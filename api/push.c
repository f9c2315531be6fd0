#include "api/push.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"
#include "router/identity.h"

/* Every character of the longest message may be written as an escape of six. */
static_assert(JSON_BODY_MAX > 6 * (B64_LEN(MSG_LEN_MAX) + B64_LEN(MSG_TOPIC_MAX)) + 4096,
              "the longest message is within the limit");

/* What was seen on the way through. */
struct push_rd {
    struct json_fault *fault;
    struct bus_send s;
    bool has_dst, has_topic;
    struct push_dsts many;
};

/* --- fields, the same in both forms ---------------------------------------------------------- */

int destination_parse(const char *text, struct ip6 *ret)
{
    struct pubkey key;

    if (strlen(text) == (size_t)2 * KEY_BYTES) {
        if (hex_decode(text, strlen(text), key.b, KEY_BYTES) < 0)
            return ERR_INVAL;
        *ret = address_of_key(&key);
    } else if (ip6_parse(text, ret) < 0) {
        return ERR_INVAL;
    }
    return ip6_in_overlay(ret) ? OK : ERR_INVAL;
}

static int dst_fault(struct push_rd *p, const char *which)
{
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "%s: neither an address of the network (400::/7) nor a public key",
                   which); /* fits */
    return json_problem(p->fault, PROBLEM_BAD_DESTINATION, text);
}

static int set_dst(struct push_rd *p, const char *text)
{
    if (p->has_dst)
        return json_wrong_shape(p->fault, "dst", "only one of dst and dsts");
    p->has_dst = true;
    if (text && destination_parse(text, &p->s.dst) == OK)
        return OK;
    return dst_fault(p, "dst");
}

static int topic_once(struct push_rd *p)
{
    if (p->has_topic)
        return json_problem(p->fault, PROBLEM_BAD_TOPIC, "only one of topic and topicText");
    p->has_topic = true;
    return OK;
}

static int topic_long(struct push_rd *p)
{
    return json_problem(p->fault, PROBLEM_BAD_TOPIC, "topic is longer than 255 bytes");
}

static int set_topic(struct push_rd *p, const char *text, size_t text_len)
{
    uint8_t bytes[MSG_TOPIC_MAX + 3];
    char why[B64_TEXT_MAX];
    struct b64_error e;
    size_t len = 0;
    int rc = topic_once(p);

    if (rc < 0)
        return rc;
    rc = b64_decode(text, text_len, bytes, sizeof(bytes), &len, &e);
    if (rc == ERR_INVAL)
        return json_problem(p->fault, PROBLEM_BAD_BASE64, b64_error_str(&e, why));
    if (rc < 0 || len > MSG_TOPIC_MAX)
        return topic_long(p);
    p->s.topic.len = (uint8_t)len;
    memcpy(p->s.topic.b, bytes, len);
    return OK;
}

static int set_topic_text(struct push_rd *p, const char *text, size_t len)
{
    int rc = topic_once(p);

    if (rc < 0)
        return rc;
    if (len > MSG_TOPIC_MAX)
        return topic_long(p);
    if (!utf8_valid(text, len))
        return json_problem(p->fault, PROBLEM_BAD_TOPIC, "topicText is not UTF-8");
    p->s.topic.len = (uint8_t)len;
    memcpy(p->s.topic.b, text, len);
    return OK;
}

static int set_policy(struct push_rd *p, const char *text)
{
    if (text && strcmp(text, "at-least-once") == 0)
        p->s.policy = OUT_AT_LEAST_ONCE;
    else if (text && strcmp(text, "at-most-once") == 0)
        p->s.policy = OUT_AT_MOST_ONCE;
    else
        return json_wrong_shape(p->fault, "policy", "expected at-least-once or at-most-once");
    return OK;
}

static int set_reply(struct push_rd *p, const char *text, size_t len)
{
    p->s.reply = true;
    if (len == (size_t)2 * MSG_ID_BYTES &&
        hex_decode(text, len, p->s.reply_to.b, MSG_ID_BYTES) == OK)
        return OK;
    return json_wrong_shape(p->fault, "replyTo", "expected 16 hex digits");
}

/* n below 0: no whole number. */
static int set_ttl(struct push_rd *p, double n)
{
    if (!(n >= PUSH_TTL_MIN_MS && n <= (double)PUSH_TTL_MAX_MS))
        return json_wrong_shape(p->fault, "ttlMs", "expected a whole number, 1000 to 2592000000");
    p->s.ttl_ms = (int64_t)n;
    return OK;
}

static int set_prio(struct push_rd *p, double n)
{
    if (!(n >= 0 && n < OUT_PRIOS))
        return json_wrong_shape(p->fault, "priority", "expected a whole number, 0 to 3");
    p->s.prio = (uint8_t)n;
    return OK;
}

/* yes: 1, 0, or neither. */
static int set_flag(struct push_rd *p, const char *name, int yes)
{
    if (yes != 0 && yes != 1)
        return json_wrong_shape(p->fault, name, "expected true or false");
    if (*name == 'd')
        p->s.in_memory = !yes;
    else
        p->s.ordered = yes;
    return OK;
}

/* After the last field: may it be sent? */
static int finish(struct push_rd *p)
{
    if (!p->has_dst)
        return json_missing(p->fault, "dst");
    if (p->s.reply && p->many.n > 0)
        return json_wrong_shape(p->fault, "replyTo", "not with dsts");
    if (p->s.ordered && p->s.in_memory)
        return json_wrong_shape(p->fault, "ordered", "not with durable false");
    if (p->s.reply && p->s.topic.len > 0)
        return json_problem(p->fault, PROBLEM_BAD_TOPIC, "a reply has no topic");
    return OK;
}

static int too_long(struct push_rd *p)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "payload: longer than %u bytes", MSG_LEN_MAX); /* fits */
    return json_problem(p->fault, PROBLEM_TOO_LARGE, text);
}

static struct push_rd push_begin(struct json_fault *fault)
{
    *fault = (struct json_fault){0};
    return (struct push_rd){.fault = fault, .s = {.prio = OUT_PRIO_DEFAULT}};
}

/* --- JSON ------------------------------------------------------------------------------------ */

/* {"ip": address} or {"pk": key}. Values are lent and not changed; the library's iterators want
 * them without const. */
static int read_one(struct push_rd *p, const char *which, json_t *v, const char **ret)
{
    const char *key = json_object_iter_key(json_object_iter(v));
    const json_t *value = json_object_iter_value(json_object_iter(v));
    const char *text = json_is_string(value) ? json_line(value) : NULL;
    bool is_key = text && strlen(text) == (size_t)2 * KEY_BYTES;

    if (!json_is_object(v) || json_object_size(v) != 1)
        return json_wrong_shape(p->fault, which, "expected an object with either ip or pk");
    if (strcmp(key, "ip") != 0 && strcmp(key, "pk") != 0)
        return json_wrong_shape(p->fault, which, "expected ip or pk");
    *ret = is_key == (*key == 'p') ? text : NULL;
    return OK;
}

static int read_dst(struct push_rd *p, json_t *v)
{
    const char *text;
    int rc = read_one(p, "dst", v, &text);
    return rc < 0 ? rc : set_dst(p, text);
}

static int read_dsts(struct push_rd *p, json_t *v)
{
    size_t n = json_array_size(v); /* 0: no array */

    if (p->has_dst)
        return json_wrong_shape(p->fault, "dsts", "only one of dst and dsts");
    if (n < 2 || n > BUS_DSTS_MAX)
        return json_wrong_shape(p->fault, "dsts", "expected an array of 2 to 1000 destinations");
    p->has_dst = true;
    p->many.v = calloc(n, sizeof(*p->many.v));
    if (!p->many.v)
        return json_refuse(p->fault, 503, "out of memory");
    for (; p->many.n < n; p->many.n++) {
        char which[PUSH_DST_NAME_MAX];
        const char *text;
        push_dst_name(p->many.n, which);
        int rc = read_one(p, which, json_array_get(v, p->many.n), &text);
        if (rc < 0)
            return rc;
        if (!text || destination_parse(text, &p->many.v[p->many.n]) < 0)
            return dst_fault(p, which);
    }
    return OK;
}

static int read_payload(struct push_rd *p, const json_t *v)
{
    size_t text_len = json_string_length(v), len;
    char why[B64_TEXT_MAX];
    struct b64_error e;

    if (!json_is_string(v))
        return json_wrong_kind(p->fault, "payload", v, "a string");
    if (p->s.payload)
        return json_wrong_shape(p->fault, "payload", "it came behind the JSON already");
    if (text_len > B64_LEN(MSG_LEN_MAX))
        return too_long(p);
    p->s.payload = blob_new(text_len / 4 * 3 + 3);
    if (!p->s.payload)
        return json_refuse(p->fault, 503, "out of memory");
    if (b64_decode(json_string_value(v), text_len, p->s.payload->data, p->s.payload->len, &len,
                   &e) < 0)
        return json_problem(p->fault, PROBLEM_BAD_BASE64, b64_error_str(&e, why));
    p->s.payload->len = (uint32_t)len; /* nobody else knows it yet; the last bytes stay unused */
    return len > MSG_LEN_MAX ? too_long(p) : OK;
}

static double whole(const json_t *v)
{
    double n = json_is_number(v) ? json_number_value(v) : -1;
    return n >= 0 && floor(n) >= n ? n : -1;
}

static int truth(const json_t *v)
{
    return json_is_boolean(v) ? json_is_true(v) : -1;
}

static int read_field(struct push_rd *p, const char *key, json_t *v)
{
    if (strcmp(key, "dst") == 0)
        return read_dst(p, v);
    if (strcmp(key, "dsts") == 0)
        return read_dsts(p, v);
    if (strcmp(key, "payload") == 0)
        return read_payload(p, v);
    if (strcmp(key, "ttlMs") == 0)
        return set_ttl(p, whole(v));
    if (strcmp(key, "priority") == 0)
        return set_prio(p, whole(v));
    if (strcmp(key, "durable") == 0 || strcmp(key, "ordered") == 0)
        return set_flag(p, key, truth(v));
    bool topic = strcmp(key, "topic") == 0, text = strcmp(key, "topicText") == 0;
    bool policy = strcmp(key, "policy") == 0, reply = strcmp(key, "replyTo") == 0;
    if (!topic && !text && !policy && !reply)
        return json_wrong_shape(p->fault, "", "unknown field");
    if (!json_is_string(v))
        return json_wrong_kind(p->fault, key, v, "a string");
    if (policy)
        return set_policy(p, json_line(v));
    if (reply)
        return set_reply(p, json_string_value(v), json_string_length(v));
    return topic ? set_topic(p, json_string_value(v), json_string_length(v))
                 : set_topic_text(p, json_string_value(v), json_string_length(v));
}

static int read_fields(struct push_rd *p, json_t *body)
{
    const char *key;
    json_t *v;

    if (!json_is_object(body))
        return json_wrong_kind(p->fault, "", body, "an object with dst and payload");
    json_object_foreach(body, key, v)
    {
        int rc = read_field(p, key, v);
        if (rc < 0)
            return rc;
    }
    if (!p->s.payload)
        return json_missing(p->fault, "payload");
    return finish(p);
}

void push_dst_name(size_t at, char ret[static PUSH_DST_NAME_MAX])
{
    (void)snprintf(ret, PUSH_DST_NAME_MAX, "dsts[%zu]", at); /* fits */
}

int push_json_read(json_t *o, struct blob *payload, struct bus_send *ret,
                   struct push_dsts *ret_dsts, struct json_fault *fault)
{
    struct push_rd p = push_begin(fault);
    int rc;

    p.s.payload = blob_ref(payload);
    rc = payload && payload->len > MSG_LEN_MAX ? too_long(&p) : read_fields(&p, o);
    if (rc < 0) {
        blob_unref(p.s.payload);
        free(p.many.v);
    } else {
        *ret = p.s;
        *ret_dsts = p.many;
    }
    return rc;
}

int push_body_read(const uint8_t *json, size_t len, struct bus_send *ret,
                   struct push_dsts *ret_dsts, struct json_fault *fault)
{
    json_t *body;
    int rc;

    *fault = (struct json_fault){0};
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = push_json_read(body, NULL, ret, ret_dsts, fault);
    json_decref(body);
    return rc;
}

/* --- query ----------------------------------------------------------------------------------- */

static const char *const query_keys[] = {"dst",      "topic",   "topicText", "ttlMs",  "policy",
                                         "priority", "replyTo", "durable",   "ordered"};

static int key_of(const struct query_pair *q)
{
    for (unsigned i = 0; i < ARRAY_LEN(query_keys); i++)
        if (q->key_len == strlen(query_keys[i]) && memcmp(q->key, query_keys[i], q->key_len) == 0)
            return (int)i;
    return -1;
}

static double number(const char *text, size_t len)
{
    uint64_t n;
    return decimal_parse(text, len, UINT32_MAX, &n) == OK ? (double)n : -1;
}

static int word_truth(const char *text)
{
    if (!text)
        return -1;
    return strcmp(text, "true") == 0 ? 1 : strcmp(text, "false") == 0 ? 0 : -1;
}

static int read_pair(struct push_rd *p, const struct query_pair *q, unsigned *seen)
{
    char v[QUERY_VALUE_MAX + 1], text[64];
    int which = key_of(q);
    size_t len;

    if (which < 0)
        return OK;
    if (*seen & 1u << which) {
        (void)snprintf(text, sizeof(text), "%s is given twice", query_keys[which]); /* fits */
        return json_problem(p->fault, PROBLEM_BAD_REQUEST, text);
    }
    *seen |= 1u << which;
    if (percent_decode(q->value, q->value_len, true, v, QUERY_VALUE_MAX, &len) < 0) {
        (void)snprintf(text, sizeof(text), "%s is too long", query_keys[which]); /* fits */
        return json_problem(p->fault, PROBLEM_BAD_REQUEST, text);
    }
    v[len] = '\0';
    const char *line = memchr(v, '\0', len) ? NULL : v;
    switch (which) {
    case 0:
        return set_dst(p, line);
    case 1:
        return set_topic(p, v, len);
    case 2:
        return set_topic_text(p, v, len);
    case 3:
        return set_ttl(p, number(v, len));
    case 4:
        return set_policy(p, line);
    case 5:
        return set_prio(p, number(v, len));
    case 7:
    case 8:
        return set_flag(p, query_keys[which], word_truth(line));
    default:
        return set_reply(p, v, len);
    }
}

int push_query_read(const char *query, const uint8_t *body, size_t len, struct bus_send *ret,
                    struct json_fault *fault)
{
    struct push_rd p = push_begin(fault);
    struct query_pair pair;
    unsigned seen = 0;
    int rc = OK;

    while (rc == OK && query_next(&query, &pair))
        rc = read_pair(&p, &pair, &seen);
    if (rc == OK)
        rc = finish(&p);
    if (rc == OK && len > MSG_LEN_MAX)
        rc = too_long(&p);
    if (rc < 0)
        return rc;
    p.s.payload = body ? blob_new(len) : NULL;
    if (body && !p.s.payload)
        return json_refuse(fault, 503, "out of memory");
    if (len > 0)
        memcpy(p.s.payload->data, body, len);
    *ret = p.s;
    return OK;
}

int push_key_read(const char *field, struct idem_key *ret, struct json_fault *fault)
{
    size_t len = field ? strlen(field) : 0;
    bool visible = true;

    ret->len = 0;
    if (!field)
        return OK;
    for (size_t i = 0; i < len; i++)
        visible = visible && field[i] > ' ' && field[i] <= '~';
    if (len == 0 || len > IDEM_KEY_MAX || !visible)
        return json_problem(fault, PROBLEM_BAD_REQUEST,
                            "Idempotency-Key: expected 1 to 64 visible ASCII characters");
    ret->len = (uint8_t)len;
    memcpy(ret->b, field, len);
    return OK;
}

int push_wait_read(const char *query, struct bus_send *ret, struct json_fault *fault)
{
    static const char *const words[] = {"accepted", "received", "read", "reply"};
    char v[QUERY_VALUE_MAX + 1];
    int64_t ms = PUSH_WAIT_DEFAULT_MS;
    size_t word = 0, len;
    struct query_pair p;
    uint64_t n;

    while (query_next(&query, &p)) {
        bool is_wait = p.key_len == 4 && memcmp(p.key, "wait", 4) == 0;
        bool is_ms = p.key_len == 6 && memcmp(p.key, "waitMs", 6) == 0;
        if (!is_wait && !is_ms)
            continue;
        if (percent_decode(p.value, p.value_len, true, v, QUERY_VALUE_MAX, &len) < 0)
            len = 0;
        v[len] = '\0';
        if (is_ms && decimal_parse(v, len, PUSH_WAIT_MAX_MS, &n) < 0)
            return json_problem(fault, PROBLEM_BAD_REQUEST,
                                "waitMs: expected a whole number, 0 to 600000");
        if (is_ms) {
            ms = (int64_t)n;
            continue;
        }
        for (word = 0; word < ARRAY_LEN(words) && strcmp(v, words[word]) != 0; word++)
            ;
        if (word == ARRAY_LEN(words))
            return json_problem(fault, PROBLEM_BAD_REQUEST,
                                "wait: expected accepted, received, read or reply");
    }
    ms = MAX(ms, 1);
    if (word == 3 && ret->reply)
        return json_problem(fault, PROBLEM_BAD_REQUEST, "wait=reply: a reply has none");
    if (word == 3)
        ret->reply_wait_ms = ms;
    else if (word > 0)
        ret->index_wait_ms = ms;
    ret->index = word == 2 ? BUS_INDEX_RECEIVED : BUS_INDEX_LIVES;
    return OK;
}
