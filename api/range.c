#include "api/range.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/text.h"

int range_read(const char *field, uint64_t len, struct byte_range *ret)
{
    static const char unit[] = "bytes=";
    const char *first, *dash, *last;
    uint64_t from = 0, to = 0;

    if (!field || strncasecmp(field, unit, sizeof(unit) - 1) != 0)
        return ERR_NOENT;
    first = field + sizeof(unit) - 1;
    dash = strchr(first, '-');
    if (!dash)
        return ERR_NOENT;
    last = dash + 1;
    if (dash > first && decimal_parse(first, (size_t)(dash - first), INT64_MAX, &from) != OK)
        return ERR_NOENT;
    if (*last && decimal_parse(last, strlen(last), INT64_MAX, &to) != OK)
        return ERR_NOENT;
    if (dash == first) { /* the last `to` bytes */
        if (!*last)
            return ERR_NOENT;
        from = len - (to < len ? to : len);
        to = len;
    } else {
        if (*last && to < from)
            return ERR_NOENT;
        to = *last && to < len ? to + 1 : len; /* behind the last one */
    }
    if (from >= len)
        return ERR_INVAL;
    *ret = (struct byte_range){.from = from, .len = to - from};
    return OK;
}
