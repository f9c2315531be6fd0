/* rpc_glue.c - the listener of JSON-RPC, beside that of the HTTP API. */
#include "node/glue.h"

#define LOG_TARGET "node"

int rpc_start_listener(struct node *n)
{
    const struct listen_addr *a = &n->options->jsonrpc_addr;
    struct http_limits limits;
    struct http_conf h = {
        .loop = &n->loop,
        .addr = a->host,
        .port = a->port,
        .handler = api_rpc_handler(n->api),
        .limits = &limits,
        .tls = n->tls.cert ? &n->tls : NULL,
    };
    if (a->off) {
        log_info("JSON-RPC switched off", "%s", "");
        return OK;
    }
    http_limits_default(&limits);
    limits.connections = n->options->api_connections;
    int rc = http_server_new(&h, &n->rpc_http);
    if (rc != OK) {
        log_error("cannot listen for JSON-RPC", "addr=%s port=%u why=\"%s\"", a->host, a->port,
                  errno_str(rc));
        return rc;
    }
    log_info("JSON-RPC listening", "addr=%s port=%u", a->host, http_server_port(n->rpc_http));
    return OK;
}
