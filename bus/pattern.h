/* pattern.h - which topics a pattern means: that of MQTT, over bytes.
 *
 * A topic is a row of levels with the byte 2f ('/') between them; n of these bytes make n + 1
 * levels, each of which may be empty. So the topic of no bytes is one empty level, and "/a" is an
 * empty one and "a". In a pattern
 *     '+'  is one whole level, whatever is in it, also nothing
 *     '#'  is the last level, and stands for any number of levels, also none: a/# means a, a/,
 * a/b/c Either is a level of its own: "a+" is no pattern. No topic is exempt, '$' has no meaning.
 *
 * One pass over both texts and no going back: what a '+' covers is decided by the next '/'. There
 * is nothing to compile; a pattern is its text, and whoever keeps one has checked it first. For
 * many patterns and one topic: filter_index.h. Owns: nothing. Any thread. Protocol:
 * docs/protocol/messages.md, "Filters". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "bus/message.h"

#define PATTERN_MAX MSG_TOPIC_MAX /* bytes; levels: one more */

/* ERR_INVAL: no bytes, more than PATTERN_MAX, a wildcard beside something else in its level, or '#'
 * before the last one. */
MUST_CHECK int pattern_check(const uint8_t *pattern, size_t len);
/* Of a pattern that was checked. NULL with a length of 0 is fine. */
bool pattern_match(const uint8_t *pattern, size_t pattern_len, const uint8_t *topic,
                   size_t topic_len);

/* End of the level that begins at `at`: the next '/' or len. The next level begins one behind it.
 */
size_t level_end(const uint8_t *text, size_t len, size_t at);
