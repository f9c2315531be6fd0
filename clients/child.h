/* child.h - the command that a message is given to. */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

#define CHILD_ENV_MAX 16

struct child {
    int pid, pidfd;
};
/* `/bin/sh -c command` with fd `input` as standard input and more variables ("NAME=value", at most
 * CHILD_ENV_MAX of them, NULL behind the last). ERR_*. */
MUST_CHECK int child_start(struct child *c, const char *command, int input, char *const *more);
/* Waits for `ms`. Has it ended? *ret_status then: its exit status, or 128 and the signal. */
bool child_wait(struct child *c, int ms, int *ret_status);
