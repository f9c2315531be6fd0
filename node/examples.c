#include "node/examples.h"

#define DST  "54f:b680:ba6e:7ced:355f:346f:d97b:eecb"
#define KEY  "a47c1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02"
#define PEER "tcp://192.0.2.7:9651"

static const char *const examples[CMD_COUNT] = {
    [CMD_INSPECT] = "mycelium inspect\n"
                    "mycelium inspect --json " KEY "\n",
    [CMD_GENERATE_KEYS] = "mycelium -k /etc/mycelium/node.key generate-keys\n",
    [CMD_MESSAGE_SEND] =
        "mycelium message send " DST " 'hello' --topic news\n"
        "mycelium message send --wait --timeout 30 " DST " 'what time is it?'\n"
        "mycelium message send --msg-path film.mkv --until received " KEY "\n"
        "mycelium message send --ttl 2d --priority 3 --idempotency-key order-17 " DST
        " 'order 17'\n",
    [CMD_MESSAGE_RECEIVE] =
        "mycelium message receive --topic news\n"
        "mycelium message receive --timeout 0 --fail-empty || echo nothing came\n"
        "mycelium message receive --ack --msg-path film.mkv\n",
    [CMD_MESSAGE_STATUS] = "mycelium message status b713833c2f9478ce\n"
                           "mycelium message status --watch --until read b713833c2f9478ce\n",
    [CMD_MESSAGE_SUBSCRIBE] =
        "mycelium message subscribe --topic news\n"
        "mycelium message subscribe --pattern 'sensors/+/state' --consumer store --exec ./store.sh\n"
        "mycelium message subscribe --tap | jq .topic\n",
    [CMD_HEALTH] = "mycelium health --live-peer\n",
    [CMD_TOP] = "mycelium top\n"
                "mycelium top --json | jq .outbox\n",
    [CMD_DOCTOR] = "mycelium doctor\n"
                   "sudo mycelium -k /etc/mycelium/node.key doctor --json\n",
    [CMD_PEERS_LIST] = "mycelium peers list\n"
                       "mycelium --api-addr 127.0.0.1:8991 peers list --json\n",
    [CMD_PEERS_ADD] = "mycelium peers add " PEER " tcp://[2001:db8::7]:9651\n",
    [CMD_PEERS_REMOVE] = "mycelium peers remove " PEER "\n",
    [CMD_ROUTES_SELECTED] = "mycelium routes selected\n",
    [CMD_ROUTES_FALLBACK] = "mycelium routes fallback --json\n",
    [CMD_ROUTES_QUERIED] = "mycelium routes queried\n",
    [CMD_STATS_PACKETS] = "mycelium stats packets\n",
    [CMD_OUTBOX_LIST] = "mycelium outbox list --state pending\n",
    [CMD_OUTBOX_SHOW] = "mycelium outbox show b713833c2f9478ce\n"
                        "mycelium outbox show ~17\n",
    [CMD_OUTBOX_CANCEL] = "mycelium outbox cancel ~17\n",
    [CMD_OUTBOX_RETRY] = "mycelium outbox retry ~17\n",
    [CMD_OUTBOX_WATCH] = "mycelium outbox watch\n",
    [CMD_INBOX_LIST] = "mycelium inbox list --state dead\n",
    [CMD_INBOX_SHOW] = "mycelium inbox show 42\n",
    [CMD_INBOX_DROP] = "mycelium inbox drop 42\n",
    [CMD_INBOX_REQUEUE] = "mycelium inbox requeue 42\n",
    [CMD_TOPICS_LIST] = "mycelium topics list\n",
    [CMD_TOPICS_DEFAULT] = "mycelium topics default reject\n",
    [CMD_TOPICS_ADD] = "mycelium topics add news\n",
    [CMD_TOPICS_REMOVE] = "mycelium topics remove news\n"
                          "mycelium topics remove base64:AP8=\n",
    [CMD_TOPICS_ALLOW] = "mycelium topics allow news " KEY "\n"
                         "mycelium topics allow news 54f:b680:ba6e:7ced::/64\n",
    [CMD_TOPICS_DENY] = "mycelium topics deny news 54f:b680:ba6e:7ced::/64\n",
    [CMD_TOPICS_FORWARD] = "mycelium topics forward news /run/news.sock\n"
                           "mycelium topics forward news\n",
    [CMD_PROXY_LIST] = "mycelium proxy list\n",
    [CMD_PROXY_CONNECT] = "mycelium proxy connect --remote [" DST "]:1080\n",
    [CMD_PROXY_DISCONNECT] = "mycelium proxy disconnect\n",
    [CMD_PROXY_PROBE_START] = "mycelium proxy probe start\n",
    [CMD_PROXY_PROBE_STOP] = "mycelium proxy probe stop\n",
    [CMD_TOKEN_NEW] = "mycelium token new read send --note 'the shop'\n",
    [CMD_TOKEN_LIST] = "mycelium token list\n",
    [CMD_TOKEN_REVOKE] = "mycelium token revoke 5c2d\n",
};

const char *example_of(enum command command)
{
    return examples[command];
}
