/* toml_file.h - a TOML file read whole, or a sentence that says why not. */
#pragma once
#include <stddef.h>

#include "base/macros.h"
#include "base/toml.h"

#define TOML_FILE_WHY_MAX 512

/* On any error *why is "PATH:LINE:COLUMN: what is wrong", or "PATH: what is wrong". */
MUST_CHECK int toml_file_read(const char *path, struct toml **ret,
                              char why[static TOML_FILE_WHY_MAX]);
/* The same from memory; path is for the messages. */
MUST_CHECK int toml_file_parse(const char *path, const char *text, size_t len, struct toml **ret,
                               char why[static TOML_FILE_WHY_MAX]);
