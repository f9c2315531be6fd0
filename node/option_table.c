#include "node/option_table.h"

#include <string.h>

#define AT(field) offsetof(struct options, field)

#define BEFORE WHERE(CMD_NODE)
#define LISTS                                                                                      \
    (WHERE(CMD_PEERS_LIST) | WHERE(CMD_ROUTES_SELECTED) | WHERE(CMD_ROUTES_FALLBACK) |             \
     WHERE(CMD_ROUTES_QUERIED) | WHERE(CMD_STATS_PACKETS) | WHERE(CMD_PROXY_LIST) |                \
     WHERE(CMD_PROXY_CONNECT) | WHERE(CMD_INSPECT))
#define MESSAGES (WHERE(CMD_MESSAGE_SEND) | WHERE(CMD_MESSAGE_RECEIVE))

const struct option_def option_table[] = {
    {"key-file", 'k', OPTION_PATH, OPTION_SERVED, "FILE", WHERE_ANYWHERE, false, AT(key_file),
     "Path to the private key file; made by the node when it does not exist",
     "Default: $XDG_DATA_HOME/mycelium/priv_key.bin, or ~/.local/share/mycelium/priv_key.bin; when\n"
     "that does not exist, priv_key.bin in the working directory if it is yours alone."},
    {"debug", 'd', OPTION_FLAG, OPTION_SERVED, NULL, BEFORE, false, AT(debug),
     "Log more; does nothing with --silent", NULL},
    {"silent", 0, OPTION_FLAG, OPTION_SERVED, NULL, BEFORE, false, AT(silent), "Log errors only",
     NULL},
    {"log-format", 0, OPTION_FORMAT, OPTION_SERVED, "FORMAT", BEFORE, false, AT(log_format),
     "Form of log lines: compact, logfmt or plain [default: compact]",
     "plain is logfmt without colours. Colours appear on terminals only."},
    {"peers", 0, OPTION_PEERS, OPTION_SERVED, "ENDPOINT", BEFORE, true, 0, "Peers to connect to",
     "tcp://ADDRESS:PORT, one or more; takes all words up to the next option. May be repeated."},
    {"tcp-listen-port", 't', OPTION_U16, OPTION_SERVED, "PORT", BEFORE, false, AT(tcp_listen_port),
     "Port to listen on for peers [default: 9651]", NULL},
    {"port", 'p', OPTION_PORT, OPTION_SERVED, "PORT", BEFORE, false, 0,
     "The same, for every transport that has no port of its own given", NULL},
    {"api-addr", 0, OPTION_ADDR, OPTION_SERVED, "ADDRESS",
     BEFORE | WHERE_ASKING | WHERE(CMD_INSPECT), false, AT(api_addr),
     "Address of the HTTP API [default: 127.0.0.1:8989]",
     "Where the node listens and where the commands look for it. `off`: the node has no API."},
    {"api-server-addr", 0, OPTION_ADDR, OPTION_HIDDEN, "ADDRESS",
     BEFORE | WHERE_ASKING | WHERE(CMD_INSPECT), false, AT(api_addr), "", NULL},
    {"metrics-api-address", 0, OPTION_ADDR, OPTION_SERVED, "ADDRESS", BEFORE, false,
     AT(metrics_addr), "Address of the metrics, GET /metrics for Prometheus [default: off]",
     "The address of the HTTP API is allowed: then /metrics is one of its paths."},
    {"no-tun", 0, OPTION_FLAG, OPTION_SERVED, NULL, BEFORE, false, AT(no_tun),
     "Run without a tunnel interface",
     "Messages work without one. This release has none in any case."},
    {"firewall-mark", 0, OPTION_U32, OPTION_SERVED, "MARK", BEFORE, false, AT(firewall_mark),
     "Mark for the node's sockets (SO_MARK)", NULL},
    {"state-dir", 0, OPTION_PATH, OPTION_SERVED, "FOLDER", BEFORE, false, AT(state_dir),
     "Where messages are kept",
     "Default: $STATE_DIRECTORY; else FILE.state beside the key file given with -k; else the folder\n"
     "of the default key file."},
    {"topic-config", 0, OPTION_PATH, OPTION_SERVED, "FILE", BEFORE, false, AT(topic_config),
     "File with the topic rules: who may send on which topic",
     "TOML: default = \"Accept\" or \"Reject\", and for each topic a table with subnets = [...].\n"
     "Without a file every topic takes messages from everybody. SIGHUP reads it again."},

    {"disable-quic", 0, OPTION_FLAG, OPTION_TAKEN, NULL, BEFORE, false, AT(disable_quic),
     "No QUIC connections", NULL},
    {"quic-listen-port", 'q', OPTION_U16, OPTION_TAKEN, "PORT", BEFORE, false, AT(quic_listen_port),
     "Port to listen on for QUIC [default: 9651]", NULL},
    {"disable-peer-discovery", 0, OPTION_FLAG, OPTION_TAKEN, NULL, BEFORE, false,
     AT(disable_peer_discovery), "No search for peers on the local links", NULL},
    {"peer-discovery-port", 0, OPTION_U16, OPTION_TAKEN, "PORT", BEFORE, false,
     AT(peer_discovery_port), "Port of that search [default: 9650]", NULL},
    {"peer-discovery-interface", 0, OPTION_TEXT, OPTION_TAKEN, "NAME", BEFORE, true,
     AT(peer_discovery_interface), "Search on this interface only; may be repeated", NULL},
    {"tun-name", 0, OPTION_TEXT, OPTION_TAKEN, "NAME", BEFORE, false, AT(tun_name),
     "Name of the tunnel interface [default: mycelium]", NULL},
    {"jsonrpc-addr", 0, OPTION_ADDR, OPTION_TAKEN, "ADDRESS", BEFORE, false, AT(jsonrpc_addr),
     "Address of the JSON-RPC API [default: 127.0.0.1:8990]", NULL},
    {"update-workers", 0, OPTION_U32, OPTION_TAKEN, "COUNT", BEFORE, false, AT(update_workers),
     "Threads for route updates; updates are quick enough on one", NULL},

    {"config-file", 'c', OPTION_PATH, OPTION_REFUSED, "FILE", WHERE_ANYWHERE, false, 0, "", NULL},
    {"cdn-cache", 0, OPTION_PATH, OPTION_REFUSED, "FOLDER", BEFORE, false, 0, "", NULL},
    {"enable-dns", 0, OPTION_FLAG, OPTION_REFUSED, NULL, BEFORE, false, 0, "", NULL},
    {"vsock-listen-port", 0, OPTION_U32, OPTION_REFUSED, "PORT", BEFORE, false, 0, "", NULL},
    {"network-name", 0, OPTION_TEXT, OPTION_REFUSED, "NAME", BEFORE, false, 0, "", NULL},
    {"network-key-file", 0, OPTION_PATH, OPTION_REFUSED, "FILE", BEFORE, false, 0, "", NULL},

    {"json", 0, OPTION_FLAG, OPTION_SERVED, NULL, LISTS, false, AT(json), "Output as JSON", NULL},
    {"legacy", 0, OPTION_FLAG, OPTION_SERVED, NULL, WHERE(CMD_INSPECT), false, AT(legacy),
     "Show also the address that releases before 0.5.0 derived from the key", NULL},
    {"no-generate", 0, OPTION_FLAG, OPTION_SERVED, NULL, WHERE(CMD_INSPECT), false, AT(no_generate),
     "Fail when there is no key, instead of making one", NULL},
    {"force", 0, OPTION_FLAG, OPTION_SERVED, NULL, WHERE(CMD_GENERATE_KEYS), false, AT(force),
     "Replace a key that exists; the old one is kept beside it with the ending .old", NULL},
    {"wait", 'w', OPTION_FLAG, OPTION_SERVED, NULL, WHERE(CMD_MESSAGE_SEND), false, AT(wait),
     "Wait for a reply and print it", NULL},
    {"timeout", 0, OPTION_WAIT, OPTION_SERVED, "SECONDS", MESSAGES, false, 0,
     "How long to wait [default: for ever]", NULL},
    {"topic", 't', OPTION_TEXT, OPTION_SERVED, "TOPIC", MESSAGES, false, AT(topic),
     "Topic of the message, at most 255 bytes; receivers may ask for one", NULL},
    {"msg-path", 0, OPTION_PATH, OPTION_SERVED, "FILE", MESSAGES, false, AT(msg_path),
     "File that the message is read from or written to", NULL},
    {"reply-to", 0, OPTION_TEXT, OPTION_SERVED, "ID", WHERE(CMD_MESSAGE_SEND), false, AT(reply_to),
     "Id of the message that this one answers", NULL},
    {"raw", 0, OPTION_FLAG, OPTION_SERVED, NULL, WHERE(CMD_MESSAGE_RECEIVE), false, AT(raw),
     "Print the payload only", NULL},
    {"remote", 0, OPTION_TEXT, OPTION_SERVED, "ADDRESS", WHERE(CMD_PROXY_CONNECT), false,
     AT(remote), "Address and port of the proxy [default: the best one known]", NULL},
};
const size_t option_count = ARRAY_LEN(option_table);
_Static_assert(ARRAY_LEN(option_table) <= 64, "one bit each in the parser");

const struct command_def command_table[] = {
    {"inspect",
     NULL,
     CMD_INSPECT,
     "Show the address of a public key, or our own key and address",
     {{"KEY", AT(key), false, false, "Public key: 64 hex digits. Without it: the local key"}}},
    {"generate-keys", NULL, CMD_GENERATE_KEYS, "Make a private key file", {{0}}},
    {"message", NULL, GROUP_COMMAND, "Send and receive messages", {{0}}},
    {"send",
     "message",
     CMD_MESSAGE_SEND,
     "Send a message",
     {{"DESTINATION", AT(destination), true, false,
       "A public key (64 hex digits) or an address in 400::/7"},
      {"MESSAGE", AT(message), false, false, "The message, unless --msg-path is given"}}},
    {"receive", "message", CMD_MESSAGE_RECEIVE, "Receive a message", {{0}}},
    {"peers", NULL, GROUP_COMMAND, "List, add and remove peers", {{0}}},
    {"list", "peers", CMD_PEERS_LIST, "List the peers", {{0}}},
    {"add",
     "peers",
     CMD_PEERS_ADD,
     "Add peers",
     {{"ENDPOINT", 0, false, true, "tcp://ADDRESS:PORT"}}},
    {"remove",
     "peers",
     CMD_PEERS_REMOVE,
     "Remove peers",
     {{"ENDPOINT", 0, false, true, "As `peers list --json` shows it: PROTO://SOCKET"}}},
    {"routes", NULL, GROUP_COMMAND, "List routes", {{0}}},
    {"selected", "routes", CMD_ROUTES_SELECTED, "List the selected routes", {{0}}},
    {"fallback", "routes", CMD_ROUTES_FALLBACK, "List the other usable routes", {{0}}},
    {"queried", "routes", CMD_ROUTES_QUERIED, "List the subnets that are being looked for", {{0}}},
    {"proxy", NULL, GROUP_COMMAND, "Use SOCKS5 proxies of the network", {{0}}},
    {"list", "proxy", CMD_PROXY_LIST, "List known proxies", {{0}}},
    {"connect", "proxy", CMD_PROXY_CONNECT, "Connect to a proxy", {{0}}},
    {"disconnect", "proxy", CMD_PROXY_DISCONNECT, "Disconnect from the proxy", {{0}}},
    {"probe", "proxy", GROUP_COMMAND, "Look for proxies", {{0}}},
    {"start", "probe", CMD_PROXY_PROBE_START, "Start to look for proxies", {{0}}},
    {"stop", "probe", CMD_PROXY_PROBE_STOP, "Stop to look for proxies", {{0}}},
    {"stats", NULL, GROUP_COMMAND, "Show statistics", {{0}}},
    {"packets", "stats", CMD_STATS_PACKETS, "Count of packets by address", {{0}}},
};
const size_t command_count = ARRAY_LEN(command_table);

bool option_fits(const struct option_def *d, const struct command_def *c)
{
    unsigned where = !c                            ? WHERE(CMD_NODE)
                     : c->command == GROUP_COMMAND ? WHERE_ASKING
                                                   : WHERE(c->command);
    return (d->where & where) == where;
}

static bool same_group(const char *group, const struct command_def *above)
{
    return above ? group && strcmp(group, above->name) == 0 : !group;
}

const struct command_def *command_find(const struct command_def *above, const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (same_group(command_table[i].group, above) && strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}

/* A name that stands for a group is used once. */
const struct command_def *command_above(const struct command_def *c)
{
    for (size_t i = 0; c->group && i < command_count; i++)
        if (command_table[i].command == GROUP_COMMAND &&
            strcmp(command_table[i].name, c->group) == 0)
            return &command_table[i];
    return NULL;
}
