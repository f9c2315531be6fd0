/* JSON-RPC envelopes: whatever comes in is calls, notifications or refusals; what is answered to
 * each is JSON that carries the id. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/rpc.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_answer(struct json_out *o, const json_t *id)
{
    json_t *v;

    check(!o->bad);
    v = json_loadb(o->p, o->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    check(v != NULL);
    check(json_object_size(v) == 3);
    if (json_is_string(id) || json_is_integer(id))
        check(json_equal(json_object_get(v, "id"), id));
    else if (json_is_real(id))
        check(json_is_integer(json_object_get(v, "id")));
    else
        check(json_is_null(json_object_get(v, "id")));
    json_decref(v);
    json_out_fini(o);
}

static void check_member(const struct rpc_body *b, size_t i)
{
    struct rpc_member m = rpc_member(b, i);
    struct json_out o = {0};

    if (m.kind == RPC_NOTIFICATION)
        return;
    if (m.kind == RPC_REFUSED) {
        check(m.code == RPC_NO_REQUEST || (m.code == RPC_NO_JSON && !b->batch));
        rpc_error(&o, m.id, m.code, NULL, NULL);
    } else {
        check(m.method != NULL);
        check(!m.params || json_is_array(m.params) || json_is_object(m.params));
        rpc_result_begin(&o, m.id);
        json_put(&o, "true}");
    }
    check_answer(&o, m.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_body b;
    int code = 0;

    if (rpc_body_read(data, size, &b, &code) < 0) {
        check(code == RPC_NO_JSON || code == RPC_NO_REQUEST || code == RPC_BATCH_TOO_LONG);
        return 0;
    }
    check(rpc_body_begins(data, size));
    check(b.n > 0 && b.n <= RPC_BATCH_MAX);
    for (size_t i = 0; i < b.n; i++)
        check_member(&b, i);
    rpc_body_fini(&b);
    return 0;
}
