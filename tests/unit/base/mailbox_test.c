#include "base/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

#define POSTERS 4
#define EACH    5000

struct letter {
    struct mail mail;
    int from, number;
};

static void count_wake(void *arg)
{
    (*(int *)arg)++;
}

static void test_order_and_wake(void **state)
{
    (void)state;
    struct mailbox b;
    struct letter l[3] = {0};
    int wakes = 0;
    assert_int_equal(mailbox_init(&b, count_wake, &wakes), OK);
    assert_null(mailbox_take_all(&b));
    for (int i = 0; i < 3; i++) {
        l[i].number = i;
        mailbox_post(&b, &l[i].mail);
    }
    assert_int_equal(wakes, 3);
    assert_int_equal(b.count, 3);
    int n = 0;
    for (struct mail *m = mailbox_take_all(&b); m; m = m->next)
        assert_int_equal(((struct letter *)(void *)m)->number, n++);
    assert_int_equal(n, 3);
    assert_int_equal(b.count, 0);
    assert_null(mailbox_take_all(&b));
    mailbox_close(&b);
    assert_int_equal(wakes, 4);
    mailbox_post(&b, &l[0].mail); /* still arrives */
    struct mail *m = mailbox_wait(&b);
    assert_ptr_equal(m, &l[0].mail);
    assert_null(m->next);
    assert_null(mailbox_wait(&b)); /* closed and empty: does not sleep */
    mailbox_fini(&b);
}

struct poster {
    struct mailbox *to;
    int number;
};

static void *post_many(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < EACH; i++) {
        struct letter *l = calloc(1, sizeof(*l));
        if (!l)
            abort();
        l->from = p->number;
        l->number = i;
        mailbox_post(p->to, &l->mail);
    }
    return NULL;
}

struct receiver {
    struct mailbox box;
    int last[POSTERS]; /* number of the last letter from each */
    bool in_order;
    size_t count, batches;
};

static void *receive(void *arg)
{
    struct receiver *r = arg;
    for (struct mail *m = mailbox_wait(&r->box); m; m = mailbox_wait(&r->box)) {
        r->batches++;
        while (m) {
            struct letter *l = (struct letter *)(void *)m;
            m = m->next;
            if (l->number != r->last[l->from] + 1)
                r->in_order = false;
            r->last[l->from] = l->number;
            r->count++;
            free(l);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    static struct receiver r;
    struct poster p[POSTERS];
    pthread_t posters[POSTERS], receiver;
    r.in_order = true;
    for (int i = 0; i < POSTERS; i++)
        r.last[i] = -1;
    assert_int_equal(mailbox_init(&r.box, NULL, NULL), OK);
    assert_int_equal(pthread_create(&receiver, NULL, receive, &r), 0);
    for (int i = 0; i < POSTERS; i++) {
        p[i] = (struct poster){.to = &r.box, .number = i};
        assert_int_equal(pthread_create(&posters[i], NULL, post_many, &p[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(posters[i], NULL), 0);
    mailbox_close(&r.box);
    assert_int_equal(pthread_join(receiver, NULL), 0);
    assert_int_equal(r.count, POSTERS * EACH); /* nothing lost by closing */
    assert_true(r.in_order);
    assert_true(r.batches <= r.count);
    mailbox_fini(&r.box);
}

/* A wait that begins before the post, and one that begins after it. */
struct answer {
    struct mailbox box;
    struct letter letter;
};

static void *post_one(void *arg)
{
    struct answer *a = arg;
    mailbox_post(&a->box, &a->letter.mail);
    return NULL;
}

static void test_wait_sleeps_until_posted(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        pthread_t t;
        struct answer *a = calloc(1, sizeof(*a));
        assert_non_null(a);
        assert_int_equal(mailbox_init(&a->box, NULL, NULL), OK);
        assert_int_equal(pthread_create(&t, NULL, post_one, a), 0);
        assert_ptr_equal(mailbox_wait(&a->box), &a->letter.mail);
        assert_int_equal(pthread_join(t, NULL), 0);
        mailbox_fini(&a->box);
        free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wake),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_wait_sleeps_until_posted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
