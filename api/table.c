#include "api/table.h"

#include <string.h>

#include "api/query.h"
#include "base/err.h"

#define API "/api/v1"
#define BUS "/bus/v1"

/* One method of a path. */
struct entry {
    enum http_method method;
    enum call call;
    enum scope scope; /* not said: SCOPE_ADMIN */
};

struct path {
    const char *text;  /* ends in a slash when a parameter follows */
    const char *param; /* its name, or "" */
    const char *rest;  /* behind the parameter */
    const char *allow;
    struct entry entries[3]; /* HEAD, where it is not the same as GET */
    size_t count;
};

static const struct path paths[] = {
    {API "/admin", "", "", "GET,HEAD", {{HTTP_GET, CALL_INFO, SCOPE_READ}}, 1},
    {API "/admin/peers",
     "",
     "",
     "GET,HEAD,POST",
     {{HTTP_GET, CALL_PEERS, SCOPE_READ}, {HTTP_POST, CALL_PEER_ADD, SCOPE_ADMIN}},
     2},
    {API "/admin/peers/",
     "endpoint",
     "",
     "DELETE",
     {{HTTP_DELETE, CALL_PEER_DELETE, SCOPE_ADMIN}},
     1},
    {API "/admin/routes/selected",
     "",
     "",
     "GET,HEAD",
     {{HTTP_GET, CALL_ROUTES_SELECTED, SCOPE_READ}},
     1},
    {API "/admin/routes/fallback",
     "",
     "",
     "GET,HEAD",
     {{HTTP_GET, CALL_ROUTES_FALLBACK, SCOPE_READ}},
     1},
    {API "/admin/routes/queried",
     "",
     "",
     "GET,HEAD",
     {{HTTP_GET, CALL_ROUTES_QUERIED, SCOPE_READ}},
     1},
    {API "/admin/stats/packets", "", "", "GET,HEAD", {{HTTP_GET, CALL_PACKETS, SCOPE_READ}}, 1},
    {API "/admin/proxy",
     "",
     "",
     "GET,HEAD,POST,DELETE",
     {{HTTP_GET, CALL_PROXIES, SCOPE_READ},
      {HTTP_POST, CALL_PROXY_CONNECT, SCOPE_ADMIN},
      {HTTP_DELETE, CALL_PROXY_DISCONNECT, SCOPE_ADMIN}},
     3},
    {API "/admin/proxy/probe",
     "",
     "",
     "GET,HEAD,DELETE",
     {{HTTP_GET, CALL_PROXY_PROBE, SCOPE_ADMIN}, {HTTP_DELETE, CALL_PROXY_PROBE_STOP, SCOPE_ADMIN}},
     2},
    {API "/pubkey/", "ip", "", "GET,HEAD", {{HTTP_GET, CALL_PUBKEY, SCOPE_READ}}, 1},
    {API "/messages",
     "",
     "",
     "GET,HEAD,POST",
     {{HTTP_GET, CALL_TAKE, SCOPE_RECEIVE},
      {HTTP_HEAD, CALL_LOOK, SCOPE_READ},
      {HTTP_POST, CALL_SEND, SCOPE_SEND}},
     3},
    {API "/messages/reply/", "id", "", "POST", {{HTTP_POST, CALL_REPLY, SCOPE_SEND}}, 1},
    {BUS, "", "", "GET,HEAD", {{HTTP_GET, CALL_BUS_INFO, SCOPE_READ}}, 1},
    {BUS "/stats", "", "", "GET,HEAD", {{HTTP_GET, CALL_BUS_STATS, SCOPE_READ}}, 1},
    {BUS "/messages", "", "", "POST", {{HTTP_POST, CALL_PUSH, SCOPE_SEND}}, 1},
    {BUS "/outbox", "", "", "GET,HEAD", {{HTTP_GET, CALL_OUTBOX, SCOPE_READ}}, 1},
    {BUS "/ws", "", "", "GET", {{HTTP_GET, CALL_WS, SCOPE_ALL}}, 1}, /* each op has its own */
    {BUS "/events", "", "", "GET", {{HTTP_GET, CALL_EVENTS, SCOPE_RECEIVE}}, 1},
    {BUS "/outbox/events", "", "", "GET", {{HTTP_GET, CALL_OUT_EVENTS, SCOPE_READ}}, 1},
    {BUS "/outbox/",
     "ref",
     "",
     "GET,HEAD,DELETE",
     {{HTTP_GET, CALL_OUT_GET, SCOPE_READ}, {HTTP_DELETE, CALL_OUT_DELETE, SCOPE_ADMIN}},
     2},
    {BUS "/outbox/", "ref", "/retry", "POST", {{HTTP_POST, CALL_OUT_AGAIN, SCOPE_ADMIN}}, 1},
    {BUS "/messages/fetch", "", "", "POST", {{HTTP_POST, CALL_FETCH_LEASES, SCOPE_RECEIVE}}, 1},
    {BUS "/messages/ack", "", "", "POST", {{HTTP_POST, CALL_ACK, SCOPE_RECEIVE}}, 1},
    {BUS "/messages/nack", "", "", "POST", {{HTTP_POST, CALL_NACK, SCOPE_RECEIVE}}, 1},
    {BUS "/messages/renew", "", "", "POST", {{HTTP_POST, CALL_RENEW, SCOPE_RECEIVE}}, 1},
    {BUS "/messages/term", "", "", "POST", {{HTTP_POST, CALL_TERM, SCOPE_RECEIVE}}, 1},
    {BUS "/inbox", "", "", "GET,HEAD", {{HTTP_GET, CALL_INBOX, SCOPE_READ}}, 1},
    {BUS "/inbox/",
     "seq",
     "",
     "GET,HEAD,DELETE",
     {{HTTP_GET, CALL_INBOX_ENTRY, SCOPE_READ}, {HTTP_DELETE, CALL_INBOX_DROP, SCOPE_ADMIN}},
     2},
    {BUS "/inbox/",
     "seq",
     "/payload",
     "GET,HEAD",
     {{HTTP_GET, CALL_INBOX_PAYLOAD, SCOPE_RECEIVE}},
     1},
    {BUS "/inbox/", "seq", "/requeue", "POST", {{HTTP_POST, CALL_INBOX_REQUEUE, SCOPE_ADMIN}}, 1},
    {API "/messages/status/", "id", "", "GET,HEAD", {{HTTP_GET, CALL_STATUS, SCOPE_READ}}, 1},
    {API "/messages/topics/default",
     "",
     "",
     "GET,HEAD,PUT",
     {{HTTP_GET, CALL_TOPIC_DEFAULT, SCOPE_READ}, {HTTP_PUT, CALL_TOPIC_DEFAULT_SET, SCOPE_ADMIN}},
     2},
    {API "/messages/topics",
     "",
     "",
     "GET,HEAD,POST",
     {{HTTP_GET, CALL_TOPICS, SCOPE_READ}, {HTTP_POST, CALL_TOPIC_ADD, SCOPE_ADMIN}},
     2},
};

#define TOPIC API "/messages/topics/", "topic"
/* What begins with a topic, which may be empty. */
struct topic_path {
    struct path path;   /* rest ends in a slash when a second parameter follows */
    const char *second; /* its name, or "" */
};
static const struct topic_path topic_paths[] = {
    {{TOPIC, "", "DELETE", {{HTTP_DELETE, CALL_TOPIC_REMOVE, SCOPE_ADMIN}}, 1}, ""},
    {{TOPIC,
      "/sources",
      "GET,HEAD,POST",
      {{HTTP_GET, CALL_TOPIC_SOURCES, SCOPE_READ}, {HTTP_POST, CALL_TOPIC_SOURCE_ADD, SCOPE_ADMIN}},
      2},
     ""},
    {{TOPIC,
      "/forward",
      "GET,HEAD,PUT,DELETE",
      {{HTTP_GET, CALL_TOPIC_FORWARD, SCOPE_READ},
       {HTTP_PUT, CALL_TOPIC_FORWARD_SET, SCOPE_ADMIN},
       {HTTP_DELETE, CALL_TOPIC_FORWARD_REMOVE, SCOPE_ADMIN}},
      3},
     ""},
    {{TOPIC, "/sources/", "DELETE", {{HTTP_DELETE, CALL_TOPIC_SOURCE_REMOVE, SCOPE_ADMIN}}, 1},
     "subnet"},
};

static int read_param(const char *name, const char *text, size_t len, struct match *ret,
                      char out[static PARAM_MAX + 1], size_t *ret_len)
{
    int rc = percent_decode(text, len, false, out, PARAM_MAX, ret_len);

    ret->param_name = name;
    if (rc < 0 || !utf8_valid(out, *ret_len) || memchr(out, '\0', *ret_len))
        return ERR_INVAL;
    out[*ret_len] = '\0';
    return OK;
}

/* A path, and where its parameters stand in what was sent. */
struct found {
    const struct path *path;
    const char *param, *second, *second_name;
    size_t param_len;
};

/* How long is the parameter in this path? 0: the path is another one. */
static size_t param_len(const struct path *p, const char *path)
{
    size_t len = strlen(p->text), n;

    if (strncmp(path, p->text, len) != 0)
        return 0;
    n = strcspn(path + len, "/");
    return strcmp(path + len + n, p->rest) == 0 ? n : 0;
}

static bool fits_topic(const struct topic_path *p, const char *path, struct found *ret)
{
    size_t len = strlen(p->path.text), n;
    const char *rest = p->path.rest;

    if (strncmp(path, p->path.text, len) != 0)
        return false;
    n = strcspn(path + len, "/");
    if (strncmp(path + len + n, rest, strlen(rest)) != 0)
        return false;
    ret->param_len = n;
    ret->second = path + len + n + strlen(rest);
    ret->second_name = p->second;
    if (!*p->second)
        return *ret->second == '\0';
    return *ret->second != '\0' && !strchr(ret->second, '/');
}

static bool find(const char *path, struct found *ret)
{
    *ret = (struct found){.second_name = ""};
    for (size_t i = 0; i < ARRAY_LEN(paths) && !ret->path; i++) {
        const struct path *p = &paths[i];
        ret->param_len = *p->param ? param_len(p, path) : 0;
        if (*p->param ? ret->param_len > 0 : strcmp(path, p->text) == 0)
            ret->path = p;
    }
    for (size_t i = 0; i < ARRAY_LEN(topic_paths) && !ret->path; i++)
        if (fits_topic(&topic_paths[i], path, ret))
            ret->path = &topic_paths[i].path;
    if (ret->path)
        ret->param = path + strlen(ret->path->text);
    return ret->path != NULL;
}

static int read_params(const struct found *f, struct match *ret)
{
    const char *name = f->path->param;
    int rc = OK;

    if (*name)
        rc = read_param(name, f->param, f->param_len, ret, ret->param, &ret->param_len);
    if (rc == OK && *f->second_name)
        rc = read_param(f->second_name, f->second, strlen(f->second), ret, ret->second,
                        &ret->second_len);
    if (rc == OK)
        ret->param_name = name;
    return rc;
}

static const struct entry *find_method(const struct path *p, enum http_method method)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->entries[i].method == method)
            return &p->entries[i];
    return NULL;
}

bool path_is_bus(const char *path)
{
    size_t len = sizeof(BUS) - 1;

    return strncmp(path, BUS, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool call_wants_json(enum call c)
{
    switch (c) {
    case CALL_PEER_ADD:
    case CALL_PROXY_CONNECT:
    case CALL_SEND:
    case CALL_REPLY:
    case CALL_FETCH_LEASES:
    case CALL_ACK:
    case CALL_NACK:
    case CALL_RENEW:
    case CALL_TERM:
    case CALL_TOPIC_DEFAULT_SET:
    case CALL_TOPIC_ADD:
    case CALL_TOPIC_SOURCE_ADD:
    case CALL_TOPIC_FORWARD_SET:
        return true;
    case CALL_INFO:
    case CALL_PEERS:
    case CALL_PEER_DELETE:
    case CALL_ROUTES_SELECTED:
    case CALL_ROUTES_FALLBACK:
    case CALL_ROUTES_QUERIED:
    case CALL_PACKETS:
    case CALL_PROXIES:
    case CALL_PROXY_DISCONNECT:
    case CALL_PROXY_PROBE:
    case CALL_PROXY_PROBE_STOP:
    case CALL_PUBKEY:
    case CALL_TAKE:
    case CALL_LOOK:
    case CALL_STATUS:
    case CALL_BUS_INFO:
    case CALL_BUS_STATS:
    case CALL_INBOX:
    case CALL_INBOX_ENTRY:
    case CALL_INBOX_PAYLOAD:
    case CALL_INBOX_DROP:
    case CALL_INBOX_REQUEUE:
    case CALL_PUSH: /* or the payload as it is */
    case CALL_OUTBOX:
    case CALL_OUT_GET:
    case CALL_OUT_DELETE:
    case CALL_OUT_AGAIN:
    case CALL_TOPIC_DEFAULT:
    case CALL_TOPICS:
    case CALL_TOPIC_REMOVE:
    case CALL_TOPIC_SOURCES:
    case CALL_TOPIC_SOURCE_REMOVE:
    case CALL_TOPIC_FORWARD:
    case CALL_TOPIC_FORWARD_REMOVE:
    case CALL_WS:
    case CALL_EVENTS:
    case CALL_OUT_EVENTS:
        break;
    }
    return false;
}

int table_match(enum http_method method, const char *path, struct match *ret)
{
    const struct entry *e;
    struct found f;

    if (!find(path, &f))
        return ERR_NOENT;
    ret->allow = f.path->allow;
    ret->param_name = "";
    ret->param_len = ret->second_len = 0;
    ret->param[0] = ret->second[0] = '\0';
    e = find_method(f.path, method);
    if (!e && method == HTTP_HEAD)
        e = find_method(f.path, HTTP_GET);
    if (!e)
        return ERR_UNSUPPORTED;
    ret->call = e->call;
    ret->scope = e->scope ? e->scope : SCOPE_ADMIN;
    return read_params(&f, ret);
}
