/* client_numbers.h - who asks the bus under which numbers (bus_client): its answers find back so.
 *
 * Requests of HTTP ask under their http_id, which leaves the highest bits free (SEQ_FIRST_BITS of
 * http_conn.h); everybody else has a bit of their own and counts below it. */
#pragma once
#include <stdint.h>

#define RPC_CLIENT     (UINT64_C(1) << 61) /* calls of JSON-RPC: rpc_run.c */
#define STREAM_CLIENT  (UINT64_C(1) << 62) /* streams, each with some lanes: stream_core.h */
#define FORWARD_CLIENT (UINT64_C(1) << 63) /* forward sockets: node/forward_uv.h */
