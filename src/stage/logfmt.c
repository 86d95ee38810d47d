/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/logfmt.h"

#include "catalog_priv.h"
#include "longship/codec/regex.h"

/* stage.logfmt: values of a logfmt line become extracted values (reference 8.13). */

struct logfmt_args {
	struct str_map mapping;
	struct str source, regex;
};

static const struct arg_spec args[] = {
	{.name = "mapping",
		.kind = ARG_STRING_MAP,
		.offset = offsetof(struct logfmt_args, mapping),
		.doc = "Extracted name = key in the line; an empty key is the name itself."},
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct logfmt_args, source),
		.fallback = "\"\"",
		.doc = "Extracted value to read instead of the line."},
	{.name = "regex",
		.kind = ARG_STRING,
		.offset = offsetof(struct logfmt_args, regex),
		.doc = "Selects keys, extracted under their own name."},
	{0},
};

struct state {
	struct map keys;  /* key → column + 1; of two names for one key the last wins */
	uint64_t likely[4]; /* a bit for each key by length, first and last byte: most keys of a line are not mapped */
	size_t source;
	const struct regex *regex; /* or NULL */
};

static void
done_keys(void *ptr)
{
	map_done(ptr);
}

static unsigned
likeness(struct str key)
{
	return key.len == 0 ? 0 : ((unsigned)key.len * 61 + (unsigned char)key.s[0] * 7u + (unsigned char)key.s[key.len - 1]) & 255;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct logfmt_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->mapping.n == 0 && a->regex.len == 0)
		return stage_fail(b, "logfmt mapping or regex is required");
	s->source = a->source.len > 0 ? columns_number(b->columns, a->source) : STAGE_NO_COLUMN;
	map_init(&s->keys);
	arena_defer(b->arena, done_keys, &s->keys);
	for (size_t i = 0; i < a->mapping.n; i++) {
		struct str name = a->mapping.items[i].name, key = a->mapping.items[i].value;

		key = key.len > 0 ? key : name;
		s->likely[likeness(key) / 64] |= UINT64_C(1) << likeness(key) % 64;
		(void)map_set(&s->keys, key, (void *)(uintptr_t)(columns_number(b->columns, name) + 1));
	}
	if (a->regex.len > 0) {
		s->regex = stage_regex_compile(b, a->regex, NULL);
		if (s->regex == NULL)
			return NULL;
	}
	return s;
}

static void
apply_entry(const struct state *s, struct batch *b, size_t i, struct str text)
{
	struct logfmt l;
	struct str key, value;

	logfmt_init(&l, text, b->arena);
	while (logfmt_next(&l, &key, &value)) {
		unsigned like = likeness(key);

		if (s->likely[like / 64] >> like % 64 & 1) {
			uintptr_t column = (uintptr_t)map_get(&s->keys, key);

			if (column > 0)
				batch_set_cell(b, column - 1, i, cell_string(value));
		}
		if (s->regex != NULL && regex_test(s->regex, key) == REGEX_YES)
			batch_set_named(b, key, i, cell_string(value));
	}
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		if (stage_text(b, s->source, i, &text))
			apply_entry(s, b, i, text);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_logfmt = {
	.name = "logfmt",
	.args = args,
	.args_size = sizeof(struct logfmt_args),
	.type = &type,
	.doc = "Extracts values from logfmt text.",
};
