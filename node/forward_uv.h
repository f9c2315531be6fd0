/* forward_uv.h - hands messages to the Unix sockets of their topics, and sends what comes back as
 * the reply.
 *
 * A client of the bus: it takes a message on lease, connects, writes the payload, reads until the
 * other side closes, and acknowledges the message when the reply is durable. Whatever goes wrong
 * before that, the message goes to the inbox, where clients find it.
 *
 * Owns: its connections. Thread: loop, nothing in it waits. Limits: FORWARDS_MAX connections (the
 * others wait in the bus, which also counts those of one topic), FORWARD_REPLY_MAX bytes, the times
 * below and that of the topic. Protocol: docs/protocol/messages.md, "Forward sockets". */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "api/client_numbers.h"
#include "api/forward_stats.h"
#include "bus/bus.h"

#define FORWARDS_MAX      64
#define FORWARD_REPLY_MAX MSG_LEN_MAX /* a longer reply is none */
/* Longer payloads are left to the inbox. */
#define FORWARD_PAYLOAD_MAX MSG_LEN_MAX
#define FORWARD_CONNECT_MS  5000
#define FORWARD_WRITE_MS    5000

struct forwarder;

MUST_CHECK int forwarder_new(uv_loop_t *loop, struct bus *bus, struct forwarder **ret);
void forwarder_start(struct forwarder *f);
/* No more is taken, all connections are closed; then the loop must turn until forwarder_idle(). */
void forwarder_stop(struct forwarder *f);
bool forwarder_idle(const struct forwarder *f);
void forwarder_free(struct forwarder *f); /* idle; NULL is fine */

static inline bool forwarder_is_client(bus_client c)
{
    return c & FORWARD_CLIENT;
}
void forwarder_answer(struct forwarder *f, const struct bus_out *out); /* to one of its clients */

void forwarder_stats(const struct forwarder *f, struct forward_stats *ret);
