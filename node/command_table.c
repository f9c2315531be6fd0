#include "node/command_table.h"

#include <string.h>

#define AT(field) offsetof(struct options, field)

#define OUT_REF                                                                                    \
    "ENTRY", AT(ref), true, false, "Its id, or ~ and its seq, as `outbox list` shows them"
#define IN_REF "SEQ", AT(ref), true, false, "Its seq, as `inbox list` shows it"
#define TOPIC                                                                                      \
    "TOPIC", AT(topic), true, false, "The topic as text; base64: and its base64 where it is none"
#define SENDER "SENDER", AT(sender), true, false, "A subnet, an address, or a public key"

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
    {"status",
     "message",
     CMD_MESSAGE_STATUS,
     "Show what became of a message",
     {{"ID", AT(ref), true, false, "As `message send` printed it"}}},
    {"subscribe",
     "message",
     CMD_MESSAGE_SUBSCRIBE,
     "Follow the messages that come, one line or one run of a command each",
     {{0}}},
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
    {"outbox", NULL, GROUP_COMMAND, "Messages of this node to others", {{0}}},
    {"list", "outbox", CMD_OUTBOX_LIST, "List them, newest first", {{0}}},
    {"show", "outbox", CMD_OUTBOX_SHOW, "Show one of them", {{OUT_REF}}},
    {"cancel", "outbox", CMD_OUTBOX_CANCEL, "Take one back; its receiver is told", {{OUT_REF}}},
    {"retry", "outbox", CMD_OUTBOX_RETRY, "Try one again now, whatever it waits for", {{OUT_REF}}},
    {"watch", "outbox", CMD_OUTBOX_WATCH, "Follow every change, one line each", {{0}}},
    {"inbox", NULL, GROUP_COMMAND, "Messages of others to this node", {{0}}},
    {"list", "inbox", CMD_INBOX_LIST, "List them; takes nothing", {{0}}},
    {"show", "inbox", CMD_INBOX_SHOW, "Show one of them, without its payload", {{IN_REF}}},
    {"drop", "inbox", CMD_INBOX_DROP, "Throw one away", {{IN_REF}}},
    {"requeue", "inbox", CMD_INBOX_REQUEUE, "Offer a dead one again", {{IN_REF}}},
    {"topics", NULL, GROUP_COMMAND, "Who may send on which topic", {{0}}},
    {"list", "topics", CMD_TOPICS_LIST, "List the rules", {{0}}},
    {"default",
     "topics",
     CMD_TOPICS_DEFAULT,
     "Say what holds for topics without a rule",
     {{"ACTION", AT(action), true, false, "accept or reject"}}},
    {"add", "topics", CMD_TOPICS_ADD, "Add a rule, at first for nobody", {{TOPIC}}},
    {"remove", "topics", CMD_TOPICS_REMOVE, "Remove a rule", {{TOPIC}}},
    {"allow", "topics", CMD_TOPICS_ALLOW, "Let a sender in", {{TOPIC}, {SENDER}}},
    {"deny", "topics", CMD_TOPICS_DENY, "Take a sender off a rule", {{TOPIC}, {SENDER}}},
    {"forward",
     "topics",
     CMD_TOPICS_FORWARD,
     "Give the messages of a topic to a Unix socket",
     {{TOPIC},
      {"SOCKET", AT(socket), false, false, "Its absolute path; without one: to none any more"}}},
    {"health", NULL, CMD_HEALTH, "Is the node ready? Exit status 0 or 1", {{0}}},
    {"top", NULL, CMD_TOP, "How the node is: peers, queues, rates; on a terminal every 2 s", {{0}}},
    {"doctor", NULL, CMD_DOCTOR, "Look for what is wrong, and say what to do", {{0}}},
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
