#include "api/json_in.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/text.h"

#define NO_JSON     "Failed to parse the request body as JSON: "
#define WRONG_SHAPE "Failed to deserialize the JSON body into the target type: "

bool json_content_type(const char *content_type)
{
    static const char prefix[] = "application/";
    const char *sub = content_type + sizeof(prefix) - 1;
    size_t len;

    if (strncasecmp(content_type, prefix, sizeof(prefix) - 1) != 0)
        return false;
    len = strcspn(sub, "; \t");
    if (len == 4 && strncasecmp(sub, "json", 4) == 0)
        return true;
    return len > 5 && strncasecmp(sub + len - 5, "+json", 5) == 0;
}

/* --- refusals -------------------------------------------------------------------------------- */

const char *json_fault_why(const struct json_fault *f)
{
    static const char *const before[] = {NO_JSON, WRONG_SHAPE};

    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        if (strncmp(f->text, before[i], strlen(before[i])) == 0)
            return f->text + strlen(before[i]);
    return f->text;
}

int json_refuse(struct json_fault *fault, unsigned status, const char *text)
{
    if (fault->status)
        return ERR_INVAL;
    fault->status = status;
    (void)snprintf(fault->text, sizeof(fault->text), "%s", text); /* may be cut: for people */
    return ERR_INVAL;
}

int json_problem(struct json_fault *fault, enum problem p, const char *text)
{
    if (!fault->status)
        fault->problem = p;
    return json_refuse(fault, problem_status(p), text);
}

int json_no_json(struct json_fault *fault, const char *why)
{
    char text[JSON_TEXT_MAX];

    (void)snprintf(text, sizeof(text), NO_JSON "%s", why); /* may be cut: for people */
    return json_refuse(fault, 400, text);
}

int json_wrong_shape(struct json_fault *fault, const char *path, const char *why)
{
    char text[JSON_TEXT_MAX];

    (void)snprintf(text, sizeof(text), WRONG_SHAPE "%s%s%s", path, *path ? ": " : "",
                   why); /* may be cut: for people */
    return json_refuse(fault, 422, text);
}

static const char *kind_str(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "map";
    case JSON_ARRAY:
        return "sequence";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    }
    return "";
}

int json_wrong_kind(struct json_fault *fault, const char *path, const json_t *v, const char *want)
{
    char why[96];

    (void)snprintf(why, sizeof(why), "invalid type: %s, expected %s", kind_str(v), want); /* fits */
    return json_wrong_shape(fault, path, why);
}

int json_missing(struct json_fault *fault, const char *field)
{
    char why[64];

    (void)snprintf(why, sizeof(why), "missing field `%s`", field); /* fits: our own names */
    return json_wrong_shape(fault, "", why);
}

/* --- parsing --------------------------------------------------------------------------------- */

static void no_value(struct json_fault *fault, const json_error_t *e)
{
    char why[JSON_ERROR_TEXT_LENGTH + 64];

    if (*e->text == '\0') { /* the library has no words for an allocation that failed */
        (void)json_refuse(fault, 503, "out of memory");
        return;
    }
    /* It quotes the body, and may do so up to the middle of a character. */
    (void)snprintf(why, sizeof(why), "%s at line %d column %d",
                   utf8_valid(e->text, strlen(e->text)) ? e->text : "invalid token", e->line,
                   e->column); /* fits */
    if (json_error_code(e) == json_error_duplicate_key)
        (void)json_wrong_shape(fault, "", why);
    else
        (void)json_no_json(fault, why);
}

json_t *json_body(const uint8_t *text, size_t len, struct json_fault *fault)
{
    json_error_t e;
    json_t *v;

    if (len > JSON_BODY_MAX) {
        (void)json_refuse(fault, 413, JSON_TOO_LONG);
        return NULL;
    }
    /* The library takes a zero byte behind a number for nothing. */
    if (len > 0 && memchr(text, '\0', len)) {
        (void)json_no_json(fault, "invalid token near a zero byte");
        return NULL;
    }
    v = json_loadb(
        len > 0 ? (const char *)text : "", len,
        JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
    if (!v)
        no_value(fault, &e);
    return v;
}

const char *json_line(const json_t *v)
{
    const char *text = json_string_value(v);

    return strlen(text) == json_string_length(v) ? text : NULL;
}
