/* topic_rules.h - who may send on which topic.
 *
 * A table of rules: topic bytes -> sources that may send on it. A topic in the table takes messages
 * from its sources only (from nobody without one); any other topic follows the default action. No
 * topic is the empty topic, looked up like any other.
 *
 * A rule is built on its own and then put into a table, as a whole: so a change can be made durable
 * before it takes effect (rule_changes.h).
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
#include "bus/topic_limits.h"

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

/* --- one rule ------------------------------------------------------------------------------ */

/* What takes the messages of a topic: a Unix stream socket. */
#define TOPIC_FORWARD_PATH_MAX 107 /* bytes; what a socket address has room for */
#define TOPIC_REPLY_MS         60000
#define TOPIC_REPLY_MIN_MS     1000
#define TOPIC_REPLY_MAX_MS     3000000
struct topic_forward {
    char path[TOPIC_FORWARD_PATH_MAX + 1];
    bool half_close;   /* our side is closed behind the payload */
    uint32_t reply_ms; /* how long a reply may take: TOPIC_REPLY_MIN_MS .. TOPIC_REPLY_MAX_MS */
};

#define TOPIC_FORWARD_INIT                                                                         \
    {                                                                                              \
        .path = "", .half_close = false, .reply_ms = TOPIC_REPLY_MS                                \
    }
/* ERR_INVAL: empty, too long, or with a zero byte. */
MUST_CHECK int topic_forward_path(struct topic_forward *f, const char *path, size_t len);

struct topic_rule; /* a topic, its sources, its socket, its limits */

MUST_CHECK int topic_rule_new(const struct topic *topic, struct topic_rule **ret);   /* ERR_NOMEM */
MUST_CHECK int topic_rule_copy(const struct topic_rule *r, struct topic_rule **ret); /* ERR_NOMEM */
void topic_rule_free(struct topic_rule *r); /* of no table; NULL is fine */
const struct topic *topic_rule_topic(const struct topic_rule *r);
/* In the order in which they were added; a valid pointer in any case. */
const struct topic_source *topic_rule_sources(const struct topic_rule *r, size_t *ret_count);
const struct topic_forward *topic_rule_forward(const struct topic_rule *r); /* NULL: none */
/* Of a rule in no table. The same source may be there several times. ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int topic_rule_allow(struct topic_rule *r, const struct topic_source *s);
void topic_rule_deny(struct topic_rule *r, const struct topic_source *s); /* all that are equal */
/* NULL: those of every topic. They go with the rule through the table; what they mean to the
 * inbox: bus_set_topics(). */
const struct bus_topic_limits *topic_rule_limits(const struct topic_rule *r);
void topic_rule_set_limits(struct topic_rule *r, const struct bus_topic_limits *l);
/* NULL: none. ERR_NOMEM. */
MUST_CHECK int topic_rule_set_forward(struct topic_rule *r, const struct topic_forward *f);

/* --- the table ----------------------------------------------------------------------------- */

/* One change, as a client asks for it. */
struct topic_change {
    enum topic_change_kind {
        TOPIC_DEFAULT, /* accept */
        TOPIC_ADD,     /* a rule, if there is none */
        TOPIC_REMOVE,  /* the rule, if there is one */
        TOPIC_ALLOW,   /* source; makes the rule */
        TOPIC_DENY,    /* source: it goes, if it is there */
        TOPIC_FORWARD, /* forward; ERR_NOENT without a rule */
        TOPIC_UNFORWARD,
    } kind;
    struct topic topic;
    bool accept;
    struct topic_source source;
    struct topic_forward forward;
};

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
bool topics_accept_set(const struct topics *t); /* was it ever said? */

/* Lends until the table changes; NULL: no such rule. */
const struct topic_rule *topics_find(const struct topics *t, const uint8_t *topic, size_t len);
/* Would the rule have its place, instead of one of its topic? ERR_LIMIT. */
MUST_CHECK int topics_fit(const struct topics *t, const struct topic_rule *r);
void topics_put(struct topics *t, struct topic_rule *r); /* takes r; which was found to fit */
void topics_remove(struct topics *t, const struct topic *topic); /* fine when it is not there */
/* A copy of the rule, unless t has one for its topic. ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int topics_merge_rule(struct topics *t, const struct topic_rule *r);
/* What `other` says and t does not. ERR_LIMIT, ERR_NOMEM: some of it may be in t. */
MUST_CHECK int topics_merge(struct topics *t, const struct topics *other);

/* In no order. The table must not change meanwhile. */
typedef void topics_visit(void *ctx, const struct topic_rule *r);
void topics_each(const struct topics *t, topics_visit *visit, void *ctx);
size_t topics_count(const struct topics *t);
