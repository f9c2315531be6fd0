#include "bus/ops.h"

int ops_init(struct ops *o, struct rng *r)
{
    list_init(&o->wanted);
    o->tag = 0;
    return hmap_init(&o->flying, r);
}

void ops_fini(struct ops *o)
{
    hmap_fini(&o->flying);
}

static uint64_t tag_hash(const struct ops *o, uint64_t tag)
{
    return hmap_hash(&o->flying, &tag, sizeof(tag));
}

void op_want(struct ops *o, struct op *op)
{
    if (op->flying)
        op->again = true;
    else if (!list_linked(&op->link))
        list_push_back(&o->wanted, &op->link);
}

void op_skip(struct ops *o, struct op *op)
{
    hmap_del(&o->flying, &op->hash);
    op->flying = false;
}

void op_drop(struct ops *o, struct op *op)
{
    list_del(&op->link);
    if (op->flying)
        op_skip(o, op);
    op->again = false;
}

struct op *ops_next(struct ops *o)
{
    struct op *op = list_first(&o->wanted, struct op, link);
    if (!op)
        return NULL;
    list_del(&op->link);
    op->tag = ++o->tag;
    op->flying = true;
    hmap_add(&o->flying, &op->hash, tag_hash(o, op->tag));
    return op;
}

struct op *ops_result(struct ops *o, uint64_t tag)
{
    uint64_t hash = tag_hash(o, tag);
    for (struct hnode *h = hmap_first(&o->flying, hash); h; h = hmap_next(h, hash)) {
        struct op *op = container_of(h, struct op, hash);
        if (op->tag != tag)
            continue;
        op_skip(o, op);
        if (op->again) {
            op->again = false;
            op_want(o, op);
        }
        return op;
    }
    return NULL;
}
