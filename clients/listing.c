#include "clients/listing.h"

#include <stdio.h>

#include "base/err.h"

int listing_body(const struct api_target *t, const struct call_args *a)
{
    struct http_reply r = {0};
    if (api_call(t, a, &r) != OK)
        return 1;
    fwrite(r.body, 1, r.body_len, stdout);
    fputc('\n', stdout);
    http_reply_fini(&r);
    return command_flush();
}

/* A number, or a word in its place ("infinite"). */
static bool cell_number(struct table *t, json_t *v)
{
    if (json_is_string(v))
        table_cell(t, "%s", json_string_value(v));
    else
        table_cell(t, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    return json_is_string(v) || json_is_integer(v);
}

int listing_rows(const char *what, json_t *list, const char *const *heads, size_t columns,
                 listing_row *row, const void *ctx)
{
    struct table t;
    json_t *entry;
    size_t i;
    bool ok = json_is_array(list);
    table_init(&t, columns);
    for (i = 0; i < columns; i++)
        table_cell(&t, "%s", heads[i]);
    json_array_foreach(list, i, entry)
    {
        if (ok)
            ok = row(&t, entry, ctx);
    }
    int status = 0;
    if (!ok)
        status = command_fail_shape(what);
    else if (table_print(&t, stdout) != OK)
        status = command_fail("cannot %s: %s", what, err_str(ERR_NOMEM));
    table_fini(&t);
    return status;
}

struct columns {
    const char *const *keys;
    size_t count;
};

static bool plain_row(struct table *t, json_t *entry, const void *ctx)
{
    const struct columns *c = ctx;
    bool ok = true;
    for (size_t i = 0; ok && i < c->count; i++)
        ok = cell_number(t, c->keys ? json_object_get(entry, c->keys[i]) : entry);
    return ok;
}

int listing_table(const char *what, json_t *list, const char *const *heads, const char *const *keys,
                  size_t columns)
{
    const struct columns c = {keys, columns};
    return listing_rows(what, list, heads, columns, plain_row, &c);
}
