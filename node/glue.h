/* glue.h - the parts of the running node, as the files of node/ share them.
 *
 * One struct, one thread. Each file connects two neighbours and nothing else:
 *   node.c       start, stop, the pump that drains the cores
 *   links_glue.c links <-> peers and router
 *   reroute_glue.c bus <-> router, where a route does not deliver
 *   forward_uv.c bus <-> the Unix sockets of topics
 *   store_glue.c bus <-> store and spool, router <-> contacts <-> store
 *   rpc_glue.c   the listener of JSON-RPC
 *   metrics_glue.c the numbers of all of them -> api
 *   api_listen.c where the API can be reached
 *   access.c     tokens and certificate -> api
 *   reload.c     files -> what runs, at SIGHUP
 *   state_log.c  the numbers of all of them -> the log, at SIGUSR1
 * The cores never see each other; what they have to say to each other passes through here. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "api/api.h"
#include "api/http.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/rng.h"
#include "bus/bus.h"
#include "node/contacts.h"
#include "node/forward_uv.h"
#include "node/options.h"
#include "router/identity.h"
#include "router/link/discovery.h"
#include "router/link/network.h"
#include "router/link/tcp.h"
#include "router/peers.h"
#include "router/router.h"
#include "storage/spool.h"
#include "storage/store.h"

/* Outputs applied in one turn of the loop before sockets get their turn again. */
#define PUMP_BUDGET 8192
/* Bodies of stored messages read into memory at start; the rest is read when needed. */
#define LOAD_BODY_BYTES (16ull * 1024 * 1024)

/* One open link and what stands for it in the router and the peer manager. */
struct node_link {
    struct hnode by_peer; /* in node.links */
    struct list all;      /* in node.all_links */
    struct list dirty;    /* in node.dirty_links: to be flushed and counted */
    struct link *link;
    peer_id peer;
    peer_entry entry;
    bool full; /* the router was told so */
};

/* A destination whose next hop does not deliver. */
#define REROUTE_WATCHED   64
#define REROUTE_WATCH_FOR (10 * USEC_SEC)
struct reroute_watch {
    struct ip6 dst;
    peer_id hop; /* the one that is doubted */
    usec_t until;
};

struct node {
    const struct options *options;
    struct options *reloaded; /* owned: what SIGHUP read last, which options is then; or NULL */
    uv_loop_t loop;
    uv_prepare_t pump;   /* before the loop would sleep: drain the cores */
    uv_idle_t again;     /* keeps the loop awake while the pump has work left */
    uv_timer_t deadline; /* the earliest deadline of the cores */
    uv_async_t stored;   /* the store has results */
    uv_signal_t sigint, sigterm, sighup, sigusr1;
    bool stopping;

    struct rng rng;
    struct identity *identity;
    struct router *router;
    struct peers *peers;
    struct network *network; /* NULL: not private */
    struct tcp *tcp;
    struct discovery *discovery; /* NULL: off */
    struct hmap links;           /* peer_id -> struct node_link */
    struct list all_links, dirty_links;
    size_t longest_queue; /* bytes that one link had to write at once, at most */
    struct bus *bus;
    uint64_t max_len; /* of a message, as the bus takes them */
    struct store *store;
    struct spool *spool;
    struct mailbox results, spooled; /* of the store, of the spool */
    struct reroute_watch watch[REROUTE_WATCHED];
    size_t watched;
    struct contacts *contacts;
    usec_t contacts_at; /* next refresh */
    struct forwarder *forwarder;
    struct api *api;
    struct http_tls tls;       /* files of the API's certificate; cert NULL: none */
    struct token_file *tokens; /* lent to the api; NULL: none */
    struct http_server *http, *rpc_http, *metrics_http;
};

/* Why a system call failed, where rc is ERR_IO and errno tells; else the text of rc. Thread-safe.
 */
static inline const char *errno_str(int rc)
{
    return rc == ERR_IO && errno ? uv_strerror(uv_translate_sys_error(errno)) : err_str(rc);
}

/* discovery_glue.c */
void discovery_start(struct node *n); /* behind the links; says why not, which is no error */

/* links_glue.c */
MUST_CHECK int links_start(struct node *n); /* listens; says why not */
void links_stop(struct node *n);
void links_send(struct node *n, peer_id peer, struct pkt *p, bool control); /* takes p */
void links_close_peer(struct node *n, peer_id peer, const char *why);
bool links_room(void *ctx, const struct ip6 *dst); /* a bus_room; ctx: struct node */
void links_apply(struct node *n, const struct peers_out *out);
void links_flush(struct node *n);
void links_log_state(const struct node *n);

/* reroute_glue.c */
void reroute_doubt(struct node *n, const struct ip6 *dst, struct instant now);
void reroute_look(struct node *n, struct instant now); /* each turn */

/* metrics_glue.c */
void metrics_gather(void *ctx, struct metrics *ret); /* ctx: struct node */
/* The listener of --metrics-api-address, where it is not that of the API; says why not. */
MUST_CHECK int metrics_start(struct node *n);
/* Is /metrics a path of the API's own listener? */
bool metrics_on_api(const struct options *o);

/* access.c */
MUST_CHECK int access_start(struct node *n);       /* says why not */
MUST_CHECK int access_certificate(struct node *n); /* sets n->tls; says why not */
void access_reload(struct node *n);
void access_end(struct node *n);

/* api_listen.c */
MUST_CHECK int api_listen(struct node *n); /* says why not */

/* reload.c */
void reload(struct node *n);
void reload_end(struct node *n);              /* nothing of it is used any more */
MUST_CHECK int reload_topics(struct node *n); /* the file of --topic-config; says why not */

/* state_log.c */
void state_log(struct node *n);

/* rpc_glue.c */
MUST_CHECK int rpc_start_listener(struct node *n); /* says why not */

/* store_glue.c */
MUST_CHECK int store_glue_load(struct node *n);
void store_glue_submit(struct node *n, const struct bus_store_op *op);
void store_glue_results(struct node *n);
/* struct spool_op, user */
#define SPOOL_FOR_BUS 0
#define SPOOL_FOR_API 1
void spool_glue_results(struct node *n);
/* The routes in use become contacts, and what changed goes to the store. */
void store_glue_contacts(struct node *n, struct instant now);
