/* unit.h - cmocka with the headers that it wants before itself, in the order that it wants. */
#pragma once
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
