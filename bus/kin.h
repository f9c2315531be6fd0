/* kin.h - which nodes speak our extension (trailer.h).
 *
 * Learned from what they say: a trailer of theirs makes a node KIN_OURS; an INIT ACK without one,
 * although the INIT had one, makes it KIN_PLAIN; silence to INITs with a trailer, and an answer to
 * one without, makes it KIN_MUTE. A node is its /64, which follows from its public key. Forgotten
 * after some time, so that a node that runs another program one day is seen as what it is.
 * Owns: a table of fixed size, where one node may push out another: that one is learned again.
 * Thread: loop. Protocol: docs/protocol/messages.md, "Extension". */
#pragma once
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"

#define KIN_SLOTS      16384u
#define KIN_OURS_LIFE  (3600 * USEC_SEC)
#define KIN_PLAIN_LIFE (600 * USEC_SEC) /* so long after its last answer it is not asked again */
#define KIN_MUTE_LIFE  (24 * 3600 * USEC_SEC)
/* INITs with a trailer that a living node leaves unanswered before one goes without. */
#define KIN_SILENT 3

enum kin {
    KIN_UNKNOWN, /* INITs carry a trailer */
    KIN_OURS,    /* likewise, and what it says in trailers counts */
    KIN_PLAIN,   /* a node of another program: nothing is said to it */
    KIN_MUTE,    /* a trailer seems to keep it from answering */
};

struct kins {
    struct kin_slot *v;
};

MUST_CHECK int kins_init(struct kins *k);
void kins_fini(struct kins *k); /* fine on a zeroed one */

enum kin kin_get(const struct kins *k, uint64_t node, usec_t now);
/* What one of ours can do: enum trailer_feature; 0: nothing that we know of. */
uint32_t kin_features(const struct kins *k, uint64_t node, usec_t now);
/* What the node just showed itself to be: its time begins anew. features: of KIN_OURS. */
void kin_set(struct kins *k, uint64_t node, enum kin kin, uint32_t features, usec_t now);
