/* command_table.h - the commands as data: what the parser accepts and the help shows. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "node/options.h"

#define GROUP_COMMAND   CMD_COUNT /* a command that only holds others */
#define POSITIONALS_MAX 2

/* A word of the command line that is no option. */
struct positional_def {
    const char *name;
    size_t offset; /* const char * in struct options; not looked at when there may be many */
    bool required, many;
    const char *help;
};

struct command_def {
    const char *name;
    const char *group;    /* name of the command above; NULL at the top */
    enum command command; /* or GROUP_COMMAND */
    const char *help;
    struct positional_def args[POSITIONALS_MAX]; /* up to the first without a name */
};

extern const struct command_def command_table[];
extern const size_t command_count;

/* NULL: no such command below `above` (NULL: at the top). */
const struct command_def *command_find(const struct command_def *above, const char *name);
/* NULL at the top. */
const struct command_def *command_above(const struct command_def *c);
