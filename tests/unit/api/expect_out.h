/* expect_out.h - what a writer of JSON has written. */
#pragma once
#include "api/json_out.h"
#include "tests/unit/unit.h"

/* Takes what o holds. */
static inline void expect_out(struct json_out *o, const char *want)
{
    assert_false(o->bad);
    json_put_bytes(o, "", 1);
    assert_string_equal(o->p, want);
    json_out_fini(o);
}
