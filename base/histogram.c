#include "base/histogram.h"

#include <stddef.h>

const usec_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    100,    250,    500,    1000,    2500,    5000,     10000,    25000,     50000,
    100000, 250000, 500000, 1000000, 2500000, 10000000, 60000000, 600000000,
};

void histogram_add(struct histogram *h, usec_t took)
{
    size_t i = 0;

    if (took < 0)
        took = 0;
    while (i < HISTOGRAM_BOUNDS && took > histogram_bounds[i])
        i++;
    h->counts[i]++;
    h->usec += (uint64_t)took;
}
