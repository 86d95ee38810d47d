/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

/* urlParse and urlJoin: URLs as net/url takes them apart and puts them together. */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

enum part { PART_PATH, PART_HOST, PART_USER, PART_FRAGMENT };

struct url {
	struct str scheme, opaque, host, path, query, fragment, user, password;
	bool has_user, has_password;
};

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_in(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool
should_escape(char c, enum part part)
{
	if (is_alnum(c) || is_in(c, "-_.~"))
		return false;
	switch (part) {
	case PART_HOST:
		return !is_in(c, "!$&'()*+,;=:[]<>\"");
	case PART_PATH:
		return !is_in(c, "$&+,/:;=@");
	case PART_USER:
		return !is_in(c, "$&+,;=");
	case PART_FRAGMENT:
		break;
	}
	return !is_in(c, "$&+,/:;=?@!()*");
}

static bool
unescape(struct template_run *r, struct str s, enum part part, struct str *ret)
{
	char *out = template_alloc(r, s.len + 1, 1);
	size_t len = 0;

	for (size_t i = 0; out != NULL && i < s.len; i++) {
		char c = s.s[i];

		if (c == '%') {
			int high = i + 2 < s.len ? str_hex_digit(s.s[i + 1]) : -1, low = high >= 0 ? str_hex_digit(s.s[i + 2]) : -1;

			if (low < 0)
				return template_fail(r, "unable to parse url: invalid URL escape");
			if (part == PART_HOST && high < 8 && !(high == 2 && low == 5))
				return template_fail(r, "unable to parse url: invalid URL escape in host");
			c = (char)(high << 4 | low);
			i += 2;
		} else if (part == PART_HOST && (unsigned char)c < 0x80 && should_escape(c, part)) {
			return template_fail(r, "unable to parse url: invalid character in host name");
		}
		out[len++] = c;
	}
	*ret = (struct str){out, len};
	return out != NULL;
}

static void
put_escaped(struct template_run *r, struct str s, enum part part)
{
	for (size_t i = 0; i < s.len; i++) {
		if (should_escape(s.s[i], part))
			(void)buf_printf(&r->text, "%%%02X", (unsigned char)s.s[i]);
		else
			(void)buf_putc(&r->text, s.s[i]);
	}
}

static ptrdiff_t
last_of(struct str s, char c)
{
	for (size_t i = s.len; i > 0; i--) {
		if (s.s[i - 1] == c)
			return (ptrdiff_t)i - 1;
	}
	return -1;
}

static bool
port_good(struct str s)
{
	if (s.len > 0 && s.s[0] != ':')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (s.s[i] < '0' || s.s[i] > '9')
			return false;
	}
	return true;
}

static bool
parse_host(struct template_run *r, struct str s, struct str *ret)
{
	ptrdiff_t bracket = last_of(s, '['), end = last_of(s, ']'), colon = last_of(s, ':');

	if (bracket > 0 || (bracket == 0 && end < 0))
		return template_fail(r, "unable to parse url: missing ']' in host");
	if (bracket == 0)
		colon = end + 1;
	if (colon >= 0 && !port_good(str_from_offset(s, (size_t)colon)))
		return template_fail(r, "unable to parse url: invalid port after host");
	if (bracket < 0 && colon >= 0 && memchr(s.s, ':', (size_t)colon) != NULL)
		return template_fail(r, "unable to parse url: invalid port after host");
	return unescape(r, s, PART_HOST, ret);
}

static bool
parse_user(struct template_run *r, struct str s, struct url *u)
{
	struct str name, password;

	for (size_t i = 0; i < s.len; i++) {
		if (!is_alnum(s.s[i]) && !is_in(s.s[i], "-._:~!$&'()*+,;=%"))
			return template_fail(r, "unable to parse url: net/url: invalid userinfo");
	}
	u->has_user = true;
	u->has_password = str_cut(s, ':', &name, &password);
	return unescape(r, name, PART_USER, &u->user) && unescape(r, password, PART_USER, &u->password);
}

static bool
parse_authority(struct template_run *r, struct str s, struct url *u)
{
	ptrdiff_t at = last_of(s, '@');

	if (!parse_host(r, str_from_offset(s, (size_t)(at + 1)), &u->host))
		return false;
	return at < 0 || parse_user(r, str_head(s, (size_t)at), u);
}

/* Takes the scheme off; without one the text stays. */
static bool
parse_scheme(struct template_run *r, struct str *s, struct str *ret)
{
	*ret = STR("");
	for (size_t i = 0; i < s->len; i++) {
		char c = s->s[i];
		char *lower;

		if (c == ':') {
			lower = template_alloc(r, i + 1, 1);
			if (i == 0 || lower == NULL)
				return template_fail(r, "unable to parse url: missing protocol scheme");
			for (size_t k = 0; k < i; k++)
				lower[k] = (char)(s->s[k] >= 'A' && s->s[k] <= 'Z' ? s->s[k] | 0x20 : s->s[k]);
			*ret = (struct str){lower, i};
			*s = str_from_offset(*s, i + 1);
			return true;
		}
		if (!is_alnum(c) && !is_in(c, "+-."))
			return true;
		if (i == 0 && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			return true;
	}
	return true;
}

static bool
parse_rest(struct template_run *r, struct str s, struct url *u)
{
	struct str segment, tail;

	(void)str_cut(s, '?', &s, &u->query);
	if (s.len == 0 || s.s[0] != '/') {
		if (u->scheme.len > 0) {
			u->opaque = s;
			return true;
		}
		(void)str_cut(s, '/', &segment, &tail);
		if (segment.len > 0 && memchr(segment.s, ':', segment.len) != NULL)
			return template_fail(r, "unable to parse url: first path segment in URL cannot contain colon");
	}
	if (str_starts(s, STR("//")) && (u->scheme.len > 0 || !str_starts(s, STR("///")))) {
		(void)str_cut(str_from_offset(s, 2), '/', &segment, &tail);
		s = str_from_offset(s, 2 + segment.len);
		if (!parse_authority(r, segment, u))
			return false;
	}
	return unescape(r, s, PART_PATH, &u->path);
}

static bool
parse_url(struct template_run *r, struct str s, struct url *u)
{
	struct str fragment;

	*u = (struct url){0};
	(void)str_cut(s, '#', &s, &fragment);
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.s[i] < ' ' || s.s[i] == 0x7f)
			return template_fail(r, "unable to parse url: net/url: invalid control character in URL");
	}
	if (str_is(s, "*")) {
		u->path = s;
		return true;
	}
	return parse_scheme(r, &s, &u->scheme) && parse_rest(r, s, u) && unescape(r, fragment, PART_FRAGMENT, &u->fragment);
}

static struct str
host_name(struct str host)
{
	ptrdiff_t colon = last_of(host, ':');

	if (colon >= 0 && port_good(str_from_offset(host, (size_t)colon)))
		host.len = (size_t)colon;
	if (host.len >= 2 && host.s[0] == '[' && host.s[host.len - 1] == ']')
		host = (struct str){host.s + 1, host.len - 2};
	return host;
}

static void
put_user(struct template_run *r, const struct url *u)
{
	put_escaped(r, u->user, PART_USER);
	if (u->has_password) {
		(void)buf_putc(&r->text, ':');
		put_escaped(r, u->password, PART_USER);
	}
}

static bool
url_parse(ARGS)
{
	struct tvalue user = tv_string(STR(""));
	struct tmap *map = tm_new(r, false);
	struct url u;

	(void)n;
	if (map == NULL || !parse_url(r, args[0].s, &u))
		return false;
	buf_clear(&r->text);
	if (u.has_user)
		put_user(r, &u);
	*ret = (struct tvalue){.kind = T_MAP, .map = map};
	return tv_take_text(r, &user) && tm_set(r, map, STR("scheme"), tv_string(u.scheme)) && tm_set(r, map, STR("host"), tv_string(u.host)) &&
	       tm_set(r, map, STR("hostname"), tv_string(host_name(u.host))) && tm_set(r, map, STR("path"), tv_string(u.path)) &&
	       tm_set(r, map, STR("query"), tv_string(u.query)) && tm_set(r, map, STR("opaque"), tv_string(u.opaque)) &&
	       tm_set(r, map, STR("fragment"), tv_string(u.fragment)) && tm_set(r, map, STR("userinfo"), user);
}

static bool
take_part(struct template_run *r, struct tmap *map, const char *name, struct str *ret)
{
	const struct tvalue *v = tm_get(r, map, str_from(name));

	*ret = v != NULL && v->kind == T_STRING ? v->s : STR("");
	return v == NULL || v->kind == T_STRING || template_fail(r, "unable to parse %s key, must be of type string", name);
}

static void
put_path(struct template_run *r, const struct url *u)
{
	struct str segment, tail;

	if (u->path.len > 0 && u->path.s[0] != '/' && u->host.len > 0)
		(void)buf_putc(&r->text, '/');
	(void)str_cut(u->path, '/', &segment, &tail);
	/* "a:b" would be read as a scheme. */
	if (r->text.len == 0 && segment.len > 0 && memchr(segment.s, ':', segment.len) != NULL)
		(void)buf_z(&r->text, "./");
	if (str_is(u->path, "*"))
		(void)buf_putc(&r->text, '*');
	else
		put_escaped(r, u->path, PART_PATH);
}

static void
put_url(struct template_run *r, const struct url *u)
{
	if (u->scheme.len > 0) {
		(void)buf_str(&r->text, u->scheme);
		(void)buf_putc(&r->text, ':');
	}
	if (u->opaque.len > 0) {
		(void)buf_str(&r->text, u->opaque);
	} else {
		bool authority = u->scheme.len > 0 || u->host.len > 0 || u->has_user;

		if (authority && (u->host.len > 0 || u->path.len > 0 || u->has_user))
			(void)buf_z(&r->text, "//");
		if (u->has_user) {
			put_user(r, u);
			(void)buf_putc(&r->text, '@');
		}
		put_escaped(r, u->host, PART_HOST);
		put_path(r, u);
	}
	if (u->query.len > 0) {
		(void)buf_putc(&r->text, '?');
		(void)buf_str(&r->text, u->query);
	}
	if (u->fragment.len > 0) {
		(void)buf_putc(&r->text, '#');
		put_escaped(r, u->fragment, PART_FRAGMENT);
	}
}

static bool
url_join(ARGS)
{
	struct tmap *map = args[0].map;
	struct url u = {0};
	struct str user;

	(void)n;
	if (!take_part(r, map, "scheme", &u.scheme) || !take_part(r, map, "host", &u.host) || !take_part(r, map, "path", &u.path) ||
		!take_part(r, map, "query", &u.query) || !take_part(r, map, "opaque", &u.opaque) ||
		!take_part(r, map, "fragment", &u.fragment) || !take_part(r, map, "userinfo", &user))
		return false;
	if (user.len > 0 && !parse_user(r, user, &u))
		return false;
	buf_clear(&r->text);
	put_url(r, &u);
	return tv_take_text(r, ret);
}

const struct tfunction template_url_functions[] = {
	{"urlParse", "s", url_parse, NULL},
	{"urlJoin", "m", url_join, NULL},
	{NULL, NULL, NULL, NULL},
};
