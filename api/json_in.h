/* json_in.h - a request body as a JSON value, and what is said about one that is none.
 *
 * Implemented by json_in.c; json_in.c, json_message.c and json_admin.c are the files that include
 * jansson. A known or unknown key that is there twice is refused.
 * Protocol: docs/protocol/api.md, "HTTP rules". */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define JSON_TEXT_MAX 320

/* Why a body was refused. */
struct json_fault {
    unsigned status;          /* 400: no JSON; 422: wrong shape; others by the caller */
    char text[JSON_TEXT_MAX]; /* "": empty body */
};

/* application/json or application/...+json; parameters are not looked at. */
bool json_content_type(const char *content_type);

/* The whole body as one value; NULL with *fault filled. */
json_t *json_read(const uint8_t *body, size_t len, struct json_fault *fault);

/* Fill *fault and return ERR_INVAL. */
int json_refuse(struct json_fault *fault, unsigned status, const char *text);
int json_wrong_shape(struct json_fault *fault, const char *path, const char *why);
int json_wrong_type(struct json_fault *fault, const char *path, const json_t *v, const char *want);
int json_missing(struct json_fault *fault, const char *field);
