#include "topology.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define SCALE_FREE_LINKS  2
#define GEOMETRIC_DEGREE  4.0
#define SMALL_WORLD_EVERY 2
/* A continent: its width, light in fibre, the detours of cables, and the way to the next exchange.
 */
#define MAP_KM          4000.0
#define FIBRE_KM_PER_MS 200.0
#define DETOUR          1.5
#define ACCESS_MS       2.0

static const char *const names[] = {
    [TOPOLOGY_LINE] = "line",
    [TOPOLOGY_RING] = "ring",
    [TOPOLOGY_GRID] = "grid",
    [TOPOLOGY_STAR] = "star",
    [TOPOLOGY_SCALE_FREE] = "scale-free",
    [TOPOLOGY_GEOMETRIC] = "geometric",
    [TOPOLOGY_SMALL_WORLD] = "small-world",
};

const char *topology_name(enum topology t)
{
    return names[t];
}

bool topology_parse(const char *name, enum topology *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum topology)i;
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

static void add(struct network *n, const struct topology_conf *c, size_t a, size_t b, usec_t delay)
{
    struct network_link *l = network_link_at(n, network_link_add(n, a, b, delay));
    l->bytes_per_sec = c->bytes_per_sec;
    l->loss_permille = c->loss_permille;
}

static void add_random(struct network *n, const struct topology_conf *c, size_t a, size_t b)
{
    usec_t extra = (usec_t)rng_below(network_rng(n), (uint64_t)c->delay + 1);
    add(n, c, a, b, c->delay / 2 + extra);
}

static void build_grid(struct network *n, const struct topology_conf *c)
{
    size_t nodes = network_nodes(n), width = 1;
    while (width * width < nodes)
        width++;
    for (size_t i = 1; i < nodes; i++) {
        if (i % width > 0)
            add_random(n, c, i - 1, i);
        if (i >= width)
            add_random(n, c, i - width, i);
    }
}

/* An end of a random link is a node with a chance by its degree. */
static void build_scale_free(struct network *n, const struct topology_conf *c)
{
    size_t nodes = network_nodes(n);
    for (size_t i = 1; i < nodes; i++) {
        size_t chosen[SCALE_FREE_LINKS], len = 0, links = network_links(n);
        while (len < MIN(i, SCALE_FREE_LINKS)) {
            size_t other = 0;
            if (links > 0) {
                const struct network_link *l =
                    network_link_at(n, (size_t)rng_below(network_rng(n), links));
                other = rng_below(network_rng(n), 2) ? l->a : l->b;
            }
            if (len == 0 || chosen[0] != other)
                chosen[len++] = other;
        }
        for (size_t k = 0; k < len; k++)
            add_random(n, c, i, chosen[k]);
    }
}

/* --- geometric -------------------------------------------------------------------------------- */

struct map {
    double *x, *y; /* 0 to 1 */
    size_t *group; /* union-find: whose links connect them */
    size_t *next;  /* in the same square of the map */
    size_t *first;
    size_t squares; /* a side */
};

static double between(const struct map *m, size_t a, size_t b)
{
    return hypot(m->x[a] - m->x[b], m->y[a] - m->y[b]);
}

static size_t group_of(struct map *m, size_t i)
{
    while (m->group[i] != i) {
        m->group[i] = m->group[m->group[i]];
        i = m->group[i];
    }
    return i;
}

static void add_by_distance(struct network *n, const struct topology_conf *c, struct map *m,
                            size_t a, size_t b)
{
    double ms = ACCESS_MS + between(m, a, b) * MAP_KM * DETOUR / FIBRE_KM_PER_MS;
    add(n, c, a, b, (usec_t)(ms * (double)USEC_MS));
    m->group[group_of(m, a)] = group_of(m, b);
}

static size_t square_of(const struct map *m, double at)
{
    return MIN((size_t)(at * (double)m->squares), m->squares - 1);
}

static void connect_near(struct network *n, const struct topology_conf *c, struct map *m, size_t a,
                         double radius)
{
    size_t sx = square_of(m, m->x[a]), sy = square_of(m, m->y[a]);
    for (size_t y = sy ? sy - 1 : 0; y <= MIN(sy + 1, m->squares - 1); y++)
        for (size_t x = sx ? sx - 1 : 0; x <= MIN(sx + 1, m->squares - 1); x++)
            for (size_t b = m->first[y * m->squares + x]; b; b = m->next[b - 1])
                if (b - 1 < a && between(m, a, b - 1) <= radius)
                    add_by_distance(n, c, m, a, b - 1);
}

static void connect_far(struct network *n, const struct topology_conf *c, struct map *m)
{
    size_t nodes = network_nodes(n);
    for (size_t a = 0; a < nodes; a += SMALL_WORLD_EVERY) {
        size_t b = (size_t)rng_below(network_rng(n), nodes);
        if (a != b)
            add_by_distance(n, c, m, a, b);
    }
}

/* A part that is on its own gets a link to the nearest node elsewhere. */
static void connect_parts(struct network *n, const struct topology_conf *c, struct map *m)
{
    size_t nodes = network_nodes(n);
    for (size_t a = 1; a < nodes; a++) {
        size_t best = nodes;
        if (group_of(m, a) == group_of(m, 0))
            continue;
        for (size_t b = 0; b < nodes; b++)
            if (group_of(m, b) == group_of(m, 0) &&
                (best == nodes || between(m, a, b) < between(m, a, best)))
                best = b;
        add_by_distance(n, c, m, a, best);
    }
}

static double coordinate(struct network *n)
{
    return (double)rng_below(network_rng(n), 1U << 30) / (double)(1U << 30);
}

static void build_geometric(struct network *n, const struct topology_conf *c)
{
    size_t nodes = network_nodes(n);
    double radius = sqrt(GEOMETRIC_DEGREE / (M_PI * (double)nodes));
    struct map m = {.squares = MAX((size_t)(1.0 / radius), 1)};
    m.x = must(calloc(nodes, sizeof(*m.x)));
    m.y = must(calloc(nodes, sizeof(*m.y)));
    m.group = must(calloc(nodes, sizeof(*m.group)));
    m.next = must(calloc(nodes, sizeof(*m.next)));
    m.first = must(calloc(m.squares * m.squares, sizeof(*m.first)));
    for (size_t i = 0; i < nodes; i++) {
        m.x[i] = coordinate(n);
        m.y[i] = coordinate(n);
        m.group[i] = i;
        size_t *first = &m.first[square_of(&m, m.y[i]) * m.squares + square_of(&m, m.x[i])];
        m.next[i] = *first;
        *first = i + 1;
    }
    for (size_t i = 0; i < nodes; i++)
        connect_near(n, c, &m, i, radius);
    if (c->kind == TOPOLOGY_SMALL_WORLD)
        connect_far(n, c, &m);
    connect_parts(n, c, &m);
    free(m.x);
    free(m.y);
    free(m.group);
    free(m.next);
    free(m.first);
}

void topology_build(struct network *n, const struct topology_conf *c)
{
    size_t nodes = network_nodes(n);
    switch (c->kind) {
    case TOPOLOGY_LINE:
    case TOPOLOGY_RING:
        for (size_t i = 1; i < nodes; i++)
            add_random(n, c, i - 1, i);
        if (c->kind == TOPOLOGY_RING && nodes > 2)
            add_random(n, c, nodes - 1, 0);
        return;
    case TOPOLOGY_GRID:
        build_grid(n, c);
        return;
    case TOPOLOGY_STAR:
        for (size_t i = 1; i < nodes; i++)
            add_random(n, c, 0, i);
        return;
    case TOPOLOGY_SCALE_FREE:
        build_scale_free(n, c);
        return;
    case TOPOLOGY_GEOMETRIC:
    case TOPOLOGY_SMALL_WORLD:
        build_geometric(n, c);
        return;
    }
}
