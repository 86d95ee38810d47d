/* SPDX-License-Identifier: Apache-2.0 */
#include "gofmt_priv.h"

#include <stdlib.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/codec/unicode.h"

/*
 * A format is read in one pass: text, then per verb its flags, argument index, width, precision and the verb.
 * Argument numbers run on by themselves and jump with [n]; an index that does not exist spoils only its verb.
 * Lists and maps apply the verb to their elements with the flags of the whole, as Go does.
 */

struct printer {
	struct buf *out;
	struct str format;
	size_t at; /* next byte of the format */
	const struct gofmt_arg *args;
	size_t n_args, arg; /* next argument */
	bool reordered, good_index;
	struct gofmt_flags flags;
};

static void print_arg(struct printer *, const struct gofmt_arg *, uint32_t verb, int depth);

static const char *
type_name(const struct gofmt_arg *a)
{
	static const char *const names[] = {
		"<nil>", "bool", "int", "uint64", "float64", "string", "[]interface {}", "map[string]interface {}"};

	return a->type != NULL ? a->type : names[a->kind];
}

static void
put_rune(struct buf *out, uint32_t rune)
{
	char utf8[4];

	buf_append(out, utf8, str_utf8_encode(rune, utf8));
}

/* The value prints as %v, still under the flags of the verb. */
static void
print_bad_verb(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	buf_z(p->out, "%!");
	put_rune(p->out, verb);
	buf_putc(p->out, '(');
	buf_z(p->out, type_name(a));
	if (a->kind != GOFMT_NIL) {
		buf_putc(p->out, '=');
		print_arg(p, a, 'v', depth);
	}
	buf_putc(p->out, ')');
}

static void
quote_rune(struct buf *out, uint32_t rune, char quote, bool ascii)
{
	static const char named[] = "\a\b\f\n\r\t\v";
	const char *at;

	if (rune == (uint32_t)quote || rune == '\\')
		buf_printf(out, "\\%c", (char)rune);
	else if (rune < 0x80 ? unicode_is_print(rune) : !ascii && unicode_is_print(rune))
		put_rune(out, rune);
	else if (rune != 0 && rune < ' ' && (at = strchr(named, (int)rune)) != NULL)
		buf_printf(out, "\\%c", "abfnrtv"[at - named]);
	else if (rune < ' ' || rune == 0x7f)
		buf_printf(out, "\\x%02x", rune);
	else
		buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
}

static void
append_quoted(struct buf *out, struct str s, bool ascii)
{
	buf_putc(out, '"');
	while (s.len > 0) {
		uint32_t rune;
		size_t n = str_utf8_decode(s, &rune);

		if (n > 0)
			quote_rune(out, rune, '"', ascii);
		else
			buf_printf(out, "\\x%02x", (unsigned char)s.s[0]);
		s = str_from_offset(s, n > 0 ? n : 1);
	}
	buf_putc(out, '"');
}

bool
gofmt_quote(struct buf *out, struct str s)
{
	append_quoted(out, s, false);
	return !out->overflow;
}

static bool
can_backquote(struct str s)
{
	while (s.len > 0) {
		uint32_t rune;
		size_t n = str_utf8_decode(s, &rune);

		if (n == 0 || rune == 0xfeff || (rune < ' ' && rune != '\t') || rune == '`' || rune == 0x7f)
			return false;
		s = str_from_offset(s, n);
	}
	return true;
}

/* The first `runes` characters. */
static struct str
cut_runes(struct str s, int runes)
{
	size_t at = 0;

	for (; at < s.len && runes > 0; runes--) {
		uint32_t rune;
		size_t n = str_utf8_decode(str_from_offset(s, at), &rune);

		at += n > 0 ? n : 1;
	}
	return str_head(s, at);
}

static void
print_quoted(struct printer *p, struct str s)
{
	struct buf text;

	buf_init(&text, p->out->max_bytes);
	if (p->flags.sharp && can_backquote(s)) {
		buf_putc(&text, '`');
		buf_str(&text, s);
		buf_putc(&text, '`');
	} else {
		append_quoted(&text, s, p->flags.plus);
	}
	p->out->overflow = p->out->overflow || text.overflow;
	gofmt_pad(p->out, &p->flags, buf_view(&text));
	buf_done(&text);
}

static void
print_bytes_in_hex(struct printer *p, struct str s, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const struct gofmt_flags *flags = &p->flags;
	size_t len = flags->has_precision && (size_t)flags->precision < s.len ? (size_t)flags->precision : s.len;
	long width = 2 * (long)len, missing;

	if (len > 0 && flags->space)
		width = width * (flags->sharp ? 2 : 1) + (long)len - 1;
	else if (len > 0 && flags->sharp)
		width += 2;
	missing = flags->has_width ? flags->width - width : 0;
	if (!flags->minus || len == 0)
		gofmt_padding(p->out, flags, missing);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && flags->space)
			buf_putc(p->out, ' ');
		if (flags->sharp && (i == 0 || flags->space))
			buf_z(p->out, upper ? "0X" : "0x");
		buf_putc(p->out, digits[(unsigned char)s.s[i] >> 4]);
		buf_putc(p->out, digits[(unsigned char)s.s[i] & 15]);
	}
	if (flags->minus && len > 0)
		gofmt_padding(p->out, flags, missing);
}

static void
print_string(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	struct str cut = p->flags.has_precision ? cut_runes(a->text, p->flags.precision) : a->text;

	if (verb == 'v' && p->flags.sharp_v)
		print_quoted(p, cut);
	else if (verb == 'v' || verb == 's')
		gofmt_pad(p->out, &p->flags, cut);
	else if (verb == 'x' || verb == 'X')
		print_bytes_in_hex(p, a->text, verb == 'X');
	else if (verb == 'q')
		print_quoted(p, cut);
	else
		print_bad_verb(p, a, verb, depth);
}

static void
print_character(struct printer *p, uint64_t value, bool quoted)
{
	uint32_t rune = value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ? 0xfffd : (uint32_t)value;
	struct buf text;

	buf_init(&text, 32);
	if (quoted) {
		buf_putc(&text, '\'');
		quote_rune(&text, rune, '\'', p->flags.plus);
		buf_putc(&text, '\'');
	} else {
		put_rune(&text, rune);
	}
	gofmt_pad(p->out, &p->flags, buf_view(&text));
	buf_done(&text);
}

static void
print_integer(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	bool negative = a->kind == GOFMT_INT && a->i < 0;
	uint64_t bits = a->kind == GOFMT_INT ? (uint64_t)a->i : a->u, magnitude = negative ? 0 - bits : bits;
	int base = verb == 'b' ? 2 : verb == 'o' || verb == 'O' ? 8 : verb == 'x' || verb == 'X' ? 16 : 10;

	if (verb == 'v' && p->flags.sharp_v && a->kind == GOFMT_UINT) {
		struct gofmt_flags flags = p->flags;

		flags.sharp = true;
		gofmt_integer(p->out, &flags, magnitude, false, 16, 'v');
	} else if (verb == 'v' || verb == 'd' || base != 10) {
		gofmt_integer(p->out, &p->flags, magnitude, negative, base, (char)verb);
	} else if (verb == 'c' || verb == 'q') {
		print_character(p, bits, verb == 'q');
	} else if (verb == 'U') {
		gofmt_code_point(p->out, &p->flags, bits);
	} else {
		print_bad_verb(p, a, verb, depth);
	}
}

static void
print_float(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	bool six = verb == 'f' || verb == 'F' || verb == 'e' || verb == 'E';
	int precision = p->flags.has_precision ? p->flags.precision : six ? 6 : -1;

	if (verb == 'v')
		gofmt_number(p->out, &p->flags, a->f, 'g', precision);
	else if (verb == 'F')
		gofmt_number(p->out, &p->flags, a->f, 'f', precision);
	else if (verb != 0 && verb < 0x80 && strchr("befgxEGX", (int)verb) != NULL)
		gofmt_number(p->out, &p->flags, a->f, (char)verb, precision);
	else
		print_bad_verb(p, a, verb, depth);
}

static void
print_element(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	if (a->kind != GOFMT_NIL)
		print_arg(p, a, verb, depth + 1);
	else
		buf_z(p->out, p->flags.sharp_v ? "interface {}(nil)" : "<nil>");
}

static void
print_list(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	bool go = p->flags.sharp_v;

	if (go)
		buf_z(p->out, type_name(a));
	buf_putc(p->out, go ? '{' : '[');
	for (size_t i = 0; i < a->list.n; i++) {
		if (i > 0)
			buf_z(p->out, go ? ", " : " ");
		print_element(p, &a->list.items[i], verb, depth);
	}
	buf_putc(p->out, go ? '}' : ']');
}

static int
compare_fields(const void *a, const void *b)
{
	const struct gofmt_field *const *x = a, *const *y = b;

	return str_cmp((*x)->name, (*y)->name);
}

static void
print_map(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	bool go = p->flags.sharp_v;
	const struct gofmt_field **sorted = mem_alloc((a->map.n + 1) * sizeof(*sorted));

	for (size_t i = 0; i < a->map.n; i++)
		sorted[i] = &a->map.fields[i];
	qsort(sorted, a->map.n, sizeof(*sorted), compare_fields);
	buf_z(p->out, go ? type_name(a) : "map");
	buf_putc(p->out, go ? '{' : '[');
	for (size_t i = 0; i < a->map.n; i++) {
		struct gofmt_arg key = gofmt_string(sorted[i]->name);

		if (i > 0)
			buf_z(p->out, go ? ", " : " ");
		print_arg(p, &key, verb, depth + 1);
		buf_putc(p->out, ':');
		print_element(p, &sorted[i]->value, verb, depth);
	}
	buf_putc(p->out, go ? '}' : ']');
	mem_free(sorted);
}

static void
print_arg(struct printer *p, const struct gofmt_arg *a, uint32_t verb, int depth)
{
	if (depth > GOFMT_NESTING_MAX) {
		buf_z(p->out, "...");
		return;
	}
	if (verb == 'T' && depth == 0) {
		struct str name = str_from(type_name(a));

		/* nil has no type to cut: its name is a text of fmt's own. */
		if (p->flags.has_precision && a->kind != GOFMT_NIL)
			name = cut_runes(name, p->flags.precision);
		gofmt_pad(p->out, &p->flags, name);
		return;
	}
	/* Addresses and wrapped errors do not exist here: both verbs are a mismatch for every kind. */
	if ((verb == 'p' || verb == 'w') && depth == 0) {
		print_bad_verb(p, a, verb, 1);
		return;
	}
	switch (a->kind) {
	case GOFMT_NIL:
		if (verb == 'v')
			gofmt_pad(p->out, &p->flags, STR("<nil>"));
		else
			print_bad_verb(p, a, verb, depth);
		break;
	case GOFMT_BOOL:
		if (verb == 't' || verb == 'v')
			gofmt_pad(p->out, &p->flags, a->boolean ? STR("true") : STR("false"));
		else
			print_bad_verb(p, a, verb, depth);
		break;
	case GOFMT_INT:
	case GOFMT_UINT:
		print_integer(p, a, verb, depth);
		break;
	case GOFMT_FLOAT:
		print_float(p, a, verb, depth);
		break;
	case GOFMT_STRING:
		print_string(p, a, verb, depth);
		break;
	case GOFMT_LIST:
		print_list(p, a, verb, depth);
		break;
	case GOFMT_MAP:
		print_map(p, a, verb, depth);
		break;
	}
}

static char
peek(const struct printer *p)
{
	return p->at < p->format.len ? p->format.s[p->at] : '\0';
}

/* Decimal digits; a number above the limit ends the format, as in Go. */
static bool
read_number(struct printer *p, size_t end, int *ret)
{
	bool found = false;
	int n = 0;

	for (; p->at < end && p->format.s[p->at] >= '0' && p->format.s[p->at] <= '9'; p->at++) {
		if (n > GOFMT_WIDTH_MAX) {
			p->at = end;
			*ret = 0;
			return false;
		}
		n = n * 10 + (p->format.s[p->at] - '0');
		found = true;
	}
	*ret = n;
	return found;
}

/* "[n]": the next argument. True when there was one that looked like a number. */
static bool
read_index(struct printer *p)
{
	struct str rest = str_from_offset(p->format, p->at);
	const char *close = rest.len >= 3 ? memchr(rest.s, ']', rest.len) : NULL;
	size_t end;
	int index;
	bool ok;

	if (peek(p) != '[')
		return false;
	p->reordered = true;
	if (close == NULL) {
		p->at++;
		p->good_index = false;
		return false;
	}
	end = p->at + (size_t)(close - rest.s);
	p->at++;
	ok = read_number(p, end, &index) && p->at == end;
	p->at = end + 1;
	if (ok && index >= 1 && (size_t)index <= p->n_args)
		p->arg = (size_t)index - 1;
	else
		p->good_index = false;
	return ok;
}

/* "*": a number from the arguments. */
static bool
take_number(struct printer *p, int *ret)
{
	const struct gofmt_arg *a = p->arg < p->n_args ? &p->args[p->arg++] : NULL;

	*ret = 0;
	if (a == NULL || (a->kind != GOFMT_INT && a->kind != GOFMT_UINT))
		return false;
	if (a->kind == GOFMT_UINT ? a->u > GOFMT_WIDTH_MAX : a->i > GOFMT_WIDTH_MAX || a->i < -GOFMT_WIDTH_MAX)
		return false;
	*ret = (int)a->i;
	return true;
}

static void
read_flags(struct printer *p)
{
	for (;; p->at++) {
		switch (peek(p)) {
		case '#':
			p->flags.sharp = true;
			break;
		case '0':
			p->flags.zero = true;
			break;
		case '+':
			p->flags.plus = true;
			break;
		case '-':
			p->flags.minus = true;
			break;
		case ' ':
			p->flags.space = true;
			break;
		default:
			return;
		}
	}
}

/* Returns whether an index was the last thing read. */
static bool
read_width(struct printer *p, bool after_index)
{
	struct gofmt_flags *flags = &p->flags;

	if (peek(p) != '*') {
		flags->has_width = read_number(p, p->format.len, &flags->width);
		if (after_index && flags->has_width)
			p->good_index = false;
		return after_index;
	}
	p->at++;
	flags->has_width = take_number(p, &flags->width);
	if (!flags->has_width)
		buf_z(p->out, "%!(BADWIDTH)");
	if (flags->width < 0) {
		flags->width = -flags->width;
		flags->minus = true;
		flags->zero = false;
	}
	return false;
}

static bool
read_precision(struct printer *p, bool after_index)
{
	struct gofmt_flags *flags = &p->flags;

	if (p->at + 1 >= p->format.len || peek(p) != '.')
		return after_index;
	p->at++;
	if (after_index)
		p->good_index = false;
	after_index = read_index(p);
	if (peek(p) == '*') {
		p->at++;
		flags->has_precision = take_number(p, &flags->precision);
		if (flags->precision < 0) {
			flags->precision = 0;
			flags->has_precision = false;
		}
		if (!flags->has_precision)
			buf_z(p->out, "%!(BADPREC)");
		return false;
	}
	(void)read_number(p, p->format.len, &flags->precision);
	flags->has_precision = true;
	return after_index;
}

/* Behind a '%'. */
static void
print_verb(struct printer *p)
{
	uint32_t verb;
	size_t len;
	bool after_index;

	p->flags = (struct gofmt_flags){0};
	p->good_index = true;
	read_flags(p);
	after_index = read_index(p);
	after_index = read_width(p, after_index);
	after_index = read_precision(p, after_index);
	if (!after_index)
		(void)read_index(p);
	if (p->at >= p->format.len) {
		buf_z(p->out, "%!(NOVERB)");
		return;
	}
	len = str_utf8_decode(str_from_offset(p->format, p->at), &verb);
	if (len == 0)
		verb = 0xfffd;
	p->at += len > 0 ? len : 1;
	if (verb == '%') {
		buf_putc(p->out, '%');
	} else if (!p->good_index || p->arg >= p->n_args) {
		buf_z(p->out, "%!");
		put_rune(p->out, verb);
		buf_z(p->out, p->good_index ? "(MISSING)" : "(BADINDEX)");
	} else {
		if (verb == 'v' || verb == 'w') {
			p->flags.sharp_v = p->flags.sharp;
			p->flags.sharp = p->flags.plus = false;
		}
		print_arg(p, &p->args[p->arg++], verb, 0);
	}
}

static void
print_extra(struct printer *p)
{
	p->flags = (struct gofmt_flags){0};
	buf_z(p->out, "%!(EXTRA ");
	for (size_t i = p->arg; i < p->n_args; i++) {
		if (i > p->arg)
			buf_z(p->out, ", ");
		buf_z(p->out, type_name(&p->args[i]));
		if (p->args[i].kind == GOFMT_NIL)
			continue;
		buf_putc(p->out, '=');
		print_arg(p, &p->args[i], 'v', 0);
	}
	buf_putc(p->out, ')');
}

bool
gofmt_format(struct buf *out, struct str format, const struct gofmt_arg *args, size_t n)
{
	struct printer p = {.out = out, .format = format, .args = args, .n_args = n};

	while (p.at < format.len && !out->overflow) {
		struct str rest = str_from_offset(format, p.at), text, tail;
		bool verb = str_cut(rest, '%', &text, &tail);

		buf_str(out, text);
		p.at += text.len + verb;
		if (verb)
			print_verb(&p);
	}
	if (!p.reordered && p.arg < n)
		print_extra(&p);
	return !out->overflow;
}

bool
gofmt_value(struct buf *out, const struct gofmt_arg *a)
{
	struct printer p = {.out = out};

	print_arg(&p, a, 'v', 0);
	return !out->overflow;
}
