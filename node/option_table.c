#include "node/option_table.h"

#include <string.h>

#include "clients/commands.h"
#include "node/command_table.h"

#define AT(field) offsetof(struct options, field)

#define BEFORE WHERE(CMD_NODE)
#define API    (BEFORE | WHERE_ASKING | WHERE(CMD_INSPECT))
#define LISTS                                                                                      \
    (WHERE(CMD_PEERS_LIST) | WHERE(CMD_ROUTES_SELECTED) | WHERE(CMD_ROUTES_FALLBACK) |             \
     WHERE(CMD_ROUTES_QUERIED) | WHERE(CMD_STATS_PACKETS) | WHERE(CMD_PROXY_LIST) |                \
     WHERE(CMD_PROXY_CONNECT) | WHERE(CMD_INSPECT) | WHERE(CMD_OUTBOX_LIST) |                      \
     WHERE(CMD_INBOX_LIST) | WHERE(CMD_TOPICS_LIST) | WHERE(CMD_TOP) | WHERE(CMD_DOCTOR))
#define MESSAGES (WHERE(CMD_MESSAGE_SEND) | WHERE(CMD_MESSAGE_RECEIVE))

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)
#define DAY (UINT64_C(24) * 3600 * 1000)

/* What a connection holds at most: a head, what is kept behind it, one read, and a session of TLS
 * (16 KiB measured with idle ones). */
#define CONNECTION_BYTES (16 * KIB + 4 * KIB + 32 * KIB + 16 * KIB)

static const char *const log_levels[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warn",    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_DEBUG + 1] = NULL,
};
static const char *const auths[] = {
    [GUARD_AUTO] = "auto", [GUARD_ALWAYS] = "always", [GUARD_OFF] = "off", [GUARD_OFF + 1] = NULL};
static const char *const log_formats[] = {
    [LOG_FORMAT_COMPACT] = "compact",
    [LOG_FORMAT_LOGFMT] = "logfmt",
    [LOG_FORMAT_PLAIN] = "plain",
    [LOG_FORMAT_PLAIN + 1] = NULL,
};

/* As the API has them. */
static const char *const priorities[] = {"0", "1", "2", "3", NULL};
static const char *const policies[] = {"at-least-once", "at-most-once", NULL};
static const char *const outputs[] = {"text", "json", NULL};
static const char *const untils[] = {
    [UNTIL_ACCEPTED] = "accepted",
    [UNTIL_RECEIVED] = "received",
    [UNTIL_READ] = "read",
    [UNTIL_READ + 1] = NULL,
};

/* In the table: name, key, kind and class of an option that stands before the command. */
#define NODE(n, k, kind_, class_)                                                                  \
    .name = (n), .key = (k), .kind = (kind_), .class = (class_), .where = BEFORE
/* A number that bounds what the node holds. */
#define LIMIT(n, k, kind_, v, field, least, most, unit, text)                                      \
    {                                                                                              \
        NODE(n, k, kind_, OPTION_LIMIT), .value = (v), .offset = AT(field), .min = (least),        \
                                         .max = (most), .memory = (unit), .help = (text)           \
    }

const struct option_def option_table[] = {
    {.name = "config-file",
     .env = "MYCELIUM_CONFIG",
     .letter = 'c',
     .kind = OPTION_PATH,
     .value = "FILE",
     .where = WHERE_ANYWHERE,
     .offset = AT(config_file),
     .help = "Path to the configuration file",
     .more =
         "Default: $XDG_CONFIG_HOME/mycelium/mycelium.toml or ~/.config/mycelium/mycelium.toml;\n"
         "when that does not exist, " SYSTEM_CONFIG ". Options win over the file."},
    {NODE("check-config", NULL, OPTION_FLAG, OPTION_SERVED), .offset = AT(check_config),
     .help = "Read everything, print what would hold, and end",
     .more = "Exit status 1 when something cannot be used."},
    {.name = "key-file",
     .key = "key_file",
     .letter = 'k',
     .kind = OPTION_PATH,
     .value = "FILE",
     .where = WHERE_ANYWHERE,
     .offset = AT(key_file),
     .help = "Path to the private key file; made by the node when it does not exist",
     .more =
         "Default: $XDG_DATA_HOME/mycelium/priv_key.bin, or ~/.local/share/mycelium/priv_key.bin; when\n"
         "that does not exist, priv_key.bin in the working directory if it is yours alone."},
    {NODE("debug", NULL, OPTION_FLAG, OPTION_SERVED), .letter = 'd', .offset = AT(debug),
     .help = "Log more; does nothing with --silent"},
    {NODE("silent", NULL, OPTION_FLAG, OPTION_SERVED), .offset = AT(silent),
     .help = "Log errors only"},
    {NODE("log-level", "log_level", OPTION_CHOICE, OPTION_SERVED), .value = "LEVEL",
     .offset = AT(log_level), .choices = log_levels,
     .help = "error, warn, info or debug [default: info]",
     .more = "--debug and --silent win over it, MYCELIUM_LOG over all of them."},
    {NODE("log-format", "log_format", OPTION_CHOICE, OPTION_SERVED), .value = "FORMAT",
     .offset = AT(log_format), .choices = log_formats,
     .help = "Form of log lines: compact, logfmt or plain [default: compact]",
     .more = "plain is logfmt without colours. Colours appear on terminals only."},
    {NODE("peers", "peers", OPTION_PEERS, OPTION_SERVED), .value = "ENDPOINT", .offset = AT(peers),
     .help = "Peers to connect to",
     .more =
         "tcp://ADDRESS:PORT, in a private network also tls://; one or more; takes all words up to the next option. May be repeated."},
    {NODE("network-name", "network_name", OPTION_TEXT, OPTION_SERVED), .value = "NAME",
     .offset = AT(network_name),
     .help = "Name of a private network: only nodes with its name and key connect",
     .more =
         "2 to 64 bytes, sent in clear. Needs --network-key-file. All connections are TLS then."},
    {NODE("network-key-file", "network_key_file", OPTION_PATH, OPTION_SERVED), .value = "FILE",
     .offset = AT(network_key_file), .help = "Key of the private network: a file of 32 bytes"},
    {NODE("tcp-listen-port", "tcp_listen_port", OPTION_U16, OPTION_SERVED), .letter = 't',
     .value = "PORT", .offset = AT(tcp_listen_port),
     .help = "Port to listen on for peers [default: 9651]"},
    {NODE("port", "port", OPTION_U16, OPTION_SERVED), .letter = 'p', .value = "PORT",
     .offset = AT(port), .help = "The same, for every transport that has no port of its own given"},
    {.name = "api-addr",
     .key = "api_addr",
     .env = "MYCELIUM_API_ADDR",
     .old_name = "api-server-addr",
     .kind = OPTION_ADDRS,
     .value = "ADDRESS",
     .where = API,
     .offset = AT(api_addrs),
     .help = "Address of the HTTP API [default: 127.0.0.1:8989]",
     .more =
         "Where the node listens, up to 8 of them, and where the commands look for it: at the first.\n"
         "`off`: the node has no API."},
    {.name = "api-socket",
     .key = "api_socket",
     .kind = OPTION_PATH,
     .value = "PATH",
     .where = API,
     .offset = AT(api_socket),
     .help = "Path of a Unix socket for the HTTP API, or off",
     .more =
         "Default: api.sock in $RUNTIME_DIRECTORY, else off. Mode 0660, group mycelium where there is\n"
         "one. Given to a command: the node is asked there."},
    {NODE("api-host", "api_hosts", OPTION_WORDS, OPTION_SERVED), .value = "NAME",
     .offset = AT(api_hosts), .help = "A name by which this node may be asked (Host)",
     .more = "Besides localhost and the address itself. May be repeated."},
    {NODE("api-origin", "api_origins", OPTION_WORDS, OPTION_SERVED), .value = "ORIGIN",
     .offset = AT(api_origins), .help = "A web origin whose pages may ask this node",
     .more = "http://HOST:PORT, as browsers write it. May be repeated."},
    {NODE("api-auth", "api_auth", OPTION_CHOICE, OPTION_SERVED), .value = "WHO",
     .offset = AT(api_auth), .choices = auths,
     .help = "Who needs a token: auto, always or off [default: auto]",
     .more = "auto: everybody but programs of this machine. always: they, too. off: nobody."},
    {.name = "token-file",
     .key = "api_token_file",
     .kind = OPTION_PATH,
     .value = "FILE",
     .where = API | WHERE_TOKENS,
     .offset = AT(token_file),
     .help = "File with the tokens of the API",
     .more =
         "Default: api-token in the state directory. A command shows the first token of the file;\n"
         "MYCELIUM_API_TOKEN stands in for it."},
    {.name = "api-tls-cert",
     .key = "api_tls_cert",
     .kind = OPTION_PATH,
     .where = API,
     .value = "FILE",
     .offset = AT(api_tls_cert),
     .help = "Certificate of the HTTP API in PEM: every address of it speaks TLS",
     .more =
         "With those that signed it behind it. SIGHUP reads it again. A command that knows it speaks\n"
         "TLS, and trusts it besides the certificates of the system."},
    {NODE("api-tls-key", "api_tls_key", OPTION_PATH, OPTION_SERVED), .value = "FILE",
     .offset = AT(api_tls_key), .help = "Its private key, readable for nobody else"},
    {NODE("api-max-body", "api_max_body", OPTION_SIZE, OPTION_SERVED), .value = "SIZE",
     .offset = AT(api_max_body), .min = 2 * MIB, .max = 4 * GIB,
     .help = "Longest JSON body with a message [default: 90MiB]"},
    {NODE("jsonrpc-addr", "jsonrpc_addr", OPTION_ADDR, OPTION_SERVED), .value = "ADDRESS",
     .offset = AT(jsonrpc_addr), .help = "Address of the JSON-RPC API [default: 127.0.0.1:8990]",
     .more =
         "POST with any path. `off`: no listener of its own; POST /rpc of the HTTP API is the same."},
    {NODE("metrics-api-address", "metrics_api_address", OPTION_ADDR, OPTION_SERVED),
     .value = "ADDRESS", .offset = AT(metrics_addr),
     .help = "Address of the metrics, GET /metrics for Prometheus [default: off]",
     .more = "The address of the HTTP API is allowed: then /metrics is one of its paths."},
    {NODE("no-tun", "no_tun", OPTION_FLAG, OPTION_SERVED), .offset = AT(no_tun),
     .help = "Run without a tunnel interface",
     .more = "Messages work without one. This release has none in any case."},
    {NODE("firewall-mark", "firewall_mark", OPTION_U32, OPTION_SERVED), .value = "MARK",
     .offset = AT(firewall_mark), .help = "Mark for the node's sockets (SO_MARK)"},
    {.name = "state-dir",
     .key = "state_dir",
     .kind = OPTION_PATH,
     .where = BEFORE | WHERE_TOKENS | WHERE(CMD_DOCTOR),
     .value = "FOLDER",
     .offset = AT(state_dir),
     .help = "Where messages are kept",
     .more =
         "Default: $STATE_DIRECTORY; else FILE.state beside a key file that was given; else the\n"
         "folder of the default key file."},
    {NODE("topic-config", "topic_config", OPTION_PATH, OPTION_SERVED), .value = "FILE",
     .offset = AT(topic_config), .help = "File with the topic rules: who may send on which topic",
     .more =
         "TOML: default = \"Accept\" or \"Reject\", and for each topic a table with subnets = [...].\n"
         "Without a file every topic takes messages from everybody. SIGHUP reads it again."},
    {NODE("memory-limit", "memory_limit", OPTION_SIZE, OPTION_SERVED), .value = "SIZE",
     .offset = AT(memory_limit), .min = 32 * MIB, .max = TIB,
     .help = "What all limits together may keep in memory [default: 1536MiB]",
     .more = "Limits that are not given shrink until their sum fits; --help lists them."},

    LIMIT("bus-outbox-messages", "bus_outbox_messages", OPTION_U32, "COUNT", bus.out_messages, 100,
          0, 500, "Messages on their way, in all: 429"),
    LIMIT("bus-outbox-bytes", "bus_outbox_bytes", OPTION_SIZE, "SIZE", bus.out_bytes, MIB, 0, 0,
          "Their payloads, on disk: 507"),
    LIMIT("bus-outbox-node-messages", "bus_outbox_node_messages", OPTION_U32, "COUNT",
          bus.out_messages_node, 1, 0, 0, "Messages on their way to one node: 429"),
    LIMIT("bus-outbox-node-bytes", "bus_outbox_node_bytes", OPTION_SIZE, "SIZE", bus.out_bytes_node,
          MIB, 0, 0, "Their payloads: 429"),
    LIMIT("bus-outbox-cache", "bus_outbox_cache", OPTION_SIZE, "SIZE", bus.out_cache_bytes, MIB, 0,
          2, "Payloads of waiting messages kept in memory"),
    LIMIT("bus-transfers", "bus_transfers", OPTION_U32, "COUNT", bus.out_transfers, 1, 65536, 0,
          "Transfers at a time: others wait"),
    LIMIT("bus-node-transfers", "bus_node_transfers", OPTION_U32, "COUNT", bus.out_transfers_node,
          1, 65536, 0, "Transfers at a time to one node: others wait"),
    LIMIT("bus-memory-messages", "bus_memory_messages", OPTION_U32, "COUNT",
          bus.out_memory_messages, 1, 0, 500, "Messages that only memory has: 429"),
    LIMIT("bus-memory-bytes", "bus_memory_bytes", OPTION_SIZE, "SIZE", bus.out_memory_bytes,
          64 * KIB, 0, 1, "Their payloads: 429"),
    LIMIT("bus-memory-ended", "bus_memory_ended", OPTION_U32, "COUNT", bus.out_memory_ended, 1, 0,
          250, "Entries of those that ended: the oldest goes"),
    LIMIT("bus-inbox-messages", "bus_inbox_messages", OPTION_U32, "COUNT", bus.in_messages, 100, 0,
          500, "Messages that wait for a client, in all: senders wait"),
    LIMIT("bus-inbox-bytes", "bus_inbox_bytes", OPTION_SIZE, "SIZE", bus.in_bytes, MIB, 0, 0,
          "Their payloads, on disk: senders wait"),
    LIMIT("bus-topic-messages", "bus_topic_messages", OPTION_U32, "COUNT", bus.in_topic_messages, 1,
          0, 0, "Of one topic without a limit of its own: senders wait"),
    LIMIT("bus-topic-bytes", "bus_topic_bytes", OPTION_SIZE, "SIZE", bus.in_topic_bytes, 64 * KIB,
          0, 0, "Their payloads: senders wait"),
    LIMIT("bus-inbox-cache", "bus_inbox_cache", OPTION_SIZE, "SIZE", bus.in_cache_bytes, MIB, 0, 1,
          "Payloads of these kept in memory"),
    LIMIT("bus-parts-bytes", "bus_parts_bytes", OPTION_SIZE, "SIZE", bus.in_parts_bytes, MIB, 0, 1,
          "Messages that are coming, up to 64 KiB each: senders wait"),
    LIMIT("bus-node-parts", "bus_node_parts", OPTION_U32, "COUNT", bus.in_parts_node, 1, 65536, 0,
          "Messages that are coming from one node: senders wait"),
    LIMIT("bus-init-rate", "bus_init_rate", OPTION_U32, "COUNT", bus.init_per_sec, 1, 0, 0,
          "Messages that one node may begin in a second: senders wait"),
    LIMIT("bus-remembered", "bus_remembered", OPTION_U32, "COUNT", bus.seen, 1000, 0, 150,
          "Ids of received messages: senders wait"),
    LIMIT("bus-max-len-in", "bus_max_len_in", OPTION_SIZE, "SIZE", bus.len_max, 64 * KIB,
          MSG_LEN_CEILING, 0, "Longest message, in both directions: 413"),
    LIMIT("bus-max-len-plain", "bus_max_len_plain", OPTION_SIZE, "SIZE", bus.len_plain_max,
          64 * KIB, MSG_LEN_CEILING, 0, "Longest message to a node of another program: 413"),
    LIMIT("bus-write-bytes", "bus_write_bytes", OPTION_SIZE, "SIZE", bus.in_write_bytes, MIB, 0, 1,
          "Large messages: came and not written yet"),
    LIMIT("bus-read-bytes", "bus_read_bytes", OPTION_SIZE, "SIZE", bus.out_read_bytes, MIB, 0, 1,
          "Large messages: read and not sent yet"),
    LIMIT("bus-large-bytes", "bus_large_bytes", OPTION_SIZE, "SIZE", bus.in_files_bytes, MIB, 0, 0,
          "Large messages that are coming, on disk: senders wait"),
    LIMIT("bus-node-large-bytes", "bus_node_large_bytes", OPTION_SIZE, "SIZE", bus.in_files_node,
          MIB, 0, 0, "The same from one node: senders wait"),
    LIMIT("bus-default-ttl", "bus_default_ttl", OPTION_SPAN, "TIME", bus.ttl_default_ms, 1000,
          30 * DAY, 0, "Life of a message that says none"),
    LIMIT("bus-status-keep", "bus_status_keep", OPTION_SPAN, "TIME", bus.status_keep_ms, 1000,
          365 * DAY, 0, "How long entries of ended messages stay, from their creation"),
    LIMIT("bus-max-tries", "bus_max_tries", OPTION_U32, "COUNT", bus.tries, 1, 1000, 0,
          "Leases that a message may fail: then it is dead"),
    LIMIT("bus-dead-keep", "bus_dead_keep", OPTION_SPAN, "TIME", bus.dead_keep_ms, 1000, 3650 * DAY,
          0, "How long a dead message stays"),
    LIMIT("bus-dead-messages", "bus_dead_messages", OPTION_U32, "COUNT", bus.dead_messages, 1, 0,
          500, "Dead messages: the oldest goes"),
    LIMIT("bus-waiters", "bus_waiters", OPTION_U32, "COUNT", bus.waiters, 1, 65536, 0,
          "Clients that wait for a message: 429"),
    LIMIT("router-routes", "router_routes", OPTION_U32, "COUNT", router.routes, 1000, 1u << 20, 449,
          "Routes: one that nobody uses goes"),
    LIMIT("router-wait-bytes", "router_wait_bytes", OPTION_SIZE32, "SIZE", router.wait_bytes, MIB,
          0, 1, "Packets that wait for a route: new ones are refused"),
    LIMIT("api-connections", "api_connections", OPTION_U32, "COUNT", api_connections, 8, 2048,
          CONNECTION_BYTES, "Connections by listener: 503"),
    LIMIT("api-body-bytes", "api_body_bytes", OPTION_SIZE, "SIZE", api_body_bytes, MIB, 0, 1,
          "Bodies of requests that are coming: 503"),

    {NODE("disable-quic", "disable_quic", OPTION_FLAG, OPTION_TAKEN), .offset = AT(disable_quic),
     .help = "No QUIC connections"},
    {NODE("quic-listen-port", "quic_listen_port", OPTION_U16, OPTION_TAKEN), .letter = 'q',
     .value = "PORT", .offset = AT(quic_listen_port),
     .help = "Port to listen on for QUIC [default: 9651]"},
    {NODE("disable-peer-discovery", "disable_peer_discovery", OPTION_FLAG, OPTION_SERVED),
     .offset = AT(disable_peer_discovery), .help = "No search for peers on the local links"},
    {NODE("peer-discovery-port", "peer_discovery_port", OPTION_U16, OPTION_SERVED), .value = "PORT",
     .offset = AT(peer_discovery_port), .help = "Port of that search [default: 9650]"},
    {NODE("peer-discovery-interface", "peer_discovery_interfaces", OPTION_WORDS, OPTION_SERVED),
     .value = "NAME", .offset = AT(peer_discovery_interfaces),
     .help = "Search on this interface only; may be repeated"},
    {NODE("tun-name", "tun_name", OPTION_TEXT, OPTION_TAKEN), .value = "NAME",
     .offset = AT(tun_name), .help = "Name of the tunnel interface [default: mycelium]"},
    {NODE("tun-allow", "tun_allow", OPTION_WORDS, OPTION_TAKEN), .value = "SUBNET",
     .offset = AT(tun_allow),
     .help = "Who may send packets into the tunnel: a subnet or a key; may be repeated"},
    {NODE("proxy-listen", "proxy_listen", OPTION_WORDS, OPTION_TAKEN), .value = "ADDRESS",
     .offset = AT(proxy_listen), .help = "Where the SOCKS proxy listens; may be repeated"},
    {NODE("no-ui", NULL, OPTION_FLAG, OPTION_TAKEN), .offset = AT(no_ui), .help = "No web page"},
    {NODE("ui", "ui", OPTION_FLAG, OPTION_TAKEN), .help = "The web page"},
    {NODE("update-workers", "update_workers", OPTION_U32, OPTION_TAKEN), .value = "COUNT",
     .offset = AT(update_workers),
     .help = "Threads for route updates; updates are quick enough on one"},

    {NODE("cdn-cache", "cdn_cache", OPTION_PATH, OPTION_REFUSED), .value = "FOLDER"},
    {NODE("enable-dns", "enable_dns", OPTION_FLAG, OPTION_REFUSED)},
    {NODE("vsock-listen-port", "vsock_listen_port", OPTION_U32, OPTION_REFUSED), .value = "PORT"},
    {NODE("ipc-socket", "ipc_socket", OPTION_PATH, OPTION_REFUSED), .value = "PATH", .idle = "off"},
    {NODE("bus-pop", "bus_pop", OPTION_TEXT, OPTION_REFUSED), .value = "HOW", .idle = "fast"},
    {NODE("bus-peek-reads", "bus_peek_reads", OPTION_FLAG, OPTION_REFUSED)},
    {NODE("persist-peers", "persist_peers", OPTION_FLAG, OPTION_REFUSED)},

    {.name = "json",
     .kind = OPTION_FLAG,
     .where = LISTS,
     .offset = AT(json),
     .help = "Output as JSON"},
    {.name = "output",
     .kind = OPTION_CHOICE,
     .value = "FORM",
     .where = LISTS,
     .offset = AT(output),
     .choices = outputs,
     .help = "text or json [default: text]"},
    {.name = "legacy",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_INSPECT),
     .offset = AT(legacy),
     .help = "Show also the address that releases before 0.5.0 derived from the key"},
    {.name = "no-generate",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_INSPECT),
     .offset = AT(no_generate),
     .help = "Fail when there is no key, instead of making one"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_GENERATE_KEYS),
     .offset = AT(force),
     .help = "Replace a key that exists; the old one is kept beside it with the ending .old"},
    {.name = "wait",
     .letter = 'w',
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(wait),
     .help = "Wait for a reply and print it"},
    {.name = "timeout",
     .kind = OPTION_WAIT,
     .value = "SECONDS",
     .where = MESSAGES | WHERE(CMD_MESSAGE_STATUS),
     .offset = AT(timeout_s),
     .help = "How long to wait [default: for ever]"},
    {.name = "topic",
     .letter = 't',
     .kind = OPTION_TEXT,
     .value = "TOPIC",
     .where = MESSAGES | WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(topic),
     .help = "Topic of the message, at most 255 bytes; receivers may ask for one"},
    {.name = "prefix",
     .kind = OPTION_TEXT,
     .value = "TEXT",
     .where = WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(prefix),
     .help = "Topics that begin so"},
    {.name = "pattern",
     .kind = OPTION_TEXT,
     .value = "PATTERN",
     .where = WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(pattern),
     .help = "Topics that match: + is one level, # at the end any number of them"},
    {.name = "consumer",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .where = WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(consumer),
     .help = "Goes on where the last client of this name stood, and takes its place"},
    {.name = "tap",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(tap),
     .help = "Watch: copies of what comes, nothing is taken"},
    {.name = "exec",
     .kind = OPTION_TEXT,
     .value = "COMMAND",
     .where = WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(exec),
     .help = "Run this for each message: exit status 0 takes it, any other offers it again",
     .more =
         "By /bin/sh, one at a time. The payload is its standard input; MYCELIUM_ID, _SRC_IP, _SRC_PK,\n"
         "_DST_IP, _DST_PK, _TOPIC, _SEQ, _LEN, _REDELIVERED and _REPLY say the rest."},
    {.name = "once",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_TOP),
     .offset = AT(once),
     .help = "One look, as without a terminal"},
    {.name = "count",
     .kind = OPTION_U32,
     .value = "NUMBER",
     .where = WHERE(CMD_MESSAGE_SUBSCRIBE),
     .offset = AT(count),
     .min = 1,
     .help = "End after so many messages [default: never]"},
    {.name = "msg-path",
     .kind = OPTION_PATH,
     .value = "FILE",
     .where = MESSAGES,
     .offset = AT(msg_path),
     .help = "File that the message is read from or written to"},
    {.name = "reply-to",
     .kind = OPTION_TEXT,
     .value = "ID",
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(reply_to),
     .help = "Id of the message that this one answers"},
    {.name = "ttl",
     .kind = OPTION_SPAN,
     .value = "TIME",
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(ttl_ms),
     .min = 1000,
     .max = 30 * DAY,
     .help = "How long it is tried: 90s, 5m, 2h, 3d [default: the node's, 5m]"},
    {.name = "priority",
     .kind = OPTION_CHOICE,
     .value = "0-3",
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(priority),
     .choices = priorities,
     .help = "3 goes before 2, and so on [default: 1]"},
    {.name = "policy",
     .kind = OPTION_CHOICE,
     .value = "POLICY",
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(policy),
     .choices = policies,
     .help = "at-least-once or at-most-once [default: at-least-once]"},
    {.name = "ordered",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(ordered),
     .help = "Behind the ordered ones of the same node and topic before it"},
    {.name = "idempotency-key",
     .kind = OPTION_TEXT,
     .value = "KEY",
     .where = WHERE(CMD_MESSAGE_SEND),
     .offset = AT(idempotency_key),
     .help = "The same key and message again send nothing, and name the first one",
     .more =
         "1 to 64 visible characters. For a program that does not know whether its last send arrived."},
    {.name = "until",
     .kind = OPTION_CHOICE,
     .value = "STATE",
     .where = WHERE(CMD_MESSAGE_SEND) | WHERE(CMD_MESSAGE_STATUS),
     .offset = AT(until),
     .choices = untils,
     .help = "Wait until the message is accepted, received or read",
     .more = "Exit status 0 when it is, 4 when not within --timeout, or never."},
    {.name = "watch",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_STATUS),
     .offset = AT(watch),
     .help = "Show each state that it comes to, until --until [default: read]"},
    {.name = "ack",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_RECEIVE),
     .offset = AT(ack),
     .help = "Take it on lease, and acknowledge it when it is written out",
     .more = "A message of any length then goes to --msg-path, or with --raw, in pieces."},
    {.name = "fail-empty",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_RECEIVE),
     .offset = AT(fail_empty),
     .help = "Exit status 3 when nothing came"},
    {.name = "raw",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_MESSAGE_RECEIVE),
     .offset = AT(raw),
     .help = "Print the payload only"},
    {.name = "live-peer",
     .kind = OPTION_FLAG,
     .where = WHERE(CMD_HEALTH),
     .offset = AT(live_peer),
     .help = "Not ready without a live peer, either"},
    {.name = "state",
     .kind = OPTION_TEXT,
     .value = "STATE",
     .where = WHERE(CMD_OUTBOX_LIST) | WHERE(CMD_INBOX_LIST),
     .offset = AT(state),
     .help = "Only entries in this state",
     .more = "Outbox: pending, sending, received, read, aborted, cancelled, unknown.\n"
             "Inbox: receiving, ready, leased, dead."},
    {.name = "note",
     .kind = OPTION_TEXT,
     .value = "TEXT",
     .where = WHERE(CMD_TOKEN_NEW),
     .offset = AT(note),
     .help = "What the token is for, as `token list` shows it"},
    {.name = "remote",
     .kind = OPTION_TEXT,
     .value = "ADDRESS",
     .where = WHERE(CMD_PROXY_CONNECT),
     .offset = AT(remote),
     .help = "Address and port of the proxy [default: the best one known]"},
};
const size_t option_count = ARRAY_LEN(option_table);
_Static_assert(ARRAY_LEN(option_table) <= OPTIONS_ROWS_MAX, "one source each");

/* The commands below a group, as bits. */
static uint64_t where_below(const struct command_def *group)
{
    uint64_t where = 0;
    for (size_t i = 0; i < command_count; i++)
        for (const struct command_def *c = command_above(&command_table[i]); c;
             c = command_above(c))
            if (c == group && command_table[i].command != GROUP_COMMAND)
                where |= WHERE(command_table[i].command);
    return where;
}

bool option_fits(const struct option_def *d, const struct command_def *c)
{
    uint64_t where = !c                            ? WHERE(CMD_NODE)
                     : c->command == GROUP_COMMAND ? where_below(c) | WHERE(CMD_NODE)
                                                   : WHERE(c->command);
    return (d->where & where) == where;
}

bool option_repeats(const struct option_def *d)
{
    return d->kind == OPTION_ADDRS || d->kind == OPTION_PEERS || d->kind == OPTION_WORDS;
}

enum option_source option_source_of(const struct options *o, size_t offset)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].offset == offset)
            return o->source[i];
    return SOURCE_DEFAULT;
}
