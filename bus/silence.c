#include "bus/silence.h"

#include "base/macros.h"
#include "bus/node.h"
#include "bus/timer.h"

/* May the silence be held against the route? A node that never answered, over a route that stands
 * for long, has no message system. */
static bool worth_it(const struct silence *s)
{
    return s->answered || s->since - s->route_at <= DOUBT_ROUTE_NEW;
}

/* Also the packet that is sent now gets time for its answer. */
static void arm(struct nodes *t, struct node *n, usec_t now)
{
    struct silence *s = &n->silence;
    usec_t rtt = n->flow.has_rtt ? n->flow.srtt : 0;
    usec_t when = s->since + MAX(SILENCE_RTTS * rtt, SILENCE_MIN);
    when = MAX(when, now + rtt + 1);
    if (s->count > 0)
        when = MAX(when, s->last + (s->count < DOUBTS_QUICK ? DOUBT_EVERY : DOUBT_RARELY));
    timer_set(&t->doubts, &s->timer, when);
}

void silence_sent(struct nodes *t, struct node *n, usec_t now)
{
    struct silence *s = &n->silence;
    if (s->since == 0)
        s->since = now;
    if (s->packets < SILENCE_PACKETS)
        s->packets++;
    if (s->packets == SILENCE_PACKETS && !timer_armed(&s->timer) && worth_it(s))
        arm(t, n, now);
}

void silence_rest(struct nodes *t, struct node *n)
{
    struct silence *s = &n->silence;
    s->since = 0;
    s->packets = 0;
    list_del(&s->due);
    if (timer_armed(&s->timer))
        timer_set(&t->doubts, &s->timer, TIMER_IDLE);
}

void silence_answered(struct nodes *t, struct node *n)
{
    silence_rest(t, n);
    n->silence.count = 0;
    n->silence.answered = true;
}

void silence_new_path(struct nodes *t, struct node *n, usec_t now)
{
    silence_rest(t, n);
    n->silence.route_at = now;
}

bool silence_is_fresh(const struct node *n)
{
    return n->silence.count < DOUBTS_QUICK && worth_it(&n->silence);
}

void silence_tick(struct nodes *t, usec_t now)
{
    struct heap_node *h;
    while ((h = timer_fire(&t->doubts, now))) {
        struct node *n = container_of(h, struct node, silence.timer);
        struct silence *s = &n->silence;
        s->last = now;
        if (s->count < DOUBTS_QUICK)
            s->count++;
        if (!list_linked(&s->due))
            list_push_back(&t->doubted, &s->due);
        arm(t, n, now);
    }
}

struct node *silence_next(struct nodes *t)
{
    struct node *n = list_first(&t->doubted, struct node, silence.due);
    if (n)
        list_del(&n->silence.due);
    return n;
}
