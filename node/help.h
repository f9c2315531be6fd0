/* help.h - the help texts, printed from the option and command tables. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "node/command_table.h"
#include "node/option_table.h"

/* For a command, or the whole program with NULL; `full` adds details and examples. */
void help_print(FILE *out, const struct command_def *command, bool full);
void version_print(FILE *out);
