/* main.c - what the command line asks for: the node, or one command. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "clients/commands.h"
#include "node/check_config.h"
#include "node/config_file.h"
#include "node/doctor.h"
#include "node/inspect.h"
#include "node/logging.h"
#include "node/node.h"
#include "node/option_table.h"
#include "node/option_value.h"
#include "node/options.h"
#include "node/token_commands.h"

/* A socket is asked when somebody said so, or when there is nothing else. Where a node listens on
 * every address, this machine reaches it on loopback. */
static struct api_target target_of(const struct options *o)
{
    const struct listen_addr *a = &o->api_addrs.a[0];
    enum option_source addr = option_source_of(o, offsetof(struct options, api_addrs));
    enum option_source socket = option_source_of(o, offsetof(struct options, api_socket));
    bool has_socket = o->api_socket && strcmp(o->api_socket, "off") != 0;
    enum option_source cert = option_source_of(o, offsetof(struct options, api_tls_cert));
    struct api_target t = {.host = a->host, .port = a->port};
    if (cert >= addr) /* else the address is of another node than the one that the file is for */
        t.tls_cert = o->api_tls_cert;
    if (has_socket && (a->off || (socket > SOURCE_FILE && socket >= addr)))
        t.socket = o->api_socket;
    else if (strcmp(a->host, "0.0.0.0") == 0)
        t.host = "127.0.0.1";
    else if (strcmp(a->host, "::") == 0)
        t.host = "::1";
    return t;
}

static int ask_node(const struct options *o, uint8_t ret_key[static KEY_BYTES])
{
    struct api_target t = target_of(o);
    if ((o->api_addrs.a[0].off && !t.socket) || command_token(o, &t.token) != 0)
        return ERR_INVAL;
    return node_pubkey_ask(&t, ret_key);
}

static bool given(const struct options *o, size_t offset)
{
    return option_source_of(o, offset) != SOURCE_DEFAULT;
}

/* The word of an option that has choices; NULL: not given. */
static const char *word_given(const struct options *o, size_t offset)
{
    for (size_t i = 0; given(o, offset) && i < option_count; i++)
        if (option_table[i].offset == offset)
            return option_table[i]
                .choices[*(const unsigned *)(const void *)((const char *)o + offset)];
    return NULL;
}

static int run_send(const struct options *o, const struct api_target *t)
{
    const struct send_args a = {
        .destination = o->destination,
        .message = o->message,
        .topic = o->topic,
        .msg_path = o->msg_path,
        .reply_to = o->reply_to,
        .wait = o->wait,
        .has_timeout = o->has_timeout,
        .timeout_s = o->timeout_s,
        .ttl_ms = o->ttl_ms,
        .priority = word_given(o, offsetof(struct options, priority)),
        .policy = word_given(o, offsetof(struct options, policy)),
        .idempotency_key = o->idempotency_key,
        .ordered = o->ordered,
        .until = (enum message_until)o->until,
        .has_until = given(o, offsetof(struct options, until)),
    };
    return command_message_send(t, &a);
}

static int run_receive(const struct options *o, const struct api_target *t)
{
    const struct receive_args a = {
        .topic = o->topic,
        .msg_path = o->msg_path,
        .raw = o->raw,
        .ack = o->ack,
        .fail_empty = o->fail_empty,
        .has_timeout = o->has_timeout,
        .timeout_s = o->timeout_s,
    };
    return command_message_receive(t, &a);
}

static int run_status(const struct options *o, const struct api_target *t)
{
    bool until = given(o, offsetof(struct options, until));
    if (!o->watch && !until)
        return command_message_status(t, o->ref);
    return command_message_watch(t, o->ref, until ? (enum message_until)o->until : UNTIL_READ,
                                 o->has_timeout ? &o->timeout_s : NULL);
}

static int run_subscribe(const struct options *o, const struct api_target *t)
{
    const struct subscribe_args a = {
        .topic = o->topic,
        .prefix = o->prefix,
        .pattern = o->pattern,
        .consumer = o->consumer,
        .exec = o->exec,
        .tap = o->tap,
        .count = o->count,
    };
    return command_message_subscribe(t, &a);
}

static int run_proxy_connect(const struct options *o, const struct api_target *t)
{
    struct listen_addr remote;
    if (o->remote && (listen_addr_parse(o->remote, &remote) || remote.off)) {
        fprintf(stderr, "Error: --remote needs an address and a port\n");
        return 1;
    }
    return command_proxy_connect(t, o->remote, o->json);
}

static int run_command(const struct options *o)
{
    struct api_target t = target_of(o);
    bool asking = (WHERE(o->command) & WHERE_ASKING) != 0;
    if (asking && o->api_addrs.a[0].off && !t.socket) {
        fprintf(
            stderr,
            "Error: this command needs the API of a node, and both --api-addr and --api-socket are off\n");
        return 1;
    }
    if (asking && command_token(o, &t.token) != 0)
        return 1;
    switch (o->command) {
    case CMD_NODE:
        config_file_warn(o);
        if (o->check_config)
            return check_config(o);
        logging_unserved(o);
        return node_run(o);
    case CMD_INSPECT:
        return command_inspect(o, ask_node);
    case CMD_GENERATE_KEYS:
        return command_generate_keys(o);
    case CMD_MESSAGE_SEND:
        return run_send(o, &t);
    case CMD_MESSAGE_RECEIVE:
        return run_receive(o, &t);
    case CMD_MESSAGE_SUBSCRIBE:
        return run_subscribe(o, &t);
    case CMD_PEERS_LIST:
        return command_peers_list(&t, o->json);
    case CMD_PEERS_ADD:
        return command_peers_add(&t, o->args, o->args_count);
    case CMD_PEERS_REMOVE:
        return command_peers_remove(&t, o->args, o->args_count);
    case CMD_ROUTES_SELECTED:
        return command_routes(&t, ROUTES_SELECTED, o->json);
    case CMD_ROUTES_FALLBACK:
        return command_routes(&t, ROUTES_FALLBACK, o->json);
    case CMD_ROUTES_QUERIED:
        return command_routes(&t, ROUTES_QUERIED, o->json);
    case CMD_STATS_PACKETS:
        return command_stats_packets(&t, o->json);
    case CMD_PROXY_LIST:
        return command_proxy_list(&t, o->json);
    case CMD_PROXY_CONNECT:
        return run_proxy_connect(o, &t);
    case CMD_PROXY_DISCONNECT:
        return command_proxy_disconnect(&t);
    case CMD_PROXY_PROBE_START:
        return command_proxy_probe(&t, true);
    case CMD_PROXY_PROBE_STOP:
        return command_proxy_probe(&t, false);
    case CMD_MESSAGE_STATUS:
        return run_status(o, &t);
    case CMD_TOP:
        return command_top(&t, o->json, o->once);
    case CMD_DOCTOR:
        return command_doctor(o, &t);
    case CMD_HEALTH:
        return command_health(&t, o->live_peer);
    case CMD_OUTBOX_LIST:
        return command_queue_list(&t, QUEUE_OUTBOX, o->state, o->json);
    case CMD_OUTBOX_SHOW:
        return command_queue_entry(&t, QUEUE_OUTBOX, QUEUE_SHOW, o->ref);
    case CMD_OUTBOX_WATCH:
        return command_outbox_watch(&t);
    case CMD_OUTBOX_CANCEL:
        return command_queue_entry(&t, QUEUE_OUTBOX, QUEUE_REMOVE, o->ref);
    case CMD_OUTBOX_RETRY:
        return command_queue_entry(&t, QUEUE_OUTBOX, QUEUE_AGAIN, o->ref);
    case CMD_INBOX_LIST:
        return command_queue_list(&t, QUEUE_INBOX, o->state, o->json);
    case CMD_INBOX_SHOW:
        return command_queue_entry(&t, QUEUE_INBOX, QUEUE_SHOW, o->ref);
    case CMD_INBOX_DROP:
        return command_queue_entry(&t, QUEUE_INBOX, QUEUE_REMOVE, o->ref);
    case CMD_INBOX_REQUEUE:
        return command_queue_entry(&t, QUEUE_INBOX, QUEUE_AGAIN, o->ref);
    case CMD_TOPICS_LIST:
        return command_topics_list(&t, o->json);
    case CMD_TOPICS_DEFAULT:
        return command_topics_default(&t, o->action);
    case CMD_TOPICS_ADD:
        return command_topics_add(&t, o->topic);
    case CMD_TOPICS_REMOVE:
        return command_topics_remove(&t, o->topic);
    case CMD_TOPICS_ALLOW:
        return command_topics_allow(&t, o->topic, o->sender);
    case CMD_TOPICS_DENY:
        return command_topics_deny(&t, o->topic, o->sender);
    case CMD_TOPICS_FORWARD:
        return command_topics_forward(&t, o->topic, o->socket);
    case CMD_TOKEN_NEW:
        return command_token_new(o);
    case CMD_TOKEN_LIST:
        return command_token_list(o);
    case CMD_TOKEN_REVOKE:
        return command_token_revoke(o);
    case CMD_COUNT:
        break;
    }
    return 2; /* the parser gives no other command */
}

int main(int argc, char **argv)
{
    static struct options options; /* holds many peers: too much for a stack */
    int status = 2;
    if (options_parse(argc, argv, &options, &status) != OK)
        return status;
    logging_setup(&options);
    status = run_command(&options);
    options_free(&options);
    return status;
}
