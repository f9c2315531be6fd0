/* rpc_methods.h - what each method of JSON-RPC does: reads its parameters and asks as the calls of
 * the other front ends do. Private to api/. Protocol: docs/protocol/api.md, "JSON-RPC". */
#pragma once
#include "api/rpc_run.h"
#include "api/sending.h"

/* Those of the network (rpc_calls.c). */
void rpc_get_info(struct rpc_run *r);
void rpc_get_pubkey(struct rpc_run *r);
void rpc_get_peers(struct rpc_run *r);
void rpc_add_peer(struct rpc_run *r);
void rpc_delete_peer(struct rpc_run *r);
void rpc_get_selected(struct rpc_run *r);
void rpc_get_fallback(struct rpc_run *r);
void rpc_get_queried(struct rpc_run *r);
void rpc_get_packets(struct rpc_run *r);
void rpc_get_proxies(struct rpc_run *r);
void rpc_connect_proxy(struct rpc_run *r);
void rpc_proxy_nothing(struct rpc_run *r);
void rpc_pop(struct rpc_run *r);
void rpc_push(struct rpc_run *r);
void rpc_push_reply(struct rpc_run *r);
void rpc_get_status(struct rpc_run *r);
void rpc_get_default_action(struct rpc_run *r);
void rpc_set_default_action(struct rpc_run *r);
void rpc_get_topics(struct rpc_run *r);
void rpc_add_topic(struct rpc_run *r);
void rpc_remove_topic(struct rpc_run *r);
void rpc_get_sources(struct rpc_run *r);
void rpc_add_source(struct rpc_run *r);
void rpc_remove_source(struct rpc_run *r);
void rpc_get_forward(struct rpc_run *r);
void rpc_set_forward(struct rpc_run *r);
void rpc_remove_forward(struct rpc_run *r);
void rpc_discover(struct rpc_run *r);

/* Ours, with the objects of /bus/v1 (rpc_bus.c). */
void rpc_bus_send(struct rpc_run *r);
void rpc_bus_fetch(struct rpc_run *r);
void rpc_bus_ack(struct rpc_run *r);
void rpc_bus_nack(struct rpc_run *r);
void rpc_bus_renew(struct rpc_run *r);
void rpc_bus_term(struct rpc_run *r);
void rpc_bus_outbox(struct rpc_run *r);
void rpc_bus_cancel(struct rpc_run *r);
void rpc_bus_retry(struct rpc_run *r);

/* The payload of a message that has the mark is taken from the run: what stands for it in the
 * answer is the object without it. */
struct rpc_payload {
    json_t *message; /* to be read, and released with json_decref() */
    bool large;      /* its payload is in r->large */
};
/* False, answered: it cannot be had. */
bool rpc_payload_begin(struct rpc_run *r, json_t *message, struct rpc_payload *ret);
/* To the bus, or answered. */
void rpc_hand_over(struct rpc_run *r, struct sending *x);
/* Puts it into s, which then owns what the run did. */
void rpc_payload_give(struct rpc_run *r, const struct rpc_payload *p, struct bus_send *s);
