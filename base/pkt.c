#include "base/pkt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pkt *pkt_new(size_t len)
{
    if (len > PKT_MAX)
        return NULL;
    size_t cap = PKT_HEADROOM + len + PKT_TAILROOM;
    struct pkt *p = malloc(sizeof(*p) + cap);
    if (!p)
        return NULL;
    p->next = NULL;
    p->data = p->mem + PKT_HEADROOM;
    p->len = (uint32_t)len;
    p->cap = (uint32_t)cap;
    return p;
}

struct pkt *pkt_copy(const void *bytes, size_t len)
{
    struct pkt *p = pkt_new(len);
    if (p && len > 0)
        memcpy(p->data, bytes, len);
    return p;
}

void pkt_free(struct pkt *p)
{
    free(p);
}

uint8_t *pkt_push(struct pkt *p, size_t n)
{
    if (n > (size_t)(p->data - p->mem))
        return NULL;
    p->data -= n;
    p->len += (uint32_t)n;
    return p->data;
}

uint8_t *pkt_put(struct pkt *p, size_t n)
{
    uint8_t *end = p->data + p->len;
    if (n > (size_t)(p->mem + p->cap - end))
        return NULL;
    p->len += (uint32_t)n;
    return end;
}

void pkt_pull(struct pkt *p, size_t n)
{
    assert(n <= p->len);
    p->data += n;
    p->len -= (uint32_t)n;
}

void pkt_trim(struct pkt *p, size_t n)
{
    assert(n <= p->len);
    p->len -= (uint32_t)n;
}
