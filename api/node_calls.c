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

void ask_peer_add(struct api *a, const struct asked *q, const struct endpoint *e)
{
    int rc = peers_add(a->conf.peers, e, usec_now());

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

void call_peer_add(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct json_fault fault;
    struct endpoint e;

    if (!body_is_json(a, q, r))
        return;
    if (endpoint_body_read(r->body, r->body_len, &e, &fault) < 0)
        answer_fault(a, q, &fault);
    else
        ask_peer_add(a, q, &e);
}

void call_peer_delete(struct api *a, const struct asked *q, const struct match *m)
{
    ask_peer_delete(a, q, m->param);
}

void ask_peer_delete(struct api *a, const struct asked *q, const char *text)
{
    const char *why = "";
    struct endpoint e;

    if (endpoint_parse(text, &e, &why) < 0) {
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

int pubkey_find(struct api *a, const char *text, struct pubkey *ret)
{
    struct ip6 self = address_of_key(&a->conf.self_key);
    struct in_addr v4;
    struct ip6 addr;

    if (inet_pton(AF_INET, text, &v4) == 1)
        return ERR_NOENT; /* an address, but none that a node of the network has */
    if (ip6_parse(text, &addr) < 0)
        return ERR_INVAL;
    if (!ip6_same_node(&addr, &self))
        return router_pubkey(a->conf.router, &addr, ret) < 0 ? ERR_NOENT : OK;
    *ret = a->conf.self_key;
    return OK;
}

void call_pubkey(struct api *a, const struct asked *q, const struct match *m)
{
    struct json_out o = {0};
    struct pubkey key;
    int rc = pubkey_find(a, m->param, &key);

    if (rc == OK) {
        json_pubkey(&o, &key);
        answer_out(a, q, 200, &o);
    } else if (rc == ERR_INVAL) {
        answer_bad_param(a, q, m, PUBKEY_BAD_ADDRESS);
    } else {
        answer_empty(a, q, 404);
    }
}
