/* Sources of topic rules and the bodies that carry them: what is taken reads the same when it is
 * written again; what is refused says so. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_topic.h"
#include "base/err.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_source(const struct topic_source *s)
{
    char text[TOPIC_SOURCE_STR_MAX];
    struct topic_source again;
    assert(topic_source_parse(topic_source_str(s, text), &again) == OK);
    assert(topic_source_eq(s, &again) && memcmp(s->b, again.b, sizeof(s->b)) == 0);
}

static void check_fault(const struct json_fault *f)
{
    assert(f->status >= 400 && f->status < 500);
    assert(memchr(f->text, '\0', sizeof(f->text)) && utf8_valid(f->text, strlen(f->text)));
}

static void check_topic(const struct topic *t)
{
    struct json_out o = {0};
    struct json_fault fault;
    struct topic again;
    json_topic(&o, t);
    if (!o.bad) {
        assert(topic_body_read((const uint8_t *)o.p, o.len, &again, &fault) == OK);
        assert(again.len == t->len && memcmp(again.b, t->b, t->len) == 0);
    }
    json_out_fini(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_fault fault;
    struct topic_source s;
    struct topic t;
    bool accept;
    char *text = strndup((const char *)data, size);
    if (!text)
        abort();
    if (topic_source_parse(text, &s) == OK)
        check_source(&s);
    free(text);
    if (source_body_read(data, size, &s, &fault) == OK)
        check_source(&s);
    else
        check_fault(&fault);
    if (topic_body_read(data, size, &t, &fault) == OK)
        check_topic(&t);
    else
        check_fault(&fault);
    struct topic_forward forward;
    if (forward_body_read(data, size, &forward, &fault) != OK)
        check_fault(&fault);
    else
        assert(*forward.path && strlen(forward.path) <= TOPIC_FORWARD_PATH_MAX &&
               forward.reply_ms >= TOPIC_REPLY_MIN_MS && forward.reply_ms <= TOPIC_REPLY_MAX_MS);
    if (accept_body_read(data, size, &accept, &fault) != OK)
        check_fault(&fault);
    return 0;
}
