/* api_listen.c - where the API can be reached: its addresses, and its Unix socket. */
#include <grp.h>
#include <stdlib.h>

#include "node/glue.h"
#include "node/paths.h"

#define LOG_TARGET "node"

#define SOCKET_GROUP "mycelium"
#define GROUP_BYTES  16384

static int listen_addrs(struct node *n)
{
    const struct listen_addrs *l = &n->options->api_addrs;
    for (size_t i = 0; i < l->count && !l->a[i].off; i++) {
        uint16_t port = 0;
        int rc = http_server_listen(n->http, l->a[i].host, l->a[i].port, &port);
        if (rc != OK) {
            log_error("cannot listen for the API", "addr=%s port=%u why=\"%s\"", l->a[i].host,
                      l->a[i].port, errno_str(rc));
            return rc;
        }
        log_info("API listening", "addr=%s port=%u", l->a[i].host, port);
    }
    return OK;
}

/* Whose members may use the socket; none where the system does not know it. */
static gid_t socket_group(void)
{
    char *space = malloc(GROUP_BYTES);
    struct group entry, *found = NULL;
    gid_t gid = (gid_t)-1;
    if (space && getgrnam_r(SOCKET_GROUP, &entry, space, GROUP_BYTES, &found) == 0 && found)
        gid = found->gr_gid;
    free(space);
    return gid;
}

static int listen_path(struct node *n, const char *path)
{
    gid_t group = socket_group();
    int rc = http_server_listen_path(n->http, path, group);
    if (rc == ERR_IO && errno == EPERM && group != (gid_t)-1)
        rc = http_server_listen_path(n->http, path, (gid_t)-1); /* not ours to give away */
    if (rc != OK) {
        log_error("cannot listen for the API", "path=%s why=\"%s\"", path, errno_str(rc));
        return rc;
    }
    log_info("API listening", "path=%s", path);
    return OK;
}

int api_listen(struct node *n)
{
    char path[PATH_TEXT_MAX] = "";
    int rc = path_api_socket(n->options->api_socket, path, sizeof(path));
    if (rc == OK)
        rc = listen_addrs(n);
    if (rc == OK && path[0])
        rc = listen_path(n, path);
    if (rc == OK && n->options->api_addrs.a[0].off && !path[0])
        log_info("API switched off", "%s", "");
    return rc;
}
