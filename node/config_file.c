#include "node/config_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/toml.h"
#include "node/option_value.h"
#include "node/paths.h"
#include "node/toml_file.h"

#define LOG_TARGET "node"

#define SCALAR_TEXT_MAX 32

/* --- finding it ------------------------------------------------------------------------------ */

int config_file_find(struct options *o, char why[static CONFIG_FILE_WHY_MAX])
{
    size_t cap = sizeof(o->config_path);
    int rc = OK;
    if (o->config_file) {
        int n = snprintf(o->config_path, cap, "%s", o->config_file);
        rc = n >= 0 && (size_t)n < cap ? OK : ERR_TOOBIG;
    } else {
        rc = path_config(o->config_path, cap);
    }
    if (rc != OK)
        (void)snprintf(why, CONFIG_FILE_WHY_MAX, "the path of the configuration file: %s",
                       err_str(rc)); /* cannot be cut */
    /* A system's file may hold what is not for everybody: commands do without it. */
    if (rc == OK && !o->config_file && o->command != CMD_NODE &&
        strcmp(o->config_path, SYSTEM_CONFIG) == 0 && access(SYSTEM_CONFIG, R_OK) < 0 &&
        errno == EACCES)
        o->config_path[0] = '\0';
    return rc;
}

/* --- reading it ------------------------------------------------------------------------------ */

static const struct option_def *option_by_key(const struct toml_value *v)
{
    size_t len = 0;
    const char *key = toml_key(v, &len);
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].key && strlen(option_table[i].key) == len &&
            memcmp(option_table[i].key, key, len) == 0)
            return &option_table[i];
    return NULL;
}

/* ERR_MALFORMED, and why. */
static int refuse(const struct options *o, const struct option_def *d, const struct toml_value *v,
                  const char *text, char why[static CONFIG_FILE_WHY_MAX])
{
    (void)snprintf(why, CONFIG_FILE_WHY_MAX, "%.360s:%u: `%s`: %s", o->config_path, toml_line(v),
                   d->key, text); /* may be cut: for people */
    return ERR_MALFORMED;
}

/* The other node of the network takes words and numbers for a flag, and text for a number. */
static const char *flag_text(const char *text)
{
    static const char *const words[][2] = {{"yes", "true"}, {"on", "true"},   {"1", "true"},
                                           {"no", "false"}, {"off", "false"}, {"0", "false"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(text, words[i][0]) == 0)
            return words[i][1];
    return text;
}

static bool keeps_text(const struct option_def *d)
{
    return d->kind == OPTION_TEXT || d->kind == OPTION_PATH || d->kind == OPTION_WORDS;
}

static bool takes_number(const struct option_def *d)
{
    return d->kind == OPTION_FLAG || d->kind == OPTION_U16 || d->kind == OPTION_U32 ||
           d->kind == OPTION_SIZE || d->kind == OPTION_SIZE32 || d->kind == OPTION_SPAN;
}

/* A value as the command line would have it. NULL: *ret_why says what should stand there. */
static const char *text_of(const struct option_def *d, const struct toml_value *v,
                           char buf[static SCALAR_TEXT_MAX], const char **ret_why)
{
    int64_t n = 0;
    bool b = false;
    size_t len = 0;
    const char *text = toml_string(v, &len);
    *ret_why = keeps_text(d) || !takes_number(d) ? "a text is expected here"
               : d->kind == OPTION_FLAG          ? "true or false is expected here"
                                                 : "a number is expected here";
    if (text && strlen(text) != len) {
        *ret_why = "a zero byte in a text";
        return NULL;
    }
    if (!text && takes_number(d) && toml_integer(v, &n)) {
        (void)snprintf(buf, SCALAR_TEXT_MAX, "%" PRId64, n); /* fits */
        text = buf;
    } else if (!text && d->kind == OPTION_FLAG && toml_bool(v, &b)) {
        text = b ? "true" : "false";
    }
    return text && d->kind == OPTION_FLAG ? flag_text(text) : text;
}

static int read_one(struct options *o, const struct option_def *d, const struct toml_value *v,
                    char why[static CONFIG_FILE_WHY_MAX])
{
    char buf[SCALAR_TEXT_MAX];
    const char *wrong = NULL, *text = text_of(d, v, buf, &wrong);
    if (text)
        wrong = option_value_add(o, d, text);
    return wrong ? refuse(o, d, v, wrong, why) : OK;
}

static int read_value(struct options *o, const struct option_def *d, const struct toml_value *v,
                      char why[static CONFIG_FILE_WHY_MAX])
{
    int rc = OK;
    option_value_begin(o, d);
    if (toml_kind(v) != TOML_ARRAY)
        return read_one(o, d, v, why);
    if (!option_repeats(d))
        return refuse(o, d, v, "one value is expected here, not an array", why);
    if (toml_count(v) == 0 && d->kind == OPTION_ADDRS)
        return refuse(o, d, v, "no address; \"off\" switches it off", why);
    for (v = toml_first(v); v && rc == OK; v = toml_next(v))
        rc = read_one(o, d, v, why);
    return rc;
}

/* What was said elsewhere stands. */
static int read_document(struct options *o, char why[static CONFIG_FILE_WHY_MAX])
{
    int rc = OK;
    for (const struct toml_value *v = toml_first(toml_root(o->file)); v && rc == OK;
         v = toml_next(v)) {
        const struct option_def *d = option_by_key(v);
        if (!d || o->source[d - option_table] > SOURCE_FILE)
            continue;
        rc = read_value(o, d, v, why);
        o->source[d - option_table] = SOURCE_FILE;
    }
    return rc;
}

int config_file_parse(struct options *o, const char *text, size_t len,
                      char why[static CONFIG_FILE_WHY_MAX])
{
    int rc = toml_file_parse(o->config_path, text, len, &o->file, why);
    return rc == OK ? read_document(o, why) : rc;
}

int config_file_read(struct options *o, char why[static CONFIG_FILE_WHY_MAX])
{
    int rc = toml_file_read(o->config_path, &o->file, why);
    return rc == OK ? read_document(o, why) : rc;
}

/* --- what else it says ------------------------------------------------------------------------ */

const struct option_def *config_file_refused(const struct options *o)
{
    char buf[SCALAR_TEXT_MAX];
    const char *wrong = NULL;
    const struct toml_value *v = o->file ? toml_first(toml_root(o->file)) : NULL;
    for (; v; v = toml_next(v)) {
        const struct option_def *d = option_by_key(v);
        const char *text = d && d->class == OPTION_REFUSED ? text_of(d, v, buf, &wrong) : NULL;
        if (text && o->source[d - option_table] == SOURCE_FILE && option_asks(d, text))
            return d;
    }
    return NULL;
}

void config_file_warn(const struct options *o)
{
    size_t len;
    const struct toml_value *v = o->file ? toml_first(toml_root(o->file)) : NULL;
    for (; v; v = toml_next(v))
        if (!option_by_key(v))
            log_warn(toml_kind(v) == TOML_TABLE ? "unknown table in the configuration file"
                                                : "unknown key in the configuration file",
                     "file=%s:%u key=%s", o->config_path, toml_line(v), toml_key(v, &len));
}
