/* json_in.h - a request body as JSON values, and what is said about one that is refused.
 *
 * A fault is written into struct json_fault by the first of these that is called; later ones have
 * no effect. Protocol: docs/protocol/api.md, "HTTP rules". */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/problem.h"
#include "base/macros.h"

/* Longest body that is parsed; 413 above. The values of a body take up to 80 times its bytes, and
 * their time is the loop's: at this length some 50 MB and 40 ms at the worst. The longest message
 * fits with every character escaped. */
#define JSON_BODY_MAX ((size_t)576 << 10)
#define JSON_TOO_LONG "Failed to buffer the request body: length limit exceeded"
#define JSON_TEXT_MAX 320

struct json_fault {
    unsigned status;          /* 0: none; 400: no JSON; 422: wrong shape; others by the caller */
    char text[JSON_TEXT_MAX]; /* "": empty body */
    enum problem problem;     /* under /bus/v1; PROBLEM_NONE: the general one of the status */
};

/* application/json or application/...+json; parameters are not looked at. */
bool json_content_type(const char *content_type);

/* The one value of a body, of any kind; the caller's, for json_decref(). NULL with *fault set: 400
 * no JSON, 413 longer than JSON_BODY_MAX, 422 a key twice in one object, 503 out of memory. Strings
 * may hold zero bytes, keys do not. All numbers are reals. */
MUST_CHECK json_t *json_body(const uint8_t *text, size_t len, struct json_fault *fault);
/* Lends the text of a string as long as v lives; NULL: it holds a zero byte. */
const char *json_line(const json_t *v);

/* What is wrong, without the words that stand in front of every such text. */
const char *json_fault_why(const struct json_fault *f);
/* All return ERR_INVAL. */
int json_refuse(struct json_fault *fault, unsigned status, const char *text);
int json_problem(struct json_fault *fault, enum problem p, const char *text);
int json_no_json(struct json_fault *fault, const char *why);
int json_wrong_shape(struct json_fault *fault, const char *path, const char *why);
int json_wrong_kind(struct json_fault *fault, const char *path, const json_t *v, const char *want);
int json_missing(struct json_fault *fault, const char *field);
