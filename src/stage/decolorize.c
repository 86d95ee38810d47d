/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/regex.h"

/* stage.decolorize: ANSI escape sequences go from the line. The expression is Alloy's, which is that of strip-ansi. */

#define SEQUENCE                                                                                                             \
	"[\\x{1B}\\x{9B}][[\\]()#;?]*(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\\x07)|" \
	"(?:(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))"

struct decolorize_args {
	char none;
};

static const struct arg_spec args[] = {{0}};

struct state {
	const struct regex *sequence;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	struct state *s = arena_make(b->arena, struct state);

	(void)arguments;
	s->sequence = stage_regex_compile(b, STR(SEQUENCE), NULL);
	return s->sequence != NULL ? s : NULL;
}

/* Where a sequence may begin from an offset on: at ESC, or at the C1 control U+009B in UTF-8. Most lines have neither: their length. */
static size_t
find_start(struct str line, size_t from)
{
	struct str rest = str_from_offset(line, from);
	const char *escape = rest.len > 0 ? memchr(rest.s, 0x1b, rest.len) : NULL;
	const char *control = rest.len > 0 ? memmem(rest.s, escape != NULL ? (size_t)(escape - rest.s) : rest.len, "\xc2\x9b", 2) : NULL;

	return control != NULL ? (size_t)(control - line.s) : escape != NULL ? (size_t)(escape - line.s) : line.len;
}

/* What is beyond the match limit stays as it is. */
static struct str
strip(const struct state *s, struct arena *arena, struct regex_match *match, struct str line)
{
	char *out = NULL;
	size_t from = 0, len = 0, start;

	while ((start = find_start(line, from)) < line.len && regex_match(s->sequence, line, start, match) == REGEX_YES) {
		if (out == NULL)
			out = arena_alloc(arena, line.len);
		memcpy(out + len, line.s + from, match->at[0] - from);
		len += match->at[0] - from;
		from = match->at[1];
	}
	if (out == NULL)
		return line;
	memcpy(out + len, line.s + from, line.len - from);
	return (struct str){out, len + line.len - from};
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct regex_match match = {0};

	for (size_t i = 0; i < b->n; i++) {
		if (find_start(b->line[i], 0) < b->line[i].len)
			b->line[i] = strip(s, b->arena, &match, b->line[i]);
	}
	regex_match_done(&match);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_decolorize = {
	.name = "decolorize",
	.args = args,
	.args_size = sizeof(struct decolorize_args),
	.type = &type,
	.doc = "Removes ANSI colour sequences from the line.",
};
