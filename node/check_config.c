#include "node/check_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/tls_files.h"
#include "base/err.h"
#include "base/rng.h"
#include "node/key_file.h"
#include "node/memory_plan.h"
#include "node/option_value.h"
#include "node/paths.h"
#include "node/token_file.h"
#include "node/topic_file.h"

static const char *source_text(const struct options *o, const struct options *defaults,
                               const struct option_def *d)
{
    bool shrunk = d->memory && option_number(o, d) != option_number(defaults, d);
    switch ((enum option_source)o->source[d - option_table]) {
    case SOURCE_DEFAULT:
        break;
    case SOURCE_FILE:
        return "file";
    case SOURCE_ENVIRONMENT:
        return d->env;
    case SOURCE_COMMAND_LINE:
        return "command line";
    }
    return shrunk ? "memory_limit" : "default";
}

static bool is_empty(const struct options *o, const struct option_def *d)
{
    const char *const *text = (const void *)((const char *)o + d->offset);
    return (d->kind == OPTION_PATH || d->kind == OPTION_TEXT) && !*text;
}

static void print_options(const struct options *o, const struct options *defaults)
{
    printf("# configuration file: %s\n", o->config_path[0] ? o->config_path : "none");
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        if (!d->key || !d->offset || is_empty(o, d))
            continue;
        printf("%s = ", d->key);
        option_value_print(stdout, o, d);
        printf(" # %s\n", source_text(o, defaults, d));
    }
    printf("# memory that all limits together allow: %" PRIu64 " MiB\n", memory_plan_sum(o) >> 20);
}

static int trouble(const char *what, const char *why)
{
    fprintf(stderr, "Error: %s: %s\n", what, why);
    return 1;
}

/* One that does not exist will be made. */
static int check_key(const struct options *o)
{
    char path[PATH_TEXT_MAX] = "";
    struct identity *id = NULL;
    int rc = key_file_path(o->key_file, path);
    errno = 0;
    if (rc == OK)
        rc = key_file_load(path, &id);
    identity_free(id);
    if (rc == OK || rc == ERR_NOENT) {
        printf("# key file: %s%s\n", path, rc == OK ? "" : ", which will be made");
        return 0;
    }
    return trouble(path, rc == ERR_IO && errno ? strerrordesc_np(errno) : err_str(rc));
}

static int check_state(const struct options *o)
{
    char path[PATH_TEXT_MAX] = "";
    struct stat st;
    int rc = path_state(o->state_dir, o->key_file, path, sizeof(path));
    if (rc != OK)
        return trouble("the state directory", err_str(rc));
    bool there = stat(path, &st) == 0;
    if (there && !S_ISDIR(st.st_mode))
        return trouble(path, "not a directory");
    printf("# state directory: %s%s\n", path, there ? "" : ", which will be made");
    return 0;
}

static int check_topics(const struct options *o)
{
    char why[TOPIC_FILE_WHY_MAX] = "";
    struct topics *t = NULL;
    struct rng rng;
    if (!o->topic_config)
        return 0;
    rng_init_system(&rng);
    if (topic_file_read(o->topic_config, &rng, &t, why) != OK) {
        fprintf(stderr, "Error: %s\n", why);
        return 1;
    }
    printf("# topic rules: %zu\n", topics_count(t));
    topics_free(t);
    return 0;
}

static int check_tokens(const struct options *o)
{
    char path[PATH_TEXT_MAX] = "", why[TOKEN_FILE_WHY_MAX] = "";
    struct token_file *f = NULL;
    int rc = token_file_path(o, path);
    if (rc == OK)
        rc = token_file_load(path, &f, why);
    if (rc != OK && rc != ERR_NOENT)
        return trouble("token file", *why ? why : err_str(rc));
    if (rc == OK)
        printf("# token file: %s, tokens: %zu\n", path, f->tokens.count);
    token_file_free(f);
    return 0;
}

static int check_certificate(const struct options *o)
{
    char why[TLS_FILES_WHY_MAX] = "";
    time_t ends = 0;
    if (!o->api_tls_cert || tls_files_check(o->api_tls_cert, o->api_tls_key, &ends, why) == OK)
        return 0;
    return trouble("certificate of the API", why);
}

int check_config(const struct options *o)
{
    int (*const checks[])(const struct options *o) = {check_key, check_state, check_topics,
                                                      check_tokens, check_certificate};
    struct options *defaults = malloc(sizeof(*defaults)); /* too much for a stack */
    int status = 0;
    if (!defaults)
        return trouble("configuration", err_str(ERR_NOMEM));
    options_default(defaults);
    print_options(o, defaults);
    free(defaults);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        status |= checks[i](o);
    return fflush(stdout) == 0 ? status : 1;
}
