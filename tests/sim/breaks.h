/* breaks.h - what goes wrong in a simulated network: links cut or silent, nodes that die, parts
 * that part. One at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "pairs.h"

enum break_kind {
    BREAK_NONE,
    BREAK_LINK_CUT,   /* a link in use is reset */
    BREAK_SILENT_CUT, /* a link in use loses all bytes */
    BREAK_NODE_DEATH, /* a node on the way of others ends, and starts anew with empty tables */
    BREAK_PARTITION,  /* all links between two halves are reset */
    BREAK_KINDS
};
const char *break_name(enum break_kind k);
bool break_parse(const char *name, enum break_kind *ret);

struct breaks {
    struct network *n;
    const struct pairs *p;
    enum break_kind kind; /* of the last one */
    size_t *cut, cut_len; /* links that it changed */
    size_t node;          /* that it ended */
};
/* Ends the program when out of memory. borrows n and p. */
void breaks_init(struct breaks *b, struct network *n, const struct pairs *p);
void breaks_fini(struct breaks *b);
void breaks_happen(struct breaks *b, enum break_kind kind);
void breaks_mend(struct breaks *b); /* the last one */
