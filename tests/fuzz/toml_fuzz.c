/* Whatever is read can be walked, every value is where its table says, and what is refused has a
 * place in the text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct toml_value *v, unsigned depth)
{
    size_t all = 1, n = 0, len;
    assert(depth <= TOML_DEPTH_MAX);
    for (const struct toml_value *c = toml_first(v); c; c = toml_next(c), n++) {
        const char *key = toml_key(c, &len);
        assert((key != NULL) == (toml_kind(v) == TOML_TABLE));
        if (key && strlen(key) == len)
            assert(toml_get(v, key) == c && utf8_valid(key, len));
        const char *text = toml_string(c, &len);
        assert((text != NULL) == (toml_kind(c) == TOML_STRING));
        assert(!text || (utf8_valid(text, len) && text[len] == '\0'));
        assert(toml_line(c) > 0 && toml_column(c) > 0);
        all += walk(c, depth + 1);
    }
    assert(n == toml_count(v));
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct toml *t;
    struct toml_error e = {0};
    char *text = malloc(size + 1); /* of the exact size, for the sanitizer */
    if (!text)
        abort();
    memcpy(text, data, size);
    char *exact = realloc(text, size ? size : 1);
    int rc = toml_parse(exact ? exact : text, size, &t, &e);
    if (rc == OK) {
        assert(walk(toml_root(t), 0) <= TOML_VALUES_MAX + 1);
        toml_free(t);
    } else {
        assert(e.line > 0 && e.column > 0 && e.text[0]);
    }
    free(exact ? exact : text);
    return 0;
}
