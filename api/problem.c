#include "api/problem.h"

#include <assert.h>

#include "base/err.h"

static const struct {
    const char *code, *title;
    unsigned status;
} table[] = {[PROBLEM_NONE] = {"internal", "Internal error", 500},
#define X(name, code, status, title) [PROBLEM_##name] = {code, title, status},
             PROBLEM_LIST(X)
#undef X
};
static_assert(ARRAY_LEN(table) == PROBLEM_END, "one row per problem");

unsigned problem_status(enum problem p)
{
    return table[p].status;
}

const char *problem_code(enum problem p)
{
    return table[p].code;
}

const char *problem_title(enum problem p)
{
    return table[p].title;
}

enum problem problem_of_status(unsigned status)
{
    switch (status) {
    case 403:
        return PROBLEM_FORBIDDEN;
    case 409:
        return PROBLEM_ALREADY_FINAL;
    case 422:
        return PROBLEM_BAD_SHAPE;
    case 429:
        return PROBLEM_TOO_MANY;
    case 503:
        return PROBLEM_NOT_READY;
    default:
        break;
    }
    for (size_t i = PROBLEM_NONE + 1; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return (enum problem)i;
    return PROBLEM_INTERNAL;
}

enum problem problem_of_error(int rc)
{
    switch (rc) {
    case ERR_INVAL:
    case ERR_MALFORMED:
        return PROBLEM_BAD_REQUEST;
    case ERR_PERM:
        return PROBLEM_FORBIDDEN;
    case ERR_NOENT:
        return PROBLEM_NOT_FOUND;
    case ERR_STATE:
        return PROBLEM_ALREADY_FINAL;
    case ERR_TOOBIG:
        return PROBLEM_TOO_LARGE;
    case ERR_LIMIT:
    case ERR_BUSY:
        return PROBLEM_TOO_MANY;
    case ERR_UNSUPPORTED:
        return PROBLEM_UNSUPPORTED;
    case ERR_NOSPACE:
        return PROBLEM_STORE_FULL;
    case ERR_IO:
    case ERR_CORRUPT:
        return PROBLEM_STORE_FAILED;
    case ERR_NOMEM:
        return PROBLEM_NOT_READY;
    default:
        return PROBLEM_INTERNAL;
    }
}

void problem_write(struct json_out *o, enum problem p, const char *detail)
{
    json_put(o, "{\"type\":\"about:blank\",\"title\":");
    json_quoted(o, table[p].title);
    json_put(o, ",\"status\":");
    json_u64(o, table[p].status);
    if (detail && *detail) {
        json_put(o, ",\"detail\":");
        json_quoted(o, detail);
    }
    json_put(o, ",\"code\":");
    json_quoted(o, table[p].code);
    json_put(o, "}");
}
