#include "clients/event_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void event_text_fini(struct event_text *t)
{
    free(t->buf);
    *t = (struct event_text){0};
}

int event_text_feed(struct event_text *t, const char *bytes, size_t len)
{
    if (t->start > 0) {
        t->len -= t->start;
        memmove(t->buf, t->buf + t->start, t->len);
        t->start = 0;
    }
    if (len > EVENT_TEXT_MAX - t->len)
        return ERR_TOOBIG;
    if (t->len + len > t->cap) {
        size_t cap = MAX(t->cap * 2, t->len + len);
        char *buf = realloc(t->buf, cap);
        if (!buf)
            return ERR_NOMEM;
        t->buf = buf;
        t->cap = cap;
    }
    if (len > 0)
        memcpy(t->buf + t->len, bytes, len);
    t->len += len;
    return OK;
}

/* Behind the empty line that ends the first block; NULL: it is not all there. */
static char *block_end(char *from, const char *end)
{
    for (char *line = from; line < end;) {
        char *feed = memchr(line, '\n', (size_t)(end - line));
        if (!feed)
            return NULL;
        if (feed == line || (feed == line + 1 && *line == '\r'))
            return feed + 1;
        line = feed + 1;
    }
    return NULL;
}

/* The value of the line if it is this field, else NULL. The line is zero-terminated. */
static char *field(char *line, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || (line[n] != ':' && line[n] != '\0'))
        return NULL;
    line += n + (line[n] == ':');
    return line + (*line == ' ');
}

static void field_keep(char kept[static EVENT_FIELD_MAX], const char *value)
{
    size_t n = strlen(value);
    memcpy(kept, n < EVENT_FIELD_MAX ? value : "", n < EVENT_FIELD_MAX ? n + 1 : 1);
}

/* In place: lines end in zero bytes, those of the data are drawn together over what stood between
 * them. */
static void block_read(struct event_text *t, char *from, char *end, struct event *ret)
{
    struct event e = {.name = t->name, .data = "", .id = t->id};
    t->name[0] = t->id[0] = '\0';
    char *data = NULL, *data_end = NULL;
    for (char *line = from; line < end;) {
        char *feed = memchr(line, '\n', (size_t)(end - line)), *value;
        *feed = '\0';
        if (feed > line && feed[-1] == '\r')
            feed[-1] = '\0';
        if ((value = field(line, "event"))) {
            field_keep(t->name, value);
        } else if ((value = field(line, "id"))) {
            field_keep(t->id, value);
        } else if ((value = field(line, "data"))) {
            size_t n = strlen(value);
            if (data)
                *data_end++ = '\n';
            else
                data = data_end = value;
            memmove(data_end, value, n + 1);
            data_end += n;
        }
        line = feed + 1;
    }
    if (data)
        e.data = data;
    *ret = e;
}

bool event_text_next(struct event_text *t, struct event *ret)
{
    while (t->start < t->len) {
        char *from = t->buf + t->start, *end = block_end(from, t->buf + t->len);
        struct event e;
        if (!end)
            return false;
        t->start += (size_t)(end - from);
        block_read(t, from, end, &e);
        if (e.data[0] || e.name[0]) {
            *ret = e;
            return true;
        }
    }
    return false;
}
