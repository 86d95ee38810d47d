/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is the selector; the rest is the line, and the value of every label. */
#include "longship/codec/logql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct str
value(const void *ptr, struct str name)
{
	(void)name;
	return *(const struct str *)ptr;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text, line, error;
	struct arena *arena = arena_new(0);
	const struct logql *q;
	bool in_filter;

	(void)str_cut((struct str){(const char *)data, len}, '\n', &text, &line);
	q = logql_compile(arena, text, &error, &in_filter);
	if (q != NULL && logql_labels(q, value, &line))
		(void)logql_line(q, line);
	arena_free(arena);
	return 0;
}
