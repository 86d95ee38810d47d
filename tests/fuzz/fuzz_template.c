/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is the template, the rest the value: it compiles or says why, and what compiles ends within its limits. */
#include "longship/base/check.h"
#include "longship/codec/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
get(void *ptr, size_t number, struct str *ret)
{
	*ret = *(struct str *)ptr;
	return number % 2 == 0;
}

static void
each(void *ptr, void (*add)(void *to, struct str name, struct str value), void *to)
{
	add(to, STR("Value"), *(struct str *)ptr);
	add(to, STR("n"), STR("17"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct str text, value, out, error = STR_EMPTY;
	struct template_data d = {.get = get, .each = each, .ptr = &value, .now_ns = 1700000000000000000};
	const struct template *t;

	(void)str_cut((struct str){(const char *)data, size}, '\n', &text, &value);
	t = template_compile(arena, text, &error);
	assert(t != NULL || error.len > 0);
	if (t != NULL) {
		struct template_run *run = template_run_new();

		if (!template_execute(run, t, &d, &out))
			assert(template_error(run).len > 0);
		template_run_free(run);
	}
	arena_free(arena);
	return 0;
}
