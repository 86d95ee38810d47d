/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/pattern.h"

struct part {
	bool capture;
	struct str text; /* of a literal; name of a capture, empty for <_> */
};

struct pattern {
	size_t n, n_names;
	struct part *parts; /* a capture is followed by a literal or by nothing */
	struct str *names;
};

static bool
is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* Length of `<name>` at the start of the text, or 0: then `<` is a character like others. */
static size_t
capture_len(struct str text)
{
	size_t at = 1;

	if (text.len == 0 || text.s[0] != '<')
		return 0;
	while (at < text.len && is_name_char(text.s[at], at == 1))
		at++;
	return at > 1 && at < text.len && text.s[at] == '>' ? at + 1 : 0;
}

static bool
fail(struct arena *arena, struct str *ret_error, const char *what, struct str about)
{
	*ret_error = arena_printf(arena, what, STR_FMT(about));
	return false;
}

static bool
split(struct arena *arena, struct pattern *p, struct str text, struct str *ret_error)
{
	size_t start = 0;

	for (size_t at = 0; at <= text.len;) {
		size_t len = capture_len(str_from_offset(text, at));

		if (len == 0 && at < text.len) {
			at++;
			continue;
		}
		if (p->n + 2 > PATTERN_PARTS_MAX)
			return fail(arena, ret_error, "too many parts: %.*s", str_head(text, 64));
		if (at > start)
			p->parts[p->n++] = (struct part){.text = (struct str){text.s + start, at - start}};
		if (len > 0)
			p->parts[p->n++] = (struct part){.capture = true, .text = (struct str){text.s + at + 1, len - 2}};
		at = start = at + (len > 0 ? len : 1);
	}
	return true;
}

static bool
is_named(const struct part *part)
{
	return part->capture && !str_is(part->text, "_");
}

static bool
check(struct arena *arena, struct pattern *p, struct str *ret_error)
{
	size_t named = 0;

	for (size_t i = 0; i < p->n; i++)
		named += is_named(&p->parts[i]);
	if (named == 0)
		return fail(arena, ret_error, "at least one capture is required%.*s", STR(""));
	for (size_t i = 1; i < p->n; i++) {
		if (p->parts[i].capture && p->parts[i - 1].capture)
			return fail(arena, ret_error, "found consecutive capture '<%.*s>': invalid expression", p->parts[i].text);
	}
	for (size_t i = 0; i < p->n; i++) {
		if (!is_named(&p->parts[i]))
			continue;
		for (size_t k = 0; k < p->n_names; k++) {
			if (str_eq(p->names[k], p->parts[i].text))
				return fail(arena, ret_error, "duplicate capture name (%.*s): invalid expression", p->parts[i].text);
		}
		p->names[p->n_names++] = p->parts[i].text;
	}
	return true;
}

const struct pattern *
pattern_compile(struct arena *arena, struct str text, struct str *ret_error)
{
	struct pattern *p = arena_make(arena, struct pattern);
	size_t parts = text.len + 1 < PATTERN_PARTS_MAX ? text.len + 2 : PATTERN_PARTS_MAX;

	p->parts = arena_array(arena, struct part, parts);
	p->names = arena_array(arena, struct str, parts);
	return split(arena, p, arena_str(arena, text), ret_error) && check(arena, p, ret_error) ? p : NULL;
}

size_t
pattern_names(const struct pattern *p)
{
	return p->n_names;
}

struct str
pattern_name(const struct pattern *p, size_t i)
{
	return p->names[i];
}

size_t
pattern_match(const struct pattern *p, struct str text, struct str *values)
{
	size_t found = 0, i = 0;

	if (text.len == 0)
		return 0;
	if (!p->parts[0].capture) {
		if (!str_starts(text, p->parts[0].text))
			return 0;
		text = str_from_offset(text, p->parts[0].text.len);
		i = 1;
	}
	for (; i < p->n; i += 2) {
		bool last = i + 1 == p->n;
		ptrdiff_t at = last ? -1 : str_find(text, p->parts[i + 1].text);

		if (is_named(&p->parts[i]))
			values[found++] = at < 0 ? text : str_head(text, (size_t)at);
		if (at < 0)
			break;
		text = str_from_offset(text, (size_t)at + p->parts[i + 1].text.len);
	}
	return found;
}
