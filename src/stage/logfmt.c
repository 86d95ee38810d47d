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

struct key {
	struct str name;
	size_t column;
	struct key *next; /* that is as likely */
};

#define LIKELY 256

struct state {
	struct key *likely[LIKELY]; /* by length, first and last byte: most keys of a line are not mapped, and end here */
	size_t source;
	const struct regex *regex; /* or NULL */
	struct stage_failure *malformed;
};

static inline struct key **
likely_keys(struct state *s, struct str key)
{
	unsigned first = key.len > 0 ? (unsigned char)key.s[0] : 0, last = key.len > 0 ? (unsigned char)key.s[key.len - 1] : 0;

	return &s->likely[((unsigned)key.len * 61 + first * 7 + last) % LIKELY];
}

static inline struct key *
find_key(struct state *s, struct str name)
{
	struct key *key = *likely_keys(s, name);

	while (key != NULL && (key->name.len != name.len || memcmp(key->name.s, name.s, name.len) != 0))
		key = key->next;
	return key;
}

/* Of two names for one key the last wins. */
static void
add_key(struct stage_builder *b, struct state *s, struct str name, size_t column)
{
	struct key *key = find_key(s, name);

	if (key == NULL) {
		struct key **list = likely_keys(s, name);

		key = arena_make(b->arena, struct key);
		*key = (struct key){.name = arena_str(b->arena, name), .next = *list};
		*list = key;
	}
	key->column = column;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct logfmt_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (a->mapping.n == 0 && a->regex.len == 0)
		return stage_fail(b, "logfmt mapping or regex is required");
	s->source = a->source.len > 0 ? columns_number(b->columns, a->source) : STAGE_NO_COLUMN;
	for (size_t i = 0; i < a->mapping.n; i++) {
		struct str name = a->mapping.items[i].name, key = a->mapping.items[i].value;

		add_key(b, s, key.len > 0 ? key : name, columns_number(b->columns, name));
	}
	if (a->regex.len > 0) {
		s->regex = stage_regex_compile(b, a->regex, NULL);
		if (s->regex == NULL)
			return NULL;
	}
	s->malformed = stage_failure_new(b, "malformed logfmt");
	return s;
}

/* False: the text is malformed somewhere. */
static bool
apply_entry(struct state *s, struct batch *b, size_t i, struct str text)
{
	struct logfmt l;
	struct str key, value;

	logfmt_init(&l, text, b->arena);
	while (logfmt_next(&l, &key, &value)) {
		const struct key *mapped = find_key(s, key);

		if (mapped != NULL)
			batch_set_cell(b, mapped->column, i, cell_string(value));
		if (s->regex != NULL && regex_test(s->regex, key) == REGEX_YES)
			batch_set_named(b, key, i, cell_string(value));
	}
	return !l.failed;
}

static void
apply(void *state, struct batch *b)
{
	struct state *s = state;
	size_t n_malformed = 0;
	struct str text;

	for (size_t i = 0; i < b->n; i++) {
		if (stage_text(b, s->source, i, &text) && !apply_entry(s, b, i, text))
			n_malformed++;
	}
	stage_failed(s->malformed, b, n_malformed);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_logfmt = {
	.name = "logfmt",
	.args = args,
	.args_size = sizeof(struct logfmt_args),
	.type = &type,
	.doc = "Extracts values from logfmt text.",
};
