/* The grammar, as users of the network's other node know it:
 *
 * Options stand before the command that they belong to, or behind it when they are its own; the key
 * file, the configuration file and the API address are taken in both places, and the later one
 * wins. A single-value option or a flag may be given once in each place. Values follow in the next
 * word, behind `=`, or behind the letter itself; a word that begins with `-` is never a value.
 * Letters of flags can be joined. `--` makes everything behind it positional. */
#include "node/options.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "node/help.h"
#include "node/option_table.h"
#include "node/paths.h"

#define GO_ON (-1) /* no exit status yet */

struct parser {
    int argc, next; /* argv[next]: the word to look at next */
    char **argv;
    struct options *o;
    const struct command_def *command; /* NULL: before any */
    bool positional_only;              /* behind `--` */
    uint64_t seen;                     /* bit per option, of the present place */
    int args_start;                    /* where the positional words of the command are gathered */
    size_t args_count;
    bool tcp_port_given, quic_port_given;
    uint16_t port;
    bool port_given;
    const struct option_def *refused;
    int status; /* GO_ON, or what the program ends with */
};

static void usage_error(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void usage_error(struct parser *p, const char *fmt, ...)
{
    va_list ap;
    if (p->status != GO_ON)
        return; /* one error is enough */
    fputs("error: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\n\nFor more information, try '--help'.\n", stderr);
    p->status = 2;
}

/* "--key-file <FILE>" */
static const char *option_title(const struct option_def *d, char buf[static 96])
{
    snprintf(buf, 96, d->value ? "--%s <%s>" : "--%s", d->name, d->value);
    return buf;
}

static void value_error(struct parser *p, const struct option_def *d, const char *value,
                        const char *why)
{
    char title[96];
    usage_error(p, "invalid value '%s' for '%s': %s", value, option_title(d, title), why);
}

/* --- values ---------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the text. */
static const char *number_parse(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (*text == '+')
        text++;
    if (!*text)
        return "cannot parse integer from empty string";
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return "invalid digit found in string";
        uint64_t digit = (uint64_t)(*text - '0');
        if (v > (max - digit) / 10)
            return "number too large";
        v = v * 10 + digit;
    }
    *ret = v;
    return NULL;
}

const char *listen_addr_parse(const char *text, struct listen_addr *ret)
{
    static const char wrong[] = "invalid socket address syntax";
    struct listen_addr a = {.given = true};
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

static void peer_add(struct parser *p, const struct option_def *d, const char *text)
{
    const char *why = NULL;
    struct options *o = p->o;
    if (o->peers_count == OPTIONS_PEERS_MAX)
        usage_error(p, "more than %d peers", OPTIONS_PEERS_MAX);
    else if (endpoint_parse(text, &o->peers[o->peers_count], &why) != OK)
        value_error(p, d, text, why ? why : "not an endpoint");
    else
        o->peers_count++;
}

static void *field_of(const struct parser *p, const struct option_def *d)
{
    return (char *)p->o + d->offset;
}

static const char *format_parse(const char *text, enum log_format *ret)
{
    static const char *const names[] = {[LOG_FORMAT_COMPACT] = "compact",
                                        [LOG_FORMAT_LOGFMT] = "logfmt",
                                        [LOG_FORMAT_PLAIN] = "plain"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum log_format)i;
            return NULL;
        }
    return "invalid logging format";
}

static const char *flag_parse(const char *text, bool *ret)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return "a flag takes true, false, or no value";
    *ret = strcmp(text, "true") == 0;
    return NULL;
}

/* Checks the value of an option that has no field, because it will be refused. */
static const char *refused_value_check(const struct option_def *d, const char *value)
{
    uint64_t n;
    bool flag;
    struct listen_addr a;
    if (d->kind == OPTION_ADDR)
        return listen_addr_parse(value, &a);
    if (d->kind == OPTION_U32)
        return number_parse(value, UINT32_MAX, &n);
    if (d->kind == OPTION_FLAG)
        return flag_parse(value, &flag);
    return d->kind == OPTION_PATH && !value[0] ? "a path is required" : NULL;
}

static const char *port_store(struct parser *p, const struct option_def *d, const char *value)
{
    uint64_t n = 0;
    const char *why = number_parse(value, UINT16_MAX, &n);
    if (why)
        return why;
    if (d->kind == OPTION_PORT) {
        p->port = (uint16_t)n;
        p->port_given = true;
        return NULL;
    }
    *(uint16_t *)field_of(p, d) = (uint16_t)n;
    if (d->offset == offsetof(struct options, tcp_listen_port))
        p->tcp_port_given = true;
    else if (d->offset == offsetof(struct options, quic_listen_port))
        p->quic_port_given = true;
    return NULL;
}

static void value_store(struct parser *p, const struct option_def *d, const char *value)
{
    const char *why = NULL;
    uint64_t n = 0;
    if (d->class == OPTION_REFUSED) {
        why = refused_value_check(d, value);
        if (why)
            value_error(p, d, value, why);
        else if (!p->refused && (d->kind != OPTION_FLAG || strcmp(value, "true") == 0))
            p->refused = d;
        return;
    }
    switch (d->kind) {
    case OPTION_PATH:
        if (!value[0])
            why = "a path is required";
        *(const char **)field_of(p, d) = value;
        break;
    case OPTION_TEXT:
        *(const char **)field_of(p, d) = value;
        break;
    case OPTION_U16:
    case OPTION_PORT:
        why = port_store(p, d, value);
        break;
    case OPTION_U32:
        why = number_parse(value, UINT32_MAX, &n);
        *(uint32_t *)field_of(p, d) = (uint32_t)n;
        break;
    case OPTION_WAIT:
        why = number_parse(value, UINT64_MAX, &p->o->timeout_s);
        p->o->has_timeout = true;
        break;
    case OPTION_FORMAT:
        why = format_parse(value, field_of(p, d));
        break;
    case OPTION_ADDR:
        why = listen_addr_parse(value, field_of(p, d));
        break;
    case OPTION_PEERS:
        peer_add(p, d, value);
        break;
    case OPTION_FLAG:
        why = flag_parse(value, field_of(p, d));
        break;
    }
    if (why)
        value_error(p, d, value, why);
}

/* --- options --------------------------------------------------------------------------------- */

static const struct option_def *option_by_name(const struct parser *p, const char *name, size_t len)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_fits(&option_table[i], p->command) &&
            strncmp(option_table[i].name, name, len) == 0 && option_table[i].name[len] == '\0')
            return &option_table[i];
    return NULL;
}

static const struct option_def *option_by_letter(const struct parser *p, char letter)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_fits(&option_table[i], p->command) && option_table[i].letter == letter)
            return &option_table[i];
    return NULL;
}

static void seen_once(struct parser *p, const struct option_def *d)
{
    char title[96];
    uint64_t bit = UINT64_C(1) << (d - option_table);
    if ((p->seen & bit) && !d->repeatable)
        usage_error(p, "the argument '%s' cannot be used multiple times", option_title(d, title));
    p->seen |= bit;
}

static bool is_value_word(const char *word)
{
    return word[0] != '-' || word[1] == '\0';
}

/* A value from the words that follow: one, or with --peers all up to the next option. */
static void values_from_words(struct parser *p, const struct option_def *d)
{
    char title[96];
    if (p->next >= p->argc || !is_value_word(p->argv[p->next])) {
        usage_error(p, "a value is required for '%s' but none was supplied",
                    option_title(d, title));
        return;
    }
    do {
        value_store(p, d, p->argv[p->next++]);
    } while (d->kind == OPTION_PEERS && p->status == GO_ON && p->next < p->argc &&
             is_value_word(p->argv[p->next]));
}

static void help_end(struct parser *p, bool full)
{
    help_print(stdout, p->command, full);
    p->status = 0;
}

static void long_option(struct parser *p, const char *word)
{
    const char *name = word + 2, *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    const struct option_def *d = option_by_name(p, name, len);
    if (!value && strcmp(name, "help") == 0) {
        help_end(p, true);
    } else if (!value && !p->command && strcmp(name, "version") == 0) {
        version_print(stdout);
        p->status = 0;
    } else if (!d) {
        usage_error(p, "unexpected argument '%.*s' found", (int)len + 2, word);
    } else {
        seen_once(p, d);
        if (value)
            value_store(p, d, value + 1);
        else if (d->kind == OPTION_FLAG)
            value_store(p, d, "true");
        else
            values_from_words(p, d);
    }
}

static void short_options(struct parser *p, const char *word)
{
    for (const char *c = word + 1; *c && p->status == GO_ON; c++) {
        const struct option_def *d = option_by_letter(p, *c);
        if (*c == 'h') {
            help_end(p, false);
        } else if (!p->command && *c == 'V') {
            version_print(stdout);
            p->status = 0;
        } else if (!d) {
            usage_error(p, "unexpected argument '-%c' found", *c);
        } else if (d->kind == OPTION_FLAG) {
            seen_once(p, d);
            value_store(p, d, "true");
        } else {
            seen_once(p, d);
            if (c[1] == '=')
                value_store(p, d, c + 2);
            else if (c[1])
                value_store(p, d, c + 1);
            else
                values_from_words(p, d);
            return;
        }
    }
}

/* --- words ----------------------------------------------------------------------------------- */

/* `help [COMMAND...]`: the words behind it name what is asked about. */
static void help_command(struct parser *p)
{
    while (p->next < p->argc && p->status == GO_ON) {
        const char *word = p->argv[p->next++];
        const struct command_def *c = command_find(p->command, word);
        if (!c)
            usage_error(p, "unrecognized subcommand '%s'", word);
        else
            p->command = c;
    }
    if (p->status == GO_ON)
        help_end(p, true);
}

static void command_word(struct parser *p, const char *word)
{
    const struct command_def *c = p->positional_only ? NULL : command_find(p->command, word);
    if (!c && !p->positional_only && strcmp(word, "help") == 0) {
        help_command(p);
    } else if (!c) {
        usage_error(p, "unrecognized subcommand '%s'", word);
    } else {
        p->command = c;
        p->seen = 0; /* what may stand in both places counts anew */
        p->args_start = p->next;
    }
}

/* Positional words are gathered at the front of what belongs to the command: their place in argv
 * is never behind the word that is looked at. */
static void positional_word(struct parser *p, char *word)
{
    const struct positional_def *args = p->command->args;
    if (p->args_count < POSITIONALS_MAX && args[p->args_count].name && !args[0].many)
        *(const char **)(void *)((char *)p->o + args[p->args_count].offset) = word;
    else if (!args[0].many) {
        usage_error(p, "unexpected argument '%s' found", word);
        return;
    }
    p->argv[p->args_start + (int)p->args_count] = word;
    p->args_count++;
}

static void any_word(struct parser *p, char *word)
{
    if (!p->positional_only && strcmp(word, "--") == 0)
        p->positional_only = true;
    else if (!p->positional_only && strncmp(word, "--", 2) == 0)
        long_option(p, word);
    else if (!p->positional_only && !is_value_word(word))
        short_options(p, word);
    else if (!p->command || p->command->command == GROUP_COMMAND)
        command_word(p, word);
    else
        positional_word(p, word);
}

/* --- the whole line -------------------------------------------------------------------------- */

static void command_check(struct parser *p)
{
    const struct command_def *c = p->command;
    if (!c)
        return;
    if (c->command == GROUP_COMMAND) {
        help_print(stderr, c, false);
        p->status = 2;
        return;
    }
    p->o->command = c->command;
    for (size_t i = p->args_count; i < POSITIONALS_MAX && c->args[i].name; i++)
        if (c->args[i].required)
            usage_error(p, "the following required arguments were not provided:\n  <%s>",
                        c->args[i].name);
    if (c->args[0].many) {
        p->o->args = p->argv + p->args_start;
        p->o->args_count = p->args_count;
    }
}

static const char *env_text(const char *name)
{
    const char *v = getenv(name); /* NOLINT(concurrency-mt-unsafe): before there are threads */
    return v && v[0] ? v : NULL;
}

static void environment(struct parser *p)
{
    struct listen_addr *a = &p->o->api_addr;
    const char *text = env_text("MYCELIUM_API_ADDR");
    if (!text || a->given)
        return;
    const char *why = listen_addr_parse(text, a);
    if (why)
        usage_error(p, "invalid value '%s' for MYCELIUM_API_ADDR: %s", text, why);
}

static void refuse(struct parser *p)
{
    const char *name = p->refused ? p->refused->name : NULL;
    bool config = !name && p->o->command == CMD_NODE && env_text("MYCELIUM_CONFIG");
    if (p->status != GO_ON || (!name && !config))
        return;
    fprintf(stderr, "Error: this release does not support %s%s\n", name ? "--" : "",
            name ? name : "a configuration file (MYCELIUM_CONFIG is set)");
    p->status = 1;
}

static void ports_settle(struct parser *p)
{
    if (p->port_given && !p->tcp_port_given)
        p->o->tcp_listen_port = p->port;
    if (p->port_given && !p->quic_port_given)
        p->o->quic_listen_port = p->port;
}

static void unserved_settle(struct options *o)
{
    char config[PATH_TEXT_MAX];
    if (o->command != CMD_NODE)
        return;
    if (!o->disable_quic)
        o->unserved |= UNSERVED_QUIC;
    if (!o->disable_peer_discovery)
        o->unserved |= UNSERVED_DISCOVERY;
    if (!o->jsonrpc_addr.off)
        o->unserved |= UNSERVED_JSONRPC;
    if (!o->no_tun)
        o->unserved |= UNSERVED_TUNNEL;
    for (size_t i = 0; i < o->peers_count; i++)
        if (o->peers[i].proto != PROTO_TCP)
            o->unserved |= UNSERVED_PEERS;
    if (path_default_config(config, sizeof(config)) == OK && config[0] && access(config, F_OK) == 0)
        o->unserved |= UNSERVED_CONFIG_FILE;
}

static void options_default(struct options *o)
{
    *o = (struct options){
        .command = CMD_NODE,
        .log_format = LOG_FORMAT_COMPACT,
        .tcp_listen_port = 9651,
        .quic_listen_port = 9651,
        .peer_discovery_port = 9650,
        .update_workers = 1,
        .api_addr = {.host = "127.0.0.1", .port = 8989},
        .metrics_addr = {.off = true},
        .jsonrpc_addr = {.host = "127.0.0.1", .port = 8990},
    };
}

int options_parse(int argc, char **argv, struct options *ret, int *ret_exit)
{
    struct parser p = {.argc = argc, .next = 1, .argv = argv, .o = ret, .status = GO_ON};
    options_default(ret);
    while (p.next < p.argc && p.status == GO_ON) {
        char *word = p.argv[p.next++];
        any_word(&p, word);
    }
    if (p.status == GO_ON)
        command_check(&p);
    if (p.status == GO_ON)
        environment(&p);
    refuse(&p);
    if (p.status != GO_ON) {
        *ret_exit = p.status;
        return ERR_INVAL;
    }
    ports_settle(&p);
    unserved_settle(ret);
    return OK;
}
