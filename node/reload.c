/* reload.c - SIGHUP: what is read again while the node runs. What cannot be used leaves what there
 * was. */
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

void reload(struct node *n)
{
    if (!n->options->topic_config)
        log_info("nothing to reload", "%s", "");
    else if (reload_topics(n) != OK)
        log_warn("the topic rules stay as they were", "%s", "");
}
