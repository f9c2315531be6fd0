/* node.c - the running daemon: the table of contents.
 *
 * Everything happens on one loop. Sockets, the store and clients put work into the cores; before
 * the loop would sleep, the pump drains what the cores want done until they are quiet, flushes the
 * links and arms one timer for the earliest deadline. So everything that arrived in one turn is
 * answered together: that is what lets the bus cover a whole message with one commit. */
#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "node/glue.h"
#include "node/key_file.h"
#include "node/paths.h"

#define LOG_TARGET "node"

/* Turns of the loop that closing handles may take before the process gives up on a clean end. */
#define STOP_TURNS 200

static void router_out_apply(struct node *n, struct router_out *out)
{
    struct instant now = instant_now();
    switch (out->kind) {
    case ROUTER_OUT_FRAME:
        links_send(n, out->peer, out->pkt, out->control);
        break;
    case ROUTER_OUT_LOCAL:
        if (out->user_type == USER_MESSAGE)
            bus_recv(n->bus, &out->src, &out->dst, out->src_key.b,
                     wire_rd_of(out->pkt->data, out->pkt->len), now);
        pkt_free(out->pkt); /* IP packets and ICMP errors: there is no tunnel to hand them to */
        break;
    case ROUTER_OUT_REACHABLE:
        bus_route(n->bus, &out->dst, out->reachable, now);
        break;
    case ROUTER_OUT_CLOSE:
        links_close_peer(n, out->peer, "no answer to hello");
        break;
    case ROUTER_OUT_UNSENT:
        pkt_free(out->pkt); /* a message packet: the transfer's timer sends it again */
        break;
    }
}

static void want(struct node *n, const struct ip6 *dst, struct instant now)
{
    struct ip6 via;
    bool known = contacts_via(n->contacts, dst, &via);
    router_want_via(n->router, dst, known ? &via : NULL, now.mono);
}

static void bus_out_apply(struct node *n, struct bus_out *out, struct instant now)
{
    switch (out->kind) {
    case BUS_OUT_PACKET:
        /* A packet that cannot go is lost; the transfer's timer repeats it. */
        (void)router_send(n->router, &out->src, &out->dst, USER_MESSAGE, 64, out->pkt, now.mono);
        break;
    case BUS_OUT_WANT:
        /* The bus remembers only nodes that it has messages for: it may have missed the event. */
        if (router_reachable(n->router, &out->dst))
            bus_route(n->bus, &out->dst, true, now);
        else
            want(n, &out->dst, now);
        break;
    case BUS_OUT_DOUBT:
        reroute_doubt(n, &out->dst, now);
        break;
    case BUS_OUT_STORE:
        store_glue_submit(n, out->store);
        break;
    case BUS_OUT_ACCEPTED:
    case BUS_OUT_TAKEN:
    case BUS_OUT_STATUS:
    case BUS_OUT_ENTRIES:
    case BUS_OUT_FETCHED:
    case BUS_OUT_SETTLED:
    case BUS_OUT_BODY:
    case BUS_OUT_CHANGED:
    case BUS_OUT_TAPPED:
    case BUS_OUT_NEWS:
        if (forwarder_is_client(out->client))
            forwarder_answer(n->forwarder, out);
        else if (n->api)
            api_bus_answer(n->api, out);
        break;
    }
}

static void tick_cores(struct node *n, struct instant now)
{
    if (router_deadline(n->router) <= now.mono)
        router_tick(n->router, now.mono);
    if (bus_deadline(n->bus) <= now.mono)
        bus_tick(n->bus, now);
    if (peers_deadline(n->peers) <= now.mono)
        peers_tick(n->peers, now.mono);
    if (n->contacts_at <= now.mono) {
        n->contacts_at = now.mono + CONTACTS_EVERY;
        store_glue_contacts(n, now);
    }
}

/* Drains the cores into each other. False: the budget is used up and there is more. */
static bool drain_cores(struct node *n, struct instant now)
{
    struct router_out r;
    struct bus_out b;
    struct peers_out p;
    unsigned budget = PUMP_BUDGET;
    bool more = true;
    while (more && budget > 0) {
        more = false;
        for (; budget > 0 && router_next(n->router, &r); budget--, more = true)
            router_out_apply(n, &r);
        /* The router is drained behind each packet, so that links_room() sees what is queued. */
        for (; budget > 0 && bus_next(n->bus, now, &b); budget--, more = true) {
            bus_out_apply(n, &b, now);
            while (router_next(n->router, &r))
                router_out_apply(n, &r);
        }
        for (; budget > 0 && peers_next(n->peers, &p); budget--, more = true)
            links_apply(n, &p);
    }
    return !more;
}

static void on_deadline(uv_timer_t *t)
{
    (void)t; /* the loop woke up: the pump does the rest */
}

static void on_again(uv_idle_t *h)
{
    (void)h; /* its presence keeps the loop from sleeping */
}

static void arm_deadline(struct node *n, usec_t now)
{
    usec_t when = MIN(router_deadline(n->router), bus_deadline(n->bus));
    when = MIN(when, peers_deadline(n->peers));
    when = MIN(when, n->contacts_at);
    uint64_t ms = when <= now ? 0 : (uint64_t)((when - now + USEC_MS - 1) / USEC_MS);
    uv_update_time(&n->loop); /* else the timeout counts from the start of the turn */
    uv_timer_start(&n->deadline, on_deadline, ms, 0);
}

static void on_pump(uv_prepare_t *h)
{
    struct node *n = h->data;
    struct instant now = instant_now();
    tick_cores(n, now);
    reroute_look(n, now);
    bool quiet = drain_cores(n, now);
    links_flush(n);
    arm_deadline(n, now.mono);
    if (quiet)
        uv_idle_stop(&n->again);
    else
        uv_idle_start(&n->again, on_again);
}

static void on_stored(uv_async_t *h)
{
    spool_glue_results(h->data); /* a file is there before the row that names it */
    store_glue_results(h->data);
}

static void wake_for_results(void *arg)
{
    struct node *n = arg;
    uv_async_send(&n->stored);
}

static void on_stop_signal(uv_signal_t *h, int signum)
{
    struct node *n = h->data;
    log_info("stopping", "signal=%d", signum);
    n->stopping = true;
    uv_stop(&n->loop);
}

static void on_reload_signal(uv_signal_t *h, int signum)
{
    /* From a terminal that was closed: as it would end any program. A service has none. */
    if (isatty(STDIN_FILENO))
        on_stop_signal(h, signum);
    else
        reload(h->data);
}

static void on_state_signal(uv_signal_t *h, int signum)
{
    (void)signum;
    state_log(h->data);
}

/* --- start --------------------------------------------------------------------------------- */

/* What a person needs to know when the key cannot be had. */
static const char *key_trouble(int rc)
{
    if (rc == ERR_MALFORMED)
        return "shorter than 32 bytes";
    return errno_str(rc);
}

static int start_identity(struct node *n)
{
    char path[PATH_TEXT_MAX] = "";
    int rc = key_file_path(n->options->key_file, path);
    errno = 0;
    if (rc == OK)
        rc = key_file_load(path, &n->identity);
    if (rc == ERR_NOENT) {
        rc = key_file_create(n->options->key_file, false, path, &n->identity);
        if (rc == OK)
            log_warn("key file not found: a new key was made", "path=%s", path);
    }
    if (rc != OK)
        log_error("cannot use the key file", "path=%s why=\"%s\"", path, key_trouble(rc));
    return rc;
}

static int start_store(struct node *n)
{
    char dir[PATH_TEXT_MAX], addr[IP6_STR_MAX];
    struct ip6 self = identity_address(n->identity);
    struct store_conf c = {.dir = dir, .owner_text = ip6_str(&self, addr), .results = &n->results};
    const char *text = NULL;
    int rc = path_state(n->options->state_dir, n->options->key_file, dir, sizeof(dir));
    if (rc == OK) {
        memcpy(c.owner_key, identity_pubkey(n->identity)->b, sizeof(c.owner_key));
        rc = store_open(&c, &n->store, &text);
    }
    if (rc != OK) {
        log_error("cannot open the message store", "dir=%s why=\"%s\"", dir,
                  text ? text : err_str(rc));
        return rc;
    }
    struct spool_conf spool = {.dir = dir, .results = &n->spooled};
    rc = spool_open(&spool, &n->spool);
    if (rc != OK) {
        log_error("cannot open the folder of large messages", "dir=%s why=\"%s\"", dir,
                  errno_str(rc));
        return rc;
    }
    rc = store_glue_load(n);
    if (rc == OK)
        rc = spool_start(n->spool);
    if (rc == OK)
        rc = store_start(n->store);
    if (rc != OK)
        log_error("cannot load the message store", "dir=%s why=\"%s\"", dir, err_str(rc));
    return rc;
}

static int start_cores(struct node *n)
{
    struct router_conf rc_conf = {.identity = n->identity, .rng = &n->rng};
    struct bus_conf bus_conf = {.self = identity_address(n->identity), .rng = &n->rng};
    struct instant now = instant_now();
    int rc;
    rc_conf.limits = n->options->router;
    bus_conf.limits = n->options->bus;
    n->max_len = bus_conf.limits.len_max;
    memcpy(bus_conf.self_key, identity_pubkey(n->identity)->b, sizeof(bus_conf.self_key));
    rc = hmap_init(&n->links, &n->rng);
    if (rc == OK)
        rc = router_new(&rc_conf, now.mono, &n->router);
    if (rc == OK)
        rc = peers_new(&n->rng, &n->peers);
    if (rc == OK)
        rc = bus_new(&bus_conf, now, &n->bus);
    if (rc == OK)
        rc = contacts_new(&n->rng, &bus_conf.self, &n->contacts);
    if (rc != OK) {
        log_error("cannot start", "why=\"%s\"", err_str(rc));
        return rc;
    }
    bus_set_room(n->bus, links_room, n);
    n->contacts_at = now.mono + CONTACTS_EVERY;
    return OK;
}

static void api_kick(void *ctx)
{
    (void)ctx; /* the pump runs before the loop sleeps, in any case */
}

static int start_api(struct node *n)
{
    const struct options *o = n->options;
    struct http_limits limits;
    struct api_conf c = {
        .bus = n->bus,
        .router = n->router,
        .peers = n->peers,
        .self_key = *identity_pubkey(n->identity),
        .start_wall_s = instant_now().wall_ms / 1000,
        .kick = api_kick,
        .spool = n->spool,
        .spool_user = SPOOL_FOR_API,
        .max_len = n->max_len,
        .max_body = o->api_max_body,
        .hosts = o->api_hosts.w,
        .origins = o->api_origins.w,
        .auth = o->api_auth,
        .metrics = metrics_gather,
        .metrics_here = metrics_on_api(o),
        .ctx = n,
    };
    struct http_conf h = {.loop = &n->loop, .limits = &limits};
    int rc = api_new(&c, &n->api);
    if (rc == OK)
        rc = access_start(n);
    if (rc == OK)
        rc = access_certificate(n);
    if (rc != OK)
        return rc;
    http_limits_default(&limits);
    limits.connections = o->api_connections;
    limits.body_bytes = o->api_body_bytes;
    h.handler = api_handler(n->api);
    if (n->tls.cert)
        h.tls = &n->tls;
    rc = http_server_new(&h, &n->http);
    if (rc != OK) {
        log_error("cannot start the API", "why=\"%s\"", errno_str(rc));
        return rc;
    }
    return api_listen(n);
}

static int start_signal(struct node *n, uv_signal_t *h, uv_signal_cb cb, int signum)
{
    int rc = uv_signal_init(&n->loop, h);
    h->data = n;
    return rc == 0 && uv_signal_start(h, cb, signum) == 0 ? OK : ERR_IO;
}

static int start_loop(struct node *n)
{
    if (uv_loop_init(&n->loop) != 0)
        return ERR_NOMEM;
    uv_prepare_init(&n->loop, &n->pump);
    uv_idle_init(&n->loop, &n->again);
    uv_timer_init(&n->loop, &n->deadline);
    n->pump.data = n->again.data = n->deadline.data = n->stored.data = n;
    if (uv_async_init(&n->loop, &n->stored, on_stored) != 0)
        return ERR_IO;
    if (start_signal(n, &n->sigint, on_stop_signal, SIGINT) != OK ||
        start_signal(n, &n->sigterm, on_stop_signal, SIGTERM) != OK ||
        start_signal(n, &n->sighup, on_reload_signal, SIGHUP) != OK ||
        start_signal(n, &n->sigusr1, on_state_signal, SIGUSR1) != OK)
        return ERR_IO;
    int rc = mailbox_init(&n->spooled, wake_for_results, n);
    return rc == OK ? mailbox_init(&n->results, wake_for_results, n) : rc;
}

static int node_start(struct node *n)
{
    char addr[IP6_STR_MAX];
    struct ip6 self;
    int rc = start_identity(n);
    if (rc == OK)
        rc = start_cores(n);
    if (rc == OK && n->options->topic_config)
        rc = reload_topics(n);
    if (rc == OK)
        rc = start_store(n);
    if (rc == OK)
        rc = links_start(n);
    if (rc == OK)
        discovery_start(n);
    if (rc == OK)
        rc = forwarder_new(&n->loop, n->bus, &n->forwarder);
    if (rc == OK)
        rc = start_api(n);
    if (rc == OK)
        rc = rpc_start_listener(n);
    if (rc == OK)
        rc = metrics_start(n);
    if (rc != OK)
        return rc;
    self = identity_address(n->identity);
    log_info("node started", "address=%s", ip6_str(&self, addr));
    forwarder_start(n->forwarder);
    uv_prepare_start(&n->pump, on_pump);
    return OK;
}

/* --- stop ---------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

/* What clients and peers were promised is committed; what is left in the queues is on disk already.
 */
static void node_stop(struct node *n)
{
    if (n->api)
        api_stop(n->api);
    if (n->forwarder)
        forwarder_stop(n->forwarder);
    uv_prepare_stop(&n->pump);
    if (n->stopping)
        store_glue_contacts(n, instant_now());
    if (n->tcp)
        links_stop(n);
    if (n->store) {
        spool_close(n->spool);
        n->spool = NULL;
        store_close(n->store);
        spool_glue_results(n);
        store_glue_results(n); /* answers for clients that still wait */
        struct bus_out b;
        while (bus_next(n->bus, instant_now(), &b)) {
            if (b.kind == BUS_OUT_PACKET)
                pkt_free(b.pkt);
            else if (n->api && !forwarder_is_client(b.client) &&
                     (b.kind == BUS_OUT_ACCEPTED || b.kind == BUS_OUT_TAKEN ||
                      b.kind == BUS_OUT_STATUS || b.kind == BUS_OUT_CHANGED))
                api_bus_answer(n->api, &b);
        }
        uv_run(&n->loop, UV_RUN_NOWAIT); /* lets the answers out */
    }
    if (n->http)
        http_server_free(n->http);
    if (n->rpc_http)
        http_server_free(n->rpc_http);
    if (n->metrics_http)
        http_server_free(n->metrics_http);
    api_free(n->api);
    access_end(n);
    bus_free(n->bus);
    router_free(n->router);
    peers_free(n->peers);
    contacts_free(n->contacts);
    identity_free(n->identity);
}

static void loop_finish(struct node *n)
{
    /* The adapters closed their handles themselves; these are ours. */
    uv_handle_t *own[] = {
        (uv_handle_t *)&n->pump,   (uv_handle_t *)&n->again,   (uv_handle_t *)&n->deadline,
        (uv_handle_t *)&n->stored, (uv_handle_t *)&n->sigint,  (uv_handle_t *)&n->sigterm,
        (uv_handle_t *)&n->sighup, (uv_handle_t *)&n->sigusr1,
    };
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (own[i]->loop)
            close_handle(own[i], NULL);
    for (int i = 0; i < STOP_TURNS && uv_run(&n->loop, UV_RUN_NOWAIT) != 0; i++)
        uv_sleep(1);
    if (uv_loop_close(&n->loop) == UV_EBUSY)
        log_debug("handles were left open at the end", "%s", "");
}

int node_run(const struct options *o)
{
    struct node *n = calloc(1, sizeof(*n));
    if (!n) {
        log_error("cannot start", "why=\"%s\"", err_str(ERR_NOMEM));
        return 1;
    }
    n->options = o;
    list_init(&n->all_links);
    list_init(&n->dirty_links);
    rng_init_system(&n->rng);
    signal(SIGPIPE, SIG_IGN);
    int rc = start_loop(n);
    if (rc == OK)
        rc = node_start(n);
    if (rc == OK)
        uv_run(&n->loop, UV_RUN_DEFAULT);
    node_stop(n);
    loop_finish(n);
    if (n->forwarder && forwarder_idle(n->forwarder))
        forwarder_free(n->forwarder);
    hmap_fini(&n->links);
    network_free(n->network); /* no session is left */
    reload_end(n);
    if (n->results.tail)
        mailbox_fini(&n->results);
    if (n->spooled.tail)
        mailbox_fini(&n->spooled);
    free(n);
    return rc == OK ? 0 : 1;
}
