/* outbox and inbox: list, show, and what an operator may do with one entry. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "clients/commands.h"
#include "clients/escape.h"
#include "clients/listing.h"
#include "clients/topic_text.h"
#include "clients/units.h"

#define PAGE 1000 /* entries asked for at once */

static void cell_time(struct table *t, json_int_t ms)
{
    char text[40] = "";
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (ms > 0 && gmtime_r(&s, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    table_cell(t, "%s", text);
}

static bool cell_topic(struct table *t, const json_t *entry)
{
    char text[TOPIC_TEXT_MAX];
    const json_t *topic = json_object_get(entry, "topic");
    if (topic && !topic_text(json_string_value(topic), text))
        return false;
    table_cell(t, "%s", topic ? text : "");
    return true;
}

static void cell_bytes(struct table *t, json_int_t len)
{
    char text[UNITS_TEXT_MAX];
    table_cell(t, "%s", bytes_text((uint64_t)MAX(len, 0), text));
}

static bool out_row(struct table *t, json_t *e, const void *ctx)
{
    const char *id, *dst, *state, *reason = NULL;
    json_int_t seq, created, deadline, len;
    (void)ctx;
    if (json_unpack(e, "{s:I,s:s,s:s,s:s,s?s,s:I,s:I,s:I}", "seq", &seq, "id", &id, "dst", &dst,
                    "state", &state, "reason", &reason, "createdMs", &created, "deadlineMs",
                    &deadline, "len", &len) != 0)
        return false;
    table_cell(t, "%" JSON_INTEGER_FORMAT, seq);
    table_cell(t, "%s", id);
    if (reason && strcmp(reason, state) != 0)
        table_cell(t, "%s: %s", state, reason);
    else
        table_cell(t, "%s", state);
    table_cell(t, "%s", dst);
    if (!cell_topic(t, e))
        return false;
    cell_bytes(t, len);
    cell_time(t, created);
    cell_time(t, deadline);
    return true;
}

static bool in_row(struct table *t, json_t *e, const void *ctx)
{
    const char *id, *src, *state;
    json_int_t seq, received, redelivered, len;
    (void)ctx;
    if (json_unpack(e, "{s:I,s:s,s:s,s:s,s:I,s:I,s:I}", "seq", &seq, "id", &id, "srcIp", &src,
                    "state", &state, "receivedMs", &received, "redelivered", &redelivered, "len",
                    &len) != 0)
        return false;
    table_cell(t, "%" JSON_INTEGER_FORMAT, seq);
    table_cell(t, "%s", id);
    table_cell(t, "%s", state);
    table_cell(t, "%s", src);
    if (!cell_topic(t, e))
        return false;
    cell_bytes(t, len);
    cell_time(t, received);
    table_cell(t, "%" JSON_INTEGER_FORMAT, redelivered);
    return true;
}

struct queue {
    const char *path, *what;
    size_t columns;
    const char *heads[8];
    listing_row *row;
};
static const struct queue queues[] = {
    [QUEUE_OUTBOX] = {"/outbox",
                      "list the outbox",
                      8,
                      {"Seq", "Id", "State", "To", "Topic", "Size", "Accepted", "Until"},
                      out_row},
    [QUEUE_INBOX] = {"/inbox",
                     "list the inbox",
                     8,
                     {"Seq", "Id", "State", "From", "Topic", "Size", "Received", "Repeats"},
                     in_row},
};

/* All pages, as one array. ERR_*, told. */
static int list_all(const struct api_target *t, const struct queue *q, const char *state,
                    json_t **ret)
{
    json_t *all = json_array();
    uint64_t before = 0;
    if (!all) {
        command_fail("cannot %s: %s", q->what, err_str(ERR_NOMEM));
        return ERR_NOMEM;
    }
    do {
        char path[1024], escaped[800] = "", from[40] = "";
        if (state && !url_escape(state, escaped, sizeof(escaped))) {
            command_fail("cannot %s: the state is too long", q->what);
            break;
        }
        if (before > 0)
            snprintf(from, sizeof(from), "&before=%" PRIu64, before);
        snprintf(path, sizeof(path), "%s?limit=%d%s%s%s", q->path, PAGE, state ? "&state=" : "",
                 escaped, from);
        const struct call_args a = {.base = CALL_BUS, .path = path, .what = q->what};
        json_t *page = NULL;
        if (api_call_json(t, &a, &page) != OK)
            break;
        const json_t *next = json_object_get(page, "nextBefore");
        uint64_t was = before;
        before = next ? (uint64_t)json_integer_value(next) : 0;
        bool ok = json_array_extend(all, json_object_get(page, "entries")) == 0 &&
                  (before == 0 || was == 0 || before < was);
        json_decref(page);
        if (!ok) {
            command_fail_shape(q->what);
            break;
        }
        if (before == 0) {
            *ret = all;
            return OK;
        }
    } while (true);
    json_decref(all);
    return ERR_INVAL;
}

int command_queue_list(const struct api_target *t, enum queue_kind which, const char *state,
                       bool json)
{
    const struct queue *q = &queues[which];
    json_t *all = NULL;
    int status = 0;
    if (list_all(t, q, state, &all) != OK)
        return 1;
    if (!json)
        status = listing_rows(q->what, all, q->heads, q->columns, q->row, NULL);
    else if (json_dumpf(all, stdout, JSON_INDENT(2)) == 0)
        fputc('\n', stdout);
    json_decref(all);
    return command_flush() != 0 ? 1 : status;
}

int command_queue_entry(const struct api_target *t, enum queue_kind which, enum queue_verb verb,
                        const char *ref)
{
    static const struct {
        const char *method, *behind, *word;
    } verbs[] = {
        [QUEUE_SHOW] = {"GET", "", "show"},
        [QUEUE_REMOVE] = {"DELETE", "", "remove"},
        [QUEUE_AGAIN] = {"POST", "/", ""},
    };
    const bool out = which == QUEUE_OUTBOX, again = verb == QUEUE_AGAIN;
    char escaped[256], path[320], what[320];
    const char *word = verbs[verb].word;
    if (again)
        word = out ? "retry" : "requeue";
    else if (verb == QUEUE_REMOVE)
        word = out ? "cancel" : "drop";
    if (!url_escape(ref, escaped, sizeof(escaped)))
        return command_fail("cannot %s an entry: its name is too long", word);
    snprintf(path, sizeof(path), "%s/%s%s%s", queues[which].path, escaped, verbs[verb].behind,
             again ? word : "");
    snprintf(what, sizeof(what), "%s the entry %s", word, ref);
    text_make_printable(what);
    const struct call_args a = {
        .base = CALL_BUS, .method = verbs[verb].method, .path = path, .what = what};
    if (verb != QUEUE_SHOW)
        return api_call_plain(t, &a);
    json_t *entry = NULL;
    if (api_call_json(t, &a, &entry) != OK)
        return 1;
    if (json_dumpf(entry, stdout, JSON_INDENT(2)) == 0)
        fputc('\n', stdout);
    json_decref(entry);
    return command_flush();
}
