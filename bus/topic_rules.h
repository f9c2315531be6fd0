/* topic_rules.h - who may send on which topic.
 *
 * A table of rules: topic bytes -> sources that may send on it. A topic in the table takes messages
 * from its sources only (from nobody without one); any other topic follows the default action. No
 * topic is the empty topic, looked up like any other.
 *
 * Owns: its rules. Thread: loop. Limits below; at a limit nothing changes and the caller is told.
 * Protocol: docs/protocol/messages.md, "Topics". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip6.h"
#include "base/macros.h"
#include "bus/message.h"

#define TOPICS_MAX         4096  /* rules */
#define TOPIC_SOURCES_MAX  1024  /* of one topic */
#define TOPICS_SOURCES_MAX 65536 /* of all */

enum topic_source_kind {
    TOPIC_SOURCE_IP6,
    TOPIC_SOURCE_IP4, /* kept and listed, matches nobody: no node has such an address */
    TOPIC_SOURCE_KEY, /* a node's public key */
};

struct topic_source {
    enum topic_source_kind kind;
    uint8_t plen;             /* IP4: 0..32, IP6: 0..128 */
    uint8_t b[MSG_KEY_BYTES]; /* address as it was given, bits behind plen kept; or the key */
};

#define TOPIC_SOURCE_STR_MAX (2 * MSG_KEY_BYTES + 1)

/* "400::/7", "400::1" (/128), "10.0.0.0/8", "10.0.0.1" (/32), or 64 hex digits. ERR_INVAL. */
MUST_CHECK int topic_source_parse(const char *text, struct topic_source *ret);
/* Writes the text and returns buf. */
const char *topic_source_str(const struct topic_source *s, char buf[static TOPIC_SOURCE_STR_MAX]);
/* The same network and length, or the same key? Bits behind the length do not count. */
bool topic_source_eq(const struct topic_source *a, const struct topic_source *b);

struct topics;
struct rng;

/* No rules, everything is accepted. ERR_NOMEM. */
MUST_CHECK int topics_new(struct rng *r, struct topics **ret);
void topics_free(struct topics *t); /* NULL is fine */

/* May a message on this topic come from this node? */
bool topics_admit(const struct topics *t, const uint8_t *topic, size_t topic_len,
                  const struct ip6 *src, const uint8_t src_key[static MSG_KEY_BYTES]);

bool topics_accept(const struct topics *t); /* the default action */
void topics_set_accept(struct topics *t, bool accept);

/* Fine when it is there. ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int topics_add(struct topics *t, const struct topic *topic);
void topics_remove(struct topics *t, const struct topic *topic); /* fine when it is not there */

/* Makes the rule if there is none. The same source may be there several times. ERR_LIMIT, ERR_NOMEM
 * (no rule is left behind). */
MUST_CHECK int topics_add_source(struct topics *t, const struct topic *topic,
                                 const struct topic_source *s);
/* All that are equal go; fine when there is none. */
void topics_remove_source(struct topics *t, const struct topic *topic,
                          const struct topic_source *s);

/* In no order. The table must not change meanwhile. */
typedef void topics_visit(void *ctx, const struct topic *topic);
void topics_each(const struct topics *t, topics_visit *visit, void *ctx);
/* Lends until the table changes; NULL: no such rule. *ret_count sources, in the order in which they
 * were added (with none a valid pointer still). */
const struct topic_source *topics_sources(const struct topics *t, const struct topic *topic,
                                          size_t *ret_count);
size_t topics_count(const struct topics *t);
