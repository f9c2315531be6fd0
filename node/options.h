/* options.h - the command line of the program: one grammar for daemon and commands.
 *
 * Names and defaults are those that users of the network's other node know (docs/protocol/api.md,
 * "Command line"). Parsing reports by itself: usage errors as `error: ...`, a blank line and a hint
 * on standard error, status 2; help and version on standard output, status 0.
 *
 * Environment: MYCELIUM_API_ADDR stands in for --api-addr. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/macros.h"
#include "router/endpoint.h"

#define OPTIONS_PEERS_MAX 256

enum command {
    CMD_NODE, /* no command: run the daemon */
    CMD_INSPECT,
    CMD_GENERATE_KEYS,
    CMD_MESSAGE_SEND,
    CMD_MESSAGE_RECEIVE,
    CMD_PEERS_LIST,
    CMD_PEERS_ADD,
    CMD_PEERS_REMOVE,
    CMD_ROUTES_SELECTED,
    CMD_ROUTES_FALLBACK,
    CMD_ROUTES_QUERIED,
    CMD_STATS_PACKETS,
    CMD_PROXY_LIST,
    CMD_PROXY_CONNECT,
    CMD_PROXY_DISCONNECT,
    CMD_PROXY_PROBE_START,
    CMD_PROXY_PROBE_STOP,
    CMD_COUNT
};

/* What a user of the network's other node would expect to run with the options as given, and what
 * this release does not have: told once when the node starts. */
enum unserved {
    UNSERVED_QUIC = 1,        /* no --disable-quic */
    UNSERVED_DISCOVERY = 2,   /* no --disable-peer-discovery */
    UNSERVED_JSONRPC = 4,     /* no --jsonrpc-addr off */
    UNSERVED_TUNNEL = 8,      /* no --no-tun */
    UNSERVED_PEERS = 16,      /* peers that need another transport than TCP */
    UNSERVED_CONFIG_FILE = 32 /* there is a configuration file at the default path */
};

/* A listener's address; host numeric ("127.0.0.1", "::1"). */
struct listen_addr {
    char host[64];
    uint16_t port;
    bool off;
    bool given; /* on the command line */
};

struct options {
    enum command command;
    /* global */
    const char *key_file; /* NULL: default path */
    bool debug, silent;
    enum log_format log_format;
    struct endpoint peers[OPTIONS_PEERS_MAX];
    size_t peers_count;
    uint16_t tcp_listen_port;
    struct listen_addr api_addr, metrics_addr; /* metrics: off unless given */
    bool no_tun;
    uint32_t firewall_mark; /* 0: none */
    /* taken and checked, without effect in this release */
    bool disable_quic, disable_peer_discovery;
    uint16_t quic_listen_port, peer_discovery_port;
    uint32_t update_workers;
    const char *tun_name, *peer_discovery_interface;
    struct listen_addr jsonrpc_addr;
    unsigned unserved;        /* bits of enum unserved; command CMD_NODE only */
    const char *topic_config; /* NULL: no rules */
    const char *state_dir;    /* NULL: by the rules of docs/protocol/api.md, "Paths" */
    /* commands */
    bool json, wait, force, raw, legacy, no_generate;
    bool has_timeout;
    uint64_t timeout_s;
    const char *topic, *msg_path, *reply_to, *destination, *message, *key, *remote;
    char *const *args; /* endpoints of `peers add|remove` */
    size_t args_count;
};

/* 0: go on with *ret, which borrows from argv (and reorders it); else exit with the status in
 * *ret_exit: 0 after help or version, 2 after a usage error, 1 for an option of the network's other
 * node that this release cannot honour. */
MUST_CHECK int options_parse(int argc, char **argv, struct options *ret, int *ret_exit);

/* "1.2.3.4:80", "[::1]:80", "localhost:80", "off". NULL, or what is wrong with the text. */
const char *listen_addr_parse(const char *text, struct listen_addr *ret);
