/* topic_text.h - topics on the command line and on the terminal.
 *
 * The API has them as base64. A user writes text; what is no text is written, and shown, as
 * `base64:` and its base64. */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

#define TOPIC_TEXT_MAX 400 /* bytes of either form, with the zero byte */

/* As shown; false: the node's text is no base64 of a topic, or NULL. */
bool topic_text(const char *base64, char ret[static TOPIC_TEXT_MAX]);
/* As the API takes it; ERR_INVAL: `base64:` and something else behind it; ERR_TOOBIG: over 255
 * bytes. */
MUST_CHECK int topic_base64(const char *text, char ret[static TOPIC_TEXT_MAX]);
