#include "node/option_value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"

static void *field_of(struct options *o, const struct option_def *d)
{
    return (char *)o + d->offset;
}

static const void *field_read(const struct options *o, const struct option_def *d)
{
    return (const char *)o + d->offset;
}

/* --- from text ------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the text; *text moves behind the digits. */
static const char *digits_parse(const char **text, uint64_t max, uint64_t *ret)
{
    const char *t = *text;
    uint64_t v = 0;
    if (*t < '0' || *t > '9')
        return *t ? "invalid digit found in string" : "cannot parse integer from empty string";
    for (; *t >= '0' && *t <= '9'; t++) {
        uint64_t digit = (uint64_t)(*t - '0');
        if (digit > max || v > (max - digit) / 10)
            return "number too large";
        v = v * 10 + digit;
    }
    *text = t;
    *ret = v;
    return NULL;
}

static const char *number_parse(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (*text == '+')
        text++;
    const char *why = digits_parse(&text, max, &v);
    if (!why && *text)
        why = "invalid digit found in string";
    if (!why)
        *ret = v;
    return why;
}

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {NULL, 0},
};
static const struct unit spans[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const char *measure_parse(const char *text, const struct unit *units, const char *wrong,
                                 uint64_t *ret)
{
    uint64_t v = 0;
    const char *why = digits_parse(&text, UINT64_MAX, &v);
    if (why)
        return why;
    text += strspn(text, " ");
    for (; units->name; units++)
        if (strcmp(units->name, text) == 0) {
            if (v > INT64_MAX / units->factor)
                return "number too large";
            *ret = v * units->factor;
            return NULL;
        }
    return wrong;
}

const char *listen_addr_parse(const char *text, struct listen_addr *ret)
{
    static const char wrong[] = "invalid socket address syntax";
    struct listen_addr a = {.off = false};
    unsigned char ip[16];
    uint64_t port;
    if (strcmp(text, "off") == 0) {
        a.off = true;
        *ret = a;
        return NULL;
    }
    bool v6 = text[0] == '[';
    const char *host = text + v6, *colon = strrchr(text, ':');
    const char *end = v6 && colon && colon > host ? colon - 1 : colon;
    if (!colon || end < host || (v6 && *end != ']') || (size_t)(end - host) >= sizeof(a.host) ||
        colon[1] == '+' || number_parse(colon + 1, UINT16_MAX, &port) != NULL)
        return wrong;
    memcpy(a.host, host, (size_t)(end - host));
    if (!v6 && strcmp(a.host, "localhost") == 0)
        strcpy(a.host, "127.0.0.1");
    /* The zone of a link-local address counts as text for the network stack. */
    char *zone = v6 ? strchr(a.host, '%') : NULL;
    uint64_t zone_number;
    if (zone && (zone[1] == '+' || number_parse(zone + 1, UINT32_MAX, &zone_number) != NULL))
        return wrong;
    if (zone)
        *zone = '\0';
    if (inet_pton(v6 ? AF_INET6 : AF_INET, a.host, ip) != 1)
        return wrong;
    if (zone)
        *zone = '%';
    a.port = (uint16_t)port;
    *ret = a;
    return NULL;
}

static const char *addrs_add(struct listen_addrs *l, const char *text)
{
    struct listen_addr a;
    const char *why = listen_addr_parse(text, &a);
    if (why)
        return why;
    if (l->count > 0 && (a.off || l->a[0].off))
        return "`off` stands alone";
    if (l->count == OPTIONS_ADDRS_MAX)
        return "more than 8 addresses";
    l->a[l->count++] = a;
    return NULL;
}

static const char *words_add(struct words *l, const char *text)
{
    if (!text[0])
        return "a value is required";
    if (l->count == OPTIONS_WORDS_MAX)
        return "more than 64 values";
    l->w[l->count++] = text;
    l->w[l->count] = NULL;
    return NULL;
}

static const char *peer_add(struct options *o, const char *text)
{
    const char *why = NULL;
    if (o->peers_count == OPTIONS_PEERS_MAX)
        return "more than 256 peers";
    if (endpoint_parse(text, &o->peers[o->peers_count], &why) != OK)
        return why ? why : "not an endpoint";
    o->peers_count++;
    return NULL;
}

static const char *flag_parse(const char *text, bool *ret)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return "a flag takes true, false, or no value";
    *ret = strcmp(text, "true") == 0;
    return NULL;
}

static const char *choice_parse(const char *text, const char *const *choices, unsigned *ret)
{
    for (unsigned i = 0; choices[i]; i++)
        if (strcmp(text, choices[i]) == 0) {
            *ret = i;
            return NULL;
        }
    return "not one of the words for it";
}

static uint64_t most_of(const struct option_def *d)
{
    uint64_t most = d->max ? d->max : UINT64_MAX;
    if (d->kind == OPTION_U16)
        return MIN(most, UINT16_MAX);
    return d->kind == OPTION_U32 || d->kind == OPTION_SIZE32 ? MIN(most, UINT32_MAX) : most;
}

static const char *range_check(const struct option_def *d, uint64_t n)
{
    if (n < d->min)
        return "number too small";
    return n > most_of(d) ? "number too large" : NULL;
}

void option_number_set(struct options *o, const struct option_def *d, uint64_t n)
{
    if (d->kind == OPTION_U16)
        *(uint16_t *)field_of(o, d) = (uint16_t)n;
    else if (d->kind == OPTION_U32 || d->kind == OPTION_SIZE32)
        *(uint32_t *)field_of(o, d) = (uint32_t)n;
    else if (d->kind == OPTION_SPAN)
        *(int64_t *)field_of(o, d) = (int64_t)n;
    else
        *(uint64_t *)field_of(o, d) = n;
}

uint64_t option_number(const struct options *o, const struct option_def *d)
{
    const void *f = field_read(o, d);
    if (d->kind == OPTION_U16)
        return *(const uint16_t *)f;
    if (d->kind == OPTION_U32 || d->kind == OPTION_SIZE32)
        return *(const uint32_t *)f;
    return d->kind == OPTION_SPAN ? (uint64_t) * (const int64_t *)f : *(const uint64_t *)f;
}

static const char *number_store(struct options *o, const struct option_def *d, const char *text)
{
    const char *why = NULL;
    uint64_t n = 0;
    if (d->kind == OPTION_SIZE || d->kind == OPTION_SIZE32)
        why = measure_parse(text, sizes, "a size is a number, KiB, MiB, GiB or TiB behind it", &n);
    else if (d->kind == OPTION_SPAN)
        why = measure_parse(text, spans, "a time is a number, ms, s, m, h or d behind it", &n);
    else
        why = number_parse(text, most_of(d), &n);
    if (!why)
        why = range_check(d, n);
    if (why || !d->offset)
        return why;
    option_number_set(o, d, n);
    return NULL;
}

void option_value_begin(struct options *o, const struct option_def *d)
{
    if (d->kind == OPTION_PEERS)
        o->peers_count = 0;
    else if (d->kind == OPTION_ADDRS)
        *(struct listen_addrs *)field_of(o, d) = (struct listen_addrs){.count = 0};
    else if (d->kind == OPTION_WORDS)
        *(struct words *)field_of(o, d) = (struct words){.count = 0};
}

const char *option_value_add(struct options *o, const struct option_def *d, const char *text)
{
    const char *why = NULL;
    struct listen_addr a;
    bool flag = false;
    unsigned place = 0;
    switch (d->kind) {
    case OPTION_PATH:
        if (!text[0])
            return "a path is required";
        if (d->offset)
            *(const char **)field_of(o, d) = text;
        break;
    case OPTION_TEXT:
        if (d->offset)
            *(const char **)field_of(o, d) = text;
        break;
    case OPTION_U16:
    case OPTION_U32:
    case OPTION_SIZE:
    case OPTION_SIZE32:
    case OPTION_SPAN:
        why = number_store(o, d, text);
        break;
    case OPTION_WAIT:
        why = number_store(o, d, text);
        o->has_timeout = true;
        break;
    case OPTION_CHOICE:
        why = choice_parse(text, d->choices, &place);
        if (!why)
            *(unsigned *)field_of(o, d) = place;
        break;
    case OPTION_ADDR:
        why = listen_addr_parse(text, &a);
        if (!why && d->offset)
            *(struct listen_addr *)field_of(o, d) = a;
        break;
    case OPTION_ADDRS:
        why = addrs_add(field_of(o, d), text);
        break;
    case OPTION_PEERS:
        why = peer_add(o, text);
        break;
    case OPTION_WORDS:
        why = words_add(field_of(o, d), text);
        break;
    case OPTION_FLAG:
        why = flag_parse(text, &flag);
        if (!why && d->offset)
            *(bool *)field_of(o, d) = flag;
        break;
    }
    return why;
}

bool option_asks(const struct option_def *d, const char *text)
{
    return strcmp(text, d->idle ? d->idle : "false") != 0;
}

/* --- to text --------------------------------------------------------------------------------- */

static void quoted_print(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

/* In the largest unit that leaves a whole number. */
static void measure_print(FILE *out, const struct unit *units, uint64_t n)
{
    const struct unit *best = units + 1;
    for (const struct unit *u = best; u->name; u++)
        if (n > 0 && n % u->factor == 0 && u->factor >= best->factor)
            best = u;
    if (best->factor == 1 && units == sizes)
        fprintf(out, "%" PRIu64, n);
    else
        fprintf(out, "\"%" PRIu64 "%s\"", n / best->factor, best->name);
}

const char *listen_addr_str(const struct listen_addr *a, char buf[static LISTEN_ADDR_TEXT_MAX])
{
    bool v6 = strchr(a->host, ':') != NULL;
    if (a->off)
        snprintf(buf, LISTEN_ADDR_TEXT_MAX, "off");
    else
        snprintf(buf, LISTEN_ADDR_TEXT_MAX, v6 ? "[%s]:%u" : "%s:%u", a->host, a->port);
    return buf;
}

static void addrs_print(FILE *out, const struct listen_addrs *l)
{
    char text[LISTEN_ADDR_TEXT_MAX];
    for (size_t i = 0; i < l->count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", listen_addr_str(&l->a[i], text));
}

static void peers_print(FILE *out, const struct options *o)
{
    char text[ENDPOINT_STR_MAX];
    for (size_t i = 0; i < o->peers_count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", endpoint_str(&o->peers[i], text));
}

static void words_print(FILE *out, const struct words *l)
{
    for (size_t i = 0; i < l->count; i++) {
        fputs(i ? ", " : "", out);
        quoted_print(out, l->w[i]);
    }
}

void option_value_print(FILE *out, const struct options *o, const struct option_def *d)
{
    const void *f = field_read(o, d);
    const char *text = NULL;
    char addr[LISTEN_ADDR_TEXT_MAX];
    fputs(option_repeats(d) ? "[" : "", out);
    switch (d->kind) {
    case OPTION_TEXT:
    case OPTION_PATH:
        text = *(const char *const *)f;
        quoted_print(out, text ? text : "");
        break;
    case OPTION_U16:
    case OPTION_U32:
    case OPTION_WAIT:
        fprintf(out, "%" PRIu64, option_number(o, d));
        break;
    case OPTION_SIZE:
    case OPTION_SIZE32:
        measure_print(out, sizes, option_number(o, d));
        break;
    case OPTION_SPAN:
        measure_print(out, spans, option_number(o, d));
        break;
    case OPTION_CHOICE:
        quoted_print(out, d->choices[*(const unsigned *)f]);
        break;
    case OPTION_ADDR:
        quoted_print(out, listen_addr_str(f, addr));
        break;
    case OPTION_ADDRS:
        addrs_print(out, f);
        break;
    case OPTION_PEERS:
        peers_print(out, o);
        break;
    case OPTION_WORDS:
        words_print(out, f);
        break;
    case OPTION_FLAG:
        fputs(*(const bool *)f ? "true" : "false", out);
        break;
    }
    fputs(option_repeats(d) ? "]" : "", out);
}
