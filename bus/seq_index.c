#include "bus/seq_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Below this many entries holes do not matter. */
#define HOLES_MIN 64

void seq_index_fini(struct seq_index *x)
{
    free(x->v);
    memset(x, 0, sizeof(*x));
}

size_t seq_index_above(const struct seq_index *x, uint64_t seq)
{
    size_t low = 0, high = x->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (x->v[mid].seq <= seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct seq_entry *find(const struct seq_index *x, uint64_t seq)
{
    size_t at = seq_index_above(x, seq);
    return at > 0 && x->v[at - 1].seq == seq ? &x->v[at - 1] : NULL;
}

void *seq_index_get(const struct seq_index *x, uint64_t seq)
{
    const struct seq_entry *e = find(x, seq);
    return e ? e->what : NULL;
}

static int grow(struct seq_index *x)
{
    if (x->len < x->cap)
        return OK;
    size_t cap = x->cap ? x->cap * 2 : HOLES_MIN;
    struct seq_entry *v = reallocarray(x->v, cap, sizeof(*v));
    if (!v)
        return ERR_NOMEM;
    x->v = v;
    x->cap = cap;
    return OK;
}

int seq_index_add(struct seq_index *x, uint64_t seq, void *what)
{
    struct seq_entry *e = find(x, seq);
    if (e && e->what)
        return ERR_EXIST;
    if (e) {
        e->what = what;
        x->holes--;
        return OK;
    }
    if (grow(x) != OK)
        return ERR_NOMEM;
    size_t at = seq_index_above(x, seq); /* usually the end */
    if (at < x->len)
        memmove(x->v + at + 1, x->v + at, (x->len - at) * sizeof(*x->v));
    x->v[at] = (struct seq_entry){.seq = seq, .what = what};
    x->len++;
    return OK;
}

static void close_holes(struct seq_index *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->len; i++)
        if (x->v[i].what)
            x->v[n++] = x->v[i];
    x->len = n;
    x->holes = 0;
}

void seq_index_del(struct seq_index *x, uint64_t seq)
{
    struct seq_entry *e = find(x, seq);
    if (!e || !e->what)
        return;
    e->what = NULL;
    x->holes++;
    if (x->holes > HOLES_MIN && x->holes > x->len / 2)
        close_holes(x);
}
