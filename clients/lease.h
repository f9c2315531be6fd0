/* lease.h - a message on lease: kept, settled, its payload fetched. docs/protocol/api.md, "Messages
 * on lease"; nodes of this program only. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"
#include "clients/http_client.h"
#include "clients/message_answer.h"

#define LEASE_MS      30000 /* as asked for; renewed every LEASE_RENEW_S by who works longer */
#define LEASE_RENEW_S 10

struct lease {
    const struct api_target *target;
    struct message m;  /* without payload where `large` */
    const char *token; /* borrowed from m; NULL: a copy that was tapped */
    json_int_t seq, len, redelivered;
    bool reply, large; /* large: the payload has to be fetched */
    usec_t renewed;
};

/* Takes json in any case. ERR_MALFORMED. */
MUST_CHECK int lease_read(const struct api_target *t, json_t *json, struct lease *ret);
void lease_fini(struct lease *l);

/* Asks for more time when it is time for that; a failure is found out when it is settled. */
void lease_keep(struct lease *l);
/* The whole payload in pieces, taken up again where it broke off; keeps the lease. 0 or the exit
 * status, told; what take returns other than 0 ends it, too, and is told by itself. */
typedef int lease_take(void *ctx, const char *bytes, size_t len);
MUST_CHECK int lease_payload(struct lease *l, lease_take *take, void *ctx);

/* The same into l->m, up to 64 MiB: what is larger is for the caller to refuse. */
MUST_CHECK int lease_payload_whole(struct lease *l);

enum lease_end { LEASE_ACK, LEASE_NACK };
/* tokens: an array, which is borrowed. 0 or the exit status, told. */
MUST_CHECK int lease_settle(const struct api_target *t, enum lease_end how, json_t *tokens,
                            uint64_t delay_ms);
MUST_CHECK int lease_settle_one(struct lease *l, enum lease_end how, uint64_t delay_ms);
