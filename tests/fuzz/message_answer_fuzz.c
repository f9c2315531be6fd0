/* A node's answer with a message: read, and shown as JSON that can be read again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "clients/message_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct message m;
    char *text = NULL;
    size_t text_len = 0;
    if (message_read(json_loadb((const char *)data, len, 0, NULL), &m) != OK)
        return 0;
    FILE *f = open_memstream(&text, &text_len);
    if (!f)
        abort();
    message_print(f, &m, true);
    if (fclose(f) != 0)
        abort();
    json_t *again = json_loadb(text, text_len, JSON_ALLOW_NUL, NULL);
    if (!again || text[text_len - 1] != '\n')
        abort();
    json_decref(again);
    free(text);
    message_fini(&m);
    return 0;
}
