/* health, message status: how the node is, and what became of a message. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "clients/commands.h"
#include "clients/escape.h"
#include "clients/listing.h"

int command_health(const struct api_target *t, bool peers)
{
    const struct call_args a = {.base = CALL_ROOT,
                                .path = peers ? "/readyz?peers=1" : "/readyz",
                                .accept = 503,
                                .what = "ask for the node's health"};
    json_t *answer = NULL;
    if (api_call_json(t, &a, &answer) != OK)
        return 1;
    const char *status = json_string_value(json_object_get(answer, "status"));
    bool ok = status && strcmp(status, "ok") == 0;
    int rc = 0;
    if (ok)
        puts("ok");
    else if (status)
        rc = command_fail("the node is %s",
                          strcmp(status, "unavailable") == 0
                              ? (peers ? "not ready, or has no live peer" : "not ready")
                              : "in a state that is not known here");
    else
        rc = command_fail_shape(a.what);
    json_decref(answer);
    return rc != 0 ? rc : command_flush();
}

int command_message_status(const struct api_target *t, const char *id)
{
    char escaped[256], path[320];
    if (!url_escape(id, escaped, sizeof(escaped)))
        return command_fail("cannot show a message's status: its id is too long");
    snprintf(path, sizeof(path), "/messages/status/%s", escaped);
    const struct call_args a = {.path = path, .what = "show the message's status"};
    return listing_body(t, &a);
}
