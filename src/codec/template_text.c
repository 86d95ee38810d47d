/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/codec/gofmt.h"
#include "longship/codec/unicode.h"

/* Functions on strings: sprig's, in its order of arguments, and Alloy's, in that of Go's strings package. */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

static bool
give(struct tvalue *ret, struct str s)
{
	*ret = tv_string(s);
	return true;
}

/* Room for so many copies of s and a little; false beyond the limit. */
static bool
reserve(struct template_run *r, struct str s, size_t times)
{
	return (s.len < 256 && times < 8) || template_alloc(r, s.len + 4, times) != NULL;
}

static bool
hello(ARGS)
{
	(void)r;
	(void)args;
	(void)n;
	return give(ret, STR("Hello!"));
}

/* ---- case ---- */

static bool
is_ascii(struct str s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.len; i++)
		all |= (unsigned char)s.s[i];
	return all < 0x80;
}

/* The ASCII letters from `first` on change their case. */
static bool
flip_ascii(struct template_run *r, struct str s, char first, struct tvalue *ret)
{
	char *out = template_alloc(r, s.len + 1, 1);

	if (out == NULL)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char letter = (unsigned char)(s.s[i] - first);

		out[i] = (char)(s.s[i] ^ (letter < 26 ? 0x20 : 0));
	}
	return give(ret, (struct str){out, s.len});
}

static bool
upper(ARGS)
{
	(void)n;
	if (is_ascii(args[0].s))
		return flip_ascii(r, args[0].s, 'a', ret);
	return reserve(r, args[0].s, 3) && give(ret, unicode_upper(r->arena, args[0].s));
}

static bool
lower(ARGS)
{
	(void)n;
	if (is_ascii(args[0].s))
		return flip_ascii(r, args[0].s, 'A', ret);
	return reserve(r, args[0].s, 3) && give(ret, unicode_lower(r->arena, args[0].s));
}

static uint32_t
take_rune(struct str *s)
{
	uint32_t rune = 0xfffd;
	size_t len = str_utf8_decode(*s, &rune);

	*s = str_from_offset(*s, len > 0 ? len : 1);
	return len > 0 ? rune : 0xfffd;
}

static void
put_rune(struct template_run *r, uint32_t rune)
{
	char utf8[4];

	(void)buf_append(&r->text, utf8, str_utf8_encode(rune, utf8));
}

static bool
is_separator(uint32_t c)
{
	if (c < 0x80)
		return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_');
	return !unicode_is_letter(c) && !unicode_is_digit(c) && unicode_is_space(c);
}

static bool
title(ARGS)
{
	struct str s = args[0].s;
	uint32_t before = ' ';

	(void)n;
	buf_clear(&r->text);
	while (s.len > 0) {
		uint32_t c = take_rune(&s);

		put_rune(r, is_separator(before) ? unicode_rune_title(c) : c);
		before = c;
	}
	return tv_take_text(r, ret);
}

static bool
untitle(ARGS)
{
	struct str s = args[0].s;
	bool start = true;

	(void)n;
	buf_clear(&r->text);
	while (s.len > 0) {
		uint32_t c = take_rune(&s);
		bool space = unicode_is_space(c);

		put_rune(r, start && !space ? unicode_rune_lower(c) : c);
		start = space;
	}
	return tv_take_text(r, ret);
}

static bool
swapcase(ARGS)
{
	struct str s = args[0].s;
	bool start = true;

	(void)n;
	buf_clear(&r->text);
	while (s.len > 0) {
		uint32_t c = take_rune(&s);

		if (unicode_is_lower(c)) {
			put_rune(r, start ? unicode_rune_title(c) : unicode_rune_upper(c));
			start = false;
		} else if (unicode_is_upper(c) || unicode_rune_lower(c) != c) {
			put_rune(r, unicode_rune_lower(c));
			start = false;
		} else {
			put_rune(r, c);
			start = unicode_is_space(c);
		}
	}
	return tv_take_text(r, ret);
}

static bool
initials(ARGS)
{
	bool gap = true;

	(void)n;
	buf_clear(&r->text);
	for (size_t i = 0; i < args[0].s.len; i++) {
		uint32_t c = (unsigned char)args[0].s.s[i]; /* sic: bytes, each as a character */
		bool space = unicode_is_space(c);

		if (gap && !space)
			put_rune(r, c);
		gap = space;
	}
	return tv_take_text(r, ret);
}

static bool
nospace(ARGS)
{
	struct str s = args[0].s;
	bool found = false;

	(void)n;
	buf_clear(&r->text);
	for (size_t i = 0; i < s.len; i++) {
		uint32_t c = (unsigned char)s.s[i]; /* sic, too */

		if (unicode_is_space(c))
			found = true;
		else
			put_rune(r, c);
	}
	return found ? tv_take_text(r, ret) : give(ret, s);
}

/* ---- trimming and cutting ---- */

static bool
has_rune(struct str set, uint32_t rune)
{
	while (set.len > 0) {
		if (take_rune(&set) == rune)
			return true;
	}
	return false;
}

static struct str
trim_left(struct str s, struct str set)
{
	while (s.len > 0) {
		struct str rest = s;

		if (!has_rune(set, take_rune(&rest)))
			break;
		s = rest;
	}
	return s;
}

/* Length of the last character, and what it is. */
static size_t
last_rune(struct str s, uint32_t *ret)
{
	for (size_t len = 1; len <= 4 && len <= s.len; len++) {
		if (str_utf8_decode(str_from_offset(s, s.len - len), ret) == len)
			return len;
	}
	*ret = 0xfffd;
	return 1;
}

static struct str
trim_right(struct str s, struct str set)
{
	while (s.len > 0) {
		uint32_t rune;
		size_t len = last_rune(s, &rune);

		if (!has_rune(set, rune))
			break;
		s.len -= len;
	}
	return s;
}

static struct str
trim_suffix(struct str s, struct str suffix)
{
	return str_ends(s, suffix) ? str_head(s, s.len - suffix.len) : s;
}

static struct str
trim_prefix(struct str s, struct str prefix)
{
	return str_starts(s, prefix) ? str_from_offset(s, prefix.len) : s;
}

static bool
go_trim(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_right(trim_left(args[0].s, args[1].s), args[1].s));
}

static bool
go_trim_left(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_left(args[0].s, args[1].s));
}

static bool
go_trim_right(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_right(args[0].s, args[1].s));
}

static bool
go_trim_prefix(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_prefix(args[0].s, args[1].s));
}

static bool
go_trim_suffix(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_suffix(args[0].s, args[1].s));
}

static bool
trim(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, unicode_trim_space(args[0].s));
}

static bool
trim_all(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_right(trim_left(args[1].s, args[0].s), args[0].s));
}

static bool
sprig_trim_suffix(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_suffix(args[1].s, args[0].s));
}

static bool
sprig_trim_prefix(ARGS)
{
	(void)r;
	(void)n;
	return give(ret, trim_prefix(args[1].s, args[0].s));
}

static bool
truncate_(ARGS)
{
	int64_t cut = args[0].i;
	struct str s = args[1].s;
	int64_t len = (int64_t)s.len;

	(void)r;
	(void)n;
	if (cut < 0 && cut > -len)
		return give(ret, str_from_offset(s, (size_t)(len + cut)));
	return give(ret, cut >= 0 && len > cut ? str_head(s, (size_t)cut) : s);
}

static bool
substr(ARGS)
{
	int64_t start = args[0].i, end = args[1].i;
	struct str s = args[2].s;

	(void)n;
	if (start < 0)
		start = 0;
	else if (end < 0 || end > (int64_t)s.len)
		end = (int64_t)s.len;
	if (end < start || end > (int64_t)s.len)
		return template_fail(r, "slice bounds out of range");
	return give(ret, (struct str){s.s + start, (size_t)(end - start)});
}

static struct str
abbreviate(struct template_run *r, struct str s, int64_t width)
{
	struct str head;
	struct tvalue made = tv_string(STR(""));

	if ((int64_t)s.len <= width)
		return s;
	head = str_head(s, (size_t)(width - 3));
	buf_clear(&r->text);
	(void)buf_str(&r->text, head);
	(void)buf_z(&r->text, "...");
	(void)tv_take_text(r, &made);
	return made.s;
}

static bool
abbrev(ARGS)
{
	(void)n;
	return give(ret, args[0].i < 4 || args[1].s.len == 0 ? args[1].s : abbreviate(r, args[1].s, args[0].i));
}

static bool
abbrevboth(ARGS)
{
	int64_t offset = args[0].i, width = args[1].i, len = (int64_t)args[2].s.len;
	struct str s = args[2].s, tail;

	(void)n;
	if (width < 4 || (offset > 0 && width < 7) || len == 0 || len <= width)
		return give(ret, s);
	if (offset > len)
		offset = len;
	if (len - offset < width - 3)
		offset = len - (width - 3);
	if (offset <= 4)
		return give(ret, abbreviate(r, s, width));
	if (width < 7)
		return give(ret, STR(""));
	if (offset + width - 3 < len)
		tail = abbreviate(r, str_from_offset(s, (size_t)offset), width - 3);
	else
		tail = str_from_offset(s, (size_t)(len - (width - 3)));
	buf_clear(&r->text);
	(void)buf_z(&r->text, "...");
	(void)buf_str(&r->text, tail);
	return tv_take_text(r, ret);
}

/* ---- replacing and repeating ---- */

/* An empty `old` matches before each character and at the end. */
static bool
replace_empty(struct template_run *r, struct str s, struct str new, int64_t times, struct tvalue *ret)
{
	buf_clear(&r->text);
	for (int64_t i = 0; s.len > 0 && (times < 0 || i < times) && !r->text.overflow; i++) {
		size_t len = s.len;
		struct str rest = s;

		(void)take_rune(&rest);
		(void)buf_str(&r->text, new);
		(void)buf_append(&r->text, s.s, len - rest.len);
		s = rest;
		if (s.len == 0 && (times < 0 || i + 1 < times))
			(void)buf_str(&r->text, new);
	}
	(void)buf_str(&r->text, s);
	return tv_take_text(r, ret);
}

static bool
replace_text(struct template_run *r, struct str s, struct str old, struct str new, int64_t times, struct tvalue *ret)
{
	ptrdiff_t at;

	if (times == 0 || (old.len > 0 && str_find(s, old) < 0) || str_eq(old, new))
		return give(ret, s);
	if (s.len == 0)
		return give(ret, old.len == 0 ? new : s);
	if (old.len == 0)
		return replace_empty(r, s, new, times, ret);
	buf_clear(&r->text);
	for (int64_t i = 0; (times < 0 || i < times) && (at = str_find(s, old)) >= 0 && !r->text.overflow; i++) {
		(void)buf_str(&r->text, str_head(s, (size_t)at));
		(void)buf_str(&r->text, new);
		s = str_from_offset(s, (size_t)at + old.len);
	}
	(void)buf_str(&r->text, s);
	return tv_take_text(r, ret);
}

static bool
go_replace(ARGS)
{
	(void)n;
	return replace_text(r, args[0].s, args[1].s, args[2].s, args[3].i, ret);
}

static bool
replace(ARGS)
{
	(void)n;
	return replace_text(r, args[2].s, args[0].s, args[1].s, -1, ret);
}

static bool
repeat(ARGS)
{
	struct str s = args[1].s;

	(void)n;
	if (args[0].i < 0)
		return template_fail(r, "strings: negative Repeat count");
	buf_clear(&r->text);
	for (int64_t i = 0; i < args[0].i && s.len > 0 && !r->text.overflow; i++)
		(void)buf_str(&r->text, s);
	return tv_take_text(r, ret);
}

static bool
indent_text(struct template_run *r, int64_t spaces, struct str s, bool newline, struct tvalue *ret)
{
	if (spaces < 0)
		return template_fail(r, "strings: negative Repeat count");
	if (spaces > TEMPLATE_OUTPUT_BYTES_MAX)
		return template_fail(r, "more than %u bytes of text", TEMPLATE_OUTPUT_BYTES_MAX);
	buf_clear(&r->text);
	if (newline)
		(void)buf_putc(&r->text, '\n');
	for (bool more = true; more && !r->text.overflow;) {
		struct str line, rest;

		more = str_cut(s, '\n', &line, &rest);
		for (int64_t i = 0; i < spaces; i++)
			(void)buf_putc(&r->text, ' ');
		(void)buf_str(&r->text, line);
		if (more)
			(void)buf_putc(&r->text, '\n');
		s = rest;
	}
	return tv_take_text(r, ret);
}

static bool
indent(ARGS)
{
	(void)n;
	return indent_text(r, args[0].i, args[1].s, false, ret);
}

static bool
nindent(ARGS)
{
	(void)n;
	return indent_text(r, args[0].i, args[1].s, true, ret);
}

/* ---- wrapping ---- */

static ptrdiff_t
last_space(struct str s)
{
	for (size_t i = s.len; i > 0; i--) {
		if (s.s[i - 1] == ' ')
			return (ptrdiff_t)i - 1;
	}
	return -1;
}

static bool
wrap_text(struct template_run *r, struct str s, int64_t width, struct str newline, bool long_words, struct tvalue *ret)
{
	size_t at = 0, columns = width < 1 ? 1 : (size_t)width;

	if (newline.len == 0)
		newline = STR("\n");
	buf_clear(&r->text);
	while (s.len - at > columns && !r->text.overflow) {
		ptrdiff_t space;
		size_t end;

		if (s.s[at] == ' ') {
			at++;
			continue;
		}
		space = last_space((struct str){s.s + at, columns + 1});
		if (space < 0 && !long_words) {
			const char *found = memchr(s.s + at + columns, ' ', s.len - at - columns);

			if (found == NULL)
				break;
			space = found - (s.s + at);
		}
		end = at + (space >= 0 ? (size_t)space : columns);
		(void)buf_append(&r->text, s.s + at, end - at);
		(void)buf_str(&r->text, newline);
		at = end + (space >= 0);
	}
	(void)buf_str(&r->text, str_from_offset(s, at));
	return tv_take_text(r, ret);
}

static bool
wrap(ARGS)
{
	(void)n;
	return wrap_text(r, args[1].s, args[0].i, STR(""), false, ret);
}

static bool
wrap_with(ARGS)
{
	(void)n;
	return wrap_text(r, args[2].s, args[0].i, args[1].s, true, ret);
}

/* ---- questions ---- */

static bool
contains(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(args[0].s.len == 0 || str_find(args[1].s, args[0].s) >= 0);
	return true;
}

static bool
has_prefix(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(str_starts(args[1].s, args[0].s));
	return true;
}

static bool
has_suffix(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(str_ends(args[1].s, args[0].s));
	return true;
}

/* ---- joining and quoting ---- */

/* All arguments that are not nil, as text, between the quotes. */
static bool
quote_all(struct template_run *r, const struct tvalue *args, size_t n, bool go, struct tvalue *ret)
{
	struct str *texts = template_alloc(r, n + 1, sizeof(*texts));
	bool first = true;

	for (size_t i = 0; texts != NULL && i < n; i++) {
		if (!tv_is_nil(&args[i]) && !tv_text(r, &args[i], &texts[i]))
			return false;
	}
	buf_clear(&r->text);
	for (size_t i = 0; texts != NULL && i < n; i++) {
		if (tv_is_nil(&args[i]))
			continue;
		if (!first)
			(void)buf_putc(&r->text, ' ');
		first = false;
		if (go) {
			(void)gofmt_quote(&r->text, texts[i]);
			continue;
		}
		(void)buf_putc(&r->text, '\'');
		(void)buf_str(&r->text, texts[i]);
		(void)buf_putc(&r->text, '\'');
	}
	return texts != NULL && tv_take_text(r, ret);
}

static bool
quote(ARGS)
{
	return quote_all(r, args, n, true, ret);
}

static bool
squote(ARGS)
{
	return quote_all(r, args, n, false, ret);
}

static bool
cat(ARGS)
{
	struct gofmt_arg *list = template_alloc(r, n + 1, sizeof(*list));
	bool first = true;

	for (size_t i = 0; list != NULL && i < n; i++) {
		if (!tv_to_gofmt(r, &args[i], &list[i], 0))
			return false;
	}
	buf_clear(&r->text);
	for (size_t i = 0; list != NULL && i < n; i++) {
		if (tv_is_nil(&args[i]))
			continue;
		if (!first)
			(void)buf_putc(&r->text, ' ');
		first = false;
		(void)gofmt_value(&r->text, &list[i]);
	}
	return list != NULL && tv_take_text(r, ret);
}

static bool
plural(ARGS)
{
	(void)r;
	(void)n;
	*ret = args[args[2].i == 1 ? 0 : 1];
	return true;
}

static bool
to_string(ARGS)
{
	struct str s;

	(void)n;
	if (tv_is_nil(&args[0]))
		return give(ret, STR("<nil>"));
	return tv_text(r, &args[0], &s) && give(ret, s);
}

const struct tfunction template_text_functions[] = {
	{"hello", "", hello, NULL},
	{"ToLower", "s", lower, NULL},
	{"ToUpper", "s", upper, NULL},
	{"Replace", "sssi", go_replace, NULL},
	{"Trim", "ss", go_trim, NULL},
	{"TrimLeft", "ss", go_trim_left, NULL},
	{"TrimRight", "ss", go_trim_right, NULL},
	{"TrimPrefix", "ss", go_trim_prefix, NULL},
	{"TrimSuffix", "ss", go_trim_suffix, NULL},
	{"TrimSpace", "s", trim, NULL},
	{"abbrev", "is", abbrev, NULL},
	{"abbrevboth", "iis", abbrevboth, NULL},
	{"trunc", "is", truncate_, NULL},
	{"trim", "s", trim, NULL},
	{"upper", "s", upper, NULL},
	{"lower", "s", lower, NULL},
	{"title", "s", title, NULL},
	{"untitle", "s", untitle, NULL},
	{"substr", "iis", substr, NULL},
	{"repeat", "is", repeat, NULL},
	{"trimall", "ss", trim_all, NULL},
	{"trimAll", "ss", trim_all, NULL},
	{"trimSuffix", "ss", sprig_trim_suffix, NULL},
	{"trimPrefix", "ss", sprig_trim_prefix, NULL},
	{"nospace", "s", nospace, NULL},
	{"initials", "s", initials, NULL},
	{"swapcase", "s", swapcase, NULL},
	{"wrap", "is", wrap, NULL},
	{"wrapWith", "iss", wrap_with, NULL},
	{"contains", "ss", contains, NULL},
	{"hasPrefix", "ss", has_prefix, NULL},
	{"hasSuffix", "ss", has_suffix, NULL},
	{"quote", "a*", quote, NULL},
	{"squote", "a*", squote, NULL},
	{"cat", "a*", cat, NULL},
	{"indent", "is", indent, NULL},
	{"nindent", "is", nindent, NULL},
	{"replace", "sss", replace, NULL},
	{"plural", "ssi", plural, NULL},
	{"toString", "a", to_string, NULL},
	{NULL, NULL, NULL, NULL},
};
