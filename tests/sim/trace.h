/* trace.h - what was said in a network, as text: one line for each control packet but Hello and
 * IHU. */
#pragma once
#include <stddef.h>

#include "base/clock.h"
#include "router/tlv.h"

struct trace {
    char *text;
    size_t len, cap;
};

/* Of the sender, the receiver, and of what the packet names, as far as it does. */
struct trace_names {
    const char *from, *to, *subnet, *origin;
};

void trace_tlv(struct trace *t, usec_t at, const struct trace_names *names, const struct tlv *tlv);
/* What the scenario does: "  120.000 # text". */
void trace_note(struct trace *t, usec_t at, const char *text);
const char *trace_text(const struct trace *t); /* lends: until the next line */
void trace_reset(struct trace *t);
void trace_fini(struct trace *t);
