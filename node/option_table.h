/* option_table.h - the options as data: what command line, environment and configuration file may
 * hold, and what the help shows. The only list of them. */
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
    OPTION_SIZE,   /* uint64_t: bytes, or with KiB, MiB, GiB, TiB */
    OPTION_SIZE32, /* the same in a uint32_t */
    OPTION_SPAN,   /* int64_t milliseconds: seconds, or with ms, s, m, h, d */
    OPTION_CHOICE, /* an enum: the place in `choices` */
    OPTION_ADDR,   /* struct listen_addr */
    OPTION_ADDRS,  /* struct listen_addrs */
    OPTION_PEERS,  /* one or more endpoints */
    OPTION_WORDS,  /* struct words */
};

enum option_class {
    OPTION_SERVED,
    OPTION_LIMIT,   /* shown in the long help only, with its default */
    OPTION_TAKEN,   /* accepted, without effect in this release */
    OPTION_REFUSED, /* ends the program with status 1 */
};

struct option_def {
    const char *name;     /* behind `--` */
    const char *key;      /* in the configuration file; NULL: not there */
    const char *env;      /* variable that stands in for it; NULL: none */
    const char *old_name; /* another name, not shown; NULL: none */
    char letter;          /* 0: none */
    enum option_kind kind;
    enum option_class class;
    const char *value;          /* shown in the help; NULL with flags */
    uint64_t where;             /* bits: 1 << enum command; CMD_NODE: before a command */
    size_t offset;              /* in struct options; 0: no field */
    const char *const *choices; /* NULL behind the last */
    const char *idle;  /* of a refused option: the text that asks for nothing; NULL: "false" */
    uint64_t min, max; /* of numbers, sizes and spans; max 0: as the field takes */
    uint64_t memory;   /* bytes of memory that one unit may cost: node/memory_plan.h */
    const char *help;  /* one line */
    const char *more;  /* NULL: nothing to add */
};

#define WHERE(command) (UINT64_C(1) << (command))
#define WHERE_ANYWHERE (WHERE(CMD_COUNT) - 1)
/* Every command that asks a node. */
#define WHERE_ASKING                                                                               \
    (WHERE_ANYWHERE &                                                                              \
     ~(WHERE(CMD_NODE) | WHERE(CMD_INSPECT) | WHERE(CMD_GENERATE_KEYS) | WHERE_TOKENS))
/* Those that change the file of tokens. */
#define WHERE_TOKENS (WHERE(CMD_TOKEN_NEW) | WHERE(CMD_TOKEN_LIST) | WHERE(CMD_TOKEN_REVOKE))

extern const struct option_def option_table[];
extern const size_t option_count;

struct command_def;
/* May the option stand behind this command (NULL: in front of any)? Behind a group stands what may
 * stand in front of it and behind each of its commands. */
bool option_fits(const struct option_def *d, const struct command_def *c);
enum option_source option_source_of(const struct options *o, size_t offset); /* of a field */
bool option_repeats(const struct option_def *d); /* may it be given more than once? */
