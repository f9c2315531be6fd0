/* units.h - amounts as people read them. */
#pragma once
#include <stdint.h>

#define UNITS_TEXT_MAX 64

/* Largest of B, KiB .. EiB that is not above the value, two decimals: "1023.00 B", "1.00 KiB". */
const char *bytes_text(uint64_t bytes, char buf[static UNITS_TEXT_MAX]);
/* From the largest unit that is not zero down to seconds: "59s", "1h 0m 0s", "1d 1h 0m 0s". */
const char *duration_text(uint64_t seconds, char buf[static UNITS_TEXT_MAX]);
