/* tcp_fixture.h - two transports on one loop, and everything that their callbacks told. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/rng.h"
#include "router/link/network.h"
#include "router/link/tcp.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 20000

struct side;

/* One link as its owner sees it. */
struct seen {
    struct side *side;
    struct link *l; /* NULL: down */
    uint64_t dial;
    char name[128];
    const char *why;
    unsigned frames, drained;
    size_t bytes, max_frame;
    uint64_t sum; /* over all received bytes, in order */
};

#define SEEN_MAX 2100

/* One transport with all that its callbacks told. */
struct side {
    struct network *network; /* NULL: plain */
    struct tcp *t;
    struct seen *seen[SEEN_MAX];
    size_t count, down;
    size_t failed;
    const char *why; /* of the last dial that failed */
    uint64_t failed_dial;
    unsigned close_after; /* close a link at this many frames; 0: never */
    bool refuse;          /* close accepted links at once */
    bool free_at_frame;   /* tcp_free() inside the frame callback */
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t tick; /* so that no wait is longer than PATIENCE_MS */
    struct side a, b;
    struct rng rng;
};

uint64_t sum_bytes(uint64_t sum, const uint8_t *p, size_t len);

/* Runs the loop until the condition holds. */
#define RUN_UNTIL(f, cond)                                                                         \
    do {                                                                                           \
        uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;                              \
        while (!(cond)) {                                                                          \
            if (uv_hrtime() > end)                                                                 \
                fail_msg("waited in vain for: %s", #cond);                                         \
            (void)uv_run(&(f)->loop, UV_RUN_ONCE);                                                 \
        }                                                                                          \
    } while (0)

int setup(void **state);
/* The same in a private network; key_b: the first byte of b's key, a's has 1. */
int setup_private(void **state, uint8_t key_b);
int teardown(void **state); /* fails when a handle was forgotten */

struct tcp_conf conf(struct fixture *f, struct side *side);
void run_ms(struct fixture *f, uint64_t ms);
struct endpoint at(const char *ip, uint16_t port);
/* A link from b to a; its two ends. */
void connect_sides(struct fixture *f, struct seen **ret_a, struct seen **ret_b);
/* A plain socket, not blocking, connected to a. */
int raw_connect(struct fixture *f, struct seen **ret);
/* Whole packets with a random body of this length. */
struct pkt *data_pkt(struct rng *r, size_t body);
struct pkt *control_pkt(struct rng *r, size_t body);
