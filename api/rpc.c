#include "api/rpc.h"

#include <string.h>

#include "base/err.h"

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)
/* Whole numbers up to here stand in a double as they are. */
#define DOUBLE_EXACT 9007199254740992.0

const char *rpc_code_str(int code)
{
    static const struct {
        int code;
        const char *text;
    } table[] = {
        {RPC_NO_JSON, "Parse error"},
        {RPC_NO_REQUEST, "Invalid request"},
        {RPC_NO_METHOD, "Method not found"},
        {RPC_BAD_PARAMS, "Invalid params"},
        {RPC_INTERNAL, "Internal error"},
        {RPC_REQUEST_TOO_BIG, "Request is too big"},
        {RPC_ANSWER_TOO_BIG, "Response is too big"},
        {RPC_BATCH_TOO_LONG, "The batch request was too large"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].code == code)
            return table[i].text;
    return "Server error";
}

/* --- reading --------------------------------------------------------------------------------- */

bool rpc_body_begins(const uint8_t *text, size_t len)
{
    while (len > 0 && (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r')) {
        text++;
        len--;
    }
    return len > 0 && (*text == '{' || *text == '[');
}

/* The library refuses whole numbers of more than 63 bits unless all numbers are reals; params may
 * have such, and the ids beside them are still told exactly up to 2^53. */
static json_t *load(const uint8_t *text, size_t len, bool *ret_reals, json_error_t *e)
{
    json_t *v;

    *ret_reals = false;
    if (len == 0 || memchr(text, '\0', len)) /* it takes a zero byte behind a number for nothing */
        return NULL;
    v = json_loadb((const char *)text, len, FLAGS, e);
    if (v || json_error_code(e) != json_error_numeric_overflow)
        return v;
    *ret_reals = true;
    return json_loadb((const char *)text, len, FLAGS | JSON_DECODE_INT_AS_REAL, e);
}

int rpc_body_read(const uint8_t *text, size_t len, struct rpc_body *ret, int *ret_code)
{
    json_error_t e = {.line = 0};
    struct rpc_body b = {.n = 1};
    int code = 0;

    b.root = load(text, len, &b.reals, &e);
    if (!b.root) {
        *ret_code = json_error_code(&e) == json_error_duplicate_key ? RPC_NO_REQUEST : RPC_NO_JSON;
        return ERR_INVAL;
    }
    b.batch = json_is_array(b.root);
    if (b.batch) {
        b.n = json_array_size(b.root);
        code = b.n == 0 ? RPC_NO_REQUEST : b.n > RPC_BATCH_MAX ? RPC_BATCH_TOO_LONG : 0;
    }
    if (code) {
        rpc_body_fini(&b);
        *ret_code = code;
        return ERR_INVAL;
    }
    *ret = b;
    return OK;
}

void rpc_body_fini(struct rpc_body *b)
{
    json_decref(b->root);
    *b = (struct rpc_body){0};
}

static bool text_is(const json_t *v, const char *want)
{
    return json_is_string(v) && json_string_length(v) == strlen(want) &&
           memcmp(json_string_value(v), want, strlen(want)) == 0;
}

/* A whole number is a real only where all numbers are. */
static bool is_id(const struct rpc_body *b, const json_t *v)
{
    double d = json_real_value(v);

    if (json_is_real(v))
        return b->reals && d >= 0 && d <= DOUBLE_EXACT && (double)(uint64_t)d >= d;
    return json_is_null(v) || json_is_string(v) ||
           (json_is_integer(v) && json_integer_value(v) >= 0);
}

/* A number that may be an id, but cannot be told as it was. */
static bool is_lost_id(const struct rpc_body *b, const json_t *v)
{
    return b->reals && json_real_value(v) > DOUBLE_EXACT;
}

struct rpc_member rpc_member(const struct rpc_body *b, size_t at)
{
    const json_t *v = b->batch ? json_array_get(b->root, at) : b->root;
    const json_t *id = json_object_get(v, "id"), *method = json_object_get(v, "method");
    struct rpc_member m = {.kind = RPC_REFUSED};
    json_t *params = json_object_get(v, "params");
    bool has_id = id && is_id(b, id), lost = is_lost_id(b, id);

    if (!text_is(json_object_get(v, "jsonrpc"), "2.0") || !json_is_string(method) || lost) {
        m.id = has_id ? id : NULL;
        m.code = has_id || lost || b->batch ? RPC_NO_REQUEST : RPC_NO_JSON;
        return m;
    }
    m.kind = has_id ? RPC_CALL : RPC_NOTIFICATION;
    m.id = id;
    m.method = json_string_value(method);
    m.method_len = json_string_length(method);
    m.params = json_is_array(params) || json_is_object(params) ? params : NULL;
    return m;
}

/* --- answers --------------------------------------------------------------------------------- */

static void begin(struct json_out *o, const json_t *id)
{
    json_put(o, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (json_is_string(id))
        json_quoted_bytes(o, json_string_value(id), json_string_length(id));
    else if (json_is_integer(id))
        json_u64(o, (uint64_t)json_integer_value(id));
    else if (json_is_real(id))
        json_u64(o, (uint64_t)json_real_value(id));
    else
        json_put(o, "null");
}

void rpc_result_begin(struct json_out *o, const json_t *id)
{
    begin(o, id);
    json_put(o, ",\"result\":");
}

void rpc_error(struct json_out *o, const json_t *id, int code, const char *message,
               const struct json_out *data)
{
    begin(o, id);
    json_put(o, ",\"error\":{\"code\":");
    if (code < 0)
        json_put(o, "-");
    json_u64(o, (uint64_t)(code < 0 ? -(int64_t)code : code));
    json_put(o, ",\"message\":");
    json_quoted(o, message ? message : rpc_code_str(code));
    if (data && data->len > 0 && !data->bad) {
        json_put(o, ",\"data\":");
        json_put_bytes(o, data->p, data->len);
    }
    json_put(o, "}}");
}
