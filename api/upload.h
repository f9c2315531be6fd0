/* upload.h - the body of a message on its way in, when its payload is or may be too long for
 * memory.
 *
 * The payload is taken out of the body piece by piece (base64 out of JSON, or as it is). Up to
 * MSG_LEN_MAX it stays in memory; beyond that it goes into a file of the spool as it comes, which
 * is hashed and synced before the bus gets the message. The client is not read while UPLOAD_FLYING
 * pieces wait for the disk. Who does not come to the end leaves no file behind.
 *
 * Owns: the uploads of an api, and their files until the bus has taken them. Thread: loop. Limits:
 * below; UPLOADS_MAX of them. Protocol: docs/protocol/api.md, "Large messages". */
#pragma once
#include "api/calls.h"

struct spool_op;

#define UPLOADS_MAX   32    /* at a time; more: 503 */
#define UPLOAD_PIECE  65536 /* bytes of one write */
#define UPLOAD_FLYING 3     /* writes that wait or are under way, of one upload */

/* Is the body of this call taken here? Else it is collected: it is short. */
bool upload_wanted(const struct http_request *r, enum call call);
/* Answers when it is refused. */
struct http_want upload_begin(struct api *a, const struct asked *q, const struct http_request *r,
                              const struct match *m);
/* A body of JSON-RPC, which may have one large payload in one of its calls. */
struct http_want upload_begin_rpc(struct api *a, const struct asked *q,
                                  const struct http_request *r);
bool upload_piece(struct api *a, http_id id, const uint8_t *bytes, size_t len);
void upload_end(struct api *a, http_id id);
void upload_gone(struct api *a, http_id id); /* fine when there is none */
/* Borrows op. False: it is of no upload. */
bool upload_spooled(struct api *a, const struct spool_op *op);
void uploads_free(struct api *a);
