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
    if (fault->status)
        return ERR_INVAL;
    fault->status = status;
    (void)snprintf(fault->text, sizeof(fault->text), "%s", text); /* may be cut: for people */
    return ERR_INVAL;
}

int json_no_json(struct json_fault *fault, const struct json_rd *r)
{
    size_t line = 1, column = 0;
    char text[JSON_TEXT_MAX];

    for (const uint8_t *p = r->start; p < r->p; p++) {
        column = *p == '\n' ? 0 : column + 1;
        line += *p == '\n';
    }
    if (r->no_memory)
        return json_refuse(fault, 503, r->fault);
    (void)snprintf(text, sizeof(text),
                   "Failed to parse the request body as JSON: %s at line %zu column %zu", r->fault,
                   line, column); /* fits */
    return json_refuse(fault, 400, text);
}

int json_wrong_shape(struct json_fault *fault, const char *path, const char *why)
{
    char text[JSON_TEXT_MAX];

    (void)snprintf(text, sizeof(text),
                   "Failed to deserialize the JSON body into the target type: %s%s%s", path,
                   *path ? ": " : "", why); /* may be cut: for people */
    return json_refuse(fault, 422, text);
}

int json_wrong_kind(struct json_fault *fault, const char *path, struct json_rd *r, const char *want)
{
    static const char *const names[] = {
        [JSON_KIND_OBJECT] = "map",    [JSON_KIND_ARRAY] = "sequence",
        [JSON_KIND_STRING] = "string", [JSON_KIND_NUMBER] = "number",
        [JSON_KIND_BOOL] = "boolean",  [JSON_KIND_NULL] = "null",
    };
    enum json_kind kind = json_rd_kind(r);
    char why[96];

    json_rd_skip(r);
    if (r->fault)
        return json_no_json(fault, r);
    (void)snprintf(why, sizeof(why), "invalid type: %s, expected %s", names[kind], want); /* fits */
    return json_wrong_shape(fault, path, why);
}

int json_missing(struct json_fault *fault, const char *field)
{
    char why[64];

    (void)snprintf(why, sizeof(why), "missing field `%s`", field); /* fits: our own names */
    return json_wrong_shape(fault, "", why);
}

int json_twice(struct json_fault *fault, const char *field)
{
    char why[64];

    (void)snprintf(why, sizeof(why), "duplicate field `%s`", field); /* fits: our own names */
    return json_wrong_shape(fault, "", why);
}
