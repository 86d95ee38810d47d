/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over the body and one function for each level of the message. Strings are found with memchr, so a line
 * without escapes costs one look at each byte; unescaping (into the arena) never makes a string longer.
 */
#include "longship/codec/push_json.h"

#include "longship/base/arena.h"
#include "longship/base/check.h"

struct parser {
	const char *p, *end;
	struct arena *arena;
	const struct push_sink *sink;
	const char *error;
	const char *resume_at; /* behind the last entry that was read before; NULL: none was */
	bool stop;
	struct push_label pairs[PUSH_LABELS_MAX > PUSH_METADATA_MAX ? PUSH_LABELS_MAX : PUSH_METADATA_MAX];
};

struct raw_string {
	struct str text; /* between the quotes */
	bool escaped;
};

static bool
fail(struct parser *j, const char *error)
{
	if (j->error == NULL)
		j->error = error;
	return false;
}

/* The next byte that is not white space, '\0' at the end. */
static char
peek(struct parser *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
		j->p++;
	return j->p < j->end ? *j->p : '\0';
}

static bool
take(struct parser *j, char c)
{
	if (peek(j) != c)
		return false;
	j->p++;
	return true;
}

static bool
take_string(struct parser *j, struct raw_string *ret)
{
	const char *start, *quote, *back;

	if (!take(j, '"'))
		return fail(j, "malformed JSON: expected a string");
	start = j->p;
	quote = NULL;
	ret->escaped = false;
	/* A quote once found is kept while escapes before it are stepped over, so each byte is looked at twice at most. */
	for (;;) {
		if (quote == NULL || quote < j->p)
			quote = memchr(j->p, '"', (size_t)(j->end - j->p));
		if (quote == NULL)
			return fail(j, "malformed JSON: string without an end");
		back = memchr(j->p, '\\', (size_t)(quote - j->p));
		if (back == NULL)
			break;
		ret->escaped = true;
		j->p = back + 2; /* at most one behind the quote */
	}
	ret->text = (struct str){start, (size_t)(quote - start)};
	j->p = quote + 1;
	return true;
}

static bool
hex4(struct str s, uint32_t *ret)
{
	uint32_t v = 0;

	if (s.len < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = s.s[i];

		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v |= (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

/* in stands behind "\u". Half a surrogate pair becomes U+FFFD, as in Go's encoding/json. Bytes used, 0: malformed. */
static size_t
unescape_unicode(struct str in, uint32_t *rune)
{
	uint32_t low;

	if (!hex4(in, rune))
		return 0;
	if (*rune < 0xd800 || *rune > 0xdfff)
		return 4;
	if (*rune < 0xdc00 && in.len >= 10 && in.s[4] == '\\' && in.s[5] == 'u' && hex4(str_from_offset(in, 6), &low) &&
		low >= 0xdc00 && low <= 0xdfff) {
		*rune = 0x10000 + ((*rune - 0xd800) << 10) + (low - 0xdc00);
		return 10;
	}
	*rune = 0xfffd;
	return 4;
}

static char
unescape_char(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '"':
	case '\\':
	case '/':
		return c;
	default:
		return '\0';
	}
}

/* Writes to out (NULL: only checks). */
static bool
unescape(struct str in, char *out, size_t *ret_len)
{
	size_t n = 0;

	while (in.len > 0) {
		const char *back = memchr(in.s, '\\', in.len);
		size_t plain = back != NULL ? (size_t)(back - in.s) : in.len;
		char utf8[4], c;
		uint32_t rune;
		size_t used;

		if (out != NULL)
			memcpy(out + n, in.s, plain);
		n += plain;
		in = str_from_offset(in, plain);
		if (in.len == 0)
			break;
		assert(in.len >= 2); /* take_string ends no string at a backslash */
		if (in.s[1] == 'u') {
			used = unescape_unicode(str_from_offset(in, 2), &rune);
			if (used == 0)
				return false;
			plain = str_utf8_encode(rune, utf8);
			used += 2;
		} else {
			c = unescape_char(in.s[1]);
			if (c == '\0')
				return false;
			utf8[0] = c;
			plain = 1;
			used = 2;
		}
		if (out != NULL)
			memcpy(out + n, utf8, plain);
		n += plain;
		in = str_from_offset(in, used);
	}
	*ret_len = n;
	return true;
}

/* The string itself; when only checking, not a usable one. */
static bool
resolve(struct parser *j, struct raw_string raw, struct str *ret)
{
	char *out;
	size_t n = 0;

	*ret = raw.text;
	if (!raw.escaped)
		return true;
	out = j->arena != NULL ? arena_alloc(j->arena, raw.text.len) : NULL;
	if (!unescape(raw.text, out, &n))
		return fail(j, "malformed JSON: bad escape in a string");
	if (out != NULL)
		*ret = (struct str){out, n};
	return true;
}

static bool
scalar_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
}

/* A number, true, false or null: not looked at more closely, since it is skipped or taken as text. */
static bool
skip_scalar(struct parser *j)
{
	const char *start = j->p;

	while (j->p < j->end && scalar_char(*j->p))
		j->p++;
	return j->p > start || fail(j, "malformed JSON: expected a value");
}

/* Any value, without recursion: bit i of `arrays` says what level i is. */
static bool
skip_value(struct parser *j)
{
	uint64_t arrays = 0;
	unsigned depth = 0;
	struct raw_string s;

	do {
		char c = peek(j);
		bool in_array = (arrays & 1) != 0;

		if (depth > 0 && c == (in_array ? ']' : '}')) {
			j->p++;
			arrays >>= 1;
			depth--;
		} else {
			if (depth > 0 && !in_array) {
				if (!take_string(j, &s) || !take(j, ':'))
					return fail(j, "malformed JSON: expected a member");
				c = peek(j);
			}
			if (c == '{' || c == '[') {
				if (depth == PUSH_JSON_NESTING_MAX)
					return fail(j, "JSON nested too deeply");
				j->p++;
				arrays = arrays << 1 | (c == '[');
				depth++;
				continue;
			}
			if (c == '"' ? !take_string(j, &s) : !skip_scalar(j))
				return false;
		}
		/* A value has ended. */
		if (depth > 0 && !take(j, ',') && peek(j) != ((arrays & 1) != 0 ? ']' : '}'))
			return fail(j, "malformed JSON: expected a comma");
	} while (depth > 0);
	return true;
}

/* After a member or element: true when another one follows, else the closing byte has been taken. */
static bool
more(struct parser *j, char close)
{
	if (take(j, ','))
		return true;
	if (!take(j, close))
		(void)fail(j, "malformed JSON: expected a comma");
	return false;
}

static bool
take_key(struct parser *j, struct raw_string *ret)
{
	return take_string(j, ret) && (take(j, ':') || fail(j, "malformed JSON: expected a colon"));
}

/* {"name":"value",…} into j->pairs. With any_value, other values than strings count by their text. */
static bool
parse_pairs(struct parser *j, size_t max, bool any_value, const char *too_many, size_t *ret_n)
{
	size_t n = 0;

	if (!take(j, '{'))
		return fail(j, "malformed JSON: expected an object");
	if (!take(j, '}')) {
		do {
			struct push_label *pair = &j->pairs[n];
			struct raw_string raw;
			const char *start;

			if (n == max)
				return fail(j, too_many);
			if (!take_key(j, &raw) || !resolve(j, raw, &pair->name))
				return false;
			if (peek(j) == '"' || !any_value) {
				if (!take_string(j, &raw) || !resolve(j, raw, &pair->value))
					return false;
			} else {
				start = j->p;
				if (!skip_value(j))
					return false;
				pair->value = (struct str){start, (size_t)(j->p - start)};
			}
			n++;
		} while (more(j, '}'));
	}
	*ret_n = n;
	return j->error == NULL;
}

static bool
is_null(struct parser *j)
{
	if (peek(j) != 'n' || j->end - j->p < 4 || memcmp(j->p, "null", 4) != 0)
		return false;
	j->p += 4;
	return true;
}

/* ["<ns>","line",{metadata}] */
static bool
parse_entry(struct parser *j, bool wanted)
{
	struct raw_string raw;
	struct str line;
	int64_t ts;
	size_t n = 0;

	if (!take(j, '['))
		return fail(j, "malformed JSON: a value must be an array");
	if (!take_string(j, &raw))
		return false;
	if (!str_to_i64(raw.text, &ts))
		return fail(j, "malformed timestamp: expected nanoseconds as a string");
	if (!take(j, ','))
		return fail(j, "malformed JSON: a value without a line");
	if (!take_string(j, &raw) || !resolve(j, raw, &line))
		return false;
	if (more(j, ']')) {
		if (!is_null(j) && !parse_pairs(j, PUSH_METADATA_MAX, false, "too many structured metadata labels in an entry", &n))
			return false;
		while (more(j, ']'))
			if (!skip_value(j))
				return false;
	}
	if (j->error == NULL && wanted)
		j->stop = !j->sink->entry(j->sink->ctx, ts, line, j->pairs, n);
	return j->error == NULL;
}

static bool
parse_values(struct parser *j, bool wanted)
{
	if (is_null(j))
		return true;
	if (j->resume_at != NULL) {
		j->p = j->resume_at;
		j->resume_at = NULL;
		if (!more(j, ']'))
			return j->error == NULL;
	} else {
		if (!take(j, '['))
			return fail(j, "malformed JSON: values must be an array");
		if (take(j, ']'))
			return true;
	}
	do {
		if (!is_null(j) && !parse_entry(j, wanted))
			return false;
	} while (!j->stop && more(j, ']'));
	return j->error == NULL;
}

static const char *
check_names(const struct push_label *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str name = pairs[i].name;

		for (size_t k = 0; k < name.len; k++) {
			char c = name.s[k];

			if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (k > 0 && c >= '0' && c <= '9')))
				return "parse error: bad label name";
		}
		if (name.len == 0)
			return "parse error: empty label name";
	}
	return NULL;
}

/* The labels, and the sink's wish about the stream's entries. */
static bool
parse_labels(struct parser *j, bool *ret_wanted)
{
	const char *bad;
	size_t n = 0;

	if (!parse_pairs(j, PUSH_LABELS_MAX, true, "too many labels in a stream", &n))
		return false;
	if (j->arena != NULL) {
		bad = check_names(j->pairs, n);
		*ret_wanted = j->sink->stream(j->sink->ctx, j->pairs, bad != NULL ? 0 : n, bad);
	}
	return true;
}

/* One member of a stream. Values that stand before the labels are noted in *early and read when the labels are known. */
static bool
parse_member(struct parser *j, const char **early, bool *labelled, bool *valued, bool *wanted)
{
	struct raw_string key;

	if (!take_key(j, &key))
		return false;
	if (str_is(key.text, "stream")) {
		if (*labelled)
			return fail(j, "malformed JSON: repeated member \"stream\"");
		*labelled = true;
		return parse_labels(j, wanted);
	}
	if (!str_is(key.text, "values"))
		return skip_value(j);
	if (*valued)
		return fail(j, "malformed JSON: repeated member \"values\"");
	*valued = true;
	if (*labelled)
		return parse_values(j, *wanted);
	*early = j->p;
	return skip_value(j);
}

static bool
parse_stream(struct parser *j)
{
	const char *early = NULL, *behind;
	bool labelled = false, valued = false, wanted = false;

	if (!take(j, '{'))
		return fail(j, "malformed JSON: a stream must be an object");
	if (!take(j, '}')) {
		do {
			if (!parse_member(j, &early, &labelled, &valued, &wanted))
				return false;
		} while (!j->stop && more(j, '}'));
	}
	if (j->error != NULL || j->stop)
		return j->error == NULL;
	if (!labelled && j->arena != NULL)
		wanted = j->sink->stream(j->sink->ctx, j->pairs, 0, "parse error: stream without labels");
	behind = j->p;
	if (early != NULL) {
		j->p = early;
		if (parse_values(j, wanted) && !j->stop)
			j->p = behind;
	}
	return j->error == NULL;
}

/* The rest of an array of streams; *at is the stream that is read. */
static bool
parse_stream_list(struct parser *j, const char **at)
{
	do {
		*at = j->p;
		if (!is_null(j) && !parse_stream(j))
			return false;
	} while (!j->stop && more(j, ']'));
	return j->error == NULL;
}

static bool
parse_streams(struct parser *j, const char **at)
{
	if (is_null(j))
		return true;
	if (!take(j, '['))
		return fail(j, "malformed JSON: streams must be an array");
	return take(j, ']') || parse_stream_list(j, at);
}

/* The members of the body; going on starts inside of its streams. */
static bool
parse_body(struct parser *j, bool resumed, const char **at)
{
	struct raw_string key;

	if (resumed) {
		if (!parse_stream_list(j, at))
			return false;
		if (j->stop || !more(j, '}'))
			return j->error == NULL;
	} else {
		if (is_null(j))
			return true;
		if (!take(j, '{'))
			return fail(j, "malformed JSON: expected an object");
		if (take(j, '}'))
			return true;
	}
	do {
		if (!take_key(j, &key) || !(str_is(key.text, "streams") ? parse_streams(j, at) : skip_value(j)))
			return false;
	} while (!j->stop && more(j, '}'));
	return j->error == NULL;
}

bool
push_json_decode(struct str body, struct arena *arena, const struct push_sink *sink, struct push_place *place,
	const char **ret_error)
{
	bool resumed = place != NULL && place->stopped;
	const char *at = NULL;
	struct parser j;

	if (body.len == 0)
		body.s = "";
	j.p = resumed ? body.s + place->stream : body.s;
	j.end = body.s + body.len;
	j.arena = arena;
	j.sink = sink;
	j.error = NULL;
	j.resume_at = resumed ? body.s + place->entry : NULL;
	j.stop = false;
	if (!parse_body(&j, resumed, &at)) {
		*ret_error = j.error;
		return false;
	}
	if (place != NULL)
		*place = (struct push_place){j.stop ? (size_t)(at - body.s) : 0, j.stop ? (size_t)(j.p - body.s) : 0, j.stop};
	return true;
}
