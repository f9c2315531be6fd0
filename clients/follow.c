#include "clients/follow.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "clients/call.h"
#include "clients/escape.h"

#define WHAT "follow the message"
/* Longest that one call waits; a node waits up to ten minutes. */
#define WAIT_MAX_S 300
/* Of an entry that does not change any more: docs/protocol/api.md, "Outbox". */
#define INDEX_LAST 3

static bool reached(const char *state, enum message_until until)
{
    bool read = strcmp(state, "read") == 0;
    return until == UNTIL_ACCEPTED || read ||
           (until == UNTIL_RECEIVED && strcmp(state, "received") == 0);
}

/* Whole seconds that are left, at least one; 0: none. */
static uint64_t seconds_left(const struct follow_args *a, usec_t began)
{
    if (!a->has_timeout)
        return WAIT_MAX_S;
    usec_t gone = usec_now() - began;
    if (gone < 0 || (uint64_t)gone / (uint64_t)USEC_SEC >= a->timeout_s)
        return 0;
    return MIN(a->timeout_s - (uint64_t)gone / (uint64_t)USEC_SEC, (uint64_t)WAIT_MAX_S);
}

static int not_reached(const struct follow_args *a, const char *state, const char *reason)
{
    const char *wish = a->until == UNTIL_READ ? "read" : "received";
    command_fail("the message was not %s: it is %s%s%s%s", wish, state, reason ? " (" : "",
                 reason ? reason : "", reason ? ")" : "");
    return EXIT_NOT_REACHED;
}

/* -1: go on. */
static int look(const struct follow_args *a, json_t *entry, usec_t began, json_int_t *index)
{
    const char *state, *reason = json_string_value(json_object_get(entry, "reason"));
    json_int_t now = 0;
    if (json_unpack(entry, "{s:s,s:I}", "state", &state, "index", &now) != 0)
        return command_fail_shape(WHAT);
    if (a->show && now != *index) {
        if (json_dumpf(entry, stdout, JSON_COMPACT) == 0)
            fputc('\n', stdout);
        if (command_flush() != 0)
            return 1;
    }
    *index = now;
    if (reached(state, a->until))
        return 0;
    if (now >= INDEX_LAST || seconds_left(a, began) == 0)
        return not_reached(a, state, reason);
    return -1;
}

int follow_entry(const struct api_target *t, const struct follow_args *a)
{
    char escaped[256], path[400];
    json_int_t index = 0;
    usec_t began = usec_now();
    int status = -1;
    if (!url_escape(a->ref, escaped, sizeof(escaped)))
        return command_fail("cannot " WHAT ": its name is too long");
    while (status < 0) {
        json_t *entry = NULL;
        uint64_t wait_s = index > 0 ? MAX(seconds_left(a, began), (uint64_t)1) : 0;
        int used = snprintf(path, sizeof(path), "/outbox/%s", escaped);
        if (index > 0)
            snprintf(path + used, sizeof(path) - (size_t)used,
                     "?index=%" JSON_INTEGER_FORMAT "&wait=%" PRIu64 "s", index, wait_s);
        /* A node waits up to a sixteenth longer. */
        const struct call_args call = {
            .base = CALL_BUS, .path = path, .wait_s = wait_s + wait_s / 16, .what = WHAT};
        if (api_call_json(t, &call, &entry) != OK)
            return 1;
        status = look(a, entry, began, &index);
        json_decref(entry);
    }
    return status;
}

int command_message_watch(const struct api_target *t, const char *ref, enum message_until until,
                          const uint64_t *timeout_s)
{
    const struct follow_args a = {.ref = ref,
                                  .until = until,
                                  .has_timeout = timeout_s != NULL,
                                  .timeout_s = timeout_s ? *timeout_s : 0,
                                  .show = true};
    return follow_entry(t, &a);
}
