#include <arpa/inet.h>
#include <netinet/in.h>

#include "api/calls.h"
#include "api/json_admin.h"
#include "api/metrics.h"
#include "base/err.h"

/* What a visitor writes into. */
struct list_out {
    struct json_out out;
    usec_t now;
};

static void visit_peer(void *ctx, const struct peer_info *i)
{
    struct list_out *l = ctx;

    json_peer(&l->out, i, l->now);
}

void call_metrics(struct api *a, const struct asked *q)
{
    struct json_out o = {0};
    struct metrics m = {0};

    a->conf.metrics(a->conf.ctx, &m);
    m.api = a->stats;
    metrics_write(&m, &o);
    answer_typed(a, q, 200, METRICS_CONTENT_TYPE, &o);
}

void call_peers(struct api *a, const struct asked *q)
{
    struct list_out l = {.now = usec_now()};

    json_put(&l.out, "[");
    peers_each(a->conf.peers, visit_peer, &l);
    json_put(&l.out, "]");
    answer_out(a, q, 200, &l.out);
}

void call_peer_add(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct json_fault fault;
    struct endpoint e;
    int rc;

    if (!body_is_json(a, q, r))
        return;
    if (endpoint_body_read(r->body, r->body_len, &e, &fault) < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    rc = peers_add(a->conf.peers, &e, usec_now());
    if (rc == OK) {
        answer_empty(a, q, 204);
        a->conf.kick(a->conf.ctx);
    } else if (rc == ERR_EXIST) {
        answer_text(a, q, 409, "A peer identified by that endpoint already exists");
    } else if (rc == ERR_LIMIT) {
        answer_text(a, q, 429, "too many peers");
    } else {
        answer_error(a, q, rc);
    }
}

void call_peer_delete(struct api *a, const struct asked *q, const struct match *m)
{
    const char *why = "";
    struct endpoint e;

    if (endpoint_parse(m->param, &e, &why) < 0) {
        answer_text(a, q, 400, why);
    } else if (peers_remove(a->conf.peers, &e) < 0) {
        answer_text(a, q, 404, "A peer identified by that endpoint does not exist");
    } else {
        answer_empty(a, q, 204);
        a->conf.kick(a->conf.ctx);
    }
}

static void visit_route(void *ctx, const struct route_info *i)
{
    struct list_out *l = ctx;

    json_route(&l->out, i);
}

static void visit_query(void *ctx, const struct subnet *s, usec_t ends)
{
    struct list_out *l = ctx;

    json_query(&l->out, s, ends, l->now);
}

void call_routes(struct api *a, const struct asked *q, enum call which)
{
    struct list_out l = {.now = usec_now()};

    json_put(&l.out, "[");
    if (which == CALL_ROUTES_SELECTED)
        router_each_selected(a->conf.router, visit_route, &l);
    else if (which == CALL_ROUTES_FALLBACK)
        router_each_fallback(a->conf.router, visit_route, &l);
    else
        router_each_query(a->conf.router, visit_query, &l);
    json_put(&l.out, "]");
    answer_out(a, q, 200, &l.out);
}

static void visit_traffic(void *ctx, const struct ip6 *addr, uint64_t packets, uint64_t bytes)
{
    struct list_out *l = ctx;

    json_traffic(&l->out, addr, packets, bytes);
}

void call_packets(struct api *a, const struct asked *q)
{
    struct list_out l = {.now = 0};

    json_put(&l.out, "{\"bySource\":[");
    router_each_source(a->conf.router, visit_traffic, &l);
    json_put(&l.out, "],\"byDestination\":[");
    router_each_destination(a->conf.router, visit_traffic, &l);
    json_put(&l.out, "]}");
    answer_out(a, q, 200, &l.out);
}

void call_pubkey(struct api *a, const struct asked *q, const struct match *m)
{
    struct ip6 self = address_of_key(&a->conf.self_key);
    struct json_out o = {0};
    struct in_addr v4;
    struct pubkey key;
    struct ip6 addr;

    if (inet_pton(AF_INET, m->param, &v4) == 1) {
        answer_empty(a, q, 404); /* an address, but none that a node of the network has */
        return;
    }
    if (ip6_parse(m->param, &addr) < 0) {
        answer_bad_param(a, q, m, "invalid IP address syntax");
        return;
    }
    if (ip6_same_node(&addr, &self)) {
        key = a->conf.self_key;
    } else if (router_pubkey(a->conf.router, &addr, &key) < 0) {
        answer_empty(a, q, 404);
        return;
    }
    json_pubkey(&o, &key);
    answer_out(a, q, 200, &o);
}
