#include "api/json_admin.h"

#include <string.h>

#include "api/json_in.h"
#include "base/err.h"

void json_info(struct json_out *o, const struct pubkey *key, int64_t start_wall_s)
{
    struct ip6 self = address_of_key(key);
    struct subnet net = subnet_of_node(&self);
    char text[SUBNET_STR_MAX];

    json_put(o, "{\"nodeSubnet\":\"");
    json_put(o, subnet_str(&net, text));
    json_put(o, "\",\"nodeIp\":");
    json_ip(o, &self);
    json_put(o, ",\"nodePubkey\":");
    json_hex(o, key->b, KEY_BYTES);
    json_put(o, ",\"nodeStartTime\":");
    json_u64(o, start_wall_s > 0 ? (uint64_t)start_wall_s : 0);
    json_put(o, "}");
}

void json_pubkey(struct json_out *o, const struct pubkey *key)
{
    json_put(o, "{\"publicKey\":");
    json_hex(o, key->b, KEY_BYTES);
    json_put(o, "}");
}

/* Entries behind the first. */
static void comma(struct json_out *o)
{
    if (o->len > 0 && o->p[o->len - 1] == '}')
        json_put(o, ",");
}

static uint64_t seconds_between(usec_t from, usec_t to)
{
    return to > from ? (uint64_t)((to - from) / USEC_SEC) : 0;
}

static const char *type_str(enum peer_type t)
{
    switch (t) {
    case PEER_STATIC:
        return "static";
    case PEER_INBOUND:
        return "inbound";
    case PEER_DISCOVERED:
        return "linkLocalDiscovery";
    }
    return "";
}

static const char *state_str(enum peer_state s)
{
    switch (s) {
    case PEER_UP:
        return "alive";
    case PEER_DIALING:
        return "connecting";
    case PEER_IDLE:
    case PEER_BACKOFF:
        return "dead";
    }
    return "";
}

static void json_endpoint(struct json_out *o, const struct endpoint *e)
{
    char text[ENDPOINT_STR_MAX];

    json_put(o, "{\"proto\":\"");
    json_put(o, endpoint_proto_str(e->proto));
    if (e->proto == PROTO_VSOCK) {
        json_put(o, "\",\"addr\":{\"vsock\":{\"cid\":");
        json_u64(o, e->cid);
        json_put(o, ",\"port\":");
        json_u64(o, e->vsock_port);
        json_put(o, "}}}");
        return;
    }
    json_put(o, "\",\"addr\":{\"socket\":");
    json_quoted(o, endpoint_addr_str(e, text));
    json_put(o, "}}");
}

void json_peer(struct json_out *o, const struct peer_info *p, usec_t now)
{
    comma(o);
    json_put(o, "{\"endpoint\":");
    json_endpoint(o, &p->endpoint);
    json_put(o, ",\"type\":\"");
    json_put(o, type_str(p->type));
    json_put(o, "\",\"connectionState\":\"");
    json_put(o, state_str(p->state));
    json_put(o, "\",\"txBytes\":");
    json_u64(o, p->tx_bytes);
    json_put(o, ",\"rxBytes\":");
    json_u64(o, p->rx_bytes);
    json_put(o, ",\"discovered\":");
    json_u64(o, seconds_between(p->discovered, now));
    json_put(o, ",\"lastConnected\":");
    if (p->last_connected == USEC_NEVER)
        json_put(o, "null");
    else
        json_u64(o, seconds_between(p->last_connected, now));
    json_put(o, "}");
}

static void json_subnet(struct json_out *o, const struct subnet *s)
{
    char text[SUBNET_STR_MAX];

    json_put(o, "{\"subnet\":\"");
    json_put(o, subnet_str(s, text));
}

void json_route(struct json_out *o, const struct route_info *r)
{
    comma(o);
    json_subnet(o, &r->subnet);
    json_put(o, "\",\"nextHop\":");
    json_quoted(o, r->next_hop);
    json_put(o, ",\"metric\":");
    if (r->metric == METRIC_INFINITE)
        json_put(o, "\"infinite\"");
    else
        json_u64(o, r->metric);
    json_put(o, ",\"seqno\":");
    json_u64(o, r->seqno);
    json_put(o, "}");
}

void json_query(struct json_out *o, const struct subnet *s, usec_t ends, usec_t now)
{
    comma(o);
    json_subnet(o, s);
    json_put(o, "\",\"expiration\":\"");
    json_u64(o, seconds_between(now, ends));
    json_put(o, "\"}");
}

void json_traffic(struct json_out *o, const struct ip6 *addr, uint64_t packets, uint64_t bytes)
{
    char text[IP6_STR_MAX];

    comma(o);
    json_put(o, "{\"ip\":\"");
    json_put(o, ip6_str(addr, text));
    json_put(o, "\",\"packetCount\":");
    json_u64(o, packets);
    json_put(o, ",\"byteCount\":");
    json_u64(o, bytes);
    json_put(o, "}");
}

static int read_endpoint(const json_t *body, struct endpoint *ret, struct json_fault *fault)
{
    const json_t *v = json_object_get(body, "endpoint");
    const char *why = "failed to parse address: invalid socket address syntax";
    const char *text;

    if (!json_is_object(body))
        return json_wrong_kind(fault, "", body, "an object with endpoint");
    if (!v)
        return json_missing(fault, "endpoint");
    if (!json_is_string(v))
        return json_wrong_kind(fault, "endpoint", v, "a string");
    text = json_line(v);
    if (!text || endpoint_parse(text, ret, &why) < 0)
        return json_refuse(fault, 400, why);
    return OK;
}

int endpoint_body_read(const uint8_t *json, size_t len, struct endpoint *ret,
                       struct json_fault *fault)
{
    json_t *body;
    int rc;

    *fault = (struct json_fault){0};
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = read_endpoint(body, ret, fault);
    json_decref(body);
    return rc;
}
