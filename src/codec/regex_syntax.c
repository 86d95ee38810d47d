/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's regexp/syntax grammar with its limits and messages. One frame per open parenthesis holds the
 * finished alternatives and the sequence being read; nothing here recurses, so the pattern's nesting is
 * limited by the tree's height only. What is refused is refused in the same order as in Go, because the
 * first fault is the one reported.
 */
#include <ctype.h>

#include "longship/base/check.h"
#include "regex_priv.h"

#define MAX_RUNE 0x10ffffu
#define BAD_RUNE UINT32_MAX /* no character: end of text */

struct flags {
	bool fold, multi_line, dot_nl, ungreedy;
};

struct frame { /* an open parenthesis; the lowest one is the whole pattern */
	size_t offset; /* of the parenthesis */
	size_t capture; /* 0: none */
	struct flags flags; /* to come back to at the closing one */
	struct regex_node *alternatives, *alternatives_last;
	struct regex_node *parts, *parts_last, *parts_before; /* the last but one, for repetitions */
};

struct parser {
	struct arena *arena;
	struct str pattern;
	struct flags flags;
	VEC(struct frame) frames;
	VEC(struct regex_range) ranges; /* of the class being read */
	VEC(const char *) properties;
	struct regex_tree *tree;
	bool failed;
	const char *code; /* of the fault */
	struct str fragment;
	size_t offset;
};

static bool
fail_at(struct parser *p, const char *code, struct str fragment, size_t offset)
{
	if (!p->failed) {
		p->failed = true;
		p->code = code;
		p->fragment = fragment;
		p->offset = offset;
	}
	return false;
}

static bool
fail(struct parser *p, const char *code, struct str fragment)
{
	return fail_at(p, code, fragment, fragment.s != NULL ? (size_t)(fragment.s - p->pattern.s) : p->pattern.len);
}

/* The text from s up to where the rest t begins. */
static struct str
until(struct str s, struct str t)
{
	return (struct str){s.s, s.len - t.len};
}

static struct str
skip(struct str s, size_t n)
{
	return str_from_offset(s, n);
}

/* At the end of text *ret is BAD_RUNE and nothing is taken. */
static bool
next_rune(struct parser *p, struct str *t, uint32_t *ret)
{
	size_t n;

	*ret = BAD_RUNE;
	if (t->len == 0)
		return true;
	n = str_utf8_decode(*t, ret);
	if (n == 0)
		return fail(p, "invalid UTF-8", *t);
	*t = skip(*t, n);
	return true;
}

static bool
check_utf8(struct parser *p, struct str t)
{
	uint32_t rune;

	while (t.len > 0)
		if (!next_rune(p, &t, &rune))
			return false;
	return true;
}

/* Nodes. */

static struct regex_node *
node_new(struct parser *p, enum regex_op op)
{
	struct regex_node *node = arena_make(p->arena, struct regex_node);

	node->op = op;
	node->height = 1;
	node->size = 1;
	node->ascii = true;
	return node;
}

static void
node_add(struct regex_node *whole, struct regex_node *part)
{
	if (whole->last != NULL)
		whole->last->next = part;
	else
		whole->first = part;
	whole->last = part;
}

static int64_t
repeat_size(const struct regex_node *node, int64_t sub)
{
	if (node->max < 0)
		return node->min == 0 ? 2 + sub : 1 + node->min * sub;
	return node->max * sub + (node->max - node->min);
}

static bool
repeat_nullable(const struct regex_node *node)
{
	return node->op == REGEX_OP_STAR || node->op == REGEX_OP_QUEST || (node->op == REGEX_OP_REPEAT && node->min == 0) ||
		node->first->nullable;
}

/* Sums up what a node with parts is, and keeps Go's limits on height and size. */
static bool
node_finish(struct parser *p, struct regex_node *node)
{
	int64_t size = 0, n = 0;
	bool any_nullable = false, all_nullable = true;

	for (const struct regex_node *part = node->first; part != NULL; part = part->next) {
		size += part->size;
		n++;
		node->height = part->height + 1 > node->height ? part->height + 1 : node->height;
		any_nullable |= part->nullable;
		all_nullable &= part->nullable;
		node->ascii &= part->ascii;
		node->loops_on_empty |= part->loops_on_empty;
	}
	switch (node->op) {
	case REGEX_OP_CONCAT:
		node->nullable = all_nullable;
		break;
	case REGEX_OP_ALTERNATE:
		node->nullable = any_nullable;
		size += n - 1;
		break;
	case REGEX_OP_CAPTURE:
		node->nullable = all_nullable;
		size += 2;
		break;
	case REGEX_OP_STAR:
	case REGEX_OP_PLUS:
	case REGEX_OP_QUEST:
	case REGEX_OP_REPEAT:
		node->loops_on_empty |= any_nullable && node->op != REGEX_OP_QUEST;
		node->nullable = repeat_nullable(node);
		size = node->op == REGEX_OP_REPEAT ? repeat_size(node, size) : size + (node->op == REGEX_OP_STAR ? 2 : 1);
		break;
	default:
		break;
	}
	node->size = size > 1 ? size : 1;
	if (node->size > REGEX_SIZE_MAX)
		return fail_at(p, "expression too large", p->pattern, 0);
	if (node->height > REGEX_HEIGHT_MAX)
		return fail_at(p, "expression nests too deeply", p->pattern, 0);
	return true;
}

static struct frame *
top(struct parser *p)
{
	return &p->frames.items[p->frames.len - 1];
}

static void
push(struct parser *p, struct regex_node *node)
{
	struct frame *f = top(p);

	if (f->parts_last != NULL)
		f->parts_last->next = node;
	else
		f->parts = node;
	f->parts_before = f->parts_last;
	f->parts_last = node;
}

static void
push_literal(struct parser *p, uint32_t rune)
{
	struct regex_node *node = node_new(p, REGEX_OP_LITERAL);

	node->rune = rune;
	node->fold = p->flags.fold;
	/* k and s have relatives outside ASCII: the Kelvin sign and the long s. */
	node->ascii = rune < 0x80 && !(node->fold && (tolower((int)rune) == 'k' || tolower((int)rune) == 's'));
	push(p, node);
}

static void
push_assertion(struct parser *p, enum regex_op op)
{
	struct regex_node *node = node_new(p, op);

	node->nullable = true;
	node->ascii = op != REGEX_OP_NO_WORD_BOUNDARY; /* \B could hold inside a character */
	push(p, node);
}

static void
push_any(struct parser *p)
{
	struct regex_node *node = node_new(p, p->flags.dot_nl ? REGEX_OP_ANY : REGEX_OP_ANY_NOT_NL);

	node->ascii = false;
	push(p, node);
}

/* The sequence of the top frame becomes one of its alternatives. */
static bool
end_sequence(struct parser *p)
{
	struct frame *f = top(p);
	struct regex_node *node;

	if (f->parts == NULL) {
		node = node_new(p, REGEX_OP_EMPTY);
		node->nullable = true;
	} else if (f->parts->next == NULL) {
		node = f->parts;
	} else {
		node = node_new(p, REGEX_OP_CONCAT);
		node->first = f->parts;
		node->last = f->parts_last;
		if (!node_finish(p, node))
			return false;
	}
	f->parts = f->parts_last = f->parts_before = NULL;
	if (f->alternatives_last != NULL)
		f->alternatives_last->next = node;
	else
		f->alternatives = node;
	f->alternatives_last = node;
	return true;
}

/* The whole content of the top frame as one node. */
static struct regex_node *
end_frame(struct parser *p)
{
	struct frame *f = top(p);
	struct regex_node *node;

	if (!end_sequence(p))
		return NULL;
	if (f->alternatives->next == NULL)
		return f->alternatives;
	node = node_new(p, REGEX_OP_ALTERNATE);
	node->first = f->alternatives;
	node->last = f->alternatives_last;
	return node_finish(p, node) ? node : NULL;
}

static void
open_frame(struct parser *p, size_t offset, size_t capture)
{
	struct frame f = {.offset = offset, .capture = capture, .flags = p->flags};

	vec_push(&p->frames, f);
}

static void
open_capture(struct parser *p, size_t offset, struct str name)
{
	vec_push(&p->tree->names, name);
	open_frame(p, offset, ++p->tree->groups);
}

static bool
close_paren(struct parser *p, struct str t)
{
	struct regex_node *node = end_frame(p);
	struct frame f;

	if (node == NULL)
		return false;
	if (p->frames.len == 1)
		return fail_at(p, "unexpected )", p->pattern, (size_t)(t.s - p->pattern.s));
	f = *top(p);
	p->frames.len--;
	p->flags = f.flags;
	if (f.capture > 0) {
		struct regex_node *group = node_new(p, REGEX_OP_CAPTURE);

		group->capture = f.capture;
		node_add(group, node);
		if (!node_finish(p, group))
			return false;
		node = group;
	}
	push(p, node);
	return true;
}

/* Repetitions. */

/* As in Go: whether nested repetitions stay below n copies of the innermost thing. */
static bool
repeat_is_valid(const struct regex_node *node, int n)
{
	if (node->op == REGEX_OP_REPEAT) {
		int m = node->max;

		if (m == 0)
			return true;
		if (m < 0)
			m = node->min;
		if (m > n)
			return false;
		if (m > 0)
			n /= m;
	}
	for (const struct regex_node *part = node->first; part != NULL; part = part->next)
		if (!repeat_is_valid(part, n))
			return false;
	return true;
}

/* Puts the last part of the top frame under a new node in its place. */
static bool
wrap_last(struct parser *p, struct regex_node *node)
{
	struct frame *f = top(p);

	node_add(node, f->parts_last);
	if (f->parts_before != NULL)
		f->parts_before->next = node;
	else
		f->parts = node;
	f->parts_last = node;
	return node_finish(p, node);
}

/* before: text from the operator on; *t: text behind it. last_repeat: text from a directly preceding operator on. */
static bool
repeat(struct parser *p, enum regex_op op, int min, int max, struct str before, struct str *t, struct str last_repeat)
{
	bool lazy = p->flags.ungreedy;
	struct regex_node *node;

	if (t->len > 0 && t->s[0] == '?') {
		*t = skip(*t, 1);
		lazy = !lazy;
	}
	if (last_repeat.len > 0)
		return fail(p, "invalid nested repetition operator", until(last_repeat, *t));
	if (top(p)->parts_last == NULL)
		return fail(p, "missing argument to repetition operator", until(before, *t));
	node = node_new(p, op);
	node->min = min;
	node->max = max;
	node->lazy = lazy;
	if (!wrap_last(p, node))
		return false;
	if (op == REGEX_OP_REPEAT && (min >= 2 || max >= 2) && !repeat_is_valid(node, REGEX_REPEAT_MAX))
		return fail(p, "invalid repeat count", until(before, *t));
	return true;
}

/* A number without leading zeros; *ret is -1 when it is huge. */
static bool
parse_int(struct str *t, int *ret)
{
	int n = 0;

	if (t->len == 0 || !isdigit((unsigned char)t->s[0]))
		return false;
	if (t->len >= 2 && t->s[0] == '0' && isdigit((unsigned char)t->s[1]))
		return false;
	for (; t->len > 0 && isdigit((unsigned char)t->s[0]); *t = skip(*t, 1))
		if (n >= 0)
			n = n >= 100000000 ? -1 : n * 10 + (t->s[0] - '0');
	*ret = n;
	return true;
}

/* {min}, {min,} or {min,max}; false: the brace is an ordinary character. */
static bool
parse_repeat(struct str *t, int *ret_min, int *ret_max)
{
	struct str s = skip(*t, 1);
	int min, max;

	if (!parse_int(&s, &min) || s.len == 0)
		return false;
	max = min;
	if (s.s[0] == ',') {
		s = skip(s, 1);
		if (s.len == 0)
			return false;
		if (s.s[0] == '}')
			max = -1;
		else if (!parse_int(&s, &max))
			return false;
		else if (max < 0)
			min = -1;
	}
	if (s.len == 0 || s.s[0] != '}')
		return false;
	*t = skip(s, 1);
	*ret_min = min;
	*ret_max = max;
	return true;
}

static bool
parse_repetition(struct parser *p, struct str *t, struct str *last_repeat)
{
	struct str before = *t;
	int min = 0, max = 0;
	enum regex_op op = REGEX_OP_REPEAT;

	switch (t->s[0]) {
	case '*':
		op = REGEX_OP_STAR;
		break;
	case '+':
		op = REGEX_OP_PLUS;
		break;
	case '?':
		op = REGEX_OP_QUEST;
		break;
	default:
		if (!parse_repeat(t, &min, &max)) {
			push_literal(p, '{');
			*t = skip(*t, 1);
			*last_repeat = STR_EMPTY;
			return true;
		}
		if (min < 0 || min > REGEX_REPEAT_MAX || max > REGEX_REPEAT_MAX || (max >= 0 && min > max))
			return fail(p, "invalid repeat count", until(before, *t));
	}
	if (op != REGEX_OP_REPEAT)
		*t = skip(*t, 1);
	if (!repeat(p, op, min, max, before, t, *last_repeat))
		return false;
	*last_repeat = before;
	return true;
}

/* Groups and flags. */

static bool
is_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.s[i] != '_' && (!isalnum((unsigned char)name.s[i]) || (unsigned char)name.s[i] >= 0x80))
			return false;
	return name.len > 0;
}

static bool
parse_named_group(struct parser *p, struct str *t, size_t name_at)
{
	const char *end = memchr(t->s, '>', t->len);
	struct str name;

	if (end == NULL)
		return check_utf8(p, *t) && fail(p, "invalid named capture", *t);
	name = (struct str){t->s + name_at, (size_t)(end - t->s) - name_at};
	if (!check_utf8(p, name))
		return false;
	if (!is_name(name))
		return fail(p, "invalid named capture", str_head(*t, (size_t)(end - t->s) + 1));
	open_capture(p, (size_t)(t->s - p->pattern.s), name);
	*t = skip(*t, (size_t)(end - t->s) + 1);
	return true;
}

/* One of the letters i, m, s, U. */
static bool
set_flag(struct flags *flags, uint32_t c, bool on)
{
	switch (c) {
	case 'i':
		flags->fold = on;
		return true;
	case 'm':
		flags->multi_line = on;
		return true;
	case 's':
		flags->dot_nl = on;
		return true;
	case 'U':
		flags->ungreedy = on;
		return true;
	default:
		return false;
	}
}

/* (?flags), (?flags: and the named groups; t stands at the parenthesis. */
static bool
parse_perl_flags(struct parser *p, struct str *t)
{
	struct str s = *t;
	struct flags flags = p->flags;
	bool negative = false, saw_flag = false;
	uint32_t c;

	if (s.len > 4 && s.s[2] == 'P' && s.s[3] == '<')
		return parse_named_group(p, t, 4);
	if (s.len > 3 && s.s[2] == '<')
		return parse_named_group(p, t, 3);
	for (*t = skip(s, 2); t->len > 0;) {
		if (!next_rune(p, t, &c))
			return false;
		if (set_flag(&flags, c, !negative)) {
			saw_flag = true;
		} else if (c == '-' && !negative) {
			negative = true;
			saw_flag = false;
		} else if ((c == ':' || c == ')') && (!negative || saw_flag)) {
			if (c == ':')
				open_frame(p, (size_t)(s.s - p->pattern.s), 0);
			p->flags = flags;
			return true;
		} else {
			break;
		}
	}
	return fail(p, "invalid or unsupported Perl syntax", until(s, *t));
}

/* Escapes. */

static int
hex_digit(uint32_t c)
{
	if (c >= '0' && c <= '9')
		return (int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (int)(c - 'A') + 10;
	return -1;
}

static bool
is_octal(struct str t)
{
	return t.len > 0 && t.s[0] >= '0' && t.s[0] <= '7';
}

/* Behind "\x". false without failure recorded: not a hexadecimal escape. */
static bool
parse_hex(struct parser *p, struct str *t, uint32_t *ret)
{
	uint32_t c, rune = 0;
	int high, low, digits = 0;

	if (t->len == 0 || !next_rune(p, t, &c))
		return false;
	if (c != '{') {
		high = hex_digit(c);
		if (!next_rune(p, t, &c))
			return false;
		low = hex_digit(c);
		*ret = (uint32_t)(high * 16 + low);
		return high >= 0 && low >= 0;
	}
	for (;; digits++) {
		if (t->len == 0 || !next_rune(p, t, &c))
			return false;
		if (c == '}')
			break;
		if (hex_digit(c) < 0)
			return false;
		rune = rune * 16 + (uint32_t)hex_digit(c);
		if (rune > MAX_RUNE)
			return false;
	}
	*ret = rune;
	return digits > 0;
}

/* A single character written with a backslash. */
static bool
parse_escape(struct parser *p, struct str *t, uint32_t *ret)
{
	static const char letters[] = "afnrtv", controls[] = "\a\f\n\r\t\v";
	struct str s = *t;
	const char *letter;
	uint32_t c;

	*t = skip(s, 1);
	if (t->len == 0)
		return fail_at(p, "trailing backslash at end of expression", STR_EMPTY, (size_t)(s.s - p->pattern.s));
	if (!next_rune(p, t, &c))
		return false;
	if (c < 0x80 && !isalnum((int)c)) {
		*ret = c;
		return true;
	}
	if (c == '0' || (c >= '1' && c <= '7' && is_octal(*t))) {
		*ret = c - '0';
		for (int i = 1; i < 3 && is_octal(*t); i++, *t = skip(*t, 1))
			*ret = *ret * 8 + (uint32_t)(t->s[0] - '0');
		return true;
	}
	if (c == 'x' && parse_hex(p, t, ret))
		return true;
	letter = c < 0x80 ? strchr(letters, (int)c) : NULL;
	if (letter != NULL) {
		*ret = (uint32_t)controls[letter - letters];
		return true;
	}
	return fail(p, "invalid escape sequence", until(s, *t));
}

/* Classes. */

static void
class_range(struct parser *p, uint32_t lo, uint32_t hi)
{
	struct regex_range range = {lo, hi};

	vec_push(&p->ranges, range);
}

static void
class_property(struct parser *p, const char *item)
{
	vec_push(&p->properties, item);
}

struct group {
	const char *name, *ranges; /* pairs of ASCII characters */
};

#define DIGIT "09"
#define ALPHA "AZaz"
static const struct group perl_groups[] = {{"d", DIGIT}, {"s", "\t\n\f\r  "}, {"w", DIGIT "AZ__az"}};
static const struct group posix_groups[] = {
	{"alnum", DIGIT ALPHA}, {"alpha", ALPHA}, {"ascii", NULL}, {"blank", "\t\t  "}, {"cntrl", NULL},
	{"digit", DIGIT}, {"graph", "!~"}, {"lower", "az"}, {"print", " ~"}, {"punct", "!/:@[`{~"},
	{"space", "\t\r  "}, {"upper", "AZ"}, {"word", DIGIT "AZ__az"}, {"xdigit", DIGIT "AFaf"},
};

/* The ranges of a group, or what lies between them. Case folding brings letters of both cases, the Kelvin sign and the
 * long s into a group before it is negated. */
static void
add_group(struct parser *p, const struct group *group, bool negated)
{
	bool in[128] = {false}, kelvin = false, long_s = false;

	if (group->ranges != NULL)
		for (const char *r = group->ranges; *r != '\0'; r += 2)
			for (int c = r[0]; c <= r[1]; c++)
				in[c] = true;
	for (int c = 0; c < 128 && group->ranges == NULL; c++)
		in[c] = group->name[0] == 'a' || c < 0x20 || c == 0x7f; /* ascii, cntrl */
	for (int c = 'a'; p->flags.fold && c <= 'z'; c++)
		in[c] = in[c - 'a' + 'A'] = in[c] || in[c - 'a' + 'A'];
	if (p->flags.fold) {
		kelvin = in['k'];
		long_s = in['s'];
	}
	for (uint32_t c = 0, from = 0; c < 128; c = from) {
		for (from = c; from < 128 && in[from] == in[c];)
			from++;
		if (in[c] != negated)
			class_range(p, c, from - 1);
	}
	if (!negated) {
		if (long_s)
			class_range(p, 0x17f, 0x17f);
		if (kelvin)
			class_range(p, 0x212a, 0x212a);
		return;
	}
	class_range(p, 0x80, long_s ? 0x17e : kelvin ? 0x2129 : MAX_RUNE);
	if (long_s)
		class_range(p, 0x180, kelvin ? 0x2129 : MAX_RUNE);
	if (kelvin)
		class_range(p, 0x212b, MAX_RUNE);
}

/* \d \s \w and their opposites; false: none of them stands here. */
static bool
parse_perl_class(struct parser *p, struct str *t)
{
	if (t->len < 2 || t->s[0] != '\\')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(perl_groups); i++) {
		if (tolower((unsigned char)t->s[1]) != perl_groups[i].name[0])
			continue;
		add_group(p, &perl_groups[i], isupper((unsigned char)t->s[1]) != 0);
		*t = skip(*t, 2);
		return true;
	}
	return false;
}

/* [:alpha:], [:^alpha:]. *ret_taken says whether one stood here. */
static bool
parse_posix_class(struct parser *p, struct str *t, bool *ret_taken)
{
	ptrdiff_t end;
	struct str name;
	bool negated;

	*ret_taken = false;
	if (t->len <= 2 || t->s[0] != '[' || t->s[1] != ':')
		return true;
	end = str_find(skip(*t, 2), STR(":]"));
	if (end < 0)
		return true;
	name = str_head(skip(*t, 2), (size_t)end);
	negated = name.len > 0 && name.s[0] == '^';
	name = skip(name, negated);
	for (size_t i = 0; i < ARRAY_LEN(posix_groups); i++) {
		if (!str_is(name, posix_groups[i].name))
			continue;
		add_group(p, &posix_groups[i], negated);
		*t = skip(*t, (size_t)end + 4);
		*ret_taken = true;
		return true;
	}
	return fail(p, "invalid character class range", str_head(*t, (size_t)end + 4));
}

static const char *const categories[] = {"C", "Cc", "Cf", "Cn", "Co", "Cs", "L", "LC", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me",
	"Mn", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs"};

static const char *const category_aliases[][2] = {{"Cased_Letter", "LC"}, {"Close_Punctuation", "Pe"}, {"Combining_Mark", "M"},
	{"Connector_Punctuation", "Pc"}, {"Control", "Cc"}, {"Currency_Symbol", "Sc"}, {"Dash_Punctuation", "Pd"},
	{"Decimal_Number", "Nd"}, {"Enclosing_Mark", "Me"}, {"Final_Punctuation", "Pf"}, {"Format", "Cf"},
	{"Initial_Punctuation", "Pi"}, {"Letter", "L"}, {"Letter_Number", "Nl"}, {"Line_Separator", "Zl"},
	{"Lowercase_Letter", "Ll"}, {"Mark", "M"}, {"Math_Symbol", "Sm"}, {"Modifier_Letter", "Lm"}, {"Modifier_Symbol", "Sk"},
	{"Nonspacing_Mark", "Mn"}, {"Number", "N"}, {"Open_Punctuation", "Ps"}, {"Other", "C"}, {"Other_Letter", "Lo"},
	{"Other_Number", "No"}, {"Other_Punctuation", "Po"}, {"Other_Symbol", "So"}, {"Paragraph_Separator", "Zp"},
	{"Private_Use", "Co"}, {"Punctuation", "P"}, {"Separator", "Z"}, {"Space_Separator", "Zs"}, {"Spacing_Mark", "Mc"},
	{"Surrogate", "Cs"}, {"Symbol", "S"}, {"Titlecase_Letter", "Lt"}, {"Unassigned", "Cn"}, {"Uppercase_Letter", "Lu"},
	{"cntrl", "Cc"}, {"digit", "Nd"}, {"punct", "P"}};

/* Go's names; PCRE2 would also take abbreviations. */
static const char *const scripts[] = {
	"Adlam", "Ahom", "Anatolian_Hieroglyphs", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum", "Bassa_Vah",
	"Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "Canadian_Aboriginal",
	"Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee", "Chorasmian", "Common", "Coptic", "Cuneiform",
	"Cypriot", "Cypro_Minoan", "Cyrillic", "Deseret", "Devanagari", "Dives_Akuru", "Dogra", "Duployan",
	"Egyptian_Hieroglyphs", "Elbasan", "Elymaic", "Ethiopic", "Georgian", "Glagolitic", "Gothic", "Grantha",
	"Greek", "Gujarati", "Gunjala_Gondi", "Gurmukhi", "Han", "Hangul", "Hanifi_Rohingya", "Hanunoo", "Hatran",
	"Hebrew", "Hiragana", "Imperial_Aramaic", "Inherited", "Inscriptional_Pahlavi", "Inscriptional_Parthian",
	"Javanese", "Kaithi", "Kannada", "Katakana", "Kawi", "Kayah_Li", "Kharoshthi", "Khitan_Small_Script",
	"Khmer", "Khojki", "Khudawadi", "Lao", "Latin", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu", "Lycian",
	"Lydian", "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen", "Masaram_Gondi",
	"Medefaidrin", "Meetei_Mayek", "Mende_Kikakui", "Meroitic_Cursive", "Meroitic_Hieroglyphs", "Miao", "Modi",
	"Mongolian", "Mro", "Multani", "Myanmar", "Nabataean", "Nag_Mundari", "Nandinagari", "New_Tai_Lue", "Newa",
	"Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham", "Ol_Chiki", "Old_Hungarian", "Old_Italic",
	"Old_North_Arabian", "Old_Permic", "Old_Persian", "Old_Sogdian", "Old_South_Arabian", "Old_Turkic",
	"Old_Uyghur", "Oriya", "Osage", "Osmanya", "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa",
	"Phoenician", "Psalter_Pahlavi", "Rejang", "Runic", "Samaritan", "Saurashtra", "Sharada", "Shavian",
	"Siddham", "SignWriting", "Sinhala", "Sogdian", "Sora_Sompeng", "Soyombo", "Sundanese", "Syloti_Nagri",
	"Syriac", "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet", "Takri", "Tamil", "Tangsa", "Tangut",
	"Telugu", "Thaana", "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai", "Vithkuqi",
	"Wancho", "Warang_Citi", "Yezidi", "Yi", "Zanabazar_Square",
};

/* Equal but for case, underscores, hyphens and spaces. */
static bool
loosely_equal(struct str a, const char *z)
{
	struct str b = str_from(z);

	for (;;) {
		while (a.len > 0 && strchr("_- ", a.s[0]) != NULL && a.s[0] != '\0')
			a = skip(a, 1);
		while (b.len > 0 && b.s[0] == '_')
			b = skip(b, 1);
		if (a.len == 0 || b.len == 0)
			return a.len == b.len;
		if (tolower((unsigned char)a.s[0]) != tolower((unsigned char)b.s[0]))
			return false;
		a = skip(a, 1);
		b = skip(b, 1);
	}
}

/* The PCRE2 name of a property, or NULL. *ret_negated is flipped where PCRE2 has only the opposite. */
static const char *
property_name(struct parser *p, struct str name, bool *negated)
{
	if (loosely_equal(name, "Any"))
		return "Any";
	if (loosely_equal(name, "Assigned")) {
		*negated = !*negated;
		return "Cn";
	}
	for (size_t i = 0; i < ARRAY_LEN(categories); i++)
		if (loosely_equal(name, categories[i]))
			return str_is(str_from(categories[i]), "LC") ? "L&" : categories[i];
	for (size_t i = 0; i < ARRAY_LEN(category_aliases); i++)
		if (loosely_equal(name, category_aliases[i][0]))
			return str_is(str_from(category_aliases[i][1]), "LC") ? "L&" : category_aliases[i][1];
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		if (loosely_equal(name, scripts[i]))
			return arena_printf(p->arena, "sc:%s", scripts[i]).s;
	return NULL;
}

/* \pL, \PL, \p{Greek}, \p{^Greek}. *ret_taken says whether one stood here. */
static bool
parse_unicode_class(struct parser *p, struct str *t, bool *ret_taken)
{
	struct str s = *t, name;
	const char *item;
	uint32_t c;
	bool negated;

	*ret_taken = false;
	if (s.len < 2 || s.s[0] != '\\' || (s.s[1] != 'p' && s.s[1] != 'P'))
		return true;
	*ret_taken = true;
	negated = s.s[1] == 'P';
	*t = skip(s, 2);
	if (!next_rune(p, t, &c))
		return false;
	name = skip(until(s, *t), 2);
	if (c == '{') {
		const char *end = memchr(s.s, '}', s.len);

		if (end == NULL)
			return check_utf8(p, s) && fail(p, "invalid character class range", s);
		name = (struct str){s.s + 3, (size_t)(end - s.s) - 3};
		*t = skip(s, (size_t)(end - s.s) + 1);
		if (!check_utf8(p, name))
			return false;
	}
	if (name.len > 0 && name.s[0] == '^') {
		negated = !negated;
		name = skip(name, 1);
	}
	if (loosely_equal(name, "ASCII")) {
		add_group(p, &posix_groups[2], negated);
		return true;
	}
	item = property_name(p, name, &negated);
	if (item == NULL)
		return fail(p, "invalid character class range", until(s, *t));
	class_property(p, arena_printf(p->arena, "\\%c{%s}", negated ? 'P' : 'p', item).s);
	return true;
}

static bool
parse_class_char(struct parser *p, struct str *t, struct str whole, uint32_t *ret)
{
	if (t->len == 0)
		return fail(p, "missing closing ]", whole);
	if (t->s[0] == '\\')
		return parse_escape(p, t, ret);
	return next_rune(p, t, ret);
}

static bool
parse_class_range(struct parser *p, struct str *t, struct str whole)
{
	struct str range = *t;
	uint32_t lo, hi;

	if (!parse_class_char(p, t, whole, &lo))
		return false;
	hi = lo;
	if (t->len >= 2 && t->s[0] == '-' && t->s[1] != ']') {
		*t = skip(*t, 1);
		if (!parse_class_char(p, t, whole, &hi))
			return false;
		if (hi < lo)
			return fail(p, "invalid character class range", until(range, *t));
	}
	class_range(p, lo, hi);
	return true;
}

/* The class that was collected, as a node. */
static void
push_class(struct parser *p, bool negated)
{
	struct regex_node *node = node_new(p, REGEX_OP_CLASS);
	struct regex_class *class = arena_make(p->arena, struct regex_class);

	class->negated = negated;
	class->ranges = arena_array(p->arena, struct regex_range, p->ranges.len);
	class->n_ranges = p->ranges.len;
	class->properties = arena_array(p->arena, const char *, p->properties.len);
	class->n_properties = p->properties.len;
	node->ascii = !negated && p->properties.len == 0;
	for (size_t i = 0; i < p->ranges.len; i++) {
		struct regex_range r = p->ranges.items[i];

		class->ranges[i] = r;
		/* Folded ranges with k or s reach outside ASCII; telling which do is not worth it. */
		node->ascii &= r.hi < 0x80 && (!p->flags.fold || r.hi < 'A');
	}
	for (size_t i = 0; i < p->properties.len; i++)
		class->properties[i] = p->properties.items[i];
	node->class = class;
	node->fold = p->flags.fold;
	p->ranges.len = p->properties.len = 0;
	push(p, node);
}

static bool
parse_class(struct parser *p, struct str *t)
{
	struct str whole = *t;
	bool negated, taken, first = true;

	*t = skip(*t, 1);
	negated = t->len > 0 && t->s[0] == '^';
	*t = skip(*t, negated);
	while (t->len == 0 || t->s[0] != ']' || first) {
		first = false;
		if (!parse_posix_class(p, t, &taken))
			return false;
		if (taken)
			continue;
		if (!parse_unicode_class(p, t, &taken))
			return false;
		if (taken || parse_perl_class(p, t))
			continue;
		if (!parse_class_range(p, t, whole))
			return false;
	}
	*t = skip(*t, 1);
	push_class(p, negated);
	return true;
}

/* \Q…\E; the end may be missing. */
static bool
parse_quoted(struct parser *p, struct str *t)
{
	struct str text = skip(*t, 2);
	ptrdiff_t end = str_find(text, STR("\\E"));
	uint32_t rune;

	*t = end < 0 ? skip(text, text.len) : skip(text, (size_t)end + 2);
	text = end < 0 ? text : str_head(text, (size_t)end);
	while (text.len > 0) {
		if (!next_rune(p, &text, &rune))
			return false;
		push_literal(p, rune);
	}
	return true;
}

static bool
parse_backslash(struct parser *p, struct str *t)
{
	char c = t->len >= 2 ? t->s[1] : '\0';
	bool taken;
	uint32_t rune;

	switch (c) {
	case 'A':
	case 'b':
	case 'B':
	case 'z':
		push_assertion(p, c == 'A' ? REGEX_OP_BEGIN_TEXT :
				c == 'b' ? REGEX_OP_WORD_BOUNDARY :
				c == 'B' ? REGEX_OP_NO_WORD_BOUNDARY : REGEX_OP_END_TEXT);
		*t = skip(*t, 2);
		return true;
	case 'C':
		return fail(p, "invalid escape sequence", str_head(*t, 2));
	case 'Q':
		return parse_quoted(p, t);
	default:
		break;
	}
	if (!parse_unicode_class(p, t, &taken))
		return false;
	if (taken || parse_perl_class(p, t)) {
		push_class(p, false);
		return true;
	}
	if (!parse_escape(p, t, &rune))
		return false;
	push_literal(p, rune);
	return true;
}

static bool
parse_atom(struct parser *p, struct str *t)
{
	struct str s = *t;
	uint32_t rune;

	switch (s.s[0]) {
	case '(':
		if (s.len >= 2 && s.s[1] == '?')
			return parse_perl_flags(p, t);
		open_capture(p, (size_t)(s.s - p->pattern.s), STR_EMPTY);
		break;
	case ')':
		if (!close_paren(p, s))
			return false;
		break;
	case '|':
		if (!end_sequence(p))
			return false;
		break;
	case '^':
		push_assertion(p, p->flags.multi_line ? REGEX_OP_BEGIN_LINE : REGEX_OP_BEGIN_TEXT);
		break;
	case '$':
		push_assertion(p, p->flags.multi_line ? REGEX_OP_END_LINE : REGEX_OP_END_TEXT);
		break;
	case '.':
		push_any(p);
		break;
	case '[':
		return parse_class(p, t);
	case '\\':
		return parse_backslash(p, t);
	default:
		if (!next_rune(p, t, &rune))
			return false;
		push_literal(p, rune);
		return true;
	}
	*t = skip(s, 1);
	return true;
}

static bool
parse_all(struct parser *p)
{
	struct str t = p->pattern, last_repeat = STR_EMPTY;

	open_frame(p, 0, 0);
	while (t.len > 0) {
		if (t.s[0] == '*' || t.s[0] == '+' || t.s[0] == '?' || t.s[0] == '{') {
			if (!parse_repetition(p, &t, &last_repeat))
				return false;
			continue;
		}
		last_repeat = STR_EMPTY;
		if (!parse_atom(p, &t))
			return false;
	}
	if (p->frames.len > 1)
		return fail_at(p, "missing closing )", p->pattern, top(p)->offset);
	p->tree->root = end_frame(p);
	return p->tree->root != NULL;
}

bool
regex_syntax_parse(struct arena *arena, struct str pattern, struct regex_tree *ret, struct str *ret_error, size_t *ret_offset)
{
	struct parser p = {.arena = arena, .pattern = pattern, .tree = ret};
	bool ok;

	*ret = (struct regex_tree){0};
	if (pattern.len > REGEX_PATTERN_BYTES_MAX)
		ok = fail_at(&p, "expression too large", str_head(pattern, 64), 0);
	else
		ok = parse_all(&p);
	if (!ok) {
		*ret_error = arena_printf(arena, "error parsing regexp: %s: `%.*s`", p.code, STR_FMT(p.fragment));
		*ret_offset = p.offset;
		vec_done(&ret->names);
	}
	vec_done(&p.frames);
	vec_done(&p.ranges);
	vec_done(&p.properties);
	return ok;
}
