/* metrics_glue.c - the numbers of the running node, gathered for whoever asks. */
#include <string.h>

#include "api/metrics.h"
#include "node/glue.h"
#include "node/process.h"

#define LOG_TARGET "node"

void metrics_gather(void *ctx, struct metrics *ret)
{
    struct node *n = ctx;
    router_stats(n->router, &ret->router);
    ret->peers = peers_stats(n->peers);
    bus_stats(n->bus, &ret->bus);
    store_stats(n->store, &ret->store);
    if (n->tcp)
        ret->tcp = tcp_stats(n->tcp);
    if (n->discovery)
        ret->discovery = discovery_stats(n->discovery);
    if (n->http)
        http_stats(n->http, &ret->http);
    if (n->rpc_http)
        http_stats(n->rpc_http, &ret->rpc_http);
    if (n->forwarder)
        forwarder_stats(n->forwarder, &ret->forward);
    process_usage(&ret->process);
}

bool metrics_on_api(const struct options *o)
{
    const struct listen_addr *m = &o->metrics_addr;
    for (size_t i = 0; i < o->api_addrs.count; i++) {
        const struct listen_addr *a = &o->api_addrs.a[i];
        if (!m->off && !a->off && m->port == a->port && strcmp(m->host, a->host) == 0)
            return true;
    }
    return false;
}

int metrics_start(struct node *n)
{
    const struct listen_addr *m = &n->options->metrics_addr;
    struct http_conf h = {.loop = &n->loop,
                          .addr = m->host,
                          .port = m->port,
                          .max_body = 0,
                          .handler = api_metrics_handler(n->api)};
    if (m->off || metrics_on_api(n->options))
        return OK;
    int rc = http_server_new(&h, &n->metrics_http);
    if (rc != OK) {
        log_error("cannot listen for the metrics", "addr=%s port=%u why=\"%s\"", m->host, m->port,
                  errno_str(rc));
        return rc;
    }
    log_info("metrics listening", "addr=%s port=%u", m->host, http_server_port(n->metrics_http));
    return OK;
}
