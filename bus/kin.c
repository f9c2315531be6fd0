#include "bus/kin.h"

#include <stdlib.h>

#include "base/err.h"

struct kin_slot {
    uint64_t node;
    usec_t until;
    enum kin kin;
    uint32_t features;
};

int kins_init(struct kins *k)
{
    k->v = calloc(KIN_SLOTS, sizeof(*k->v));
    return k->v ? OK : ERR_NOMEM;
}

void kins_fini(struct kins *k)
{
    free(k->v);
    k->v = NULL;
}

/* Node numbers come from hashes of keys: their low bits are even as they are. */
static struct kin_slot *slot_of(const struct kins *k, uint64_t node)
{
    return &k->v[node % KIN_SLOTS];
}

enum kin kin_get(const struct kins *k, uint64_t node, usec_t now)
{
    const struct kin_slot *s = slot_of(k, node);
    return s->node == node && now < s->until ? s->kin : KIN_UNKNOWN;
}

uint32_t kin_features(const struct kins *k, uint64_t node, usec_t now)
{
    return kin_get(k, node, now) == KIN_OURS ? slot_of(k, node)->features : 0;
}

void kin_set(struct kins *k, uint64_t node, enum kin kin, uint32_t features, usec_t now)
{
    static const usec_t lives[] = {[KIN_UNKNOWN] = 0,
                                   [KIN_OURS] = KIN_OURS_LIFE,
                                   [KIN_PLAIN] = KIN_PLAIN_LIFE,
                                   [KIN_MUTE] = KIN_MUTE_LIFE};
    *slot_of(k, node) = (struct kin_slot){
        .node = node, .until = now + lives[kin], .kin = kin, .features = features};
}
