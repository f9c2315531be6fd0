#include "bus/forward.h"

#include "bus/bus_core.h"

void forwards_init(struct bus *b)
{
    list_init(&b->forwards.topics);
    list_init(&b->forwards.waiters);
}

static bool has_socket(const struct bus *b, const struct topic_queue *q)
{
    const struct topic_rule *r = topics_find(b->topics, q->topic, q->topic_len);
    return r && topic_rule_forward(r);
}

bool forward_wants(const struct bus *b, const struct in_msg *m)
{
    return !m->reply && m->offers == 0 && m->tries == 0 && has_socket(b, m->tq);
}

void forward_ready(struct bus *b, struct topic_queue *q)
{
    bool ready = !list_empty(&q->forward) && q->forwarding < b->limits.forwards_topic;
    if (!ready)
        list_del(&q->forward_turn);
    else if (!list_linked(&q->forward_turn))
        list_push_back(&b->forwards.topics, &q->forward_turn);
}

bool forward_give(struct bus *b, struct call *call)
{
    struct topic_queue *q;
    struct in_msg *m = NULL;
    while (!m && (q = list_first(&b->forwards.topics, struct topic_queue, forward_turn))) {
        list_del(&q->forward_turn); /* the others have their turn before it */
        m = list_first(&q->forward, struct in_msg, topic_link); /* may be gone by age */
    }
    if (!m)
        return false;
    m->forwarding = true;
    q->forwarding++;
    fetch_give(b, call, m);
    forward_ready(b, q);
    return true;
}

void forward_offer(struct bus *b)
{
    struct call *call = list_first(&b->forwards.waiters, struct call, wait);
    if (!call || list_empty(&b->forwards.topics))
        return;
    if (!forward_give(b, call))
        return;
    inbox_leave(b, call);
    fetch_settle(b, call);
}

static void queue_changed(struct bus *b, struct topic_queue *q)
{
    if (has_socket(b, q)) {
        list_foreach_safe (l, &q->messages) {
            struct in_msg *m = list_entry(l, struct in_msg, topic_link);
            if (!forward_wants(b, m))
                continue;
            inbox_unlink(m);
            inbox_link(b, m);
        }
        return;
    }
    struct in_msg *m;
    while ((m = list_first(&q->forward, struct in_msg, topic_link))) {
        inbox_unlink(m);
        inbox_link(b, m);
        inbox_offer(b, m);
    }
    forward_ready(b, q);
}

void forward_rules_changed(struct bus *b, const struct topic *topic)
{
    struct hnode *h = NULL;
    size_t slot = 0;
    if (topic) {
        struct topic_queue *q = topic_find(b, topic->b, topic->len);
        if (q)
            queue_changed(b, q);
        return;
    }
    while ((h = hmap_each(&b->in.topics, &slot, h))) /* messages keep their queues in the map */
        queue_changed(b, container_of(h, struct topic_queue, hash));
}
