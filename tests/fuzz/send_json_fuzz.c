/* The JSON body of a message. What is refused says why; what is taken is within the limits. And the
 * reader takes what another reader takes, and nothing else. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_admin.h"
#include "api/json_in.h"
#include "api/json_message.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const uint8_t *data, size_t size)
{
    struct json_rd r = json_rd_of(data, size);
    json_error_t e;
    json_t *v;

    if (memchr(data, '\0', size))
        return; /* ends the text for the other one */
    v = json_loadb((const char *)data, size,
                   JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
    json_rd_skip(&r);
    json_rd_end(&r);
    if (v && r.fault && strcmp(r.fault, "recursion limit exceeded") != 0)
        abort();
    /* Numbers that fit into no double, and zero bytes in keys, are refused by the other one only.
     */
    if (!v && !r.fault && json_error_code(&e) != json_error_numeric_overflow &&
        json_error_code(&e) != json_error_null_byte_in_key)
        abort();
    json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_fault fault = {0};
    struct send_body b = {0};
    struct endpoint e;

    compare(data, size);
    if (send_body_read(data, size, &b, &fault) == OK) {
        if (!b.payload || b.payload->len > MSG_LEN_MAX || !ip6_in_overlay(&b.dst))
            abort();
        send_body_fini(&b);
    } else if (fault.status < 400 || b.payload || !memchr(fault.text, '\0', sizeof(fault.text))) {
        abort();
    }
    if (endpoint_body_read(data, size, &e, &fault) < 0 && fault.status < 400)
        abort();
    return 0;
}
