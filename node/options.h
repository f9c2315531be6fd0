/* options.h - what the program was asked to do: command line, environment and configuration file.
 *
 * Names and defaults are those that users of the network's other node know (docs/protocol/api.md,
 * "Command line" and "Configuration"). What stands on the command line wins over the environment,
 * that over the file, that over the default; a list replaces a list. Parsing reports by itself:
 * usage errors as `error: ...`, a blank line and a hint on standard error, status 2; what is wrong
 * with the file as `Error: FILE:LINE: ...`, status 1; help and version on standard output, status
 * 0.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/scope.h"
#include "base/log.h"
#include "base/macros.h"
#include "bus/bus.h"
#include "node/paths.h"
#include "router/endpoint.h"
#include "router/router.h"

struct toml;

#define OPTIONS_PEERS_MAX 256
#define OPTIONS_ADDRS_MAX 8
#define OPTIONS_WORDS_MAX 64  /* of one list */
#define OPTIONS_ROWS_MAX  128 /* of option_table */

enum command {
    CMD_NODE, /* no command: run the daemon */
    CMD_INSPECT,
    CMD_GENERATE_KEYS,
    CMD_MESSAGE_SEND,
    CMD_MESSAGE_RECEIVE,
    CMD_MESSAGE_STATUS,
    CMD_MESSAGE_SUBSCRIBE,
    CMD_HEALTH,
    CMD_TOP,
    CMD_DOCTOR,
    CMD_PEERS_LIST,
    CMD_PEERS_ADD,
    CMD_PEERS_REMOVE,
    CMD_ROUTES_SELECTED,
    CMD_ROUTES_FALLBACK,
    CMD_ROUTES_QUERIED,
    CMD_STATS_PACKETS,
    CMD_OUTBOX_LIST,
    CMD_OUTBOX_SHOW,
    CMD_OUTBOX_CANCEL,
    CMD_OUTBOX_RETRY,
    CMD_OUTBOX_WATCH,
    CMD_INBOX_LIST,
    CMD_INBOX_SHOW,
    CMD_INBOX_DROP,
    CMD_INBOX_REQUEUE,
    CMD_TOPICS_LIST,
    CMD_TOPICS_DEFAULT,
    CMD_TOPICS_ADD,
    CMD_TOPICS_REMOVE,
    CMD_TOPICS_ALLOW,
    CMD_TOPICS_DENY,
    CMD_TOPICS_FORWARD,
    CMD_PROXY_LIST,
    CMD_PROXY_CONNECT,
    CMD_PROXY_DISCONNECT,
    CMD_PROXY_PROBE_START,
    CMD_PROXY_PROBE_STOP,
    CMD_TOKEN_NEW,
    CMD_TOKEN_LIST,
    CMD_TOKEN_REVOKE,
    CMD_COUNT
};

/* What a user of the network's other node would expect to run with the options as given, and what
 * this release does not have: told once when the node starts. */
enum unserved {
    UNSERVED_QUIC = 1,   /* no --disable-quic */
    UNSERVED_TUNNEL = 8, /* no --no-tun */
    UNSERVED_PEERS = 16  /* peers that need another transport than TCP */
};

/* Where the value of an option came from; a higher one wins. */
enum option_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_COMMAND_LINE };

/* A listener's address; host numeric ("127.0.0.1", "::1"). */
struct listen_addr {
    char host[64];
    uint16_t port;
    bool off;
};
/* At least one; `off` stands alone. */
struct listen_addrs {
    struct listen_addr a[OPTIONS_ADDRS_MAX];
    size_t count;
};
struct words {
    const char *w[OPTIONS_WORDS_MAX + 1]; /* NULL behind the last */
    size_t count;
};

struct options {
    enum command command;
    /* global */
    const char *key_file; /* NULL: default path */
    bool debug, silent, check_config;
    enum log_level log_level;
    enum log_format log_format;
    struct endpoint peers[OPTIONS_PEERS_MAX];
    size_t peers_count;
    uint16_t port; /* what tcp_ and quic_listen_port are when not given */
    uint16_t tcp_listen_port;
    struct listen_addrs api_addrs;
    struct listen_addr metrics_addr; /* off unless given */
    struct words api_hosts, api_origins;
    const char *api_socket; /* "off": none; NULL: by the rules of docs/protocol/api.md, "Paths" */
    const char *api_tls_cert, *api_tls_key; /* both or none */
    enum guard_auth api_auth;
    const char *token_file; /* NULL: by the rules of docs/protocol/api.md, "Tokens" */
    uint64_t api_max_body;
    uint32_t api_connections;
    uint64_t api_body_bytes;
    bool no_tun;
    uint32_t firewall_mark; /* 0: none */
    bool disable_peer_discovery;
    uint16_t peer_discovery_port;
    struct words peer_discovery_interfaces;      /* none: all */
    const char *network_name, *network_key_file; /* of a private network; both or none */
    /* taken and checked, without effect in this release */
    bool disable_quic, no_ui;
    uint16_t quic_listen_port;
    uint32_t update_workers;
    const char *tun_name;
    struct words tun_allow, proxy_listen;
    struct listen_addr jsonrpc_addr;
    unsigned unserved;        /* bits of enum unserved; command CMD_NODE only */
    const char *topic_config; /* NULL: no rules */
    const char *state_dir;    /* NULL: by the rules of docs/protocol/api.md, "Paths" */
    uint64_t memory_limit;
    struct bus_limits bus;
    struct router_limits router;
    /* commands */
    bool json, wait, force, raw, legacy, no_generate, live_peer;
    bool has_timeout;
    uint64_t timeout_s;
    const char *topic, *msg_path, *reply_to, *destination, *message, *key, *remote, *token, *note;
    int64_t ttl_ms;                   /* 0: the node's own */
    unsigned priority, policy, until; /* places in their choices; whether they were given: source */
    const char *idempotency_key;
    bool ordered, ack, fail_empty, watch, tap, once;
    const char *prefix, *pattern, *consumer, *exec; /* of message subscribe */
    uint32_t count;
    unsigned output;                                    /* 1: json, as the flag says, too */
    const char *state, *ref, *sender, *socket, *action; /* of outbox, inbox, topics */
    char *const *args; /* endpoints of `peers add|remove`, scopes of `token new` */
    size_t args_count;
    /* where it all came from */
    int argc;
    char **argv;
    const char *config_file;          /* as asked for; NULL: the search path */
    char config_path[PATH_TEXT_MAX];  /* the file that was read; "": none */
    struct toml *file;                /* owned: texts are lent from it */
    uint8_t source[OPTIONS_ROWS_MAX]; /* enum option_source, by row of option_table */
};

/* 0: go on with *ret, which borrows from argv (and reorders it), until options_free(); else exit
 * with the status in *ret_exit: 0 after help or version, 2 after a usage error, 1 for a fault of
 * the configuration file, or an option of the network's other node that this release cannot honour.
 */
MUST_CHECK int options_parse(int argc, char **argv, struct options *ret, int *ret_exit);
void options_free(struct options *o);
/* As nobody has asked for anything. */
void options_default(struct options *o);
