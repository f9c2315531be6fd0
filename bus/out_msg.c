#include "bus/out_msg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define TO(s)  (1u << OUT_##s)
#define FINALS (TO(RECEIVED) | TO(READ) | TO(ABORTED) | TO(CANCELLED) | TO(UNKNOWN) | TO(REFUSED))

static const uint16_t out_next[] = {
    /* bit n: may move to state n */
    [OUT_QUEUED] = TO(INIT_SENT) | TO(DONE_SENT) | FINALS,
    [OUT_INIT_SENT] = TO(INIT_SENT) | TO(SENDING) | TO(DONE_SENT) | FINALS,
    [OUT_SENDING] = TO(INIT_SENT) | TO(DONE_SENT) | FINALS,
    [OUT_DONE_SENT] = TO(INIT_SENT) | TO(SENDING) | FINALS,
    [OUT_RECEIVED] = TO(READ),
    [OUT_READ] = 0,
    [OUT_ABORTED] = 0,
    [OUT_CANCELLED] = 0,
    [OUT_UNKNOWN] = 0,
    [OUT_REFUSED] = 0,
};
static_assert(ARRAY_LEN(out_next) == OUT_REFUSED + 1, "one row per state");

struct out_msg *out_msg_new(const struct topic *topic, const struct idem_key *idem)
{
    struct out_msg *m = calloc(1, sizeof(*m) + topic->len + idem->len);
    if (!m)
        return NULL;
    list_init(&m->followers);
    list_init(&m->lost);
    list_init(&m->twins);
    m->op.owner = OP_OUT;
    m->topic_len = topic->len;
    m->idem_len = idem->len;
    memcpy(m->topic, topic->b, topic->len);
    memcpy(m->topic + topic->len, idem->b, idem->len);
    return m;
}

void out_msg_free(struct out_msg *m)
{
    if (!m)
        return;
    assert(!list_linked(&m->link) && !list_linked(&m->send) && list_empty(&m->followers));
    assert(list_empty(&m->twins));
    assert(!heap_has(&m->timer) && !heap_has(&m->deadline) && !m->op.flying);
    blob_unref(m->body);
    blob_unref(m->progress);
    assert(!m->blocks && !m->data);
    free(m);
}

void out_msg_set(struct out_msg *m, enum out_state s)
{
    assert(out_next[m->state] & 1u << s);
    m->state = s;
}
