#include <string.h>

#include "api/json_lease.h"
#include "api/json_outbox.h"
#include "api/stream_core.h"

static void put_number(struct json_out *o, const char *key, uint64_t n)
{
    json_put(o, ",\"");
    json_put(o, key);
    json_put(o, "\":");
    json_u64(o, n);
}

void fields_ref(struct json_out *o, const char *ref)
{
    if (!ref)
        return;
    json_put(o, "\"ref\":");
    json_quoted(o, ref);
    json_put(o, ",");
}

void fields_welcome(struct json_out *o, const struct stream *s, uint32_t resumed)
{
    struct ip6 self = address_of_key(&s->api->conf.self_key);

    json_put(o, "\"server\":\"mycelium\",\"protocol\":1,\"nodeIp\":");
    json_ip(o, &self);
    json_put(o, ",\"epoch\":");
    json_quoted(o, streams_epoch(s->api));
    if (*s->consumer) {
        json_put(o, ",\"consumer\":");
        json_quoted(o, s->consumer);
    }
    put_number(o, "resumed", resumed);
    json_put(o, ",\"limits\":{\"maxFrame\":");
    json_u64(o, STREAM_FRAME_MAX);
    put_number(o, "maxCredit", BUS_CREDIT_MAX);
    put_number(o, "maxSubs", STREAM_SUBS_MAX);
    json_put(o, "}");
}

void fields_message(struct json_out *o, const struct stream *s, const char *sub, bool tap,
                    const struct bus_message *m)
{
    if (*sub) {
        json_put(o, "\"sub\":");
        json_quoted(o, sub);
        json_put(o, ",");
    }
    json_leased_fields(o, m, s->api->conf.self_key.b, !tap, !s->carrier->raw_payloads);
}

static void put_state(struct json_out *o, enum out_state state, enum out_reason reason)
{
    json_put(o, ",\"state\":");
    json_quoted(o, out_state_str(state));
    if (reason != OUT_REASON_NONE) {
        json_put(o, ",\"reason\":");
        json_quoted(o, out_reason_str(reason));
    }
}

void fields_change(struct json_out *o, const struct bus_change *c)
{
    json_put(o, "\"index\":");
    json_u64(o, c->index);
    json_put(o, ",\"id\":");
    json_hex(o, c->id.b, MSG_ID_BYTES);
    if (c->seq > 0)
        put_number(o, "seq", c->seq);
    put_state(o, c->state, c->reason);
    put_number(o, "ackedBytes", c->acked_bytes);
}

void fields_live(struct json_out *o, const struct bus_status_info *e, uint64_t index)
{
    uint64_t chunks = e->chunks_pending + e->chunks_sent + e->chunks_acked;

    json_put(o, "\"index\":");
    json_u64(o, index);
    json_put(o, ",\"id\":");
    json_hex(o, e->id.b, MSG_ID_BYTES);
    put_number(o, "seq", e->seq);
    put_state(o, e->state, e->reason);
    put_number(o, "ackedBytes", chunks > 0 ? e->len * e->chunks_acked / chunks : 0);
}
