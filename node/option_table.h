/* option_table.h - the command line as data: what the parser accepts and the help shows. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "node/options.h"

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char * */
    OPTION_PATH,   /* const char *, not empty */
    OPTION_U16,    /* uint16_t */
    OPTION_U32,    /* uint32_t */
    OPTION_WAIT,   /* seconds: uint64_t timeout_s, and has_timeout */
    OPTION_PORT,   /* uint16_t for both transports, unless they have their own */
    OPTION_FORMAT, /* enum log_format */
    OPTION_ADDR,   /* struct listen_addr */
    OPTION_PEERS,  /* one or more endpoints */
};

enum option_class {
    OPTION_SERVED,
    OPTION_TAKEN,   /* accepted, without effect in this release */
    OPTION_HIDDEN,  /* another name of one that is shown */
    OPTION_REFUSED, /* ends the program with status 1 */
};

struct option_def {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    enum option_class class;
    const char *value; /* shown in the help; NULL with flags */
    unsigned where;    /* bits: 1 << enum command; CMD_NODE: before a command */
    bool repeatable;
    size_t offset;    /* in struct options; not looked at for refused options */
    const char *help; /* one line */
    const char *more; /* NULL: nothing to add */
};

#define WHERE(command) (1u << (command))
#define WHERE_ANYWHERE (WHERE(CMD_COUNT) - 1)
/* Every command that asks a node. Groups hold such commands only, and take what all of these take.
 */
#define WHERE_ASKING                                                                               \
    (WHERE_ANYWHERE & ~(WHERE(CMD_NODE) | WHERE(CMD_INSPECT) | WHERE(CMD_GENERATE_KEYS)))
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

extern const struct option_def option_table[];
extern const size_t option_count;
extern const struct command_def command_table[];
extern const size_t command_count;

/* May the option stand behind this command (NULL: in front of any)? */
bool option_fits(const struct option_def *d, const struct command_def *c);
/* NULL: no such command below `above` (NULL: at the top). */
const struct command_def *command_find(const struct command_def *above, const char *name);
/* NULL at the top. */
const struct command_def *command_above(const struct command_def *c);
