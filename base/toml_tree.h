/* toml_tree.h - how the document of toml.h is held. Private to toml*.c. */
#pragma once
#include "base/toml.h"

/* How a table came to be decides what may still be added to it. */
enum toml_origin {
    TOML_IMPLIED,  /* on the way of a header: a header may define it once */
    TOML_HEADER,   /* by its own header, or the root: keys below the header only */
    TOML_DOTTED,   /* by a dotted key: more dotted keys, tables below it by header */
    TOML_CLOSED,   /* inline table, or array of values: nothing */
    TOML_ELEMENTS, /* array of tables: another element */
};

struct toml_value {
    struct toml_value *next;
    enum toml_kind kind;
    enum toml_origin origin; /* of tables and arrays */
    unsigned line, column, depth;
    uint32_t key_hash;
    char *key; /* NULL: none */
    size_t key_len;
    /* TABLE, ARRAY */
    struct toml_value *first, *last;
    size_t count;
    /* the others */
    char *text; /* STRING */
    size_t text_len;
    union {
        int64_t integer;
        double real;
        bool boolean;
    };
};

struct toml {
    struct toml_value root;
    size_t values;
};

struct toml_value *toml_find(const struct toml_value *table, const char *key, size_t len);
/* A new last value of `parent`, with a copy of the key (NULL: none). ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int toml_add(struct toml *t, struct toml_value *parent, enum toml_kind kind,
                        const char *key, size_t key_len, struct toml_value **ret);

#define TOML_WORD_MAX 64 /* characters of a number, with its underscores */
/* Kind and content of v from a word of at most that length; NULL, or what is wrong with it. */
const char *toml_word(const char *word, struct toml_value *v);
