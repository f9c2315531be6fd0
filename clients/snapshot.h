/* snapshot.h - how a node is at one moment, as far as its API tells; for `top` and `doctor`. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"
#include "clients/target.h"

/* What only grows, since the node started; from its metrics. */
enum snapshot_total {
    TOTAL_ACCEPTED,
    TOTAL_DELIVERED,
    TOTAL_CAME,
    TOTAL_ACKED,
    TOTAL_REQUESTS,
    TOTAL_COUNT
};

struct json_t;

struct snapshot {
    usec_t at; /* 0: none was taken */
    char ip[64], version[32];
    int64_t up_s;
    bool ready;
    uint64_t peers, peers_alive, rx_bytes, tx_bytes;
    struct json_t *peer_list; /* owned */
    /* of a node of this program: */
    bool ours;
    uint64_t out_messages, out_bytes, in_bytes, in_receiving, in_ready, in_leased, in_dead;
    /* where its metrics are on the address of its API: */
    bool has_totals;
    uint64_t total[TOTAL_COUNT];
    uint64_t resident_bytes;
};

/* ERR_* of http_exchange(), ERR_INVAL: the first question was refused, with *ret_status. Says
 * nothing on standard error. */
MUST_CHECK int snapshot_take(const struct api_target *t, struct snapshot *ret,
                             unsigned *ret_status);
void snapshot_fini(struct snapshot *s);
/* The value of a line of metrics, "name value" or "name{...} value", summed over its labels. */
uint64_t metrics_sum(const char *text, const char *name);
