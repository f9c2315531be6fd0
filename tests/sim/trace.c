#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 128

static void add(struct trace *t, const char *line)
{
    size_t len = strlen(line);
    if (t->len + len + 1 > t->cap) {
        t->cap = (t->len + len + 1) * 2;
        t->text = realloc(t->text, t->cap);
        if (!t->text)
            abort();
    }
    memcpy(t->text + t->len, line, len + 1);
    t->len += len;
}

void trace_tlv(struct trace *t, usec_t at, const struct trace_names *names, const struct tlv *tlv)
{
    char line[LINE_MAX_BYTES], metric[8];
    int head = snprintf(line, sizeof(line), "%9.3f %s>%s ", (double)at / (double)USEC_SEC,
                        names->from, names->to);
    char *rest = line + head;
    size_t cap = sizeof(line) - (size_t)head;
    switch (tlv->type) {
    case TLV_UPDATE:
        if (tlv->update.metric == METRIC_INFINITE)
            (void)snprintf(metric, sizeof(metric), "inf");
        else
            (void)snprintf(metric, sizeof(metric), "%u", tlv->update.metric);
        (void)snprintf(rest, cap, "U(%s,%s,%u,%s)\n", names->subnet, metric, tlv->update.seqno,
                       names->origin);
        break;
    case TLV_ROUTE_REQUEST:
        (void)snprintf(rest, cap, "R(%s,%u)\n", names->subnet, tlv->route_request.generation);
        break;
    case TLV_SEQNO_REQUEST:
        (void)snprintf(rest, cap, "S(%s,%u,%u,%s)\n", names->subnet, tlv->seqno_request.seqno,
                       tlv->seqno_request.hop_count, names->origin);
        break;
    case TLV_HELLO:
    case TLV_IHU:
    case TLV_PAD1:
    case TLV_PADN:
        return;
    }
    add(t, line);
}

void trace_note(struct trace *t, usec_t at, const char *text)
{
    char line[LINE_MAX_BYTES];
    (void)snprintf(line, sizeof(line), "%9.3f # %s\n", (double)at / (double)USEC_SEC, text);
    add(t, line);
}

const char *trace_text(const struct trace *t)
{
    return t->text ? t->text : "";
}

void trace_reset(struct trace *t)
{
    t->len = 0;
    if (t->text)
        t->text[0] = 0;
}

void trace_fini(struct trace *t)
{
    free(t->text);
}
