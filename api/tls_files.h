/* tls_files.h - a certificate and its key, looked at before they are used.
 *
 * The library that carries the connections tells of a file that it cannot use only by failing; this
 * says why, and keeps a running listener from taking half of a pair. */
#pragma once
#include <time.h>

#include "base/macros.h"

#define TLS_FILES_WHY_MAX 512

/* ERR_PERM: others can read or change the key. ERR_INVAL, ERR_NOENT, ERR_IO: one of them cannot be
 * used, or they do not belong together. *why says which and why. *ret_ends: when the certificate
 * does.
 */
MUST_CHECK int tls_files_check(const char *cert, const char *key, time_t *ret_ends,
                               char why[static TLS_FILES_WHY_MAX]);
