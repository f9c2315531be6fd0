/* reload.c - SIGHUP: what is read again while the node runs. What cannot be used leaves what there
 * was. */
#include <stdlib.h>

#include "node/config_file.h"
#include "node/glue.h"
#include "node/topic_file.h"

#define LOG_TARGET "node"

/* The rules of the file in place of all that there are; those that the store has besides stay. */
int reload_topics(struct node *n)
{
    const char *path = n->options->topic_config;
    char why[TOPIC_FILE_WHY_MAX];
    struct topics *t = NULL;
    int rc = topic_file_read(path, &n->rng, &t, why);
    if (rc != OK) {
        log_error("cannot use the topic file", "why=\"%s\"", why);
        return rc;
    }
    size_t in_file = topics_count(t);
    rc = bus_set_topics(n->bus, t, instant_now());
    if (rc != OK) {
        log_error("cannot use the topic file", "why=\"%s: with the rules of the store: %s\"", path,
                  err_str(rc));
        topics_free(t);
        return rc;
    }
    log_info("topic rules read", "path=%s topics=%zu others=%zu default=%s", path, in_file,
             topics_count(t) - in_file, topics_accept(t) ? "accept" : "reject");
    return OK;
}

static bool is_peer_of(const struct options *o, const struct endpoint *e)
{
    for (size_t i = 0; i < o->peers_count; i++)
        if (endpoint_eq(&o->peers[i], e))
            return true;
    return false;
}

/* Peers that came or went with the file; those that calls added or removed have no part in it. */
static void reload_peers(struct node *n, const struct options *old)
{
    size_t added = 0, removed = 0;
    for (size_t i = 0; i < n->options->peers_count; i++)
        if (!is_peer_of(old, &n->options->peers[i]))
            added += peers_add(n->peers, &n->options->peers[i], usec_now()) == OK;
    for (size_t i = 0; i < old->peers_count; i++)
        if (!is_peer_of(n->options, &old->peers[i]))
            removed += peers_remove(n->peers, &old->peers[i]) == OK;
    if (added || removed)
        log_info("peers read again", "added=%zu removed=%zu", added, removed);
}

/* The command line and the file again. The options of the start stay: other parts of the node lend
 * from them. */
static int reload_options(struct node *n)
{
    const struct options *old = n->options;
    struct options *fresh = malloc(sizeof(*fresh));
    int status;
    if (!fresh || options_parse(old->argc, old->argv, fresh, &status) != OK) {
        free(fresh);
        return ERR_INVAL;
    }
    config_file_warn(fresh);
    n->options = fresh;
    reload_peers(n, old);
    reload_end(n);
    n->reloaded = fresh;
    return OK;
}

void reload_end(struct node *n)
{
    if (n->reloaded)
        options_free(n->reloaded);
    free(n->reloaded);
    n->reloaded = NULL;
}

void reload(struct node *n)
{
    log_info("reading the configuration again", "file=%s",
             n->options->config_path[0] ? n->options->config_path : "none");
    if (reload_options(n) != OK)
        log_warn("the configuration stays as it was: it cannot be read", "%s", "");
    if (n->options->topic_config && reload_topics(n) != OK)
        log_warn("the topic rules stay as they were", "%s", "");
    if (n->api)
        access_reload(n);
}
