/* access.c - who may use the API: the tokens, from their file to the guard, at start and at SIGHUP.
 */
#include <string.h>

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

int access_reload(struct node *n)
{
    char path[PATH_TEXT_MAX];
    int rc = token_file_path(n->options, path);
    return rc == OK ? load(n, path, false) : rc;
}

void access_end(struct node *n)
{
    token_file_free(n->tokens);
    n->tokens = NULL;
}
