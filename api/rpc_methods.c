#include "api/rpc_methods.h"

#include <string.h>

#include "base/err.h"

/* Codes of the network's other node. */
#define BAD_ADDRESS     (-32007)
#define UNKNOWN_ADDRESS (-32008)
#define BAD_PEER        (-32009)
#define PEER_EXISTS     (-32010)
#define UNKNOWN_PEER    (-32011)
#define BAD_DELETE      (-32012)
#define BAD_POP_TOPIC   (-32013)
#define UNKNOWN_ID      (-32019)
#define BAD_ID          (-32020)
#define BAD_TOPIC       (-32021)
#define UNKNOWN_TOPIC   (-32030)
#define NO_PROXY        (-32032)

static const struct rpc_method methods[] = {
    {.name = "getInfo", .call = rpc_get_info, .scope = SCOPE_READ},
    {"getPublicKeyFromIp",
     rpc_get_pubkey,
     SCOPE_READ,
     {"ip"},
     "null",
     {{400, BAD_ADDRESS}, {404, UNKNOWN_ADDRESS}},
     false},
    {.name = "getPeers", .call = rpc_get_peers, .scope = SCOPE_READ},
    {"addPeer",
     rpc_add_peer,
     SCOPE_ADMIN,
     {"endpoint"},
     "true",
     {{400, BAD_PEER}, {409, PEER_EXISTS}},
     false},
    {"deletePeer",
     rpc_delete_peer,
     SCOPE_ADMIN,
     {"endpoint"},
     "true",
     {{400, BAD_DELETE}, {404, UNKNOWN_PEER}},
     false},
    {.name = "getSelectedRoutes", .call = rpc_get_selected, .scope = SCOPE_READ},
    {.name = "getFallbackRoutes", .call = rpc_get_fallback, .scope = SCOPE_READ},
    {.name = "getQueriedSubnets", .call = rpc_get_queried, .scope = SCOPE_READ},
    {.name = "getPacketStatistics", .call = rpc_get_packets, .scope = SCOPE_READ},
    {.name = "getProxies", .call = rpc_get_proxies, .scope = SCOPE_READ},
    {"connectProxy", rpc_connect_proxy, SCOPE_ADMIN, {"remote"}, "null", {{404, NO_PROXY}}, false},
    {.name = "disconnectProxy", .call = rpc_proxy_nothing, .scope = SCOPE_ADMIN, .none = "true"},
    {.name = "startProxyProbe", .call = rpc_proxy_nothing, .scope = SCOPE_ADMIN, .none = "true"},
    {.name = "stopProxyProbe", .call = rpc_proxy_nothing, .scope = SCOPE_ADMIN, .none = "true"},
    {"popMessage",
     rpc_pop,
     SCOPE_RECEIVE,
     {"peek", "timeout", "topic"},
     "null",
     {{400, BAD_POP_TOPIC}, {413, RPC_ANSWER_TOO_BIG}},
     false},
    {"pushMessage", rpc_push, SCOPE_SEND, {"message", "reply_timeout"}, "null", {{0, 0}}, false},
    {"pushMessageReply", rpc_push_reply, SCOPE_SEND, {"id", "message"}, "true", {{0, 0}}, false},
    {"getMessageInfo",
     rpc_get_status,
     SCOPE_READ,
     {"id"},
     "null",
     {{400, BAD_ID}, {404, UNKNOWN_ID}},
     false},
    {.name = "getDefaultTopicAction", .call = rpc_get_default_action, .scope = SCOPE_READ},
    {"setDefaultTopicAction",
     rpc_set_default_action,
     SCOPE_ADMIN,
     {"accept"},
     "true",
     {{0, 0}},
     false},
    {.name = "getTopics", .call = rpc_get_topics, .scope = SCOPE_READ},
    {"addTopic", rpc_add_topic, SCOPE_ADMIN, {"topic"}, "true", {{400, BAD_TOPIC}}, false},
    {"removeTopic", rpc_remove_topic, SCOPE_ADMIN, {"topic"}, "true", {{400, BAD_TOPIC}}, false},
    {"getTopicSources",
     rpc_get_sources,
     SCOPE_READ,
     {"topic"},
     "null",
     {{400, BAD_TOPIC}, {404, UNKNOWN_TOPIC}},
     false},
    {"addTopicSource",
     rpc_add_source,
     SCOPE_ADMIN,
     {"topic", "subnet"},
     "true",
     {{400, BAD_TOPIC}},
     false},
    {"removeTopicSource",
     rpc_remove_source,
     SCOPE_ADMIN,
     {"topic", "subnet"},
     "true",
     {{400, BAD_TOPIC}},
     false},
    {"getTopicForwardSocket",
     rpc_get_forward,
     SCOPE_READ,
     {"topic"},
     "null",
     {{400, BAD_TOPIC}},
     false},
    {"setTopicForwardSocket",
     rpc_set_forward,
     SCOPE_ADMIN,
     {"topic", "socket_path"},
     "true",
     {{400, BAD_TOPIC}, {404, UNKNOWN_TOPIC}},
     false},
    {"removeTopicForwardSocket",
     rpc_remove_forward,
     SCOPE_ADMIN,
     {"topic"},
     "true",
     {{400, BAD_TOPIC}},
     false},

    {.name = "rpc.discover", .call = rpc_discover, .scope = SCOPE_READ},

    {.name = "bus.send", .call = rpc_bus_send, .scope = SCOPE_SEND, .problems = true},
    {.name = "bus.fetch",
     .call = rpc_bus_fetch,
     .scope = SCOPE_RECEIVE,
     .none = "{\"messages\":[]}",
     .problems = true},
    {.name = "bus.ack", .call = rpc_bus_ack, .scope = SCOPE_RECEIVE, .problems = true},
    {.name = "bus.nack", .call = rpc_bus_nack, .scope = SCOPE_RECEIVE, .problems = true},
    {.name = "bus.renew", .call = rpc_bus_renew, .scope = SCOPE_RECEIVE, .problems = true},
    {.name = "bus.term", .call = rpc_bus_term, .scope = SCOPE_RECEIVE, .problems = true},
    {.name = "bus.outbox", .call = rpc_bus_outbox, .scope = SCOPE_READ, .problems = true},
    {.name = "bus.cancel", .call = rpc_bus_cancel, .scope = SCOPE_ADMIN, .problems = true},
    {.name = "bus.retry", .call = rpc_bus_retry, .scope = SCOPE_ADMIN, .problems = true},
};

const struct rpc_method *rpc_method_find(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strlen(methods[i].name) == len && memcmp(methods[i].name, name, len) == 0)
            return &methods[i];
    return NULL;
}
