/* mailbox.h - the only way from one thread to another.
 *
 * Many threads post, one receives. The receiver owns what was posted. The wake function is called
 * under the lock: once outside, the receiver might already have freed the mailbox. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* Embedded first in whatever is sent. */
struct mail {
    struct mail *next;
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t filled; /* for receivers that are threads of their own */
    struct mail *head, **tail;
    size_t count;
    bool closed;
    void (*wake)(void *arg); /* NULL: the receiver uses mailbox_wait() */
    void *wake_arg;
};

MUST_CHECK int mailbox_init(struct mailbox *b, void (*wake)(void *arg), void *wake_arg);
void mailbox_fini(struct mailbox *b); /* must be empty */

void mailbox_post(struct mailbox *b, struct mail *m); /* any thread; takes m */
/* Receiver: everything that was posted, as a list over `next`, first posted first; NULL: nothing.
 */
struct mail *mailbox_take_all(struct mailbox *b);
/* The same for a receiver that is a thread of its own: sleeps until there is something. NULL:
 * closed and empty. */
struct mail *mailbox_wait(struct mailbox *b);
void mailbox_close(struct mailbox *b); /* wakes mailbox_wait(); posts still arrive */
