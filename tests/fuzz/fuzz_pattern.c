/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is the pattern, the rest the text: captures stand in the text, in order. */
#include "longship/base/check.h"
#include "longship/codec/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str values[PATTERN_PARTS_MAX], text, subject, error;
	struct arena *arena = arena_new(0);
	const struct pattern *p;
	const char *at;
	size_t n;

	(void)str_cut((struct str){(const char *)data, len}, '\n', &text, &subject);
	p = pattern_compile(arena, text, &error);
	n = p != NULL ? pattern_match(p, subject, values) : 0;
	assert(p == NULL || n <= pattern_names(p));
	at = subject.s;
	for (size_t i = 0; i < n; i++) {
		assert(values[i].s >= at && values[i].s + values[i].len <= subject.s + subject.len);
		at = values[i].s + values[i].len;
	}
	arena_free(arena);
	return 0;
}
