#include "api/json_in.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

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

int json_refuse(struct json_fault *fault, unsigned status, const char *text)
{
    fault->status = status;
    (void)snprintf(fault->text, sizeof(fault->text), "%s", text); /* may be cut: for people */
    return ERR_INVAL;
}

int json_wrong_shape(struct json_fault *fault, const char *path, const char *why)
{
    fault->status = 422;
    (void)snprintf(fault->text, sizeof(fault->text),
                   "Failed to deserialize the JSON body into the target type: %s%s%s", path,
                   *path ? ": " : "", why); /* may be cut: for people */
    return ERR_INVAL;
}

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "map";
    case JSON_ARRAY:
        return "sequence";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "floating point";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    }
    return "value";
}

int json_wrong_type(struct json_fault *fault, const char *path, const json_t *v, const char *want)
{
    char why[96];

    (void)snprintf(why, sizeof(why), "invalid type: %s, expected %s", type_name(v),
                   want); /* fits */
    return json_wrong_shape(fault, path, why);
}

int json_missing(struct json_fault *fault, const char *field)
{
    char why[64];

    (void)snprintf(why, sizeof(why), "missing field `%s`", field); /* fits: our own names */
    return json_wrong_shape(fault, "", why);
}

json_t *json_read(const uint8_t *body, size_t len, struct json_fault *fault)
{
    json_error_t e;
    json_t *v = json_loadb((const char *)body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);

    if (v)
        return v;
    fault->status = json_error_code(&e) == json_error_out_of_memory ? 503 : 400;
    (void)snprintf(fault->text, sizeof(fault->text),
                   "Failed to parse the request body as JSON: %s at line %d column %d", e.text,
                   e.line, e.column); /* may be cut: for people */
    return NULL;
}
