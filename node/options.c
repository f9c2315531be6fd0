/* The grammar, as users of the network's other node know it:
 *
 * Options stand before the command that they belong to, or behind it when they are its own; the key
 * file, the configuration file and the API address are taken in both places, and the later one
 * wins. A single-value option or a flag may be given once in each place. Values follow in the next
 * word, behind `=`, or behind the letter itself; a word that begins with `-` is never a value.
 * Letters of flags can be joined. `--` makes everything behind it positional. */
#include "node/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/toml.h"
#include "node/command_table.h"
#include "node/config_file.h"
#include "node/help.h"
#include "node/memory_plan.h"
#include "node/option_value.h"
#include "router/link/network.h"

/* The second name of the program: one that runs in a private network or not at all. */
#define PRIVATE_PROGRAM "mycelium-private"

#define GO_ON (-1) /* no exit status yet */

struct parser {
    int argc, next; /* argv[next]: the word to look at next */
    char **argv;
    struct options *o;
    const struct command_def *command; /* NULL: before any */
    bool positional_only;              /* behind `--` */
    bool seen[OPTIONS_ROWS_MAX];       /* in the present place */
    int args_start;                    /* where the positional words of the command are gathered */
    size_t args_count;
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

static void value_add(struct parser *p, const struct option_def *d, const char *value)
{
    const char *why = option_value_add(p->o, d, value);
    if (why)
        value_error(p, d, value, why);
    else if (d->class == OPTION_REFUSED && !p->refused && option_asks(d, value))
        p->refused = d;
}

/* --- options --------------------------------------------------------------------------------- */

static bool name_is(const char *want, const char *name, size_t len)
{
    return want && strncmp(want, name, len) == 0 && want[len] == '\0';
}

static const struct option_def *option_by_name(const struct parser *p, const char *name, size_t len)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        if (option_fits(d, p->command) &&
            (name_is(d->name, name, len) || name_is(d->old_name, name, len)))
            return d;
    }
    return NULL;
}

static const struct option_def *option_by_letter(const struct parser *p, char letter)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_fits(&option_table[i], p->command) && option_table[i].letter == letter)
            return &option_table[i];
    return NULL;
}

/* An option begins. Behind a command it is given anew. */
static void option_begin(struct parser *p, const struct option_def *d)
{
    char title[96];
    size_t row = (size_t)(d - option_table);
    if (p->seen[row] && !option_repeats(d))
        usage_error(p, "the argument '%s' cannot be used multiple times", option_title(d, title));
    if (!p->seen[row])
        option_value_begin(p->o, d);
    p->seen[row] = true;
    p->o->source[row] = SOURCE_COMMAND_LINE;
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
        value_add(p, d, p->argv[p->next++]);
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
        option_begin(p, d);
        if (value)
            value_add(p, d, value + 1);
        else if (d->kind == OPTION_FLAG)
            value_add(p, d, "true");
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
            option_begin(p, d);
            value_add(p, d, "true");
        } else {
            option_begin(p, d);
            if (c[1] == '=')
                value_add(p, d, c + 2);
            else if (c[1])
                value_add(p, d, c + 1);
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
        memset(p->seen, 0, sizeof(p->seen)); /* what may stand in both places counts anew */
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
    for (size_t i = 0; i < option_count && p->status == GO_ON; i++) {
        const struct option_def *d = &option_table[i];
        const char *text = d->env ? env_text(d->env) : NULL;
        if (!text || p->o->source[i] >= SOURCE_ENVIRONMENT)
            continue;
        option_value_begin(p->o, d);
        const char *why = option_value_add(p->o, d, text);
        if (why)
            usage_error(p, "invalid value '%s' for %s: %s", text, d->env, why);
        p->o->source[i] = SOURCE_ENVIRONMENT;
    }
}

static void file_errors(struct parser *p, const char *why)
{
    fprintf(stderr, "Error: %s\n", why);
    p->status = 1;
}

static void configuration_file(struct parser *p)
{
    char why[CONFIG_FILE_WHY_MAX] = "";
    if (config_file_find(p->o, why) != OK ||
        (p->o->config_path[0] && config_file_read(p->o, why) != OK))
        file_errors(p, why);
}

/* The daemon says so and ends; commands share the file with it, and do not need what it holds. */
static void refuse(struct parser *p)
{
    const char *file = "";
    if (!p->refused && p->o->command == CMD_NODE)
        p->refused = config_file_refused(p->o);
    if (!p->refused)
        return;
    if (p->o->source[p->refused - option_table] == SOURCE_FILE)
        file = p->o->config_path;
    fprintf(stderr, "Error: this release does not support %s%s%s%s\n", *file ? "" : "--",
            *file ? p->refused->key : p->refused->name, *file ? ", asked for by " : "", file);
    p->status = 1;
}

static void certificate(struct parser *p)
{
    if (p->o->command == CMD_NODE && !p->o->api_tls_cert != !p->o->api_tls_key)
        file_errors(p, "api_tls_cert and api_tls_key need each other");
}

/* A node that its owner takes for private must not be open to all. */
static void private_network(struct parser *p)
{
    const struct options *o = p->o;
    const char *slash = p->argv[0] ? strrchr(p->argv[0], '/') : NULL;
    const char *called = slash ? slash + 1 : p->argv[0];
    size_t len = o->network_name ? strlen(o->network_name) : 0;
    if (o->command != CMD_NODE)
        return;
    if (!o->network_name != !o->network_key_file)
        file_errors(p, "network_name and network_key_file need each other");
    else if (!o->network_name && called && strcmp(called, PRIVATE_PROGRAM) == 0)
        file_errors(p, PRIVATE_PROGRAM " needs --network-name and --network-key-file");
    else if (o->network_name && (len < NETWORK_NAME_MIN || len > NETWORK_NAME_MAX ||
                                 !utf8_valid(o->network_name, len)))
        file_errors(p, "network name must be between 2 and 64 characters");
}

static void memory(struct parser *p)
{
    char why[MEMORY_PLAN_WHY_MAX];
    if (p->o->command == CMD_NODE && memory_plan_fit(p->o, why) != OK)
        file_errors(p, why);
}

/* What depends on where a value came from. */
static void sources_settle(struct options *o)
{
    enum option_source port = option_source_of(o, offsetof(struct options, port));
    if (port > option_source_of(o, offsetof(struct options, tcp_listen_port)))
        o->tcp_listen_port = o->port;
    if (port > option_source_of(o, offsetof(struct options, quic_listen_port)))
        o->quic_listen_port = o->port;
    /* The service manager names a directory that it has made. */
    if (option_source_of(o, offsetof(struct options, state_dir)) == SOURCE_FILE &&
        env_text("STATE_DIRECTORY"))
        o->state_dir = NULL;
}

static void output_settle(struct options *o)
{
    o->json = o->json || o->output == 1;
}

static void unserved_settle(struct options *o)
{
    if (o->command != CMD_NODE)
        return;
    if (!o->disable_quic && !o->network_name) /* a private network has none */
        o->unserved |= UNSERVED_QUIC;
    if (!o->no_tun)
        o->unserved |= UNSERVED_TUNNEL;
    for (size_t i = 0; i < o->peers_count; i++)
        if (o->peers[i].proto != PROTO_TCP && !(o->peers[i].proto == PROTO_TLS && o->network_name))
            o->unserved |= UNSERVED_PEERS;
}

void options_default(struct options *o)
{
    *o = (struct options){
        .command = CMD_NODE,
        .log_level = LOG_LEVEL_INFO,
        .log_format = LOG_FORMAT_COMPACT,
        .port = 9651,
        .tcp_listen_port = 9651,
        .quic_listen_port = 9651,
        .peer_discovery_port = 9650,
        .update_workers = 1,
        .api_addrs = {.a = {{.host = "127.0.0.1", .port = 8989}}, .count = 1},
        .metrics_addr = {.off = true},
        .jsonrpc_addr = {.host = "127.0.0.1", .port = 8990},
        .api_max_body = UINT64_C(90) << 20, /* 64 MiB of payload as base64, and what is around it */
        .api_connections = 2048,
        .api_body_bytes = UINT64_C(16) << 20,
        .memory_limit = UINT64_C(1536) << 20,
    };
    bus_limits_default(&o->bus);
    router_limits_default(&o->router);
}

int options_parse(int argc, char **argv, struct options *ret, int *ret_exit)
{
    struct parser p = {.argc = argc, .next = 1, .argv = argv, .o = ret, .status = GO_ON};
    void (*const steps[])(struct parser * p) = {command_check, environment, configuration_file,
                                                refuse,        certificate, private_network,
                                                memory};
    options_default(ret);
    ret->argc = argc;
    ret->argv = argv;
    while (p.next < p.argc && p.status == GO_ON) {
        char *word = p.argv[p.next++];
        any_word(&p, word);
    }
    for (size_t i = 0; i < ARRAY_LEN(steps) && p.status == GO_ON; i++)
        steps[i](&p);
    if (p.status != GO_ON) {
        options_free(ret);
        *ret_exit = p.status;
        return ERR_INVAL;
    }
    sources_settle(ret);
    output_settle(ret);
    unserved_settle(ret);
    return OK;
}

void options_free(struct options *o)
{
    toml_free(o->file);
    o->file = NULL;
}
