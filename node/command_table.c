#include "node/command_table.h"

#include <string.h>

#define AT(field) offsetof(struct options, field)

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
    {"token", NULL, GROUP_COMMAND, "Who may use the API of this node", {{0}}},
    {"new",
     "token",
     CMD_TOKEN_NEW,
     "Make a token and print it",
     {{"SCOPE", 0, false, true, "What it may do: read, send, receive, admin. Without one: all"}}},
    {"list", "token", CMD_TOKEN_LIST, "List the tokens, by digits of their hash", {{0}}},
    {"revoke",
     "token",
     CMD_TOKEN_REVOKE,
     "Take a token away",
     {{"TOKEN", AT(token), true, false, "Itself, or digits of its hash"}}},
};
const size_t command_count = ARRAY_LEN(command_table);

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
