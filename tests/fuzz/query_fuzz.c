/* Query strings and paths of requests. A topic that is read must be what its text says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/query.h"
#include "api/range.h"
#include "api/table.h"
#include "base/err.h"
#include "bus/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[QUERY_TEXT_MAX];
    struct take_query t;
    struct send_query s;
    struct bus_inbox_list l;
    struct bus_out_filter f;
    struct byte_range range;
    struct match m;
    char *input = strndup((const char *)data, size); /* ends at the first zero byte, as in a head */

    if (!input)
        return 0;
    if (take_query_read(input, &t, text) < 0 &&
        (*text == '\0' || !memchr(text, '\0', sizeof(text))))
        abort();
    if (send_query_read(input, &s, text) < 0 &&
        (*text == '\0' || !memchr(text, '\0', sizeof(text))))
        abort();
    if (inbox_query_read(input, &l, text) < 0) {
        if (*text == '\0' || !memchr(text, '\0', sizeof(text)))
            abort();
    } else if (l.limit == 0 || l.limit > BUS_LIST_MAX) {
        abort();
    }
    if (outbox_query_read(input, &f, text) < 0) {
        if (*text == '\0' || !memchr(text, '\0', sizeof(text)))
            abort();
    } else if (f.limit == 0 || f.limit > BUS_OUT_LIST_MAX || (f.states >> OUT_REFUSED) > 1) {
        abort();
    }
    struct entry_query e;
    if (entry_query_read(input, &e, text) < 0) {
        if (*text == '\0' || !memchr(text, '\0', sizeof(text)))
            abort();
    } else if (e.wait_ms < 0 || e.wait_ms > ENTRY_WAIT_MAX_MS || e.index > UINT32_MAX) {
        abort();
    }
    if (range_read(input, size, &range) == OK &&
        (range.len == 0 || range.from >= size || range.len > size - range.from))
        abort();
    for (enum http_method method = HTTP_GET; method <= HTTP_OTHER; method++)
        if (table_match(method, input, &m) == OK &&
            (m.param_len > PARAM_MAX || strlen(m.param) != m.param_len ||
             !utf8_valid(m.param, m.param_len)))
            abort();
    free(input);
    return 0;
}
