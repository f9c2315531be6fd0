/* topology.h - the shapes of simulated networks: adds the links of one to a network, not up yet.
 *
 * Delays: uniform between half and one and a half of the mean; on a map by distance, as fibre
 * makes them. All choices come from the network's seed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "network.h"

enum topology {
    TOPOLOGY_LINE,
    TOPOLOGY_RING,
    TOPOLOGY_GRID,        /* as square as it gets, four neighbours */
    TOPOLOGY_STAR,        /* around node 0 */
    TOPOLOGY_SCALE_FREE,  /* each new node connects to two, by preferential attachment */
    TOPOLOGY_GEOMETRIC,   /* places on a map; who is near is connected, about four links by node */
    TOPOLOGY_SMALL_WORLD, /* the same, and every second node has a link to anywhere */
};
const char *topology_name(enum topology t);
bool topology_parse(const char *name, enum topology *ret);

struct topology_conf {
    enum topology kind;
    usec_t delay; /* mean, one way; not on a map */
    uint64_t bytes_per_sec;
    unsigned loss_permille;
};
/* Connected as a whole. Ends the program when out of memory. */
void topology_build(struct network *n, const struct topology_conf *c);
