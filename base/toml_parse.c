/* One pass over the text, one byte of look-ahead. The first fault sticks: it moves the cursor to
 * the end, so that every loop ends by itself. Keys and strings are gathered in one scratch buffer
 * that is as long as the text, which no unescaped form exceeds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/toml_tree.h"

struct parser {
    const char *p, *end;
    const char *line_start;
    unsigned line;
    int rc; /* the first fault */
    struct toml_error *err;
    struct toml *doc;
    char *scratch;
    size_t len; /* of what is in it */
};

/* --- faults and bytes --------------------------------------------------------------------- */

static void fault_at(struct parser *s, int rc, unsigned line, unsigned column, const char *text)
{
    if (s->rc != OK)
        return;
    s->rc = rc;
    s->err->line = line;
    s->err->column = column;
    (void)snprintf(s->err->text, sizeof(s->err->text), "%s", text); /* our own, short texts */
    s->p = s->end;
}

static unsigned column(const struct parser *s)
{
    return (unsigned)(s->p - s->line_start) + 1;
}

static void fault(struct parser *s, const char *text)
{
    fault_at(s, ERR_MALFORMED, s->line, column(s), text);
}

/* The byte at the cursor; -1: none. */
static int peek(const struct parser *s)
{
    return s->p < s->end ? (unsigned char)*s->p : -1;
}

static bool at(const struct parser *s, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, text, n) == 0;
}

static bool accept(struct parser *s, const char *text)
{
    if (!at(s, text))
        return false;
    s->p += strlen(text);
    return true;
}

static bool at_newline(const struct parser *s)
{
    return at(s, "\n") || at(s, "\r\n");
}

static bool accept_newline(struct parser *s)
{
    if (!accept(s, "\r\n") && !accept(s, "\n"))
        return false;
    s->line++;
    s->line_start = s->p;
    return true;
}

static void blanks(struct parser *s)
{
    while (peek(s) == ' ' || peek(s) == '\t')
        s->p++;
}

/* May not stand in a comment or a string as it is? */
static bool is_control(int c)
{
    return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

static void comment(struct parser *s)
{
    if (peek(s) != '#')
        return;
    while (peek(s) >= 0 && !at_newline(s) && s->rc == OK) {
        if (is_control(peek(s)))
            fault(s, "a control character in a comment");
        else
            s->p++;
    }
}

/* Whatever may stand between two elements of an array. */
static void blank_lines(struct parser *s)
{
    do {
        blanks(s);
        comment(s);
    } while (accept_newline(s));
}

static void line_end(struct parser *s)
{
    blanks(s);
    comment(s);
    if (peek(s) >= 0 && !accept_newline(s))
        fault(s, "nothing else may stand on this line");
}

/* --- strings ------------------------------------------------------------------------------ */

static void gather(struct parser *s, int c)
{
    s->scratch[s->len++] = (char)c;
}

static void gather_utf8(struct parser *s, uint32_t c)
{
    if (c < 0x80) {
        gather(s, (int)c);
    } else if (c < 0x800) {
        gather(s, (int)(0xc0 | c >> 6));
        gather(s, (int)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        gather(s, (int)(0xe0 | c >> 12));
        gather(s, (int)(0x80 | (c >> 6 & 0x3f)));
        gather(s, (int)(0x80 | (c & 0x3f)));
    } else {
        gather(s, (int)(0xf0 | c >> 18));
        gather(s, (int)(0x80 | (c >> 12 & 0x3f)));
        gather(s, (int)(0x80 | (c >> 6 & 0x3f)));
        gather(s, (int)(0x80 | (c & 0x3f)));
    }
}

static void unicode_escape(struct parser *s, int digits)
{
    uint32_t c = 0;
    for (int i = 0; i < digits; i++) {
        int d = peek(s) < 0 ? -1 : hex_digit(*s->p);
        if (d < 0) {
            fault(s, "a hex digit is missing");
            return;
        }
        c = c << 4 | (uint32_t)d;
        s->p++;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        fault(s, "no Unicode character has this number");
    else
        gather_utf8(s, c);
}

/* Behind the backslash. */
static void escape(struct parser *s, bool multi)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    int c = peek(s);
    const char *f = c > 0 ? strchr(from, c) : NULL;
    const char *start = s->p;
    if (f) {
        s->p++;
        gather(s, to[f - from]);
    } else if (accept(s, "u")) {
        unicode_escape(s, 4);
    } else if (accept(s, "U")) {
        unicode_escape(s, 8);
    } else if (multi && (blanks(s), at_newline(s))) {
        while (accept_newline(s))
            blanks(s);
    } else {
        s->p = MIN(start, s->end);
        fault(s, "unknown escape");
    }
}

/* Into the scratch buffer. `quote` is " or '. */
static void string_line(struct parser *s, const char *quote)
{
    while (!accept(s, quote)) {
        int c = peek(s);
        if (c < 0 || c == '\n') {
            fault(s, "the string does not end on its line");
            return;
        }
        if (is_control(c)) {
            fault(s, "a control character in a string");
            return;
        }
        s->p++;
        if (c == '\\' && *quote == '"')
            escape(s, false);
        else
            gather(s, c);
        if (s->rc != OK)
            return;
    }
}

/* Up to two quotes may stand in front of the three that end it. */
static void string_multi(struct parser *s, const char *quotes)
{
    const char one[2] = {quotes[0], '\0'};
    (void)accept_newline(s); /* one behind the opening does not count */
    while (s->rc == OK) {
        int c = peek(s);
        if (accept(s, quotes)) {
            for (int i = 0; i < 2 && accept(s, one); i++)
                gather(s, quotes[0]);
            return;
        }
        if (c < 0) {
            fault(s, "the string does not end");
        } else if (at_newline(s)) {
            (void)accept_newline(s);
            gather(s, '\n');
        } else if (is_control(c)) {
            fault(s, "a control character in a string");
        } else {
            s->p++;
            if (c == '\\' && quotes[0] == '"')
                escape(s, true);
            else
                gather(s, c);
        }
    }
}

/* False: no string stands here. */
static bool string(struct parser *s, bool multi)
{
    s->len = 0;
    if (multi && accept(s, "\"\"\""))
        string_multi(s, "\"\"\"");
    else if (multi && accept(s, "'''"))
        string_multi(s, "'''");
    else if (accept(s, "\""))
        string_line(s, "\"");
    else if (accept(s, "'"))
        string_line(s, "'");
    else
        return false;
    return s->rc == OK;
}

/* --- keys --------------------------------------------------------------------------------- */

static bool is_bare(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* One part of a key, into the scratch buffer, and the blanks around it. */
static bool key_part(struct parser *s)
{
    blanks(s);
    if (peek(s) == '"' || peek(s) == '\'') {
        if (!string(s, false))
            return false;
    } else {
        s->len = 0;
        while (is_bare(peek(s)))
            gather(s, (unsigned char)*s->p++);
        if (s->len == 0) {
            fault(s, "a key is missing");
            return false;
        }
    }
    blanks(s);
    return s->rc == OK;
}

static struct toml_value *add(struct parser *s, struct toml_value *parent, enum toml_kind kind,
                              bool keyed, unsigned line, unsigned col)
{
    struct toml_value *v = NULL;
    int rc = toml_add(s->doc, parent, kind, keyed ? s->scratch : NULL, s->len, &v);
    if (rc != OK) {
        fault_at(s, rc, line, col,
                 rc == ERR_LIMIT ? "too many values, or too many inside each other" : err_str(rc));
        return NULL;
    }
    v->line = line;
    v->column = col;
    return v;
}

/* The table behind the key part in the scratch buffer, on the way of a header. */
static struct toml_value *header_step(struct parser *s, struct toml_value *t, unsigned col)
{
    struct toml_value *v = toml_find(t, s->scratch, s->len);
    if (!v) {
        v = add(s, t, TOML_TABLE, true, s->line, col);
        if (v)
            v->origin = TOML_IMPLIED;
        return v;
    }
    if (v->kind == TOML_ARRAY && v->origin == TOML_ELEMENTS)
        return v->last;
    if (v->kind == TOML_TABLE && v->origin != TOML_CLOSED)
        return v;
    fault_at(s, ERR_MALFORMED, s->line, col, "this key is not a table that can be added to");
    return NULL;
}

static struct toml_value *header_table(struct parser *s, struct toml_value *t, unsigned col)
{
    struct toml_value *v = toml_find(t, s->scratch, s->len);
    if (!v)
        v = add(s, t, TOML_TABLE, true, s->line, col);
    else if (v->kind != TOML_TABLE || v->origin != TOML_IMPLIED)
        fault_at(s, ERR_MALFORMED, s->line, col, "this key is there already");
    if (s->rc != OK)
        return NULL;
    v->origin = TOML_HEADER;
    v->line = s->line;
    v->column = col;
    return v;
}

static struct toml_value *header_element(struct parser *s, struct toml_value *t, unsigned col)
{
    struct toml_value *v = toml_find(t, s->scratch, s->len);
    if (!v) {
        v = add(s, t, TOML_ARRAY, true, s->line, col);
        if (v)
            v->origin = TOML_ELEMENTS;
    } else if (v->kind != TOML_ARRAY || v->origin != TOML_ELEMENTS) {
        fault_at(s, ERR_MALFORMED, s->line, col, "this key is there already");
    }
    if (s->rc != OK)
        return NULL;
    v = add(s, v, TOML_TABLE, false, s->line, col);
    if (v)
        v->origin = TOML_HEADER;
    return v;
}

/* [a.b] or [[a.b]]: the table that the next keys belong to. */
static struct toml_value *header(struct parser *s)
{
    struct toml_value *t = &s->doc->root;
    bool element = accept(s, "[[");
    if (!element)
        (void)accept(s, "[");
    for (;;) {
        blanks(s);
        unsigned col = column(s);
        if (!key_part(s))
            return NULL;
        if (!accept(s, ".")) {
            t = element ? header_element(s, t, col) : header_table(s, t, col);
            break;
        }
        t = header_step(s, t, col);
        if (!t)
            return NULL;
    }
    if (s->rc == OK && !accept(s, element ? "]]" : "]"))
        fault(s, element ? "]] is missing" : "] is missing");
    return t;
}

/* --- values ------------------------------------------------------------------------------- */

static void value(struct parser *s, struct toml_value *parent, bool keyed, unsigned line,
                  unsigned col);

/* a.b.c = value, into table t. */
static void key_value(struct parser *s, struct toml_value *t)
{
    for (;;) {
        blanks(s);
        unsigned col = column(s);
        if (!key_part(s))
            return;
        struct toml_value *v = toml_find(t, s->scratch, s->len);
        if (!accept(s, ".")) {
            if (v)
                fault_at(s, ERR_MALFORMED, s->line, col, "this key is there already");
            else if (!accept(s, "="))
                fault(s, "= is missing");
            else
                value(s, t, true, s->line, col);
            return;
        }
        if (v && (v->kind != TOML_TABLE || v->origin != TOML_DOTTED)) {
            fault_at(s, ERR_MALFORMED, s->line, col, "this key cannot be added to");
            return;
        }
        if (!v) {
            v = add(s, t, TOML_TABLE, true, s->line, col);
            if (!v)
                return;
            v->origin = TOML_DOTTED;
        }
        t = v;
    }
}

static void array(struct parser *s, struct toml_value *v)
{
    v->origin = TOML_CLOSED;
    for (;;) {
        blank_lines(s);
        if (accept(s, "]"))
            return;
        value(s, v, false, s->line, column(s));
        if (s->rc != OK)
            return;
        blank_lines(s);
        if (accept(s, "]"))
            return;
        if (!accept(s, ",")) {
            fault(s, ", or ] is missing");
            return;
        }
    }
}

static void close_below(struct toml_value *t)
{
    t->origin = TOML_CLOSED;
    for (struct toml_value *v = t->first; v; v = v->next)
        if (v->kind == TOML_TABLE)
            close_below(v);
}

static void inline_table(struct parser *s, struct toml_value *v)
{
    v->origin = TOML_HEADER;
    blanks(s);
    if (!accept(s, "}")) {
        do {
            key_value(s, v);
            blanks(s);
        } while (s->rc == OK && accept(s, ","));
        if (s->rc == OK && !accept(s, "}"))
            fault(s, ", or } is missing");
    }
    close_below(v);
}

static void string_value(struct parser *s, struct toml_value *v)
{
    v->kind = TOML_STRING;
    v->text = malloc(s->len + 1);
    if (!v->text) {
        fault_at(s, ERR_NOMEM, v->line, v->column, err_str(ERR_NOMEM));
        return;
    }
    memcpy(v->text, s->scratch, s->len);
    v->text[s->len] = '\0';
    v->text_len = s->len;
}

/* --- values: all kinds ---------------------------------------------------------------------- */

/* What stands up to the next byte that ends a value. */
static void word(struct parser *s, struct toml_value *v)
{
    char text[TOML_WORD_MAX + 1];
    size_t n = 0;
    const char *p = s->p;
    while (p < s->end && n < sizeof(text) && *p && !strchr(" \t\r\n,]}#", *p))
        text[n++] = *p++;
    if (n == sizeof(text)) {
        fault(s, "not a value");
        return;
    }
    text[n] = '\0';
    const char *why = n == 0 ? "a value is missing" : toml_word(text, v);
    if (why)
        fault(s, why);
    else
        s->p = p;
}

/* The value at the cursor, with the key in the scratch buffer if it is keyed. */
static void value(struct parser *s, struct toml_value *parent, bool keyed, unsigned line,
                  unsigned col)
{
    struct toml_value *v = add(s, parent, TOML_BOOL, keyed, line, col);
    if (!v)
        return;
    blanks(s);
    if (string(s, true)) {
        string_value(s, v);
    } else if (s->rc == OK && accept(s, "[")) {
        v->kind = TOML_ARRAY;
        array(s, v);
    } else if (s->rc == OK && accept(s, "{")) {
        v->kind = TOML_TABLE;
        inline_table(s, v);
    } else if (s->rc == OK) {
        word(s, v);
    }
}

/* --- document ----------------------------------------------------------------------------- */

static void document(struct parser *s)
{
    struct toml_value *table = &s->doc->root;
    (void)accept(s, "\xef\xbb\xbf"); /* what some editors write in front */
    s->line_start = s->p;
    while (s->rc == OK && peek(s) >= 0) {
        blanks(s);
        if (peek(s) == '[')
            table = header(s);
        else if (peek(s) >= 0 && peek(s) != '#' && !at_newline(s))
            key_value(s, table);
        if (s->rc == OK)
            line_end(s);
    }
}

/* Where the text stops being UTF-8. */
static void fault_utf8(struct parser *s)
{
    size_t len = (size_t)(s->end - s->p);
    size_t good = 0;
    while (good < len) {
        size_t n = 1;
        while (n < 4 && good + n < len && ((unsigned char)s->p[good + n] & 0xc0) == 0x80)
            n++;
        if (!utf8_valid(s->p + good, n))
            break;
        if (s->p[good] == '\n') {
            s->line++;
            s->line_start = s->p + good + 1;
        }
        good += n;
    }
    s->p += good;
    fault(s, "not UTF-8");
}

int toml_parse(const char *text, size_t len, struct toml **ret, struct toml_error *err)
{
    struct parser s = {
        .p = text, .end = text + len, .line_start = text, .line = 1, .rc = OK, .err = err};
    if (len > TOML_TEXT_MAX) {
        fault_at(&s, ERR_TOOBIG, 1, 1, "the file is too long");
        return ERR_TOOBIG;
    }
    if (!utf8_valid(text, len)) {
        fault_utf8(&s);
        return ERR_MALFORMED;
    }
    s.doc = calloc(1, sizeof(*s.doc));
    s.scratch = malloc(len + 1);
    if (s.doc && s.scratch) {
        s.doc->root.origin = TOML_HEADER;
        s.doc->root.line = s.doc->root.column = 1;
        document(&s);
    } else {
        fault_at(&s, ERR_NOMEM, 1, 1, err_str(ERR_NOMEM));
    }
    free(s.scratch);
    if (s.rc != OK) {
        toml_free(s.doc);
        return s.rc;
    }
    *ret = s.doc;
    return OK;
}
