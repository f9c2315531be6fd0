/* Whatever a local network says: a beacon or none, and what was read is written the same. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "router/link/beacon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct beacon b;
    uint8_t again[BEACON_BYTES];
    if (beacon_decode(data, size, &b) != OK)
        return 0;
    beacon_encode(&b, again);
    assert(size == sizeof(again) && memcmp(again, data, size) == 0);
    return 0;
}
