/* A text that is accepted is written in a form that gives an equal endpoint, and in no other form
 * the second time. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint e, again;
    const char *fault = NULL;
    char text[ENDPOINT_STR_MAX], second[ENDPOINT_STR_MAX], shown[ENDPOINT_STR_MAX];
    char *input = malloc(size + 1);
    if (!input)
        return 0;
    if (size > 0)
        memcpy(input, data, size);
    input[size] = '\0';
    if (endpoint_parse(input, &e, &fault) < 0) {
        assert(fault);
    } else {
        (void)endpoint_str(&e, text);
        assert(endpoint_parse(text, &again, &fault) == OK);
        assert(endpoint_eq(&e, &again));
        assert(strcmp(endpoint_str(&again, second), text) == 0);
        assert(strlen(endpoint_addr_str(&e, shown)) > 0);
    }
    free(input);
    return 0;
}
