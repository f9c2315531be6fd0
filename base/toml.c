#include "base/toml.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/toml_tree.h"

/* Only saves comparisons: the number of keys has a limit, so nothing is won by aiming at it. */
static uint32_t key_hash(const char *key, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)key[i]) * 16777619u;
    return h;
}

struct toml_value *toml_find(const struct toml_value *table, const char *key, size_t len)
{
    uint32_t hash = key_hash(key, len);
    for (struct toml_value *v = table->first; v; v = v->next)
        if (v->key_hash == hash && v->key_len == len && memcmp(v->key, key, len) == 0)
            return v;
    return NULL;
}

int toml_add(struct toml *t, struct toml_value *parent, enum toml_kind kind, const char *key,
             size_t key_len, struct toml_value **ret)
{
    if (parent->depth >= TOML_DEPTH_MAX || t->values >= TOML_VALUES_MAX ||
        (key && parent->count >= TOML_KEYS_MAX))
        return ERR_LIMIT;
    struct toml_value *v = calloc(1, sizeof(*v));
    if (!v)
        return ERR_NOMEM;
    if (key) {
        v->key = malloc(key_len + 1);
        if (!v->key) {
            free(v);
            return ERR_NOMEM;
        }
        memcpy(v->key, key, key_len);
        v->key[key_len] = '\0';
        v->key_len = key_len;
        v->key_hash = key_hash(key, key_len);
    }
    v->kind = kind;
    v->depth = parent->depth + 1;
    if (parent->last)
        parent->last->next = v;
    else
        parent->first = v;
    parent->last = v;
    parent->count++;
    t->values++;
    *ret = v;
    return OK;
}

/* As deep as TOML_DEPTH_MAX. */
static void values_free(struct toml_value *v)
{
    while (v) {
        struct toml_value *next = v->next;
        values_free(v->first);
        free(v->key);
        free(v->text);
        free(v);
        v = next;
    }
}

void toml_free(struct toml *t)
{
    if (!t)
        return;
    values_free(t->root.first);
    free(t);
}

/* --- getters ------------------------------------------------------------------------------ */

const struct toml_value *toml_root(const struct toml *t)
{
    return &t->root;
}

enum toml_kind toml_kind(const struct toml_value *v)
{
    return v->kind;
}

const char *toml_kind_str(enum toml_kind k)
{
    switch (k) {
    case TOML_TABLE:
        return "a table";
    case TOML_ARRAY:
        return "an array";
    case TOML_STRING:
        return "a string";
    case TOML_INTEGER:
        return "an integer";
    case TOML_REAL:
        return "a float";
    case TOML_BOOL:
        return "true or false";
    }
    return "";
}

unsigned toml_line(const struct toml_value *v)
{
    return v->line;
}

unsigned toml_column(const struct toml_value *v)
{
    return v->column;
}

const char *toml_key(const struct toml_value *v, size_t *ret_len)
{
    if (v->key)
        *ret_len = v->key_len;
    return v->key;
}

const struct toml_value *toml_first(const struct toml_value *v)
{
    return v->first;
}

const struct toml_value *toml_next(const struct toml_value *v)
{
    return v->next;
}

size_t toml_count(const struct toml_value *v)
{
    return v->count;
}

const struct toml_value *toml_get(const struct toml_value *table, const char *key)
{
    return table->kind == TOML_TABLE ? toml_find(table, key, strlen(key)) : NULL;
}

const struct toml_value *toml_path(const struct toml_value *table, const char *path)
{
    const struct toml_value *v = table;
    for (;;) {
        size_t len = strcspn(path, ".");
        v = v->kind == TOML_TABLE ? toml_find(v, path, len) : NULL;
        if (!v || path[len] == '\0')
            return v;
        path += len + 1;
    }
}

const char *toml_string(const struct toml_value *v, size_t *ret_len)
{
    if (v->kind != TOML_STRING)
        return NULL;
    *ret_len = v->text_len;
    return v->text;
}

bool toml_integer(const struct toml_value *v, int64_t *ret)
{
    if (v->kind == TOML_INTEGER)
        *ret = v->integer;
    return v->kind == TOML_INTEGER;
}

bool toml_real(const struct toml_value *v, double *ret)
{
    if (v->kind == TOML_REAL)
        *ret = v->real;
    return v->kind == TOML_REAL;
}

bool toml_bool(const struct toml_value *v, bool *ret)
{
    if (v->kind == TOML_BOOL)
        *ret = v->boolean;
    return v->kind == TOML_BOOL;
}
