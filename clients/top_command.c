/* top: how the node is, again and again. A terminal is drawn over; anything else gets one look. */
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "clients/call.h"
#include "clients/commands.h"
#include "clients/snapshot.h"
#include "clients/table.h"
#include "clients/units.h"

#define WHAT      "look at the node"
#define PAUSE_MS  2000
#define PEERS_MAX 12 /* shown below each other */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* Per second since the look before; without one: how much in all. */
static const char *rate(uint64_t now, uint64_t before, usec_t span, char buf[static UNITS_TEXT_MAX])
{
    if (span <= 0 || now < before)
        snprintf(buf, UNITS_TEXT_MAX, "%" PRIu64, now);
    else
        snprintf(buf, UNITS_TEXT_MAX, "%.1f/s",
                 (double)(now - before) * (double)USEC_SEC / (double)span);
    return buf;
}

static const char *byte_rate(uint64_t now, uint64_t before, usec_t span,
                             char buf[static UNITS_TEXT_MAX])
{
    if (span <= 0 || now < before)
        return bytes_text(now, buf);
    bytes_text((uint64_t)((double)(now - before) * (double)USEC_SEC / (double)span), buf);
    size_t used = strlen(buf);
    snprintf(buf + used, UNITS_TEXT_MAX - used, "/s");
    return buf;
}

static void print_peers(const struct snapshot *s)
{
    struct table t;
    char bytes[UNITS_TEXT_MAX];
    json_t *p;
    size_t i;
    table_init(&t, 4);
    table_cell(&t, "Peer");
    table_cell(&t, "Connection");
    table_cell(&t, "Rx total");
    table_cell(&t, "Tx total");
    json_array_foreach(s->peer_list, i, p)
    {
        const char *proto = NULL, *socket = NULL, *state = NULL;
        json_int_t rx = 0, tx = 0;
        if (i == PEERS_MAX || json_unpack(p, "{s:{s:s,s:{s:s}},s:s,s:I,s:I}", "endpoint", "proto",
                                          &proto, "addr", "socket", &socket, "connectionState",
                                          &state, "rxBytes", &rx, "txBytes", &tx) != 0)
            break;
        table_cell(&t, "%s://%s", proto, socket);
        table_cell(&t, "%s", state);
        table_cell(&t, "%s", bytes_text((uint64_t)MAX(rx, 0), bytes));
        table_cell(&t, "%s", bytes_text((uint64_t)MAX(tx, 0), bytes));
    }
    if (s->peers > 0 && table_print(&t, stdout) == OK && s->peers > PEERS_MAX)
        printf("and %" PRIu64 " more\n", s->peers - PEERS_MAX);
    table_fini(&t);
}

/* before: zeroes at the first look. */
static void print_text(const struct snapshot *s, const struct snapshot *before)
{
    char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];
    usec_t span = before->at > 0 ? s->at - before->at : 0;
    const uint64_t *now = s->total, *was = before->total;
    printf("%s  version %s  up %s  %s\n\n", s->ip, s->version[0] ? s->version : "unknown",
           duration_text((uint64_t)MAX(s->up_s, 0), a),
           !s->ours   ? "of another program"
           : s->ready ? "ready"
                      : "NOT READY");
    printf("Peers    %" PRIu64 " of %" PRIu64 " connected, received %s, sent %s\n", s->peers_alive,
           s->peers, byte_rate(s->rx_bytes, before->rx_bytes, span, a),
           byte_rate(s->tx_bytes, before->tx_bytes, span, b));
    if (s->ours) {
        printf("Outbox   %" PRIu64 " messages, %s", s->out_messages, bytes_text(s->out_bytes, a));
        if (s->has_totals)
            printf(", accepted %s, delivered %s",
                   rate(now[TOTAL_ACCEPTED], was[TOTAL_ACCEPTED], span, a),
                   rate(now[TOTAL_DELIVERED], was[TOTAL_DELIVERED], span, b));
        printf("\nInbox    %" PRIu64 " ready, %" PRIu64 " on lease, %" PRIu64 " coming, %" PRIu64
               " dead, %s",
               s->in_ready, s->in_leased, s->in_receiving, s->in_dead, bytes_text(s->in_bytes, a));
        if (s->has_totals)
            printf(", came %s, acknowledged %s", rate(now[TOTAL_CAME], was[TOTAL_CAME], span, a),
                   rate(now[TOTAL_ACKED], was[TOTAL_ACKED], span, b));
        fputc('\n', stdout);
    }
    if (s->has_totals)
        printf("API      requests %s, memory of the node %s\n",
               rate(now[TOTAL_REQUESTS], was[TOTAL_REQUESTS], span, a),
               bytes_text(s->resident_bytes, b));
    fputc('\n', stdout);
    print_peers(s);
}

static int print_json(const struct snapshot *s)
{
    json_t *o = json_pack("{s:s,s:s,s:I,s:b,s:{s:I,s:I,s:I,s:I}}", "nodeIp", s->ip, "version",
                          s->version, "upSeconds", (json_int_t)s->up_s, "ready", s->ready, "peers",
                          "known", (json_int_t)s->peers, "connected", (json_int_t)s->peers_alive,
                          "rxBytes", (json_int_t)s->rx_bytes, "txBytes", (json_int_t)s->tx_bytes);
    int bad = !o;
    if (s->ours)
        bad |= json_object_set_new(o, "outbox",
                                   json_pack("{s:I,s:I}", "messages", (json_int_t)s->out_messages,
                                             "bytes", (json_int_t)s->out_bytes)) |
               json_object_set_new(
                   o, "inbox",
                   json_pack("{s:I,s:I,s:I,s:I,s:I}", "ready", (json_int_t)s->in_ready, "leased",
                             (json_int_t)s->in_leased, "receiving", (json_int_t)s->in_receiving,
                             "dead", (json_int_t)s->in_dead, "bytes", (json_int_t)s->in_bytes));
    if (s->has_totals)
        bad |= json_object_set_new(o, "totals",
                                   json_pack("{s:I,s:I,s:I,s:I,s:I}", "accepted",
                                             (json_int_t)s->total[TOTAL_ACCEPTED], "delivered",
                                             (json_int_t)s->total[TOTAL_DELIVERED], "came",
                                             (json_int_t)s->total[TOTAL_CAME], "acknowledged",
                                             (json_int_t)s->total[TOTAL_ACKED], "requests",
                                             (json_int_t)s->total[TOTAL_REQUESTS]));
    if (!bad && json_dumpf(o, stdout, JSON_COMPACT) == 0)
        fputc('\n', stdout);
    json_decref(o);
    return bad ? command_fail("cannot " WHAT ": %s", err_str(ERR_NOMEM)) : 0;
}

/* One look, shown. */
static int look(const struct api_target *t, bool json, bool over, struct snapshot *before)
{
    struct snapshot s;
    unsigned code = 0;
    int rc = snapshot_take(t, &s, &code), status = 0;
    if (rc == ERR_INVAL)
        return command_fail("cannot " WHAT ": it answers %u%s", code,
                            code == 401 ? "; give --token-file, or MYCELIUM_API_TOKEN" : "");
    if (rc != OK)
        return api_call_unanswered(t, WHAT, rc);
    if (over)
        fputs("\033[H\033[J", stdout);
    if (json)
        status = print_json(&s);
    else
        print_text(&s, before);
    snapshot_fini(before);
    *before = s;
    return command_flush() != 0 ? 1 : status;
}

int command_top(const struct api_target *t, bool json, bool once)
{
    struct sigaction act = {.sa_handler = on_signal}; /* without SA_RESTART: the pause ends */
    struct snapshot before = {0};
    bool again = !once && isatty(STDOUT_FILENO) == 1, over = again && !json;
    int status;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    do {
        status = look(t, json, over, &before);
        if (again && status == 0 && !stopped)
            (void)poll(NULL, 0, PAUSE_MS);
    } while (again && status == 0 && !stopped);
    snapshot_fini(&before);
    return status;
}
