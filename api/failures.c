#include "api/failures.h"

#include <string.h>

static void key_of(const struct ip6 *addr, uint8_t key[static 16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(addr->b, mapped, sizeof(mapped)) == 0;

    memset(key, 0, 16);
    memcpy(key, addr->b, v4 ? 16 : 8);
}

bool failures_add(struct failures *f, const struct ip6 *addr, usec_t now)
{
    uint8_t key[16];
    size_t place = 0;

    key_of(addr, key);
    for (size_t i = 0; i < FAILURES_ADDRESSES; i++) {
        if (f->of[i].count > 0 && now >= f->of[i].since + FAILURES_WINDOW)
            f->of[i].count = 0;
        if (f->of[i].count > 0 && memcmp(f->of[i].key, key, sizeof(key)) == 0) {
            f->of[i].count += f->of[i].count <= FAILURES_MAX;
            return f->of[i].count > FAILURES_MAX;
        }
        if (f->of[place].count > 0 && (f->of[i].count == 0 || f->of[i].since < f->of[place].since))
            place = i;
    }
    memcpy(f->of[place].key, key, sizeof(key));
    f->of[place].since = now;
    f->of[place].count = 1;
    return false;
}
