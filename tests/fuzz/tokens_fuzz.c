/* Token files: what is read has scopes and a line inside the text, what is refused names a line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/tokens.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokens t;
    struct tokens_error e = {.line = 0};
    char word[TOKEN_CHARS + 1] = "", scopes[SCOPES_TEXT_MAX];
    char *text = malloc(size ? size : 1); /* of the exact size, for the sanitizer */
    if (!text)
        abort();
    memcpy(text, data, size);
    if (tokens_parse(text, size, &t, &e) != OK) {
        assert(e.line > 0 && e.text);
        free(text);
        return 0;
    }
    for (size_t i = 0; i < t.count; i++) {
        assert(t.t[i].scopes != 0 && (t.t[i].scopes & ~(unsigned)SCOPE_ALL) == 0);
        assert(t.t[i].at + t.t[i].len <= size && t.t[i].note_at + t.t[i].note_len <= size);
        assert(*scopes_str(t.t[i].scopes, scopes) != '\0');
    }
    const char *first = tokens_first(&t, text);
    if (first) {
        uint64_t id = 0;
        memcpy(word, first, TOKEN_CHARS);
        unsigned may = tokens_scopes(&t, word, &id);
        assert(may != 0 && tokens_scopes_of(&t, id) != 0);
    }
    free(text);
    return 0;
}
