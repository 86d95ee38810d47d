/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints a tree as a PCRE2 pattern to be compiled with DOTALL, MULTILINE and ALT_CIRCUMFLEX and LF as the
 * newline, so that each Go assertion has one spelling: \A \z ^ $ and . \N. Everything is spelled out, so
 * that no other option matters; only (?i) is switched, by inline settings directly before what needs it.
 *
 * Byte mode is for subjects that are pure ASCII, or trees that match nothing else: what can only match
 * beyond ASCII becomes an empty class there.
 */
#include <stdlib.h>
#include <string.h>

#include "regex_priv.h"

#define MAX_RUNE 0x10ffffu
#define ASCII_MAX 0x7fu
#define LONG_S 0x17fu    /* folds to s */
#define KELVIN 0x212au   /* folds to k */

struct emitter {
	struct buf *out;
	bool utf;
	bool fold; /* the state of (?i) here */
};

static bool
is_letter(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_surrogate(uint32_t c)
{
	return c >= 0xd800 && c <= 0xdfff;
}

static void
set_fold(struct emitter *e, bool fold)
{
	if (e->fold != fold)
		(void)buf_z(e->out, fold ? "(?i)" : "(?-i)");
	e->fold = fold;
}

static void
emit_rune(struct emitter *e, uint32_t c)
{
	if (is_letter(c) || (c >= '0' && c <= '9') || c == ' ' || c == '_')
		(void)buf_putc(e->out, (char)c);
	else if (c > ' ' && c < ASCII_MAX)
		(void)buf_printf(e->out, "\\%c", (char)c);
	else
		(void)buf_printf(e->out, "\\x{%x}", c);
}

static void
emit_nothing(struct emitter *e)
{
	(void)buf_z(e->out, e->utf ? "[^\\x{0}-\\x{10ffff}]" : "[^\\x00-\\xff]");
}

static void
emit_literal(struct emitter *e, const struct regex_node *node)
{
	uint32_t c = node->rune;

	if (!e->utf && node->fold && (c == LONG_S || c == KELVIN))
		c = c == KELVIN ? 'k' : 's';
	if (is_surrogate(c) || (!e->utf && c > ASCII_MAX)) {
		emit_nothing(e);
		return;
	}
	if (is_letter(c) || c > ASCII_MAX)
		set_fold(e, node->fold);
	emit_rune(e, c);
}

static void
emit_range(struct emitter *e, uint32_t lo, uint32_t hi)
{
	if (is_surrogate(lo))
		lo = 0xe000;
	if (is_surrogate(hi))
		hi = 0xd7ff;
	if (lo > hi)
		return;
	emit_rune(e, lo);
	if (hi > lo) {
		(void)buf_putc(e->out, '-');
		emit_rune(e, hi);
	}
}

/* The ranges of a class in this mode; returns whether there is any item. */
static bool
emit_ranges(struct emitter *e, const struct regex_node *node)
{
	const struct regex_class *class = node->class;
	bool any = false;

	for (size_t i = 0; i < class->n_ranges; i++) {
		struct regex_range r = class->ranges[i];

		if (e->utf) {
			emit_range(e, r.lo, r.hi);
			any |= !(is_surrogate(r.lo) && is_surrogate(r.hi));
			continue;
		}
		if (node->fold && r.lo <= LONG_S && r.hi >= LONG_S)
			emit_rune(e, 's');
		if (node->fold && r.lo <= KELVIN && r.hi >= KELVIN)
			emit_rune(e, 'k');
		any |= r.lo <= ASCII_MAX || (node->fold && ((r.lo <= LONG_S && r.hi >= LONG_S) || (r.lo <= KELVIN && r.hi >= KELVIN)));
		if (r.lo <= ASCII_MAX)
			emit_range(e, r.lo, r.hi < ASCII_MAX ? r.hi : ASCII_MAX);
	}
	return any;
}

/* A class of all that is not ASCII and some that is, as the negation of the rest: PCRE2 then keeps to its bitmap. */
static bool
emit_as_negation(struct emitter *e, const struct regex_node *node)
{
	const struct regex_class *class = node->class;
	bool in[ASCII_MAX + 1] = {false}, rest = false, missing = false;

	if (!e->utf || class->negated || class->n_properties > 0)
		return false;
	for (size_t i = 0; i < class->n_ranges; i++) {
		struct regex_range r = class->ranges[i];

		for (uint32_t c = r.lo; c <= r.hi && c <= ASCII_MAX; c++)
			in[c] = true;
		rest |= r.lo <= ASCII_MAX + 1 && r.hi == MAX_RUNE;
	}
	for (uint32_t c = 0; c <= ASCII_MAX; c++) {
		if (!in[c] && node->fold && is_letter(c))
			return false;
		missing |= !in[c];
	}
	if (!rest || !missing)
		return false;
	(void)buf_z(e->out, "[^");
	for (uint32_t c = 0; c <= ASCII_MAX; c++)
		if (!in[c])
			emit_rune(e, c);
	(void)buf_putc(e->out, ']');
	return true;
}

static void
emit_class(struct emitter *e, const struct regex_node *node)
{
	const struct regex_class *class = node->class;
	size_t start;
	bool any;

	set_fold(e, node->fold);
	if (emit_as_negation(e, node))
		return;
	start = e->out->len;
	(void)buf_z(e->out, class->negated ? "[^" : "[");
	any = emit_ranges(e, node);
	for (size_t i = 0; i < class->n_properties; i++)
		(void)buf_z(e->out, class->properties[i]);
	any |= class->n_properties > 0;
	(void)buf_putc(e->out, ']');
	if (any || e->out->overflow)
		return;
	e->out->len = start;
	if (class->negated)
		(void)buf_putc(e->out, '.');
	else
		emit_nothing(e);
}

static void emit(struct emitter *e, const struct regex_node *node);

/* Groups end what (?i) was set to in them. */
static void
emit_group(struct emitter *e, const struct regex_node *node, const char *open)
{
	bool fold = e->fold;

	(void)buf_z(e->out, open);
	emit(e, node);
	(void)buf_putc(e->out, ')');
	e->fold = fold;
}

static bool
is_one_character(const struct regex_node *node)
{
	return node->op == REGEX_OP_LITERAL || node->op == REGEX_OP_CLASS || node->op == REGEX_OP_ANY ||
		node->op == REGEX_OP_ANY_NOT_NL;
}

static void
emit_repetition(struct emitter *e, const struct regex_node *node)
{
	const struct regex_node *sub = node->first;

	if (is_one_character(sub) || sub->op == REGEX_OP_CAPTURE)
		emit(e, sub);
	else
		emit_group(e, sub, "(?:");
	switch (node->op) {
	case REGEX_OP_STAR:
		(void)buf_putc(e->out, '*');
		break;
	case REGEX_OP_PLUS:
		(void)buf_putc(e->out, '+');
		break;
	case REGEX_OP_QUEST:
		(void)buf_putc(e->out, '?');
		break;
	default:
		if (node->max < 0)
			(void)buf_printf(e->out, "{%d,}", node->min);
		else
			(void)buf_printf(e->out, "{%d,%d}", node->min, node->max);
	}
	if (node->lazy)
		(void)buf_putc(e->out, '?');
}

static void
emit(struct emitter *e, const struct regex_node *node)
{
	static const char *const fixed[] = {
		[REGEX_OP_ANY] = ".", [REGEX_OP_ANY_NOT_NL] = "\\N", [REGEX_OP_BEGIN_LINE] = "^", [REGEX_OP_END_LINE] = "$",
		[REGEX_OP_BEGIN_TEXT] = "\\A", [REGEX_OP_END_TEXT] = "\\z", [REGEX_OP_WORD_BOUNDARY] = "\\b",
		[REGEX_OP_NO_WORD_BOUNDARY] = "\\B", [REGEX_OP_EMPTY] = "",
	};

	switch (node->op) {
	case REGEX_OP_LITERAL:
		emit_literal(e, node);
		break;
	case REGEX_OP_CLASS:
		emit_class(e, node);
		break;
	case REGEX_OP_CAPTURE:
		emit_group(e, node->first, "(");
		break;
	case REGEX_OP_STAR:
	case REGEX_OP_PLUS:
	case REGEX_OP_QUEST:
	case REGEX_OP_REPEAT:
		emit_repetition(e, node);
		break;
	case REGEX_OP_CONCAT:
		for (const struct regex_node *part = node->first; part != NULL; part = part->next) {
			/* An alternation that a group without a number held. */
			if (part->op == REGEX_OP_ALTERNATE)
				emit_group(e, part, "(?:");
			else
				emit(e, part);
		}
		break;
	case REGEX_OP_ALTERNATE:
		for (const struct regex_node *part = node->first; part != NULL; part = part->next) {
			emit(e, part);
			if (part->next != NULL)
				(void)buf_putc(e->out, '|');
		}
		break;
	default:
		(void)buf_z(e->out, fixed[node->op]);
	}
}

void
regex_emit(const struct regex_node *node, bool utf, struct buf *out)
{
	struct emitter e = {.out = out, .utf = utf};

	emit(&e, node);
}
