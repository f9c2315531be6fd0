/* The JSON body of a message. What is refused says why; what is taken is within the limits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_admin.h"
#include "api/json_in.h"
#include "api/json_message.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_fault fault = {0};
    struct send_body b = {0};
    struct endpoint e;

    if (send_body_read(data, size, &b, &fault) == OK) {
        if (!b.payload || b.payload->len > MSG_LEN_MAX || !ip6_in_overlay(&b.dst))
            abort();
        send_body_fini(&b);
    } else if (fault.status < 400 || b.payload || !memchr(fault.text, '\0', sizeof(fault.text))) {
        abort();
    }
    memset(&fault, 0, sizeof(fault));
    if (endpoint_body_read(data, size, &e, &fault) < 0 && fault.status < 400)
        abort();
    return 0;
}
