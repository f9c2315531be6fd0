/* access.c - who may use the API: the tokens, from their file to the guard, at start and at SIGHUP.
 */
#include <string.h>

#include "api/tls_files.h"
#include "node/glue.h"
#include "node/token_file.h"

#define LOG_TARGET "node"

static bool is_loopback(const struct listen_addr *a)
{
    return strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0;
}

/* Can anyone but programs of this machine come in? */
static bool is_open(const struct options *o)
{
    bool open = !o->metrics_addr.off && !is_loopback(&o->metrics_addr);
    for (size_t i = 0; i < o->api_addrs.count; i++)
        open = open || (!o->api_addrs.a[i].off && !is_loopback(&o->api_addrs.a[i]));
    return open || (!o->jsonrpc_addr.off && !is_loopback(&o->jsonrpc_addr));
}

static int load(struct node *n, const char *path, bool needed)
{
    char why[TOKEN_FILE_WHY_MAX] = "";
    struct token_file *f = NULL;
    int rc = token_file_load(path, &f, why);
    if (rc == ERR_NOENT && !needed)
        return OK;
    if (rc == ERR_NOENT) {
        rc = token_file_create(path, true, why);
        if (rc == OK)
            rc = token_file_load(path, &f, why);
        if (rc == OK)
            log_info("token file not found: a new token was made", "path=%s", path);
    }
    if (rc != OK) {
        log_error("cannot use the token file", "why=\"%s\"", why);
        return rc;
    }
    api_set_tokens(n->api, &f->tokens);
    token_file_free(n->tokens);
    n->tokens = f;
    log_info("tokens read", "path=%s tokens=%zu", path, f->tokens.count);
    return OK;
}

static void log_certificate(const char *path, time_t ends)
{
    char date[32] = "";
    struct tm tm;
    if (gmtime_r(&ends, &tm))
        (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm); /* fits */
    if (ends < time(NULL))
        log_warn("the certificate of the API is over", "path=%s ended=%s", path, date);
    else
        log_info("certificate of the API read", "path=%s ends=%s", path, date);
}

static int check_certificate(const struct node *n)
{
    char why[TLS_FILES_WHY_MAX] = "";
    time_t ends = 0;
    int rc = tls_files_check(n->tls.cert, n->tls.key, &ends, why);
    if (rc == OK)
        log_certificate(n->tls.cert, ends);
    else
        log_error("cannot use the certificate of the API", "why=\"%s\"", why);
    return rc;
}

int access_certificate(struct node *n)
{
    n->tls = (struct http_tls){.cert = n->options->api_tls_cert, .key = n->options->api_tls_key};
    return n->tls.cert ? check_certificate(n) : OK;
}

/* Connections that there are keep what they have. */
static int certificate_again(struct node *n)
{
    if (!n->tls.cert)
        return OK;
    int rc = check_certificate(n);
    if (rc == OK && n->http)
        rc = http_server_tls_again(n->http);
    if (rc == OK && n->rpc_http)
        rc = http_server_tls_again(n->rpc_http);
    return rc;
}

int access_start(struct node *n)
{
    const struct options *o = n->options;
    char path[PATH_TEXT_MAX];
    bool open = is_open(o);
    if (o->api_auth == GUARD_OFF && open)
        log_warn("the API listens for other machines, and nobody needs a token", "%s", "");
    int rc = token_file_path(o, path);
    return rc == OK
               ? load(n, path, o->api_auth == GUARD_ALWAYS || (open && o->api_auth != GUARD_OFF))
               : rc;
}

void access_reload(struct node *n)
{
    char path[PATH_TEXT_MAX];
    if (token_file_path(n->options, path) != OK || load(n, path, false) != OK)
        log_warn("the tokens stay as they were", "%s", "");
    if (certificate_again(n) != OK)
        log_warn("the certificate stays as it was", "%s", "");
}

void access_end(struct node *n)
{
    token_file_free(n->tokens);
    n->tokens = NULL;
}
