/* Frames of /bus/v1/ws on a real bus. The first byte says which sub-protocol; then each frame is a
 * length of two bytes, a byte of what happens beside it, and its bytes. Whatever comes: nothing
 * crashes, nothing is left behind, and what is told is whole. */
#include <stdint.h>

#include "tests/unit/api/stream_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything said are whole frames of the server. */
static void check_out(void)
{
    size_t at = 0;
    while (at < fake.out_len) {
        size_t left = fake.out_len - at, n, head = 2;
        if (left < 2 || (fake.out[at + 1] & 0x80) || !(fake.out[at] & 0x80))
            abort();
        n = fake.out[at + 1];
        if (n == 126 && left >= 4) {
            n = (size_t)fake.out[at + 2] << 8 | fake.out[at + 3];
            head = 4;
        } else if (n == 127 && left >= 10) {
            n = (size_t)fake.out[at + 7] << 16 | (size_t)fake.out[at + 8] << 8 | fake.out[at + 9];
            head = 10;
        }
        if (left < head + n)
            abort();
        at += head + n;
    }
    fake.out_len = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool binary;

    if (size < 1)
        return 0;
    binary = data[0] & 1;
    rig_start(binary, data[0]);
    data++, size--;
    while (size >= 3 && fake.open) {
        size_t len = (size_t)data[0] << 8 | data[1];
        uint8_t beside = data[2];
        data += 3, size -= 3;
        if (len > size)
            len = size;
        fake.blocked = beside % 8 == 1;
        rig_say_bytes(binary == (beside % 16 == 2), data, len);
        if (beside % 8 == 3 && fake.open)
            fake.h.tick(fake.h.ctx, usec_now());
        check_out();
        data += len, size -= len;
    }
    rig_stop();
    return 0;
}
