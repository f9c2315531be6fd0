/* Configuration files: what is taken is within its limits and can be shown, what is refused names
 * its line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/config_file.h"
#include "node/memory_plan.h"
#include "node/option_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct options *o)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        abort();
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].key && option_table[i].offset)
            option_value_print(f, o, &option_table[i]);
    if (fclose(f) != 0 || len == 0)
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options o;
    char why[CONFIG_FILE_WHY_MAX] = "", full[MEMORY_PLAN_WHY_MAX] = "";
    char *text = malloc(size ? size : 1); /* of the exact size, for the sanitizer */
    if (!text)
        abort();
    memcpy(text, data, size);
    options_default(&o);
    strcpy(o.config_path, "F");
    int rc = config_file_parse(&o, text, size, why);
    free(text);
    if (rc == OK) {
        assert(o.api_addrs.count > 0 && o.api_addrs.count <= OPTIONS_ADDRS_MAX);
        assert(o.api_hosts.count <= OPTIONS_WORDS_MAX && !o.api_hosts.w[o.api_hosts.count]);
        assert(o.peers_count <= OPTIONS_PEERS_MAX && o.bus.len_max <= MSG_LEN_CEILING);
        (void)config_file_refused(&o);
        show(&o);
        rc = memory_plan_fit(&o, full);
        assert(rc == OK ? memory_plan_sum(&o) <= o.memory_limit : *full != '\0');
    } else {
        assert(strncmp(why, "F:", 2) == 0);
    }
    options_free(&o);
    return 0;
}
