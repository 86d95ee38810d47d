/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/codec/json_scan.h"
#include "longship/codec/json_text.h"
#include "longship/codec/timefmt.h"
#include "longship/flow/label_memo.h"

/*
 * stage.docker: the lines of Docker's json-file driver. The object is read as Go's decoder fills a
 * struct: keys in any letter case, the last of a name counts, a value of another type spoils the line.
 */

struct docker_args {
	char none;
};

static const struct arg_spec args[] = {{0}};

enum docker_field { FIELD_LOG, FIELD_STREAM, FIELD_TIME, FIELDS };

static const char *const field_names[FIELDS] = {"log", "stream", "time"};
static const char *const field_columns[FIELDS] = {"output", "stream", "timestamp"};

struct state {
	size_t columns[FIELDS];
	struct str label;
	const struct timefmt *rfc3339;
	struct stage_failure *malformed;
};

static void *
build(struct stage_builder *b, const void *arguments)
{
	struct state *s = arena_make(b->arena, struct state);

	(void)arguments;
	for (size_t k = 0; k < FIELDS; k++)
		s->columns[k] = columns_number(b->columns, str_from(field_columns[k]));
	s->label = STR("stream");
	s->rfc3339 = timefmt_compile(b->arena, STR("2006-01-02T15:04:05.999999999Z07:00"));
	s->malformed = stage_failure_new(b, "not a line of Docker's");
	return s;
}

/* Go folds two letters beyond ASCII onto ASCII ones: the long s and the Kelvin sign. */
static bool
name_is(struct str name, const char *lower)
{
	size_t at = 0;

	if (str_is(name, lower))
		return true;
	for (; *lower != '\0'; lower++) {
		struct str rest = str_from_offset(name, at);
		uint32_t rune = 0;
		size_t n = str_utf8_decode(rest, &rune);

		if (n == 0)
			return false;
		if (rune >= 'A' && rune <= 'Z')
			rune += 'a' - 'A';
		if (rune == 0x17f)
			rune = 's';
		if (rune == 0x212a)
			rune = 'k';
		if (rune != (unsigned char)*lower)
			return false;
		at += n;
	}
	return at == name.len;
}

/* As Go reads a string: what is not UTF-8 becomes U+FFFD. */
static struct str
read_string(struct arena *arena, struct str inner)
{
	struct str text = json_text_unescape(arena, inner);
	char *out, *p;

	if (str_utf8_valid(text))
		return text.len > 0 ? text : STR("");
	p = out = arena_alloc(arena, text.len * 3);
	while (text.len > 0) {
		uint32_t rune;
		size_t n = str_utf8_decode(text, &rune);

		memcpy(p, n > 0 ? text.s : "\xef\xbf\xbd", n > 0 ? n : 3);
		p += n > 0 ? n : 3;
		text = str_from_offset(text, n > 0 ? n : 1);
	}
	return (struct str){out, (size_t)(p - out)};
}

static bool
read_fields(struct arena *arena, struct str line, struct str values[FIELDS])
{
	struct json_scan_member *members;
	size_t n;

	if (!json_scan_members(arena, line, &members, &n))
		return false;
	for (size_t k = 0; k < FIELDS; k++)
		values[k] = STR("");
	for (size_t i = 0; i < n; i++) {
		struct str name = json_text_unescape(arena, members[i].name), value = members[i].value;

		for (size_t k = 0; k < FIELDS; k++) {
			if (!name_is(name, field_names[k]) || value.s[0] == 'n')
				continue;
			if (value.s[0] != '"')
				return false;
			values[k] = read_string(arena, (struct str){value.s + 1, value.len - 2});
		}
	}
	return values[FIELD_LOG].len > 0;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct label_memo *memo = label_memo_new(b->arena, 1);
	struct str values[FIELDS];
	struct timefmt_time t;
	size_t n_malformed = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (!read_fields(b->arena, b->line[i], values)) {
			n_malformed++;
			continue;
		}
		for (size_t k = 0; k < FIELDS; k++)
			batch_set_cell(b, s->columns[k], i, cell_string(values[k]));
		b->line[i] = values[FIELD_LOG];
		b->labels[i] = label_memo_set(memo, b->table, b->labels[i], &s->label, &values[FIELD_STREAM]);
		if (timefmt_parse(s->rfc3339, values[FIELD_TIME], tz_utc(), tz_utc(), &t))
			(void)timefmt_to_ns(&t, &b->ts[i]);
	}
	stage_failed(s->malformed, b, n_malformed);
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_docker = {
	.name = "docker",
	.args = args,
	.args_size = sizeof(struct docker_args),
	.type = &type,
	.doc = "Unpacks the lines of Docker's json-file logging driver.",
};
