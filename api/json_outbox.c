#include "api/json_outbox.h"

#include <string.h>

#include "api/json_message.h"
#include "base/text.h"

const char *out_state_str(enum out_state s)
{
    switch (s) {
    case OUT_QUEUED:
    case OUT_INIT_SENT:
        return "pending";
    case OUT_SENDING:
    case OUT_DONE_SENT:
        return "sending";
    case OUT_RECEIVED:
        return "received";
    case OUT_READ:
        return "read";
    case OUT_ABORTED:
    case OUT_REFUSED:
        return "aborted";
    case OUT_CANCELLED:
        return "cancelled";
    case OUT_UNKNOWN:
        return "unknown";
    }
    return "";
}

unsigned out_states_of(const char *word)
{
    unsigned states = 0;

    for (unsigned s = OUT_QUEUED; s <= OUT_REFUSED; s++)
        if (strcmp(word, out_state_str((enum out_state)s)) == 0)
            states |= 1u << s;
    return states;
}

const char *out_reason_str(enum out_reason r)
{
    switch (r) {
    case OUT_REASON_NONE:
        break;
    case OUT_REASON_DEADLINE:
        return "deadline";
    case OUT_REASON_CANCELLED:
        return "cancelled";
    case OUT_REASON_REFUSED:
        return "refused";
    case OUT_REASON_LOST:
        return "lost";
    case OUT_REASON_TOO_LARGE:
        return "too-large";
    }
    return "";
}

static void put_number(struct json_out *o, const char *key, int64_t n)
{
    json_put(o, ",\"");
    json_put(o, key);
    json_put(o, "\":");
    json_u64(o, n > 0 ? (uint64_t)n : 0);
}

static void put_word(struct json_out *o, const char *key, const char *word)
{
    json_put(o, ",\"");
    json_put(o, key);
    json_put(o, "\":");
    json_quoted(o, word);
}

static void put_accepted(struct json_out *o, const struct bus_status_info *s)
{
    json_put(o, "{\"id\":");
    json_hex(o, s->id.b, MSG_ID_BYTES);
    put_number(o, "seq", (int64_t)s->seq);
    put_word(o, "state", out_state_str(s->state));
    put_number(o, "createdMs", s->created_ms);
    put_number(o, "deadlineMs", s->deadline_ms);
}

void json_accepted(struct json_out *o, const struct bus_status_info *s)
{
    put_accepted(o, s);
    json_put(o, "}");
}

void json_reached_begin(struct json_out *o, const struct bus_status_info *s,
                        const struct bus_message *reply,
                        const uint8_t self_key[static MSG_KEY_BYTES])
{
    put_accepted(o, s);
    json_put(o, ",\"reply\":");
    json_message_begin(o, reply, self_key);
}

void json_reached(struct json_out *o, const struct bus_status_info *s,
                  const struct bus_message *reply, const uint8_t self_key[static MSG_KEY_BYTES])
{
    put_accepted(o, s);
    if (reply) {
        json_put(o, ",\"reply\":");
        json_message(o, reply, self_key);
    }
    json_put(o, "}");
}

void json_accepted_many(struct json_out *o, const struct bus_out_page *p)
{
    json_put(o, "{\"results\":[");
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0)
            json_put(o, ",");
        json_accepted(o, &p->entries[i]);
    }
    json_put(o, "]}");
}

void json_out_entry(struct json_out *o, const struct bus_status_info *s)
{
    json_put(o, "{\"seq\":");
    json_u64(o, s->seq);
    json_put(o, ",\"id\":");
    json_hex(o, s->id.b, MSG_ID_BYTES);
    json_put(o, s->reply ? ",\"reply\":true" : ",\"reply\":false");
    json_put(o, ",\"dst\":");
    json_ip(o, &s->dst);
    if (s->topic.len > 0) {
        json_put(o, ",\"topic\":");
        json_b64(o, s->topic.b, s->topic.len);
    }
    put_word(o, "state", out_state_str(s->state));
    if (*out_reason_str(s->reason))
        put_word(o, "reason", out_reason_str(s->reason));
    put_number(o, "index", bus_out_index(s->state));
    put_number(o, "createdMs", s->created_ms);
    put_number(o, "deadlineMs", s->deadline_ms);
    if (s->final_ms > 0)
        put_number(o, "finalMs", s->final_ms);
    put_number(o, "len", (int64_t)s->len);
    put_word(o, "policy", s->policy == OUT_AT_MOST_ONCE ? "at-most-once" : "at-least-once");
    put_number(o, "priority", s->prio);
    if (s->ordered)
        json_put(o, ",\"ordered\":true");
    json_put(o, s->in_memory ? ",\"durable\":false" : ",\"durable\":true");
    if (!out_state_final(s->state))
        json_put(o, s->route ? ",\"route\":true" : ",\"route\":false");
    json_put(o, "}");
}

void json_out_page(struct json_out *o, const struct bus_out_page *p)
{
    json_put(o, "{\"entries\":[");
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0)
            json_put(o, ",");
        json_out_entry(o, &p->entries[i]);
    }
    json_put(o, "]");
    if (p->next_before > 0)
        put_number(o, "nextBefore", (int64_t)p->next_before);
    json_put(o, "}");
}
