#include "bus/pattern.h"

#include <string.h>

#include "base/err.h"

size_t level_end(const uint8_t *text, size_t len, size_t at)
{
    const uint8_t *slash = at < len ? memchr(text + at, '/', len - at) : NULL;
    return slash ? (size_t)(slash - text) : len;
}

int pattern_check(const uint8_t *pattern, size_t len)
{
    if (len == 0 || len > PATTERN_MAX)
        return ERR_INVAL;
    for (size_t at = 0; at <= len;) {
        size_t end = level_end(pattern, len, at);
        const uint8_t *level = pattern + at;
        bool rest = memchr(level, '#', end - at) != NULL;
        bool wild = rest || memchr(level, '+', end - at) != NULL;
        if ((wild && end - at != 1) || (rest && end != len))
            return ERR_INVAL;
        at = end + 1;
    }
    return OK;
}

bool pattern_match(const uint8_t *pattern, size_t pattern_len, const uint8_t *topic,
                   size_t topic_len)
{
    size_t p = 0, t = 0;
    for (;;) { /* both at the beginning of a level */
        if (p < pattern_len && pattern[p] == '#')
            return true;
        if (p < pattern_len && pattern[p] == '+') {
            p++;
            t = level_end(topic, topic_len, t);
        } else {
            for (; p < pattern_len && pattern[p] != '/'; p++, t++)
                if (t == topic_len || topic[t] != pattern[p])
                    return false;
        }
        if (t < topic_len && topic[t] != '/')
            return false;
        if (p == pattern_len)
            return t == topic_len;
        if (t == topic_len) /* nothing is left for the levels behind, which is enough for a '#' */
            return p + 1 < pattern_len && pattern[p + 1] == '#';
        p++;
        t++;
    }
}
