#include "base/mailbox.h"

#include <assert.h>

#include "base/err.h"

int mailbox_init(struct mailbox *b, void (*wake)(void *arg), void *wake_arg)
{
    *b = (struct mailbox){.wake = wake, .wake_arg = wake_arg};
    b->tail = &b->head;
    int e = pthread_mutex_init(&b->lock, NULL);
    if (e != 0)
        return err_from_errno(e);
    e = pthread_cond_init(&b->filled, NULL);
    if (e != 0) {
        (void)pthread_mutex_destroy(&b->lock); /* unlocked: cannot fail */
        return err_from_errno(e);
    }
    return OK;
}

void mailbox_fini(struct mailbox *b)
{
    assert(!b->head); /* the receiver owns what was posted, and must have taken it */
    (void)pthread_cond_destroy(&b->filled);
    (void)pthread_mutex_destroy(&b->lock);
}

static void lock(struct mailbox *b)
{
    int e = pthread_mutex_lock(&b->lock);
    assert(e == 0);
    (void)e;
}

static void unlock(struct mailbox *b)
{
    int e = pthread_mutex_unlock(&b->lock);
    assert(e == 0);
    (void)e;
}

static void notify(struct mailbox *b)
{
    if (b->wake)
        b->wake(b->wake_arg);
    else
        (void)pthread_cond_signal(&b->filled); /* always 0 */
}

void mailbox_post(struct mailbox *b, struct mail *m)
{
    m->next = NULL;
    lock(b);
    *b->tail = m;
    b->tail = &m->next;
    b->count++;
    notify(b);
    unlock(b);
}

static struct mail *take_locked(struct mailbox *b)
{
    struct mail *list = b->head;
    b->head = NULL;
    b->tail = &b->head;
    b->count = 0;
    return list;
}

struct mail *mailbox_take_all(struct mailbox *b)
{
    lock(b);
    struct mail *list = take_locked(b);
    unlock(b);
    return list;
}

struct mail *mailbox_wait(struct mailbox *b)
{
    lock(b);
    while (!b->head && !b->closed)
        (void)pthread_cond_wait(&b->filled, &b->lock); /* fails only for a lock that is not ours */
    struct mail *list = take_locked(b);
    unlock(b);
    return list;
}

void mailbox_close(struct mailbox *b)
{
    lock(b);
    b->closed = true;
    notify(b);
    unlock(b);
}
