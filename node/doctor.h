/* doctor.h - the command that looks at everything a node needs on this machine, and says for each
 * whether it is well and what to do where it is not. Asks the node that runs; changes nothing but a
 * file without a name in the state directory, to measure the disk. */
#pragma once
#include "clients/target.h"
#include "node/options.h"

/* 0: nothing failed; 1. */
int command_doctor(const struct options *o, const struct api_target *t);
