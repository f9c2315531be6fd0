#include "clients/listing.h"

#include <stdio.h>

#include "base/err.h"
#include "clients/table.h"

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

/* One row per object of the array, one column per key. */
int listing_table(const char *what, json_t *list, const char *const *heads, const char *const *keys,
                  size_t columns)
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
        for (size_t k = 0; ok && k < columns; k++)
            ok = cell_number(&t, keys ? json_object_get(entry, keys[k]) : entry);
    }
    int status = 0;
    if (!ok)
        status = command_fail_shape(what);
    else if (table_print(&t, stdout) != OK)
        status = command_fail("cannot %s: %s", what, err_str(ERR_NOMEM));
    table_fini(&t);
    return status;
}
