/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The proleptic Gregorian calendar. Months are 1 to 12. */
#include <stdbool.h>
#include <stdint.h>

/* Days of a common year before month + 1. */
static const int days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

static inline bool
is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int
days_in(int month, int64_t year)
{
	return days_before[month] - days_before[month - 1] + (month == 2 && is_leap(year));
}
