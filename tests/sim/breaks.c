#include "breaks.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static const char *const names[BREAK_KINDS] = {
    [BREAK_NONE] = "none",
    [BREAK_LINK_CUT] = "link-cut",
    [BREAK_SILENT_CUT] = "silent-cut",
    [BREAK_NODE_DEATH] = "node-death",
    [BREAK_PARTITION] = "partition",
};

const char *break_name(enum break_kind k)
{
    return names[k];
}

bool break_parse(const char *name, enum break_kind *ret)
{
    for (size_t i = 0; i < BREAK_KINDS; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum break_kind)i;
            return true;
        }
    }
    return false;
}

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void breaks_init(struct breaks *b, struct network *n, const struct pairs *p)
{
    *b = (struct breaks){.n = n, .p = p};
    b->cut = must(calloc(network_links(n) + 1, sizeof(*b->cut)));
}

void breaks_fini(struct breaks *b)
{
    free(b->cut);
    *b = (struct breaks){0};
}

static size_t below(struct breaks *b, size_t bound)
{
    return (size_t)rng_below(network_rng(b->n), bound);
}

static void say(struct breaks *b, const char *what, size_t from, size_t to)
{
    char text[80], f[NETWORK_NAME_MAX], t[NETWORK_NAME_MAX];
    (void)snprintf(text, sizeof(text), "%s %s %s", what, network_name(from, f),
                   from == to ? "" : network_name(to, t));
    network_trace_note(b->n, text);
}

/* On the way of a random pair; the number of links when no pair has a way. */
static size_t link_in_use(struct breaks *b)
{
    size_t from, to, links[NETWORK_HOPS_MAX];
    for (unsigned tries = 0; tries < 100; tries++) {
        pairs_get(b->p, below(b, pairs_len(b->p)), &from, &to);
        int hops = network_way(b->n, from, to, links);
        if (hops > 0)
            return links[below(b, (size_t)hops)];
    }
    return network_links(b->n);
}

/* Preferably one that is not an end of its pair. */
static size_t node_in_use(struct breaks *b)
{
    size_t from, to, links[NETWORK_HOPS_MAX];
    for (unsigned tries = 0; tries < 100; tries++) {
        pairs_get(b->p, below(b, pairs_len(b->p)), &from, &to);
        int hops = network_way(b->n, from, to, links);
        if (hops < 2)
            continue;
        const struct network_link *l = network_link_at(b->n, links[below(b, (size_t)hops - 1)]);
        return l->a == from || l->a == to ? l->b : l->a;
    }
    return below(b, network_nodes(b->n));
}

/* The half that is nearer to a random node, by hops, against the rest. */
static void partition(struct breaks *b)
{
    size_t nodes = network_nodes(b->n), first = below(b, nodes), reached = 0;
    int *hops = must(malloc(nodes * sizeof(*hops))), depth = 0;
    network_hops_from(b->n, first, hops);
    for (; reached < nodes / 2 && depth < (int)nodes; depth++)
        for (size_t i = 0; i < nodes; i++)
            reached += hops[i] == depth;
    for (size_t i = 0; i < network_links(b->n); i++) {
        const struct network_link *l = network_link_at(b->n, i);
        if (l->up && (hops[l->a] < depth) != (hops[l->b] < depth))
            b->cut[b->cut_len++] = i;
    }
    free(hops);
    for (size_t i = 0; i < b->cut_len; i++)
        network_cut(b->n, b->cut[i]);
    say(b, "partition around", first, first);
}

void breaks_happen(struct breaks *b, enum break_kind kind)
{
    b->cut_len = 0;
    b->kind = kind;
    if (kind == BREAK_NODE_DEATH) {
        b->node = node_in_use(b);
        say(b, "death of", b->node, b->node);
        network_kill(b->n, b->node);
        return;
    }
    if (kind == BREAK_PARTITION) {
        partition(b);
        return;
    }
    size_t link = link_in_use(b);
    if (link == network_links(b->n))
        return;
    const struct network_link *l = network_link_at(b->n, link);
    b->cut[b->cut_len++] = link;
    say(b, kind == BREAK_SILENT_CUT ? "silence between" : "cut between", l->a, l->b);
    if (kind == BREAK_SILENT_CUT)
        network_silence(b->n, link);
    else
        network_cut(b->n, link);
}

void breaks_mend(struct breaks *b)
{
    network_trace_note(b->n, "mended");
    if (b->kind == BREAK_NODE_DEATH)
        network_revive(b->n, b->node);
    for (size_t i = 0; i < b->cut_len; i++) {
        network_cut(b->n, b->cut[i]); /* a silent one that nobody has given up */
        network_restore(b->n, b->cut[i]);
    }
}
