/* range.h - the Range field of a request, for answers of known length.
 *
 * One range of bytes is served; what this cannot read (another unit, several ranges, no numbers) is
 * as if the field were missing, as RFC 9110 allows. Protocol: docs/protocol/api.md, "Inbox". */
#pragma once
#include <stdint.h>

#include "base/macros.h"

struct byte_range {
    uint64_t from, len; /* len > 0 */
};

/* field may be NULL. ERR_NOENT: the whole is asked for. ERR_INVAL: nothing of it is there (416). */
MUST_CHECK int range_read(const char *field, uint64_t len, struct byte_range *ret);
