/* contacts.h - nodes that were reached lately, and the neighbour that was the next hop to each.
 *
 * After a restart a route to such a node is asked of that neighbour first, instead of everybody. A
 * table in memory, refreshed from the router's routes in use, written to the store where something
 * changed, and loaded from there. Only a hint: nothing waits for it, and losing it costs a search.
 *
 *   CONTACTS_EVERY: contacts_refresh(); each route in use: contacts_seen(); contacts_changed() ->
 * store
 *
 * Owns: the entries. Thread: loop. Limit: CONTACTS_MAX, then the least recently used goes. Never:
 * touches the router, the store or a clock. docs/protocol/durability.md, "Contacts". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip6.h"
#include "base/macros.h"
#include "router/router.h"
#include "storage/store.h"

#define CONTACTS_MAX   STORE_CONTACTS_MAX
#define CONTACTS_EVERY (60 * USEC_SEC)
/* A time of last use on disk may be as old as this before it is written again. */
#define CONTACTS_STALE_MS (3600 * INT64_C(1000))

struct contacts;

struct contacts_stats {
    uint64_t known;   /* now */
    uint64_t asked;   /* routes wished for whose contact was known */
    uint64_t written; /* rows given to the store */
    uint64_t failed;  /* writes that failed */
    uint64_t ignored; /* rows of the store that cannot be ours */
    uint64_t evicted;
};

struct rng;
MUST_CHECK int contacts_new(struct rng *r, const struct ip6 *self, struct contacts **ret);
void contacts_free(struct contacts *c); /* NULL is fine */

/* A row of the store, most recently used first. What cannot be a contact is ignored. */
void contacts_load(struct contacts *c, const struct store_contact *row, int64_t now_ms);

/* Begins a refresh; then contacts_seen() for each route in use, most recently used first (a
 * contact_visit; ctx: struct contacts). */
void contacts_refresh(struct contacts *c, int64_t now_ms);
void contacts_seen(void *contacts, const struct contact_info *i);

/* The neighbour to ask for the /64 of dst, as network address. False: none is known. */
bool contacts_via(struct contacts *c, const struct ip6 *dst, struct ip6 *ret);

/* Takes up to max rows that are to be written; 0: no more. */
size_t contacts_changed(struct contacts *c, struct store_contact *rows, size_t max);
/* They were not: all are written again, with the next refresh. */
void contacts_failed(struct contacts *c);

void contacts_stats(const struct contacts *c, struct contacts_stats *ret);
