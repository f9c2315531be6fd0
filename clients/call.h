/* call.h - one API call of a command: asks the node, checks the answer, says what went wrong. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "clients/commands.h"
#include "clients/http_client.h"

/* What a path stands behind. */
enum call_base { CALL_COMPATIBLE, CALL_BUS, CALL_ROOT };

struct call_args {
    const char *method;  /* NULL: GET */
    enum call_base base; /* /api/v1, /bus/v1, nothing */
    const char *path;    /* behind that */
    const char *body;    /* JSON; NULL: none */
    size_t body_len;
    uint64_t wait_s;               /* how long the node may take by our wish */
    const struct http_query *more; /* NULL; else its type, header, source, sink and ctx hold, too */
    unsigned accept;               /* a status that is no failure besides 2xx; 0: none */
    const char *what;              /* for the message: "list the peers" */
};

/* OK with an answer to be freed, or an error that has been told on standard error: ERR_STATE of a
 * source or sink says that it has told by itself. */
MUST_CHECK int api_call(const struct api_target *t, const struct call_args *a,
                        struct http_reply *ret);
/* api_call() for an answer whose body says nothing. Returns the exit status. */
MUST_CHECK int api_call_plain(const struct api_target *t, const struct call_args *a);
/* api_call(), and the answer parsed. */
MUST_CHECK int api_call_json(const struct api_target *t, const struct call_args *a, json_t **ret);

/* What api_call() tells: a call that had no answer (what, ERR_* of http_exchange()), and an answer
 * that is a refusal. Both return 1, the exit status. */
int api_call_unanswered(const struct api_target *t, const char *what, int rc);
int api_call_refused(const struct call_args *a, const struct http_reply *r);

/* One line on standard error, beginning with "Error: ". Returns 1, the exit status. */
int command_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The answer had another shape than expected. Returns 1. */
int command_fail_shape(const char *what);
/* Writes out what standard output still holds: 0, or 1 when it could not be written. */
MUST_CHECK int command_flush(void);
