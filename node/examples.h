/* examples.h - what a command looks like when it is used; shown by its --help. */
#pragma once
#include "node/options.h"

/* Lines that begin with "mycelium"; never NULL for a command of the table. */
const char *example_of(enum command command);
