#include "clients/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/escape.h"

void table_init(struct table *t, size_t columns)
{
    *t = (struct table){.columns = columns, .rc = OK};
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

void table_cell(struct table *t, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    if (t->rc != OK)
        return;
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **cells = realloc(t->cells, cap * sizeof(*cells));
        if (!cells) {
            t->rc = ERR_NOMEM;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        t->rc = ERR_NOMEM;
    va_end(ap);
    if (t->rc != OK)
        return;
    text_make_printable(text);
    t->cells[t->count++] = text;
}

/* Characters of UTF-8 text: bytes that do not continue one. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void pad(FILE *out, char c, size_t n)
{
    while (n-- > 0)
        fputc(c, out);
}

static void line(FILE *out, const size_t *widths, size_t columns)
{
    for (size_t i = 0; i < columns; i++) {
        fputc('+', out);
        pad(out, '-', widths[i] + 2);
    }
    fputs("+\n", out);
}

int table_print(const struct table *t, FILE *out)
{
    if (t->rc != OK)
        return t->rc;
    size_t rows = t->count / t->columns;
    size_t *widths = calloc(t->columns, sizeof(*widths));
    if (!widths)
        return ERR_NOMEM;
    for (size_t i = 0; i < rows * t->columns; i++)
        widths[i % t->columns] = MAX(widths[i % t->columns], width(t->cells[i]));
    line(out, widths, t->columns);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < t->columns; i++) {
            const char *cell = t->cells[r * t->columns + i];
            fprintf(out, "| %s", cell);
            pad(out, ' ', widths[i] - width(cell) + 1);
        }
        fputs("|\n", out);
        line(out, widths, t->columns);
    }
    free(widths);
    return OK;
}
