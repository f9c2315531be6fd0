/* topics.h - one queue per topic that has messages, clients that wait, or limits of its own; and
 * the answer to "is there room for one more?".
 *
 * Owns: the queues. One lives as long as something is in it or holds it. Thread: loop.
 * Limits: in_topic_messages, in_topic_bytes, topics of struct bus_limits.
 * Protocol: docs/protocol/messages.md, "Limits of the inbox". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"

struct topic_queue {
    struct hnode hash;
    struct list messages; /* struct in_msg that can be taken, by seq */
    struct list waiters;  /* struct call, by ticket */
    struct list forward;  /* struct in_msg that a socket is to have, by seq: forward.h */
    struct list forward_turn;
    uint32_t forwarding;    /* on lease for the socket */
    struct heap_node merge; /* while messages of several topics are chosen by seq */
    uint64_t refs;          /* messages of the inbox, and those that are coming */
    uint64_t count, bytes;  /* ready and on lease */
    uint64_t leased;        /* of these */
    uint64_t coming, coming_bytes;
    bool configured;
    struct bus_topic_limits limits;
    uint8_t topic_len;
    uint8_t topic[];
};

struct topic_queue *topic_find(struct bus *b, const uint8_t *topic, uint8_t len);
struct topic_queue *topic_get(struct bus *b, const uint8_t *topic,
                              uint8_t len); /* NULL: no memory */
/* Something left it: frees it when nothing is in it. */
void topic_settle(struct bus *b, struct topic_queue *q);

/* Is there room for one more message, counting those that are coming? The one place that says no,
 * for whoever answers a sender; then *ret_topic_only tells whether other topics have room; it may
 * be NULL. */
bool inbox_room(struct bus *b, const uint8_t *topic, uint8_t topic_len, uint64_t len,
                bool *ret_topic_only);
/* A message is coming: it has its place until it is released. NULL: no memory. */
struct topic_queue *topic_reserve(struct bus *b, const uint8_t *topic, uint8_t topic_len,
                                  uint64_t len);
void topic_release(struct bus *b, struct topic_queue *q, uint64_t len); /* NULL is fine */
/* More in it than its limits say? */
bool topic_full(const struct bus *b, const struct topic_queue *q);
