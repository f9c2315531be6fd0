/* links_glue.c - links on one side, the router and the peer manager on the other. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/glue.h"

#define LOG_TARGET "link"

static struct node_link *link_of_peer(struct node *n, peer_id peer)
{
    uint64_t hash = hmap_hash(&n->links, &peer, sizeof(peer));
    for (struct hnode *h = hmap_first(&n->links, hash); h; h = hmap_next(h, hash)) {
        struct node_link *nl = container_of(h, struct node_link, by_peer);
        if (nl->peer == peer)
            return nl;
    }
    return NULL;
}

static void mark_dirty(struct node *n, struct node_link *nl)
{
    if (!list_linked(&nl->dirty))
        list_push_back(&n->dirty_links, &nl->dirty);
}

static void count_traffic(struct node *n, struct node_link *nl)
{
    uint64_t rx, tx;
    link_take_traffic(nl->link, &rx, &tx);
    peers_traffic(n->peers, nl->entry, rx, tx);
}

/* The link itself is closed or closing already. */
static void forget_link(struct node *n, struct node_link *nl, usec_t now)
{
    count_traffic(n, nl);
    router_peer_down(n->router, nl->peer, now);
    peers_down(n->peers, nl->entry, now);
    hmap_del(&n->links, &nl->by_peer);
    list_del(&nl->all);
    list_del(&nl->dirty);
    free(nl);
}

/* Takes l: on an error it is closed. */
static int adopt_link(struct node *n, struct link *l, peer_entry entry)
{
    struct router_link desc = {.static_cost = link_static_cost(l)};
    struct instant now = instant_now();
    struct node_link *nl = calloc(1, sizeof(*nl));
    int rc = nl ? OK : ERR_NOMEM;
    if (rc == OK) {
        strncpy(desc.name, link_name(l), sizeof(desc.name) - 1);
        rc = router_peer_up(n->router, &desc, now.mono, &nl->peer);
    }
    if (rc != OK) {
        free(nl);
        link_close(l);
        return rc;
    }
    nl->link = l;
    nl->entry = entry;
    list_init(&nl->dirty);
    list_push_back(&n->all_links, &nl->all);
    hmap_add(&n->links, &nl->by_peer, hmap_hash(&n->links, &nl->peer, sizeof(nl->peer)));
    link_set_user(l, nl);
    bus_peer_up(n->bus, now);
    log_info("peer up", "link=\"%s\"", link_name(l));
    return OK;
}

static void on_accepted(void *ctx, struct link *l, const struct endpoint *from)
{
    struct node *n = ctx;
    peer_entry entry;
    usec_t now = usec_now();
    int rc = peers_accepted(n->peers, from, now, &entry);
    if (rc != OK) {
        log_warn("connection refused", "link=\"%s\" why=\"%s\"", link_name(l), err_str(rc));
        link_close(l);
        return;
    }
    if (adopt_link(n, l, entry) != OK)
        peers_down(n->peers, entry, now);
}

static void on_dialled(void *ctx, uint64_t dial, struct link *l, const char *why)
{
    struct node *n = ctx;
    usec_t now = usec_now();
    if (l) {
        peers_resolved(n->peers, dial, link_remote(l));
        if (adopt_link(n, l, dial) == OK) {
            peers_dialled(n->peers, dial, true, now);
            return;
        }
    }
    log_debug("dial failed", "why=\"%s\"", why ? why : err_str(ERR_NOMEM));
    peers_dialled(n->peers, dial, false, now);
}

static void on_frame(void *ctx, struct link *l, const uint8_t *frame, size_t len)
{
    struct node *n = ctx;
    struct node_link *nl = link_user(l);
    if (!nl)
        return;
    mark_dirty(n, nl);
    router_recv(n->router, nl->peer, wire_rd_of(frame, len), usec_now());
}

static void on_down(void *ctx, struct link *l, const char *why)
{
    struct node *n = ctx;
    struct node_link *nl = link_user(l);
    if (!nl)
        return;
    log_info("peer down", "link=\"%s\" why=\"%s\"", link_name(l), why);
    forget_link(n, nl, usec_now());
}

static void on_drained(void *ctx, struct link *l)
{
    struct node *n = ctx;
    struct node_link *nl = link_user(l);
    if (nl && nl->full) {
        nl->full = false;
        router_peer_ready(n->router, nl->peer, usec_now());
    }
    /* The bus asks again for every destination that waits: links_room() decides. */
    bus_unblocked(n->bus, instant_now());
}

static int open_network(struct node *n)
{
    const struct options *o = n->options;
    uint8_t key[NETWORK_KEY_BYTES];
    unsigned warnings = 0;
    if (!o->network_name)
        return OK;
    int rc = network_key_read(o->network_key_file, key, &warnings);
    if (rc != OK) {
        log_error("cannot read the network key", "path=\"%s\" why=\"%s\"", o->network_key_file,
                  rc == ERR_MALFORMED ? "shorter than 32 bytes" : err_str(rc));
        return rc;
    }
    if (warnings & NETWORK_KEY_LONG)
        log_warn("network key is longer than 32 bytes: only the first 32 count", "path=\"%s\"",
                 o->network_key_file);
    if (warnings & NETWORK_KEY_READABLE)
        log_warn("network key can be read by others", "path=\"%s\" fix=\"chmod 600\"",
                 o->network_key_file);
    rc = network_new(o->network_name, key, &n->network);
    sodium_memzero(key, sizeof(key));
    if (rc == OK)
        log_info("private network", "name=\"%s\"", o->network_name);
    return rc;
}

/* In a private network a peer at tcp:// is dialled as one at tls://. */
static void tell_upgrades(const struct options *o)
{
    char text[ENDPOINT_STR_MAX];
    for (size_t i = 0; o->network_name && i < o->peers_count; i++)
        if (o->peers[i].proto == PROTO_TCP)
            log_warn("peer is dialled with TLS, as all of a private network", "peer=%s",
                     endpoint_str(&o->peers[i], text));
}

int links_start(struct node *n)
{
    int rc = open_network(n);
    if (rc != OK)
        return rc;
    struct tcp_conf c = {
        .loop = &n->loop,
        .listen_port = n->options->tcp_listen_port,
        .firewall_mark = (int)n->options->firewall_mark,
        .network = n->network,
        .events = {.frame = on_frame, .down = on_down, .drained = on_drained},
        .accepted = on_accepted,
        .dialled = on_dialled,
        .ctx = n,
    };
    struct instant now = instant_now();
    rc = tcp_new(&c, &n->tcp);
    if (rc != OK) {
        log_error("cannot listen for peers", "port=%u why=\"%s\"", c.listen_port, errno_str(rc));
        return rc;
    }
    log_info("listening for peers", "proto=%s port=%u", n->network ? "tls" : "tcp",
             tcp_port(n->tcp));
    tell_upgrades(n->options);
    for (size_t i = 0; i < n->options->peers_count; i++) {
        rc = peers_add(n->peers, &n->options->peers[i], now.mono);
        if (rc != OK && rc != ERR_EXIST) /* the same peer twice on the command line is no error */
            return rc;
    }
    return OK;
}

void links_stop(struct node *n)
{
    list_foreach_safe (it, &n->all_links) {
        struct node_link *nl = list_entry(it, struct node_link, all);
        hmap_del(&n->links, &nl->by_peer);
        list_del(&nl->all);
        list_del(&nl->dirty);
        link_close(nl->link);
        free(nl);
    }
    discovery_free(n->discovery);
    n->discovery = NULL;
    tcp_free(n->tcp);
    n->tcp = NULL;
}

void links_send(struct node *n, peer_id peer, struct pkt *p, bool control)
{
    struct node_link *nl = link_of_peer(n, peer);
    if (!nl || link_send(nl->link, p, control) != OK) {
        pkt_free(p); /* gone or full: to the layers above this is packet loss */
        return;
    }
    mark_dirty(n, nl);
    n->longest_queue = MAX(n->longest_queue, link_queued_bytes(nl->link));
    if (!nl->full && link_queued_bytes(nl->link) > LINK_QUEUE_SOFT / 2) {
        nl->full = true;
        link_want_drained(nl->link);
        router_peer_full(n->router, peer, usec_now());
    }
}

void links_close_peer(struct node *n, peer_id peer, const char *why)
{
    struct node_link *nl = link_of_peer(n, peer);
    if (!nl)
        return;
    struct link *l = nl->link;
    log_info("peer down", "link=\"%s\" why=\"%s\"", link_name(l), why);
    forget_link(n, nl, usec_now());
    link_close(l);
}

bool links_room(void *ctx, const struct ip6 *dst)
{
    struct node *n = ctx;
    struct node_link *nl = link_of_peer(n, router_next_hop(n->router, dst));
    return !nl || link_queued_bytes(nl->link) < LINK_QUEUE_SOFT;
}

static struct node_link *link_of_entry(struct node *n, peer_entry entry)
{
    list_foreach (it, &n->all_links) {
        struct node_link *nl = list_entry(it, struct node_link, all);
        if (nl->entry == entry)
            return nl;
    }
    return NULL;
}

void links_apply(struct node *n, const struct peers_out *out)
{
    usec_t now = usec_now();
    if (out->kind == PEERS_OUT_DIAL) {
        int rc = ERR_UNSUPPORTED; /* other transports: the peer is listed, and stays dead */
        if (out->endpoint.proto == PROTO_TCP || out->endpoint.proto == PROTO_TLS)
            rc = tcp_dial(n->tcp, out->entry, &out->endpoint,
                          (unsigned)(PEERS_DIAL_TIMEOUT / USEC_MS));
        if (rc != OK)
            peers_dialled(n->peers, out->entry, false, now);
        return;
    }
    tcp_dial_cancel(n->tcp, out->entry);
    struct node_link *nl = link_of_entry(n, out->entry);
    if (nl) {
        struct link *l = nl->link;
        log_info("peer down", "link=\"%s\" why=removed", link_name(l));
        forget_link(n, nl, now);
        link_close(l);
    }
}

void links_flush(struct node *n)
{
    list_foreach_safe (it, &n->dirty_links) {
        struct node_link *nl = list_entry(it, struct node_link, dirty);
        list_del(&nl->dirty);
        count_traffic(n, nl);
        link_flush(nl->link); /* may end the link: nothing of nl is used behind this */
    }
}

void links_log_state(const struct node *n)
{
    size_t count = 0, queued = 0, longest = 0;
    list_foreach (it, &n->all_links) {
        size_t bytes = link_queued_bytes(list_entry(it, struct node_link, all)->link);
        count++;
        queued += bytes;
        longest = MAX(longest, bytes);
    }
    log_info("links", "links=%zu queued_bytes=%zu longest_queue=%zu longest_queue_ever=%zu", count,
             queued, longest, n->longest_queue);
}
