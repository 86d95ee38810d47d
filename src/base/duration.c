/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/duration.h"

#include <stdio.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{"ns", 1}, {"us", NS_PER_US}, {"\xc2\xb5s", NS_PER_US}, {"\xce\xbcs", NS_PER_US}, {"ms", NS_PER_MS},
	{"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
};

static size_t
digits_len(struct str s)
{
	size_t n = 0;

	while (n < s.len && s.s[n] >= '0' && s.s[n] <= '9')
		n++;
	return n;
}

static bool
parse_unit(struct str *s, int64_t *ret_ns)
{
	size_t len = 0;

	while (len < s->len && s->s[len] != '.' && !(s->s[len] >= '0' && s->s[len] <= '9'))
		len++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (str_is(str_head(*s, len), units[i].name)) {
			*s = str_from_offset(*s, len);
			*ret_ns = units[i].ns;
			return true;
		}
	}
	return false;
}

/* One "12.5s" at the head of *s, added to *total. */
static bool
parse_term(struct str *s, uint64_t *total)
{
	size_t whole_len = digits_len(*s), fraction_len = 0;
	struct str whole = str_head(*s, whole_len), fraction = STR_EMPTY;
	uint64_t n = 0, add;
	double rest = 0, scale = 0.1;
	int64_t unit;

	*s = str_from_offset(*s, whole_len);
	if (s->len > 0 && s->s[0] == '.') {
		*s = str_from_offset(*s, 1);
		fraction_len = digits_len(*s);
		fraction = str_head(*s, fraction_len);
		*s = str_from_offset(*s, fraction_len);
	}
	if (whole_len + fraction_len == 0 || (whole_len > 0 && !str_to_u64(whole, &n)))
		return false;
	for (size_t i = 0; i < fraction.len; i++, scale /= 10)
		rest += (fraction.s[i] - '0') * scale;
	if (!parse_unit(s, &unit) || n > (uint64_t)INT64_MAX / (uint64_t)unit)
		return false;
	add = n * (uint64_t)unit + (uint64_t)(rest * (double)unit + 0.5);
	if (add > (uint64_t)INT64_MAX || *total > (uint64_t)INT64_MAX - add)
		return false;
	*total += add;
	return true;
}

bool
duration_parse(struct str s, int64_t *ret_ns)
{
	bool negative = s.len > 0 && s.s[0] == '-';
	uint64_t total = 0;

	if (negative || (s.len > 0 && s.s[0] == '+'))
		s = str_from_offset(s, 1);
	if (str_eq(s, STR("0"))) {
		*ret_ns = 0;
		return true;
	}
	if (s.len == 0)
		return false;
	while (s.len > 0) {
		if (!parse_term(&s, &total))
			return false;
	}
	*ret_ns = negative ? -(int64_t)total : (int64_t)total;
	return true;
}

/* n / unit without trailing zeros. */
static void
put_fraction(char *out, uint64_t n, uint64_t unit, const char *name)
{
	char digits[16];
	int len = 0;
	uint64_t rest = n % unit;

	for (uint64_t u = unit / 10; rest > 0 && u > 0; u /= 10) {
		digits[len++] = (char)('0' + rest / u);
		rest %= u;
	}
	digits[len] = '\0';
	(void)snprintf(out, DURATION_BYTES - 16, "%llu%s%s%s", (unsigned long long)(n / unit), len > 0 ? "." : "", digits, name);
}

const char *
duration_format(int64_t ns, char out[DURATION_BYTES])
{
	uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	uint64_t minute = 60 * (uint64_t)NS_PER_S, hours = n / (60 * minute), minutes = n / minute % 60;
	char seconds[DURATION_BYTES - 16];
	const char *sign = ns < 0 ? "-" : "";

	if (n == 0)
		(void)snprintf(seconds, sizeof(seconds), "0s");
	else if (n < (uint64_t)NS_PER_US)
		put_fraction(seconds, n, 1, "ns");
	else if (n < (uint64_t)NS_PER_MS)
		put_fraction(seconds, n, (uint64_t)NS_PER_US, "\xc2\xb5s");
	else if (n < (uint64_t)NS_PER_S)
		put_fraction(seconds, n, (uint64_t)NS_PER_MS, "ms");
	else
		put_fraction(seconds, n % minute, (uint64_t)NS_PER_S, "s");
	if (hours > 0)
		(void)snprintf(out, DURATION_BYTES, "%s%lluh%llum%s", sign, (unsigned long long)hours, (unsigned long long)minutes, seconds);
	else if (minutes > 0)
		(void)snprintf(out, DURATION_BYTES, "%s%llum%s", sign, (unsigned long long)minutes, seconds);
	else
		(void)snprintf(out, DURATION_BYTES, "%s%s", sign, seconds);
	return out;
}
