/* download.h - a payload in a file on its way to a client: as it is, or as base64 inside of JSON.
 *
 * The file is pinned when the download begins, so that it is readable to its end whatever becomes
 * of the message. It is read piece by piece as the client takes them, so that one download costs
 * the memory of one piece. A file that cannot be read to its end breaks the connection.
 *
 * Owns: the downloads of an api, and the pins of their files. Thread: loop. Limit: DOWNLOADS_MAX.
 * Protocol: docs/protocol/api.md, "Large messages". */
#pragma once
#include "api/calls.h"

struct spool_op;

/* At a time. A call that would begin one more is answered with 503 before it takes a message; one
 * that waited for a message gets it all the same. */
#define DOWNLOADS_MAX 256

struct download_conf {
    uint64_t file;
    struct byte_range range; /* of the file */
    unsigned status;
    const char *content_type;
    const struct http_header *more; /* borrowed for the call; values too */
    size_t n_more;                  /* at most 2 */
    struct json_out head;           /* taken: comes before the bytes, which then are base64 */
    const char *tail;               /* comes behind them; NULL: no base64, and no head */
    const char *close;              /* comes last; may be NULL */
};
bool downloads_full(const struct api *a);
/* Pins the file at once and answers later. The answer to a call of JSON-RPC that cannot pass
 * through is put together in memory. */
void download_begin(struct api *a, const struct asked *q, const struct download_conf *c);
/* A message with a file as GET /messages of /api/v1 tells it. */
void download_message(struct api *a, const struct asked *q, const struct bus_message *m);
void download_drained(struct api *a, http_id id);
void download_gone(struct api *a, http_id id); /* fine when there is none */
/* Borrows op. False: it is of no download. */
bool download_spooled(struct api *a, const struct spool_op *op);
void downloads_free(struct api *a);
