/* key_file.h - the key file of this machine: found, read with its warnings, or made. */
#pragma once
#include <stdbool.h>

#include "base/macros.h"
#include "node/paths.h"
#include "router/identity.h"

/* The file that a start with this -k option (NULL: none) reads, into path. */
MUST_CHECK int key_file_path(const char *option, char path[static PATH_TEXT_MAX]);
/* Reads it; what is doubtful about it is logged. Errors of identity_load(). */
MUST_CHECK int key_file_load(const char *path, struct identity **ret);
/* Draws a new key and saves it in the file of the option, or in the default one, whose folder is
 * made when it is missing; path tells which. ERR_EXIST when there is one and !replace. */
MUST_CHECK int key_file_create(const char *option, bool replace, char path[static PATH_TEXT_MAX],
                               struct identity **ret);
