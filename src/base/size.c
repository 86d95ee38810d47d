/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/size.h"

#include <stdio.h>

#include "longship/base/check.h"

static const struct {
	const char *name;
	uint64_t bytes;
} units[] = {
	{"", 1}, {"B", 1},
	{"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40},
	{"KB", 1000}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000},
	{"K", 1ull << 10}, {"M", 1ull << 20}, {"G", 1ull << 30},
};

bool
size_parse(struct str s, uint64_t *ret_bytes)
{
	size_t len = 0;
	uint64_t whole = 0;
	double fraction = 0, scale = 0.1;

	s = str_trim(s);
	for (; len < s.len && s.s[len] >= '0' && s.s[len] <= '9'; len++)
		;
	if (len == 0 || !str_to_u64(str_head(s, len), &whole))
		return false;
	s = str_from_offset(s, len);
	if (s.len > 1 && s.s[0] == '.') {
		for (s = str_from_offset(s, 1); s.len > 0 && s.s[0] >= '0' && s.s[0] <= '9'; s = str_from_offset(s, 1), scale /= 10)
			fraction += (s.s[0] - '0') * scale;
	}
	s = str_trim(s);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (str_is(s, units[i].name)) {
			if (whole > UINT64_MAX / 2 / units[i].bytes)
				return false;
			*ret_bytes = whole * units[i].bytes + (uint64_t)(fraction * (double)units[i].bytes);
			return true;
		}
	}
	return false;
}

const char *
size_format(uint64_t bytes, char out[SIZE_BYTES])
{
	static const char *const names[] = {"TiB", "GiB", "MiB", "KiB"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint64_t unit = 1ull << (40 - 10 * i);

		if (bytes >= unit && bytes % unit == 0) {
			(void)snprintf(out, SIZE_BYTES, "%llu%s", (unsigned long long)(bytes / unit), names[i]);
			return out;
		}
	}
	(void)snprintf(out, SIZE_BYTES, "%lluB", (unsigned long long)bytes);
	return out;
}
