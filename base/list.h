/* list.h - intrusive, circular, doubly linked list.
 *
 * A zeroed or initialised node is not in a list; list_del() leaves a node in that state. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

/* Is this node in some list? (Not for heads.) */
static inline bool list_linked(const struct list *n)
{
    return n->next != NULL && n->next != n;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_add_between(struct list *n, struct list *prev, struct list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}

static inline void list_push_back(struct list *head, struct list *n)
{
    list_add_between(n, head->prev, head);
}

static inline void list_push_front(struct list *head, struct list *n)
{
    list_add_between(n, head, head->next);
}

/* Fine on a node that is in no list. */
static inline void list_del(struct list *n)
{
    if (!n->next)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

/* All of `from` before the first of `to`, in order; `from` is empty then. */
static inline void list_move_front(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to;
    from->prev->next = to->next;
    to->next->prev = from->prev;
    to->next = from->next;
    list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)

/* First entry or NULL. */
#define list_first(head, type, member)                                                             \
    (list_empty(head) ? NULL : list_entry((head)->next, type, member))

#define list_foreach(pos, head)                                                                    \
    for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* `pos` may be removed and freed in the body. */
#define list_foreach_safe(pos, head)                                                               \
    for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);                  \
         pos = pos##_next, pos##_next = pos->next)
