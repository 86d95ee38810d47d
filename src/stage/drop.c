/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/regex.h"

/*
 * stage.drop: drops the entries that meet all conditions (reference 8.5). "Now" of older_than is the line's
 * own time mark, so that a line that is read again has the same fate.
 */

struct drop_args {
	struct str source, value, expression, separator, reason;
	int64_t older_than_ns, longer_than_bytes;
};

static const struct arg_spec args[] = {
	{.name = "source",
		.kind = ARG_STRING,
		.offset = offsetof(struct drop_args, source),
		.doc = "Extracted values, separated by commas: they must exist, or match value or expression."},
	{.name = "value",
		.kind = ARG_STRING,
		.offset = offsetof(struct drop_args, value),
		.doc = "What the source must be equal to."},
	{.name = "expression",
		.kind = ARG_STRING,
		.offset = offsetof(struct drop_args, expression),
		.doc = "RE2 expression that the source, or without one the line, must match."},
	{.name = "separator",
		.kind = ARG_STRING,
		.offset = offsetof(struct drop_args, separator),
		.fallback = "\";\"",
		.doc = "Put between the values of several sources."},
	{.name = "older_than",
		.kind = ARG_DURATION,
		.offset = offsetof(struct drop_args, older_than_ns),
		.doc = "The timestamp must be at least this old when the line was read."},
	{.name = "longer_than",
		.kind = ARG_SIZE,
		.offset = offsetof(struct drop_args, longer_than_bytes),
		.doc = "The line must be longer than this."},
	{.name = "drop_counter_reason",
		.kind = ARG_STRING,
		.offset = offsetof(struct drop_args, reason),
		.fallback = "\"drop_stage\"",
		.doc = "Reason on the metric of dropped lines."},
	{0},
};

struct state {
	size_t n; /* sources */
	size_t *columns;
	struct str separator;
	struct str value;			  /* s == NULL: none */
	const struct regex *regex;		  /* or NULL */
	int64_t older_than_ns, longer_than_bytes; /* 0: no such condition */
	const struct drop_reason *reason;
};

static bool
check(struct stage_builder *b, const struct drop_args *a)
{
	if (a->source.len == 0 && a->expression.len == 0 && a->older_than_ns == 0 && a->longer_than_bytes == 0)
		(void)stage_fail(b, "drop stage config must contain at least one of `source`, `expression`, "
				    "`older_than` or `longer_than`");
	else if (a->value.len > 0 && a->expression.len > 0)
		(void)stage_fail(
			b, "drop stage config error, `value` and `expression` cannot both be defined at the same time");
	else if (a->value.len > 0 && a->source.len == 0)
		(void)stage_fail(b, "drop stage config must contain `source` if `value` is specified");
	else
		return true;
	return false;
}

static void
add_sources(struct stage_builder *b, struct state *s, struct str source)
{
	struct str name, rest = source;
	bool more = source.len > 0;

	s->columns = arena_array(b->arena, size_t, source.len + 1);
	while (more) {
		more = str_cut(rest, ',', &name, &rest);
		s->columns[s->n++] = columns_number(b->columns, name);
	}
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct drop_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);

	if (!check(b, a))
		return NULL;
	if (a->expression.len > 0) {
		s->regex = stage_regex_compile(b, a->expression, "drop stage regex compilation error: ");
		if (s->regex == NULL)
			return NULL;
	}
	add_sources(b, s, a->source);
	s->separator = a->separator.len > 0 ? arena_str(b->arena, a->separator) : STR(";");
	if (a->value.len > 0)
		s->value = arena_str(b->arena, a->value);
	s->older_than_ns = a->older_than_ns;
	s->longer_than_bytes = a->longer_than_bytes;
	s->reason = stage_drop_reason(b, a->reason.len > 0 ? a->reason : STR("drop_stage"));
	return s;
}

static bool
all_exist(const struct state *s, const struct batch *b, size_t i)
{
	for (size_t k = 0; k < s->n; k++) {
		if (batch_cell(b, s->columns[k], i).kind == CELL_ABSENT)
			return false;
	}
	return true;
}

static struct str
joined(struct arena *arena, struct str a, struct str separator, struct str b)
{
	char *out = arena_alloc(arena, a.len + separator.len + b.len);

	memcpy(out, a.s, a.len);
	memcpy(out + a.len, separator.s, separator.len);
	memcpy(out + a.len + separator.len, b.s, b.len);
	return (struct str){out, a.len + separator.len + b.len};
}

/* The sources that exist, joined. False: one of them has no text. */
static bool
join(const struct state *s, const struct batch *b, size_t i, struct str *ret)
{
	struct str text, made = STR("");
	size_t found = 0;

	for (size_t k = 0; k < s->n; k++) {
		if (batch_cell(b, s->columns[k], i).kind == CELL_ABSENT)
			continue;
		if (!stage_text(b, s->columns[k], i, &text))
			return false;
		made = found++ == 0 ? text : joined(b->arena, made, s->separator, text);
	}
	*ret = made;
	return true;
}

static bool
text_matches(const struct state *s, struct str text)
{
	return s->value.s != NULL ? str_eq(text, s->value) : regex_test(s->regex, text) == REGEX_YES;
}

static bool
is_older(int64_t ts, int64_t now, int64_t age)
{
	int64_t cutoff;

	/* What no timestamp can reach: before all of them, or (a negative age) behind. */
	if (__builtin_sub_overflow(now, age, &cutoff))
		return age < 0;
	return ts < cutoff;
}

static bool
must_drop(const struct state *s, const struct batch *b, size_t i)
{
	struct str text;

	if (s->longer_than_bytes != 0 && (int64_t)b->line[i].len <= s->longer_than_bytes)
		return false;
	if (s->older_than_ns != 0 && !is_older(b->ts[i], b->mark[i], s->older_than_ns))
		return false;
	if (s->value.s == NULL && s->regex == NULL)
		return all_exist(s, b, i);
	if (s->n == 0)
		return text_matches(s, b->line[i]);
	return join(s, b, i, &text) && text_matches(s, text);
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;

	for (size_t i = 0; i < b->n; i++) {
		if (must_drop(s, b, i))
			batch_drop(b, i, s->reason);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_drop = {
	.name = "drop",
	.args = args,
	.args_size = sizeof(struct drop_args),
	.type = &type,
	.doc = "Drops entries by content, age or length.",
};
