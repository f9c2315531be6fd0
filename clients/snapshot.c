#include "clients/snapshot.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "clients/http_client.h"

void snapshot_fini(struct snapshot *s)
{
    json_decref(s->peer_list);
    s->peer_list = NULL;
}

uint64_t metrics_sum(const char *text, const char *name)
{
    double sum = 0;
    size_t n = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) != 0 || (line[n] != ' ' && line[n] != '{'))
            continue;
        size_t rest = strcspn(line + n, "\n");
        const char *value = line[n] == '{' ? memchr(line + n, '}', rest) : line + n;
        if (value)
            sum += strtod(value + 1, NULL);
    }
    return sum > 0 ? (uint64_t)sum : 0;
}

/* NULL: no answer, another one than 200, or no JSON. */
static json_t *ask(const struct api_target *t, const char *path, unsigned *ret_status, int *ret_rc)
{
    struct http_reply r = {0};
    int rc = http_request(t, "GET", path, NULL, 0, 0, &r);
    json_t *json = NULL;
    if (rc == OK) {
        *ret_status = r.status;
        if (r.status == 200 || r.status == 503)
            json = json_loadb(r.body, r.body_len, 0, NULL);
        http_reply_fini(&r);
    }
    *ret_rc = rc;
    return json;
}

static uint64_t number(json_t *json, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(json, key));
    return n > 0 ? (uint64_t)n : 0;
}

static void text_copy(char *to, size_t cap, json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    snprintf(to, cap, "%s", text ? text : "");
}

static void read_peers(struct snapshot *s)
{
    json_t *p;
    size_t i;
    s->peers = json_array_size(s->peer_list);
    json_array_foreach(s->peer_list, i, p)
    {
        const char *state = json_string_value(json_object_get(p, "connectionState"));
        s->peers_alive += state && strcmp(state, "alive") == 0;
        s->rx_bytes += number(p, "rxBytes");
        s->tx_bytes += number(p, "txBytes");
    }
}

static void read_stats(struct snapshot *s, json_t *stats)
{
    json_t *out = json_object_get(stats, "outbox"), *in = json_object_get(stats, "inbox");
    json_t *states = json_object_get(in, "byState");
    s->ours = json_is_object(out) && json_is_object(states);
    s->out_messages = number(out, "messages");
    s->out_bytes = number(out, "bytes");
    s->in_bytes = number(in, "bytes");
    s->in_receiving = number(states, "receiving");
    s->in_ready = number(states, "ready");
    s->in_leased = number(states, "leased");
    s->in_dead = number(states, "dead");
}

static void read_metrics(struct snapshot *s, const char *text)
{
    static const char *const names[TOTAL_COUNT] = {
        [TOTAL_ACCEPTED] = "mycelium_bus_accepted_total",
        [TOTAL_CAME] = "mycelium_bus_received_total",
        [TOTAL_REQUESTS] = "mycelium_api_requests_total",
        [TOTAL_ACKED] = "mycelium_bus_leases_total{result=\"acked\"}",
        [TOTAL_DELIVERED] = "mycelium_bus_delivery_seconds_count",
    };
    s->has_totals = strstr(text, names[TOTAL_ACCEPTED]) != NULL;
    for (size_t i = 0; i < TOTAL_COUNT; i++)
        s->total[i] = metrics_sum(text, names[i]);
    s->resident_bytes = metrics_sum(text, "process_resident_memory_bytes");
}

int snapshot_take(const struct api_target *t, struct snapshot *ret, unsigned *ret_status)
{
    struct snapshot s = {.at = usec_now()};
    struct http_reply r = {0};
    unsigned status = 0;
    int rc;
    json_t *admin = ask(t, "/api/v1/admin", &status, &rc);
    *ret_status = status;
    if (!admin)
        return rc == OK ? ERR_INVAL : rc;
    text_copy(s.ip, sizeof(s.ip), admin, "nodeIp");
    json_int_t start = json_integer_value(json_object_get(admin, "nodeStartTime"));
    s.up_s = start > 0 ? time(NULL) - start : 0;
    json_decref(admin);
    s.peer_list = ask(t, "/api/v1/admin/peers", &status, &rc);
    read_peers(&s);
    json_t *version = ask(t, "/version", &status, &rc), *stats, *ready;
    text_copy(s.version, sizeof(s.version), version, "version");
    json_decref(version);
    ready = ask(t, "/readyz", &status, &rc);
    s.ready = status == 200 && ready;
    json_decref(ready);
    stats = ask(t, "/bus/v1/stats", &status, &rc);
    read_stats(&s, stats);
    json_decref(stats);
    if (http_request(t, "GET", "/metrics", NULL, 0, 0, &r) == OK) {
        if (r.status == 200)
            read_metrics(&s, r.body);
        http_reply_fini(&r);
    }
    *ret = s;
    return OK;
}
