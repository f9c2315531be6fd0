/* peers.h - the peer manager: which endpoints we know, when to dial them, what the API shows.
 *
 * A core: no sockets, no clock. Dials and closings are pulled as outputs; the links report back.
 * Static peers are dialled for ever with back-off and jitter, discovered ones until they have
 * failed a few times in a row, inbound ones are forgotten when they end. Thread: loop. Protocol:
 * docs/protocol/connections.md, "Peer manager". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/rng.h"
#include "router/endpoint.h"

#define PEERS_MAX_ENTRIES 4096 /* static and inbound together: more inbound are refused */
/* Of these, found by local discovery; more are refused, because anybody on the local network can
 * announce endpoints. */
#define PEERS_MAX_DISCOVERED 256
/* First retry after about a second, then doubled up to this (the network's nodes use a constant 5
 * s). */
#define PEERS_BACKOFF_MAX  (5 * USEC_SEC)
#define PEERS_DIAL_TIMEOUT (10 * USEC_SEC)
/* A link that lasted this long starts the back-off anew; a shorter one counts as one more failure,
 * so that a peer which accepts and closes at once is not dialled every second. */
#define PEERS_STABLE (10 * USEC_SEC)
/* A discovered peer is forgotten after so many failures in a row. */
#define PEERS_DISCOVERED_TRIES 3

enum peer_type { PEER_STATIC, PEER_INBOUND, PEER_DISCOVERED };
#define PEER_TYPES (PEER_DISCOVERED + 1)

enum peer_state {
    PEER_IDLE,    /* known, nothing open;     leaves by: dial, accepted link */
    PEER_DIALING, /* link opening;            leaves by: link up, failure, time-out */
    PEER_UP,      /* link open;               leaves by: link down, removal */
    PEER_BACKOFF, /* waiting to dial again;   leaves by: deadline, accepted link, removal */
};

struct peers;
MUST_CHECK int peers_new(struct rng *rng, struct peers **ret); /* rng is borrowed for its life */
void peers_free(struct peers *p);

/* Adds a static peer, dialled at once. ERR_EXIST (whatever the type of the entry), ERR_LIMIT. */
MUST_CHECK int peers_add(struct peers *p, const struct endpoint *e, usec_t now);
/* The same for one that local discovery found. */
MUST_CHECK int peers_discovered(struct peers *p, const struct endpoint *e, usec_t now);
/* Forgets a peer of any type and closes its link. A peer with a host name is also found by the
 * numeric address that lists show for it. ERR_NOENT. */
MUST_CHECK int peers_remove(struct peers *p, const struct endpoint *e);

/* Names one dial or link of an entry, from the PEERS_OUT_DIAL or peers_accepted() that began it to
 * its end; never used twice. Reports about a name that is not (or no longer) known are ignored. */
typedef uint64_t peer_entry;

/* Links report. An accepted link gets an entry of its own, or takes over one with the same endpoint
 * (whose type stays): a dial or link of that entry is closed by an output. ERR_LIMIT: close the
 * link. */
MUST_CHECK int peers_accepted(struct peers *p, const struct endpoint *from, usec_t now,
                              peer_entry *ret);
void peers_dialled(struct peers *p, peer_entry e, bool ok,
                   usec_t now); /* answer to PEERS_OUT_DIAL */
/* The numeric address in use for a peer with a host name; ignored for others. */
void peers_resolved(struct peers *p, peer_entry e, const struct sockaddr *a);
void peers_down(struct peers *p, peer_entry e, usec_t now); /* an open link ended */
void peers_traffic(struct peers *p, peer_entry e, uint64_t rx_bytes, uint64_t tx_bytes); /* added */

void peers_tick(struct peers *p, usec_t now);
usec_t peers_deadline(const struct peers *p); /* USEC_NEVER when nothing is due */

/* DIAL: open a link to `endpoint` and answer with peers_dialled(). CLOSE: cancel that dial or close
 * that link; no report is expected. Closings come first. */
enum peers_out_kind { PEERS_OUT_DIAL, PEERS_OUT_CLOSE };
struct peers_out {
    enum peers_out_kind kind;
    peer_entry entry;
    struct endpoint endpoint; /* DIAL */
};
bool peers_next(struct peers *p, struct peers_out *ret);

struct peer_info {
    struct endpoint endpoint;
    enum peer_type type;
    enum peer_state state;
    uint64_t tx_bytes, rx_bytes;
    usec_t discovered;     /* when the entry was made */
    usec_t last_connected; /* USEC_NEVER: never */
};
typedef void peer_visit(void *ctx, const struct peer_info *i);
void peers_each(const struct peers *p, peer_visit *v, void *ctx); /* oldest entry first */

/* Counters since the start, and how many entries there are now. */
struct peers_stats {
    uint64_t added[PEER_TYPES]; /* by enum peer_type */
    uint64_t dials, dials_up, dials_failed, dials_timed_out, accepted, taken_over, refused;
    uint32_t entries, up, discovered;
};
struct peers_stats peers_stats(const struct peers *p);
