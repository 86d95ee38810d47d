/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <math.h>

#include "longship/base/hash.h"
#include "longship/base/limits.h"
#include "longship/codec/base32.h"
#include "longship/codec/base64.h"

/* Hashes, base64 and base32, regular expressions, paths. */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

static bool
give_hex(struct template_run *r, const uint8_t *bytes, size_t len, struct tvalue *ret)
{
	static const char digits[] = "0123456789abcdef";
	char *out = template_alloc(r, 2 * len, 1);

	if (out == NULL)
		return false;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	*ret = tv_string((struct str){out, 2 * len});
	return true;
}

/* ---- hashes ---- */

static bool
sha1sum(ARGS)
{
	uint8_t hash[20];

	(void)n;
	hash_sha1(args[0].s, hash);
	return give_hex(r, hash, sizeof(hash), ret);
}

static bool
sha256sum(ARGS)
{
	uint8_t hash[32];

	(void)n;
	hash_sha256(args[0].s, hash);
	return give_hex(r, hash, sizeof(hash), ret);
}

static bool
sha512sum(ARGS)
{
	uint8_t hash[64];

	(void)n;
	hash_sha512(args[0].s, hash);
	return give_hex(r, hash, sizeof(hash), ret);
}

static bool
adler32sum(ARGS)
{
	(void)n;
	buf_clear(&r->text);
	(void)buf_printf(&r->text, "%u", hash_adler32(args[0].s));
	return tv_take_text(r, ret);
}

/* The salt and the text behind each other. */
static bool
salted(struct template_run *r, const struct tvalue *args, struct str *ret)
{
	struct tvalue both;

	buf_clear(&r->text);
	(void)buf_str(&r->text, args[0].s);
	(void)buf_str(&r->text, args[1].s);
	if (!tv_take_text(r, &both))
		return false;
	*ret = both.s;
	return true;
}

static bool
alloy_hash(ARGS)
{
	uint8_t hash[32];
	struct str text;

	(void)n;
	if (!salted(r, args, &text))
		return false;
	hash_sha3_256(text, hash);
	return give_hex(r, hash, sizeof(hash), ret);
}

static bool
alloy_sha2_hash(ARGS)
{
	uint8_t hash[32];
	struct str text;

	(void)n;
	if (!salted(r, args, &text))
		return false;
	hash_sha256(text, hash);
	return give_hex(r, hash, sizeof(hash), ret);
}

/* ---- base64, base32 ---- */

static bool
room(struct template_run *r, struct str s, size_t times)
{
	return template_alloc(r, s.len + 16, times) != NULL;
}

static bool
b64enc(ARGS)
{
	(void)n;
	if (!room(r, args[0].s, 2))
		return false;
	*ret = tv_string(base64_encode(r->arena, args[0].s, BASE64_STANDARD));
	return true;
}

/* What cannot be decoded gives the error's text. */
static bool
b64dec(ARGS)
{
	size_t offset = 0;
	struct str out;

	(void)n;
	if (!room(r, args[0].s, 1))
		return false;
	if (!base64_decode(r->arena, args[0].s, BASE64_STANDARD, &out, &offset))
		out = arena_printf(r->arena, "illegal base64 data at input byte %zu", offset);
	*ret = tv_string(out);
	return true;
}

static bool
b32enc(ARGS)
{
	(void)n;
	if (!room(r, args[0].s, 2))
		return false;
	*ret = tv_string(base32_encode(r->arena, args[0].s));
	return true;
}

static bool
b32dec(ARGS)
{
	size_t offset = 0;
	struct str out;

	(void)n;
	if (!room(r, args[0].s, 1))
		return false;
	if (!base32_decode(r->arena, args[0].s, &out, &offset))
		out = arena_printf(r->arena, "illegal base32 data at input byte %zu", offset);
	*ret = tv_string(out);
	return true;
}

/* ---- regular expressions ---- */

#define KEPT_BYTES_MAX 4096 /* text of an expression that is kept; longer ones live for one execution */

/* Constants were compiled with the template; what a line brings is compiled when it is first seen. */
static const struct regex *
find_regex(struct template_run *r, struct str pattern)
{
	bool keep = pattern.len > 0 && pattern.len <= KEPT_BYTES_MAX;
	const struct regex *regex = map_get(&r->template->regexes, pattern);
	struct str error;
	size_t offset;

	if (regex != NULL || !keep || (regex = template_keep(r, 'r', pattern)) != NULL)
		return regex != NULL ? regex : regex_compile(r->arena, pattern, 0, &error, &offset);
	if (map_has(&r->template->regexes, pattern))
		return NULL;
	regex = regex_compile(r->kept_arena, pattern, 0, &error, &offset);
	if (regex != NULL)
		template_kept(r, 'r', pattern, regex);
	return regex;
}

static const struct regex *
need_regex(struct template_run *r, struct str pattern)
{
	const struct regex *regex = find_regex(r, pattern);

	if (regex == NULL)
		(void)template_fail(r, "error parsing regexp");
	return regex;
}

static bool
match_at(struct template_run *r, const struct regex *regex, struct str s, size_t from, bool *ret)
{
	enum regex_result result = regex_match(regex, s, from, &r->match);

	*ret = result == REGEX_YES;
	return result != REGEX_LIMIT || template_fail(r, "match limit exceeded");
}

static bool
regex_match_(ARGS)
{
	const struct regex *regex = find_regex(r, args[0].s);

	(void)n;
	*ret = tv_bool(false);
	return regex == NULL || match_at(r, regex, args[1].s, 0, &ret->b);
}

static bool
must_regex_match(ARGS)
{
	return need_regex(r, args[0].s) != NULL && regex_match_(r, args, n, ret);
}

static bool
regex_find(ARGS)
{
	const struct regex *regex = need_regex(r, args[0].s);
	bool found;

	(void)n;
	if (regex == NULL || !match_at(r, regex, args[1].s, 0, &found))
		return false;
	*ret = tv_string(found ? regex_group(&r->match, args[1].s, 0) : STR(""));
	return true;
}

static size_t
rune_width(struct str s, size_t at)
{
	uint32_t rune;
	size_t len = str_utf8_decode(str_from_offset(s, at), &rune);

	return len > 0 ? len : 1;
}

/* The matches one after the other: an empty one right behind the last is none. False: no more, or the limit. */
struct matches {
	const struct regex *regex;
	struct str s;
	size_t at, last_end;
	bool any;
};

static bool
next_match(struct template_run *r, struct matches *m)
{
	bool found;

	while (m->at <= m->s.len && template_step(r, 1) && match_at(r, m->regex, m->s, m->at, &found) && found) {
		size_t start = r->match.at[0], end = r->match.at[1];
		bool accept = end != m->at || !m->any || start != m->last_end;

		m->at = end != m->at ? end : end < m->s.len ? end + rune_width(m->s, end) : m->s.len + 1;
		m->any = true;
		m->last_end = end;
		if (accept)
			return true;
	}
	return false;
}

static bool
regex_find_all(ARGS)
{
	struct matches m = {.regex = need_regex(r, args[0].s), .s = args[1].s}, again;
	struct tlist *list;
	size_t found = 0;

	(void)n;
	if (m.regex == NULL)
		return false;
	again = m;
	while ((args[2].i < 0 || (int64_t)found < args[2].i) && next_match(r, &m))
		found++;
	list = tl_new(r, T_OF_STRING, found);
	if (list == NULL)
		return false;
	list->nil = found == 0;
	for (size_t i = 0; i < found && next_match(r, &again); i++)
		list->items[i] = tv_string(regex_group(&r->match, m.s, 0));
	*ret = (struct tvalue){.kind = T_LIST, .list = list};
	return true;
}

static bool
regex_split(ARGS)
{
	struct matches m = {.regex = need_regex(r, args[0].s), .s = args[1].s}, again;
	size_t found = 0, parts = 0, begin = 0, end = 0;
	struct tlist *list;

	(void)n;
	if (m.regex == NULL)
		return false;
	again = m;
	while (args[2].i != 0 && (args[2].i < 0 || (int64_t)found < args[2].i) && next_match(r, &m))
		found++;
	list = tl_new(r, T_OF_STRING, found + 1);
	if (list == NULL)
		return false;
	*ret = (struct tvalue){.kind = T_LIST, .list = list};
	list->nil = args[2].i == 0;
	if (m.s.len == 0 && args[0].s.len > 0) {
		list->items[0] = tv_string(m.s);
		list->n = args[2].i != 0;
		return true;
	}
	for (size_t i = 0; i < found && !(args[2].i > 0 && (int64_t)parts == args[2].i - 1) && next_match(r, &again); i++) {
		end = r->match.at[0];
		if (r->match.at[1] != 0)
			list->items[parts++] = tv_string((struct str){m.s.s + begin, end - begin});
		begin = r->match.at[1];
	}
	if (args[2].i != 0 && end != m.s.len)
		list->items[parts++] = tv_string(str_from_offset(m.s, begin));
	list->n = parts;
	return true;
}

/* Go's ReplaceAllString, with the match of the run, which stays: regex_replace_all has one of its own per call. */
static bool
replace_all(struct template_run *r, const struct tvalue *args, struct str replacement, bool literal, struct tvalue *ret)
{
	const struct regex *regex = need_regex(r, args[0].s);
	struct str s = args[1].s;
	size_t last_end = 0;
	bool found = true;

	buf_clear(&r->text);
	for (size_t at = 0; regex != NULL && at <= s.len && !r->text.overflow;) {
		size_t end, width;

		if (!template_step(r, 1) || !match_at(r, regex, s, at, &found))
			return false;
		if (!found)
			break;
		end = r->match.at[1];
		(void)buf_append(&r->text, s.s + last_end, r->match.at[0] - last_end);
		/* An empty match right behind a match does not count. */
		if (end <= last_end && r->match.at[0] != 0)
			;
		else if (literal)
			(void)buf_str(&r->text, replacement);
		else
			(void)regex_expand(regex, replacement, s, &r->match, &r->text);
		last_end = end;
		width = at < s.len ? rune_width(s, at) : 1;
		at = at + width > end ? at + width : end;
	}
	(void)buf_str(&r->text, str_from_offset(s, last_end));
	return regex != NULL && tv_take_text(r, ret);
}

static bool
regex_replace_all_(ARGS)
{
	(void)n;
	return replace_all(r, args, args[2].s, false, ret);
}

static bool
regex_replace_all_literal(ARGS)
{
	(void)n;
	return replace_all(r, args, args[2].s, true, ret);
}

static bool
regex_quote_meta(ARGS)
{
	(void)n;
	buf_clear(&r->text);
	for (size_t i = 0; i < args[0].s.len; i++) {
		char c = args[0].s.s[i];

		if (c != '\0' && strchr("\\.+*?()|[]{}^$", c) != NULL)
			(void)buf_putc(&r->text, '\\');
		(void)buf_putc(&r->text, c);
	}
	return tv_take_text(r, ret);
}

/* ---- paths ---- */

/* path.Clean into r->text: no "//", no ".", and ".." takes a part away where there is one. */
static struct str
clean_path(struct template_run *r, struct str path)
{
	bool rooted = path.len > 0 && path.s[0] == '/';
	size_t fixed = rooted, at = 0; /* what ".." cannot take away */

	buf_clear(&r->text);
	if (rooted)
		(void)buf_putc(&r->text, '/');
	while (at < path.len && !r->text.overflow) {
		struct str part, rest;

		(void)str_cut(str_from_offset(path, at), '/', &part, &rest);
		at += part.len + 1;
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..") && r->text.len > fixed) {
			do {
				r->text.len--;
			} while (r->text.len > fixed && r->text.data[r->text.len] != '/');
			continue;
		}
		if (str_is(part, "..") && rooted)
			continue;
		if (r->text.len > (rooted ? 1u : 0u))
			(void)buf_putc(&r->text, '/');
		(void)buf_str(&r->text, part);
		if (str_is(part, ".."))
			fixed = r->text.len;
	}
	if (r->text.len == 0)
		(void)buf_putc(&r->text, '.');
	return buf_view(&r->text);
}

static bool
path_clean(ARGS)
{
	(void)n;
	(void)clean_path(r, args[0].s);
	return tv_take_text(r, ret);
}

static size_t
last_slash(struct str s)
{
	while (s.len > 0 && s.s[s.len - 1] != '/')
		s.len--;
	return s.len;
}

static bool
path_dir(ARGS)
{
	(void)n;
	(void)clean_path(r, str_head(args[0].s, last_slash(args[0].s)));
	return tv_take_text(r, ret);
}

static bool
path_base(ARGS)
{
	struct str s = args[0].s;

	(void)r;
	(void)n;
	*ret = tv_string(STR("."));
	if (s.len == 0)
		return true;
	while (s.len > 0 && s.s[s.len - 1] == '/')
		s.len--;
	s = str_from_offset(s, last_slash(s));
	*ret = tv_string(s.len > 0 ? s : STR("/"));
	return true;
}

static bool
path_ext(ARGS)
{
	struct str s = str_from_offset(args[0].s, last_slash(args[0].s));
	size_t dot = s.len;

	(void)r;
	(void)n;
	while (dot > 0 && s.s[dot - 1] != '.')
		dot--;
	*ret = tv_string(dot > 0 ? str_from_offset(s, dot - 1) : STR(""));
	return true;
}

static bool
path_is_abs(ARGS)
{
	(void)r;
	(void)n;
	*ret = tv_bool(args[0].s.len > 0 && args[0].s.s[0] == '/');
	return true;
}

const struct tfunction template_code_functions[] = {
	{"Hash", "ss", alloy_hash, NULL},
	{"Sha2Hash", "ss", alloy_sha2_hash, NULL},
	{"sha1sum", "s", sha1sum, NULL},
	{"sha256sum", "s", sha256sum, NULL},
	{"sha512sum", "s", sha512sum, NULL},
	{"adler32sum", "s", adler32sum, NULL},
	{"b64enc", "s", b64enc, NULL},
	{"b64dec", "s", b64dec, NULL},
	{"b32enc", "s", b32enc, NULL},
	{"b32dec", "s", b32dec, NULL},
	{"regexMatch", "ss", regex_match_, NULL},
	{"mustRegexMatch", "ss", must_regex_match, NULL},
	{"regexFind", "ss", regex_find, NULL},
	{"mustRegexFind", "ss", regex_find, NULL},
	{"regexFindAll", "ssi", regex_find_all, NULL},
	{"mustRegexFindAll", "ssi", regex_find_all, NULL},
	{"regexReplaceAll", "sss", regex_replace_all_, NULL},
	{"mustRegexReplaceAll", "sss", regex_replace_all_, NULL},
	{"regexReplaceAllLiteral", "sss", regex_replace_all_literal, NULL},
	{"mustRegexReplaceAllLiteral", "sss", regex_replace_all_literal, NULL},
	{"regexSplit", "ssi", regex_split, NULL},
	{"mustRegexSplit", "ssi", regex_split, NULL},
	{"regexQuoteMeta", "s", regex_quote_meta, NULL},
	{"base", "s", path_base, NULL},
	{"dir", "s", path_dir, NULL},
	{"clean", "s", path_clean, NULL},
	{"ext", "s", path_ext, NULL},
	{"isAbs", "s", path_is_abs, NULL},
	{"osBase", "s", path_base, NULL},
	{"osDir", "s", path_dir, NULL},
	{"osClean", "s", path_clean, NULL},
	{"osExt", "s", path_ext, NULL},
	{"osIsAbs", "s", path_is_abs, NULL},
	{NULL, NULL, NULL, NULL},
};
