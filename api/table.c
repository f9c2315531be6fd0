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
    {API "/admin", "", "", "GET,HEAD", {{HTTP_GET, CALL_INFO}}, 1},
    {API "/admin/peers",
     "",
     "",
     "GET,HEAD,POST",
     {{HTTP_GET, CALL_PEERS}, {HTTP_POST, CALL_PEER_ADD}},
     2},
    {API "/admin/peers/", "endpoint", "", "DELETE", {{HTTP_DELETE, CALL_PEER_DELETE}}, 1},
    {API "/admin/routes/selected", "", "", "GET,HEAD", {{HTTP_GET, CALL_ROUTES_SELECTED}}, 1},
    {API "/admin/routes/fallback", "", "", "GET,HEAD", {{HTTP_GET, CALL_ROUTES_FALLBACK}}, 1},
    {API "/admin/routes/queried", "", "", "GET,HEAD", {{HTTP_GET, CALL_ROUTES_QUERIED}}, 1},
    {API "/admin/stats/packets", "", "", "GET,HEAD", {{HTTP_GET, CALL_PACKETS}}, 1},
    {API "/pubkey/", "ip", "", "GET,HEAD", {{HTTP_GET, CALL_PUBKEY}}, 1},
    {API "/messages",
     "",
     "",
     "GET,HEAD,POST",
     {{HTTP_GET, CALL_TAKE}, {HTTP_HEAD, CALL_LOOK}, {HTTP_POST, CALL_SEND}},
     3},
    {API "/messages/reply/", "id", "", "POST", {{HTTP_POST, CALL_REPLY}}, 1},
    {BUS "/messages", "", "", "POST", {{HTTP_POST, CALL_PUSH}}, 1},
    {BUS "/outbox", "", "", "GET,HEAD", {{HTTP_GET, CALL_OUTBOX}}, 1},
    {BUS "/outbox/",
     "ref",
     "",
     "GET,HEAD,DELETE",
     {{HTTP_GET, CALL_OUT_GET}, {HTTP_DELETE, CALL_OUT_DELETE}},
     2},
    {BUS "/outbox/", "ref", "/retry", "POST", {{HTTP_POST, CALL_OUT_AGAIN}}, 1},
    {BUS "/messages/fetch", "", "", "POST", {{HTTP_POST, CALL_FETCH_LEASES}}, 1},
    {BUS "/messages/ack", "", "", "POST", {{HTTP_POST, CALL_ACK}}, 1},
    {BUS "/messages/nack", "", "", "POST", {{HTTP_POST, CALL_NACK}}, 1},
    {BUS "/messages/renew", "", "", "POST", {{HTTP_POST, CALL_RENEW}}, 1},
    {BUS "/messages/term", "", "", "POST", {{HTTP_POST, CALL_TERM}}, 1},
    {BUS "/inbox", "", "", "GET,HEAD", {{HTTP_GET, CALL_INBOX}}, 1},
    {BUS "/inbox/",
     "seq",
     "",
     "GET,HEAD,DELETE",
     {{HTTP_GET, CALL_INBOX_ENTRY}, {HTTP_DELETE, CALL_INBOX_DROP}},
     2},
    {BUS "/inbox/", "seq", "/payload", "GET,HEAD", {{HTTP_GET, CALL_INBOX_PAYLOAD}}, 1},
    {BUS "/inbox/", "seq", "/requeue", "POST", {{HTTP_POST, CALL_INBOX_REQUEUE}}, 1},
    {API "/messages/status/", "id", "", "GET,HEAD", {{HTTP_GET, CALL_STATUS}}, 1},
};

static int read_param(const struct path *p, const char *text, size_t len, struct match *ret)
{
    int rc = percent_decode(text, len, false, ret->param, PARAM_MAX, &ret->param_len);

    ret->param_name = p->param;
    if (rc < 0 || !utf8_valid(ret->param, ret->param_len) ||
        memchr(ret->param, '\0', ret->param_len))
        return ERR_INVAL;
    ret->param[ret->param_len] = '\0';
    return OK;
}

/* How long is the parameter in this path? 0: the path is another one. */
static size_t param_len(const struct path *p, const char *path)
{
    size_t len = strlen(p->text), n;

    if (strncmp(path, p->text, len) != 0)
        return 0;
    n = strcspn(path + len, "/");
    return strcmp(path + len + n, p->rest) == 0 ? n : 0;
}

static const struct path *find(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct path *p = &paths[i];
        if (*p->param ? param_len(p, path) > 0 : strcmp(path, p->text) == 0)
            return p;
    }
    return NULL;
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

int table_match(enum http_method method, const char *path, struct match *ret)
{
    const struct path *p = find(path);
    const struct entry *e;

    if (!p)
        return ERR_NOENT;
    ret->allow = p->allow;
    ret->param_name = "";
    ret->param_len = 0;
    ret->param[0] = '\0';
    e = find_method(p, method);
    if (!e && method == HTTP_HEAD)
        e = find_method(p, HTTP_GET);
    if (!e)
        return ERR_UNSUPPORTED;
    ret->call = e->call;
    return *p->param ? read_param(p, path + strlen(p->text), param_len(p, path), ret) : OK;
}
