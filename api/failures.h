/* failures.h - who has failed to prove who it is, and how often lately.
 *
 * An address that failed FAILURES_MAX times within FAILURES_WINDOW is refused as one that asks too
 * often, until the window that began with its first failure is over. IPv6 addresses count by their
 * /64. A full table forgets the address whose window began first.
 * Owns: the table. Thread: loop. `now` is an argument. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip6.h"

#define FAILURES_MAX       10
#define FAILURES_WINDOW    (60 * USEC_SEC)
#define FAILURES_ADDRESSES 1024

struct failures {
    struct {
        uint8_t key[16];
        usec_t since;
        uint32_t count; /* 0: place not used */
    } of[FAILURES_ADDRESSES];
};

/* One more failure. True: it is beyond what is answered with 401. */
bool failures_add(struct failures *f, const struct ip6 *addr, usec_t now);
