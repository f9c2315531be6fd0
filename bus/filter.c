#include "bus/filter.h"

#include <string.h>

#include "base/err.h"
#include "bus/pattern.h"

int filter_check(const struct bus_filter *f)
{
    return f->kind == BUS_PATTERN ? pattern_check(f->topic.b, f->topic.len) : OK;
}

bool filter_match(const struct bus_filter *f, const uint8_t *topic, size_t len)
{
    switch (f->kind) {
    case BUS_ANY:
        return true;
    case BUS_TOPIC:
        return len == f->topic.len && (len == 0 || memcmp(topic, f->topic.b, len) == 0);
    case BUS_PREFIX:
        return len >= f->topic.len &&
               (f->topic.len == 0 || memcmp(topic, f->topic.b, f->topic.len) == 0);
    case BUS_PATTERN:
        return pattern_match(f->topic.b, f->topic.len, topic, len);
    }
    return false;
}
