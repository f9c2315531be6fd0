/* constants.h - numbers of the routing core: the protocol's, and our own choices.
 *
 * Protocol: docs/protocol/routing.md, "Constants and timers". */
#pragma once
#include <stdint.h>

#include "base/clock.h"

/* --- constants of the protocol: docs/protocol/routing.md, "Constants and timers" ------------- */

#define HELLO_EVERY        (20 * USEC_SEC)
#define HELLO_INTERVAL_CS  2000
#define IHU_INTERVAL_CS    6000
#define OWN_ANNOUNCE_EVERY (300 * USEC_SEC)
#define UPDATE_INTERVAL_CS 30000
#define PEER_SILENT_MAX    (43 * USEC_SEC)
#define RETRACTED_HOLD     (6 * USEC_SEC)
#define SOURCE_LIFE        (1800 * USEC_SEC)
#define QUERY_LIFE         (15 * USEC_SEC)
#define GENERATION_LIMIT   16
#define SEQNO_HOPS         64
#define SEQNO_ENTRY_LIFE   (60 * USEC_SEC)
#define SEQNO_REPEAT_GUARD (4 * USEC_SEC)
#define METRIC_BIG_CHANGE  10 /* announced when passed */
#define METRIC_IMPROVEMENT 10 /* switched for when passed */
#define MESSAGE_HOPS       64

/* --- our own choices ------------------------------------------------------------------------ */

/* Over a link in use a Hello goes out this often, less up to a fifth at random. In use: data went
 * over it so recently. */
#define PROBE_EVERY   (1 * USEC_SEC)
#define PROBE_JITTER  (PROBE_EVERY / 5)
#define LINK_USED_FOR (10 * USEC_SEC)
/* Nothing heard for so long since the first Hello over a link in use that nothing answered, and for
 * as many round trips more, but SILENT_AFTER_MAX at most: the neighbour is silent, and its routes
 * are not used until it is heard again. */
#define SILENT_AFTER       (2 * USEC_SEC)
#define SILENT_ROUND_TRIPS 4
#define SILENT_AFTER_MAX   (10 * USEC_SEC)
/* Counted from the same Hello; then the link is closed. */
#define PROBED_SILENT_MAX (15 * USEC_SEC)
/* A timer that comes later than this was held up in this node, and so may have been what the
 * neighbour said: it waits as long again. */
#define SILENT_LATE (250 * USEC_MS)
/* Hellos under way whose times are known. With more the answer is to one long enough ago to count
 * as LINK_COST_SAMPLE_MAX. */
#define HELLOS_TIMED 8

/* A next hop that does not deliver is doubted for so long, doubled with each further doubt up to
 * the longest, and the doubts are forgotten once it has been trusted as long as the last one. */
#define DOUBT_FOR     (30 * USEC_SEC)
#define DOUBT_FOR_MAX (600 * USEC_SEC)
/* A new next hop is not doubted for what was sent over the one before it. */
#define DOUBT_SETTLE    (1 * USEC_SEC)
#define DOUBT_ASK_EVERY (5 * USEC_SEC)
#define DOUBTS_MAX      8 /* next hops by destination; more: the doubt that ends first goes */

/* Who wants a route so long after the search for it began, and in vain, has another search. */
#define QUERY_LATE (5 * USEC_SEC)

/* The seqno of the first Hello over a link, by which nodes of this program know each other. Others
 * begin with 0, and do not look at it. */
#define HELLO_SEQNO_FIRST 0x4000

/* Searches that ask one neighbour first: everybody else so long after it, or when it is not there
 * in so long. */
#define CONTACT_GRACE (300 * USEC_MS)
#define CONTACT_WAIT  (2 * USEC_SEC)

/* An interval below a second is no promise to repeat anything: it counts as ten. */
#define INTERVAL_FLOOR_CS   100
#define INTERVAL_INSTEAD_CS 1000

/* A destination is in use when a packet went there so recently. */
#define USED_FOR (300 * USEC_SEC)
/* What a new neighbour is told and asked at once about destinations in use. */
#define NEW_PEER_DESTS_MAX 1000
/* It is asked only after it has worked off what it was told, so that it does not search for what we
 * have just told it. */
#define NEW_PEER_ASK_AFTER (300 * USEC_MS)

/* Search for a destination in use that lost its last route: after 0 to this, so that the wave of
 * retractions passes first. */
#define LOST_QUERY_JITTER (200 * USEC_MS)
/* A neighbour that retracts is told our other route after this and 0 to this more. */
#define TELL_DELAY (50 * USEC_MS)

/* Neighbours are asked about what one of them lost, and may not ask for itself: by neighbour that
 * retracts. */
#define LOST_LOOKS_PER_SEC 100
#define LOST_LOOKS_BURST   1000

/* What begins to be used: the neighbours are asked after this and 0 to this more, when the answers
 * to the search have come. */
#define LOOK_DELAY (500 * USEC_MS)

/* Repeats, each so long after the time before: the second when every origin that was asked too
 * early raises its seqno again, 4 s after it did. */
#define SEQNO_RETRY_FIRST  (2 * USEC_SEC)
#define SEQNO_RETRY_SECOND (2200 * USEC_MS)
#define SEQNO_RETRY_LAST   (4 * USEC_SEC)
#define SEQNO_RETRIES      3
/* The own seqno is raised so often at once, then once in this time. */
#define SEQNO_BUMPS_BURST 3
#define SEQNO_BUMP_EVERY  (4 * USEC_SEC)
/* So many further seqnos are tried with a neighbour that keeps silent about those it has seen. */
#define SEQNO_AHEAD_MAX 8
/* After a seqno request a neighbour of another kind is asked for its route as it is then: first
 * after this, then after four times as long as the time before. */
#define CHASE_FIRST (50 * USEC_MS)
#define CHASES      3

/* A route in use that was not renewed: its next hop is asked at a random 60 to 90 % of its life,
 * everybody when this much is left. */
#define RENEW_LAST_CHANCE (15 * USEC_SEC)

/* Destinations in use are selected anew when a link's cost moved by more than METRIC_BIG_CHANGE and
 * by more than a fifth, at most this often for each link. */
#define RESELECT_EVERY (60 * USEC_SEC)

#define DUMP_EVERY       (60 * USEC_SEC) /* whole tables for one neighbour */
#define DUMP_PIECE       256             /* Updates, then a pause */
#define DUMP_LOOK        8192            /* places of destinations looked at in one piece */
#define DUMP_PIECE_EVERY (20 * USEC_MS)

/* One origin key may come with this many router ids by destination (restarts draw new ones), new
 * ones at most RIDS_BURST at once and one more each RID_EVERY. Only ids without a route make room.
 */
#define RIDS_PER_DEST 8
#define RIDS_BURST    4
#define RID_EVERY     (10 * USEC_SEC)

/* A full table: candidates looked at for each new entry, and how often for a source. */
#define EVICT_LOOK         64
#define EVICT_SOURCES_LOOK 256
#define EVICT_TRIES        4

/* How far ahead of what we announced a seqno may be. An origin raises its own about once in
 * SEQNO_BUMP_EVERY, so while we remember what we announced it comes SOURCE_LIFE / 4 s = 450
 * further, whatever it is asked for; the rest is for clocks and for restarts of timers. */
#define SEQNO_STEP_MAX 1024

/* Seqno requests of one neighbour that are passed on: each may be for another seqno, and goes on to
 * somebody else. A whole table that lost its feasible routes at once is asked for in seconds. */
#define SEQNO_FORWARDS_PER_SEC 100
#define SEQNO_FORWARDS_BURST   1000

/* Announcements that follow from what one neighbour says; beyond that each destination has one a
 * second. */
#define ANNOUNCEMENTS_BURST_FACTOR 2 /* burst of router_limits.announcements_per_sec */
#define ANNOUNCE_LATER             USEC_SEC

/* Packets for us from remotes whose shared secret is not at hand, by neighbour: each costs an
 * X25519 exchange, 50 to 100 us, before it can be told from noise. Likewise for packets quoted in
 * errors, in all. */
#define EXCHANGES_PER_SEC 200
#define EXCHANGES_BURST   50

#define NEW_SUBNETS_BURST_FACTOR 10 /* burst of router_limits.new_subnets_per_sec */

#define LONGER_PREFIXES_MAX 128 /* /65 to /128 inside one /64 */
#define SEQNO_PER_DEST_MAX  16  /* the oldest goes */
#define SEQNO_PEERS_MAX     8   /* requesters and targets by entry */

#define PARKED_INBOUND_NODE_MAX 100 /* packets of one source /64 that wait for its key */
#define PARKED_INBOUND_PEER_MAX 1000
#define OOB_ICMP_PER_SEC        100
#define OOB_ICMP_BURST          200

#define REQUESTS_BURST_FACTOR 5 /* burst of router_limits.requests_per_sec */
/* Own searches that ended in vain are remembered, by so many places; what is searched again leaves
 * half of the tokens to what is new. */
#define VAIN_PLACES 1024

/* Routes or deadlines handled by one call of router_tick() or router_peer_down(), and entries of
 * the wheels that only move. */
#define SLICE       256
#define SLICE_MOVES 4096

/* Neighbours with routes; more links are refused. */
#define NEIGHBOURS_MAX UINT16_MAX
