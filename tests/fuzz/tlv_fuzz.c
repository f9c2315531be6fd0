/* The walk over a control packet ends, and each TLV that decodes survives being encoded: the bytes
 * decode again, and encode to themselves. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/packet.h"
#include "router/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct tlv *t)
{
    struct tlv_iter it;
    struct tlv again, more;
    struct pkt *p = tlv_encode(t);
    if (!p)
        abort();
    assert(p->len <= BABEL_HEADER_BYTES + CONTROL_BODY_MAX);
    assert(tlv_iter_init(&it, wire_rd_of(p->data, p->len)) == OK);
    assert(tlv_next(&it, &again) == OK);
    assert(tlv_next(&it, &more) == ERR_NOENT);
    assert(again.type == t->type);
    struct pkt *q = tlv_encode(&again);
    if (!q)
        abort();
    assert(p->len == q->len && memcmp(p->data, q->data, p->len) == 0);
    pkt_free(p);
    pkt_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tlv_iter it;
    struct tlv t;
    size_t steps = 0;
    int rc;
    if (tlv_iter_init(&it, wire_rd_of(data, size)) != OK)
        return 0;
    while ((rc = tlv_next(&it, &t)) != ERR_NOENT) {
        assert(rc == OK || rc == ERR_MALFORMED);
        assert(++steps <= size);
        if (rc == OK)
            check(&t);
    }
    return 0;
}
