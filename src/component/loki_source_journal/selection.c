/* SPDX-License-Identifier: Apache-2.0 */
#include "selection.h"

#include "longship/base/check.h"
#include "longship/os/journal_wire.h"

/*
 * A keep rule on one journal field whose regex is a plain alternation of literals says the same as matches of libsystemd, but for
 * entries that have the field several times, where a match is the wider one. It may be pushed down when no rule before it changes
 * the label it looks at.
 */
#define LITERALS_MAX 512       /* alternatives of a keep rule that become matches; libsystemd looks each up in every file */
#define FIELD_NAME_BYTES_MAX 64

static const struct str label_prefix = {"__journal_", 10};

/* ---- Matches ---- */

static bool
next_word(struct str *in, struct str *ret)
{
	size_t from = 0, to;

	while (from < in->len && strchr(" \t\n\v\f\r", in->s[from]) != NULL)
		from++;
	for (to = from; to < in->len && strchr(" \t\n\v\f\r", in->s[to]) == NULL; to++)
		;
	*ret = (struct str){in->s + from, to - from};
	*in = str_from_offset(*in, to);
	return ret->len > 0;
}

/* journald's rule for names of fields. */
static bool
is_field_name(struct str s)
{
	if (s.len == 0 || s.len > FIELD_NAME_BYTES_MAX || (s.s[0] >= '0' && s.s[0] <= '9'))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.s[i] >= 'A' && s.s[i] <= 'Z') || (s.s[i] >= '0' && s.s[i] <= '9') || s.s[i] == '_'))
			return false;
	return true;
}

const char *
selection_check_matches(struct arena *arena, struct str matches)
{
	struct str word, name, value;
	bool after_or = true;
	size_t n = 0;

	for (; next_word(&matches, &word); n++) {
		if (str_is(word, "+")) {
			if (after_or)
				return "\"+\" in matches stands between two matches";
			after_or = true;
			continue;
		}
		after_or = false;
		if (!str_cut(word, '=', &name, &value))
			return arena_printf(arena, "match \"%.*s\" is not of the form FIELD=value", STR_FMT(word)).s;
		if (!is_field_name(name))
			return arena_printf(arena, "\"%.*s\" is no name of a journal field: capitals, digits and _", STR_FMT(name)).s;
	}
	return after_or && n > 0 ? "\"+\" in matches stands between two matches" : NULL;
}

static bool
put_text(struct buf *out, enum journal_frame_kind kind, struct str text)
{
	return journal_wire_put(out, kind, NULL, 0, text);
}

static bool
put_matches(struct buf *out, struct str matches)
{
	struct str word;
	bool ok = true;

	while (next_word(&matches, &word))
		ok = put_text(out, str_is(word, "+") ? JOURNAL_ASK_OR : JOURNAL_ASK_MATCH, str_is(word, "+") ? STR_EMPTY : word) && ok;
	return ok;
}

/* ---- Pushing down ---- */

/* A journal field's name from its label's; empty when the label is of no field. */
static struct str
field_of_label(struct str label, char text[FIELD_NAME_BYTES_MAX + 1])
{
	struct str name = str_from_offset(label, label_prefix.len);

	if (!str_starts(label, label_prefix) || name.len > FIELD_NAME_BYTES_MAX || str_is(name, "priority_keyword"))
		return STR_EMPTY;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.s[i];

		text[i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
		if (c >= 'A' && c <= 'Z')
			return STR_EMPTY; /* labels of fields are in small letters */
	}
	name.s = text;
	return is_field_name(name) ? name : STR_EMPTY;
}

/* Without a group around all of it. */
static struct str
strip_group(struct str regex)
{
	for (;;) {
		size_t open = str_starts(regex, STR("(?:")) ? 3 : str_starts(regex, STR("(")) ? 1 : 0;

		if (open == 0 || regex.len < open + 1 || regex.s[regex.len - 1] != ')' || regex.s[regex.len - 2] == '\\' ||
			memchr(regex.s + open, '(', regex.len - open) != NULL ||
			memchr(regex.s + open, ')', regex.len - open - 1) != NULL)
			return regex;
		regex = (struct str){regex.s + open, regex.len - open - 1};
	}
}

/* The literal that an alternative stands for; false when it is none. */
static bool
literal_of(struct str alternative, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < alternative.len; i++) {
		char c = alternative.s[i];

		if (c == '\\') {
			if (++i == alternative.len || strchr("\\.+*?()|[]{}^$-", alternative.s[i]) == NULL)
				return false;
			c = alternative.s[i];
		} else if (strchr(".+*?()[]{}^$", c) != NULL) {
			return false;
		}
		(void)buf_putc(out, c);
	}
	return out->len > 0 && !out->overflow;
}

static bool
put_alternatives(struct buf *out, struct str field, struct str regex)
{
	struct buf literal, match;
	bool ok = true, more = true;
	size_t before = out->len, n = 0;

	buf_init(&literal, 4096);
	buf_init(&match, 8192);
	ok = put_text(out, JOURNAL_ASK_AND, STR_EMPTY);
	regex = strip_group(regex);
	while (ok && more && n++ < LITERALS_MAX) {
		struct str alternative, rest;

		/* An escaped bar is no bar. */
		more = str_cut(regex, '|', &alternative, &rest);
		if (alternative.len > 0 && alternative.s[alternative.len - 1] == '\\')
			ok = false;
		ok = ok && literal_of(alternative, &literal);
		buf_clear(&match);
		(void)buf_str(&match, field);
		(void)buf_putc(&match, '=');
		ok = ok && buf_str(&match, buf_view(&literal)) && put_text(out, JOURNAL_ASK_MATCH, buf_view(&match));
		regex = rest;
	}
	buf_done(&literal);
	buf_done(&match);
	if (!ok || more)
		out->len = before; /* not plain: the rule alone decides */
	return ok && !more;
}

static bool
is_action(const struct relabel_rule_args *rule, const char *action)
{
	return str_is(rule->action, action);
}

/* The label that a rule sets; false when it may set or remove any. */
static bool
fixed_target(const struct relabel_rule_args *rule)
{
	if (is_action(rule, "labelmap") || is_action(rule, "labeldrop") || is_action(rule, "labelkeep"))
		return false;
	return rule->target_label.len == 0 || memchr(rule->target_label.s, '$', rule->target_label.len) == NULL;
}

/* Pushes the first keep rule down that allows it. */
static void
push_down(struct buf *out, const struct relabel *rules, const struct str_map *labels)
{
	char text[FIELD_NAME_BYTES_MAX + 1];

	for (size_t i = 0; i < labels->n; i++)
		if (str_starts(labels->items[i].name, label_prefix))
			return;
	for (size_t i = 0; i < relabel_rules(rules); i++) {
		const struct relabel_rule_args *rule = relabel_rule(rules, i);

		if (is_action(rule, "keep") && rule->source_labels.n == 1) {
			struct str field = field_of_label(rule->source_labels.items[0], text);

			if (field.len > 0 && put_alternatives(out, field, rule->regex))
				return;
			continue;
		}
		if (!fixed_target(rule) || str_starts(rule->target_label, label_prefix))
			return;
	}
}

/* ---- Fields ---- */

static bool
put_label(struct buf *out, struct str label)
{
	char text[FIELD_NAME_BYTES_MAX + 1];
	struct str field = field_of_label(label, text);

	if (str_is(label, "__journal_priority_keyword"))
		field = STR("PRIORITY");
	return field.len == 0 || put_text(out, JOURNAL_ASK_FIELD, field);
}

static bool
put_fields(struct buf *out, const struct relabel *rules)
{
	bool ok = true;

	for (size_t i = 0; i < relabel_rules(rules); i++) {
		const struct relabel_rule_args *rule = relabel_rule(rules, i);

		for (size_t k = 0; k < rule->source_labels.n; k++)
			ok = put_label(out, rule->source_labels.items[k]) && ok;
		if (is_action(rule, "keepequal") || is_action(rule, "dropequal"))
			ok = put_label(out, rule->target_label) && ok;
		if (is_action(rule, "labelmap"))
			ok = put_text(out, JOURNAL_ASK_FIELD_REGEX, rule->regex) && ok;
	}
	return ok;
}

/* Whether somebody speaks of longship.service: then its lines are wanted. */
static bool
names_longship(struct str matches, const struct relabel *rules)
{
	if (str_find(matches, STR("longship")) >= 0)
		return true;
	for (size_t i = 0; rules != NULL && i < relabel_rules(rules); i++)
		if (str_find(relabel_rule(rules, i)->regex, STR("longship")) >= 0)
			return true;
	return false;
}

bool
selection_write(struct buf *request, struct str matches, const struct relabel *rules, const struct str_map *labels)
{
	bool ok = put_matches(request, matches);

	if (rules != NULL) {
		push_down(request, rules, labels);
		ok = put_fields(request, rules) && ok;
	}
	if (names_longship(matches, rules))
		ok = put_text(request, JOURNAL_ASK_OWN_LINES, STR_EMPTY) && ok;
	return ok;
}
