/* discovery_glue.c - what beacons on the local network say, on its way to the peer manager. */
#include <errno.h>

#include "node/glue.h"

#define LOG_TARGET "link"

/* A neighbour already, over whatever link: a second one to the same node would be of no use. */
static void on_heard(void *ctx, const struct sockaddr_in6 *from, const struct beacon *b)
{
    struct node *n = ctx;
    struct pubkey key;
    struct sockaddr_in6 to = *from;
    char text[ENDPOINT_STR_MAX];
    memcpy(key.b, b->from.b, sizeof(key.b));
    struct ip6 node = address_of_key(&key);
    if (router_is_neighbour(n->router, &node))
        return;
    to.sin6_port = htons(b->port);
    struct endpoint e =
        endpoint_of(n->network ? PROTO_TLS : PROTO_TCP, (const struct sockaddr *)&to);
    int rc = peers_discovered(n->peers, &e, usec_now());
    if (rc == OK)
        log_info("peer found on the local network", "peer=%s", endpoint_str(&e, text));
}

void discovery_start(struct node *n)
{
    const struct options *o = n->options;
    struct discovery_conf c = {.loop = &n->loop,
                               .port = o->peer_discovery_port,
                               .interfaces = o->peer_discovery_interfaces.w,
                               .self = {.port = tcp_port(n->tcp), .from = *router_self(n->router)},
                               .firewall_mark = (int)o->firewall_mark,
                               .heard = on_heard,
                               .ctx = n};
    if (o->disable_peer_discovery && o->peer_discovery_interfaces.count > 0)
        log_warn("peer_discovery_interfaces mean nothing without discovery", "%s", "");
    if (o->disable_peer_discovery)
        return;
    int rc = discovery_new(&c, &n->discovery);
    if (rc != OK) /* a node is one without it, too */
        log_error("cannot look for peers on the local network", "port=%u why=\"%s\"", c.port,
                  errno_str(rc));
}
