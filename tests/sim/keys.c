/* Key memory of the simulator, in the place of libsodium's: its nodes' keys are drawn from a seed
 * and no secrets, and locked pages between guard pages would take four mappings of each node. A
 * process has about 65000. */
#include <sodium.h>
#include <stdlib.h>

void *sodium_malloc(const size_t size)
{
    return malloc(size);
}

void sodium_free(void *ptr)
{
    free(ptr);
}

int sodium_mprotect_readonly(void *ptr)
{
    (void)ptr;
    return 0;
}
