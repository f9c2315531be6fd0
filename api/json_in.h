/* json_in.h - what is said about a request body that is refused.
 *
 * A fault is written into struct json_fault by the first of these that is called; later ones have
 * no effect. Protocol: docs/protocol/api.md, "HTTP rules". */
#pragma once
#include <stdbool.h>

#include "api/json_rd.h"

#define JSON_TEXT_MAX 320

struct json_fault {
    unsigned status;          /* 0: none; 400: no JSON; 422: wrong shape; others by the caller */
    char text[JSON_TEXT_MAX]; /* "": empty body */
};

/* application/json or application/...+json; parameters are not looked at. */
bool json_content_type(const char *content_type);

/* All return ERR_INVAL. */
int json_refuse(struct json_fault *fault, unsigned status, const char *text);
int json_no_json(struct json_fault *fault, const struct json_rd *r); /* r has a fault */
int json_wrong_shape(struct json_fault *fault, const char *path, const char *why);
/* The next value of r is not what is wanted: wrong type, or no JSON at all. */
int json_wrong_kind(struct json_fault *fault, const char *path, struct json_rd *r,
                    const char *want);
int json_missing(struct json_fault *fault, const char *field);
int json_twice(struct json_fault *fault, const char *field);
