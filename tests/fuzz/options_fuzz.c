/* Command lines, listener addresses and log filters. Words are separated by line feeds. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "node/logging.h"
#include "node/option_value.h"
#include "node/options.h"

#define WORDS_MAX 300

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)argc;
    (void)argv;
    if (null >= 0) /* help goes to standard output; messages of the fuzzer itself are kept */
        (void)dup2(null, STDOUT_FILENO);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct options options;
    static char *words[WORDS_MAX];
    struct listen_addr a;
    enum log_level level = LOG_LEVEL_INFO;
    int count = 1, status = 77;
    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    if (!listen_addr_parse(text, &a) && !a.off && (!a.host[0] || strlen(a.host) >= sizeof(a.host)))
        abort();
    (void)log_filter_parse(text, &level); /* any answer will do, as long as it comes */
    words[0] = text + len;
    for (char *p = text; p && count < WORDS_MAX; count++) {
        words[count] = p;
        p = strchr(p, '\n');
        if (p)
            *p++ = '\0';
    }
    int rc = options_parse(count, words, &options, &status);
    if (rc == OK ? status != 77 : status < 0 || status > 2)
        abort();
    if (rc == OK && (options.peers_count > OPTIONS_PEERS_MAX || options.args_count >= WORDS_MAX))
        abort();
    if (rc == OK)
        options_free(&options);
    free(text);
    return 0;
}
