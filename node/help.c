#include "node/help.h"

#include <stdlib.h>
#include <string.h>

#include "node/examples.h"
#include "node/option_value.h"

#define LEFT_MAX   80
#define LEFT_WIDTH 34 /* a wider left column gets a line of its own */

/* The release of the network's other node whose wire format and commands we follow. */
#define COMPATIBLE "0.7.10"

static const char about[] =
    "An end-to-end encrypted overlay network: every node has an address in 400::/7 that follows\n"
    "from its key. Without a command the node runs in the foreground.\n";

static const char examples[] =
    "Examples:\n"
    "  mycelium --peers tcp://192.0.2.7:9651 tcp://[2001:db8::7]:9651\n"
    "      Run a node that connects to two others\n"
    "  mycelium -k /etc/mycelium/node.key --api-addr [::1]:8989 --no-tun\n"
    "      Run a node with its own key file and its API on IPv6\n"
    "  mycelium inspect\n"
    "      Show our own key and address\n"
    "  mycelium message send --topic news 54f:b680:ba6e:7ced:355f:346f:d97b:eecb 'hello'\n"
    "      Send a message through the node that runs on this machine\n"
    "  mycelium --api-addr 127.0.0.1:8991 peers list\n"
    "      Ask a node whose API is somewhere else\n"
    "\n"
    "Environment:\n"
    "  MYCELIUM_CONFIG        stands in for --config-file\n"
    "  MYCELIUM_API_ADDR      stands in for --api-addr\n"
    "  MYCELIUM_API_TOKEN     stands in for the first token of --token-file\n"
    "  MYCELIUM_LOG, RUST_LOG log level: error, warn, info, debug\n"
    "  NO_COLOR               no colours, also on a terminal\n"
    "\n"
    "Exit status: 0 success, 1 failure, 2 wrong usage, 3 nothing came, 4 not reached in time.\n";

void version_print(FILE *out)
{
    fprintf(out, "mycelium %s (compatible with %s)\n", MYCELIUM_VERSION, COMPATIBLE);
}

/* Text in lines, each indented. */
static void print_indented(FILE *out, unsigned indent, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        fprintf(out, "%*s%.*s\n", (int)indent, "", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void print_entry(FILE *out, const char *left, const char *help, const char *more, bool full)
{
    if (full) {
        fprintf(out, "  %s\n", left);
        print_indented(out, 10, help);
        if (more)
            print_indented(out, 10, more);
        fputc('\n', out);
    } else if (strlen(left) < LEFT_WIDTH) {
        fprintf(out, "  %-*s %s\n", LEFT_WIDTH - 1, left, help);
    } else {
        fprintf(out, "  %s\n  %*s %s\n", left, LEFT_WIDTH - 1, "", help);
    }
}

static void print_option(FILE *out, const struct option_def *d, bool full)
{
    char left[LEFT_MAX], letter[] = "    ";
    if (d->letter) {
        letter[0] = '-';
        letter[1] = d->letter;
        letter[2] = ',';
    }
    snprintf(left, sizeof(left), "%s--%s%s%s%s%s", letter, d->name, d->value ? " <" : "",
             d->value ? d->value : "", d->value ? ">" : "", d->kind == OPTION_PEERS ? "..." : "");
    print_entry(out, left, d->help, d->more, full);
}

/* One line each, with what holds when nobody says anything. */
static void print_limits(FILE *out)
{
    struct options *o = malloc(sizeof(*o)); /* too much for a stack */
    if (!o)
        return;
    options_default(o);
    fputs("Limits, and what happens there:\n", out);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        if (d->class != OPTION_LIMIT)
            continue;
        fprintf(out, "  --%s <%s>\n          %s [default: ", d->name, d->value, d->help);
        option_value_print(out, o, d);
        fputs("]\n", out);
    }
    fputc('\n', out);
    free(o);
}

static void print_options(FILE *out, const struct command_def *command, enum option_class class,
                          bool full)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_fits(&option_table[i], command) && option_table[i].class == class)
            print_option(out, &option_table[i], full);
}

static void print_commands(FILE *out, const struct command_def *above)
{
    fputs("Commands:\n", out);
    for (size_t i = 0; i < command_count; i++)
        if (command_above(&command_table[i]) == above)
            print_entry(out, command_table[i].name, command_table[i].help, NULL, false);
    print_entry(out, "help", "Print this help, or that of a command", NULL, false);
    fputc('\n', out);
}

static void print_usage(FILE *out, const struct command_def *c)
{
    const struct command_def *above = c ? command_above(c) : NULL;
    const struct command_def *top = above ? command_above(above) : NULL;
    fprintf(out, "Usage: mycelium%s%s%s%s%s%s [OPTIONS]", top ? " " : "", top ? top->name : "",
            above ? " " : "", above ? above->name : "", c ? " " : "", c ? c->name : "");
    if (!c)
        fputs(" [COMMAND]", out);
    else if (c->command == GROUP_COMMAND)
        fputs(" <COMMAND>", out);
    for (size_t i = 0; c && i < POSITIONALS_MAX && c->args[i].name; i++)
        fprintf(out, c->args[i].required ? " <%s>%s" : " [%s]%s", c->args[i].name,
                c->args[i].many ? "..." : "");
    fputs("\n\n", out);
}

static void print_args(FILE *out, const struct command_def *c)
{
    char left[LEFT_MAX];
    if (!c || !c->args[0].name)
        return;
    fputs("Arguments:\n", out);
    for (size_t i = 0; i < POSITIONALS_MAX && c->args[i].name; i++) {
        snprintf(left, sizeof(left), c->args[i].required ? "<%s>%s" : "[%s]%s", c->args[i].name,
                 c->args[i].many ? "..." : "");
        print_entry(out, left, c->args[i].help, NULL, false);
    }
    fputc('\n', out);
}

void help_print(FILE *out, const struct command_def *command, bool full)
{
    bool group = !command || command->command == GROUP_COMMAND;
    if (!command)
        fprintf(out, "%s\n", about);
    else
        fprintf(out, "%s.\n\n", command->help);
    print_usage(out, command);
    if (group)
        print_commands(out, command);
    print_args(out, command);
    fputs("Options:\n", out);
    print_options(out, command, OPTION_SERVED, full);
    print_entry(out, "-h, --help",
                full ? "Print help; -h prints a summary"
                     : "Print help; --help "
                       "prints more",
                NULL, full);
    if (command && !group && full) {
        fputs("Examples:\n", out);
        print_indented(out, 2, example_of(command->command));
    }
    if (command)
        return;
    print_entry(out, "-V, --version", "Print the version", NULL, full);
    if (full)
        print_limits(out);
    fprintf(out, "%sAccepted, but not served by this release:\n", full ? "" : "\n");
    print_options(out, NULL, OPTION_TAKEN, full);
    if (full)
        fputs(examples, out);
}
