/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alloy's internal/component/common/relabel and Prometheus' model/relabel, rule by rule. A label that is
 * set to the empty text is removed. labelmap, labeldrop and labelkeep look at the names as they were when
 * the rule began. What made texts become labels is copied to the scratch arena, since a later rule may
 * change the label it was made from.
 */
#include "longship/flow/relabel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/hash.h"
#include "longship/codec/regex.h"
#include "longship/codec/unicode.h"
#include "longship/flow/sender.h"

#define LABEL_TEXT_BYTES_MAX (1u << 20) /* of one made name or value: "$1$1$1" on long labels */

#define DEFAULT_SEPARATOR ";"
#define DEFAULT_REGEX "(.*)"
#define DEFAULT_REPLACEMENT "$1"

enum action {
	ACTION_REPLACE,
	ACTION_KEEP,
	ACTION_DROP,
	ACTION_HASHMOD,
	ACTION_LABELMAP,
	ACTION_LABELDROP,
	ACTION_LABELKEEP,
	ACTION_LOWERCASE,
	ACTION_UPPERCASE,
	ACTION_KEEPEQUAL,
	ACTION_DROPEQUAL,
	ACTION_COUNT
};

static const char *const action_names[] = {"replace", "keep", "drop", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase",
	"uppercase", "keepequal", "dropequal", NULL};

struct rule {
	struct relabel_rule_args args; /* deep copy */
	enum action action;
	const struct regex *regex;
};

struct relabel {
	size_t n;
	struct rule rules[];
};

const struct arg_spec relabel_rule_spec[] = {
	{.kind = ARG_POS, .offset = offsetof(struct relabel_rule_args, pos)},
	{.name = "source_labels", .kind = ARG_STRING_LIST, .offset = offsetof(struct relabel_rule_args, source_labels),
		.doc = "Labels whose values are joined by the separator; a missing label is an empty value."},
	{.name = "separator", .kind = ARG_STRING, .offset = offsetof(struct relabel_rule_args, separator), .fallback = "\";\"",
		.doc = "Stands between the values of several source labels."},
	{.name = "regex", .kind = ARG_REGEX, .offset = offsetof(struct relabel_rule_args, regex), .fallback = "\"(.*)\"",
		.doc = "RE2 expression that must match the whole value."},
	{.name = "modulus", .kind = ARG_INT, .offset = offsetof(struct relabel_rule_args, modulus), .fallback = "0", .min = 0, .max = INT64_MAX,
		.doc = "Divisor of hashmod."},
	{.name = "target_label", .kind = ARG_STRING, .offset = offsetof(struct relabel_rule_args, target_label),
		.doc = "Label that the result goes to; replace expands $1 and ${name} in it."},
	{.name = "replacement", .kind = ARG_STRING, .offset = offsetof(struct relabel_rule_args, replacement), .fallback = "\"$1\"",
		.doc = "New value, in which $1 and ${name} stand for groups of the regex."},
	{.name = "action", .kind = ARG_STRING, .offset = offsetof(struct relabel_rule_args, action), .fallback = "\"replace\"",
		.doc = "replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase."},
	{0},
};

static enum action
action_of(struct str name)
{
	for (size_t i = 0; i < ACTION_COUNT; i++)
		if (str_is(name, action_names[i]))
			return (enum action)i;
	return ACTION_COUNT;
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

/* A reference "${name}" or "$name" at the start of t; its length, or 0. */
static size_t
reference_length(struct str t)
{
	bool brace = t.len > 1 && t.s[1] == '{';
	size_t n = brace ? 2 : 1, start = n;

	if (t.len == 0 || t.s[0] != '$')
		return 0;
	while (n < t.len && is_word(t.s[n]))
		n++;
	if (n == start || (brace && (n == t.len || t.s[n] != '}')))
		return 0;
	return n + brace;
}

/* ^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$: word characters and references, the first of them no digit. */
static bool
is_name_template(struct str t)
{
	bool first = true;

	if (t.len == 0)
		return false;
	while (t.len > 0) {
		size_t n = reference_length(t);

		if (n == 0 && !(is_word(t.s[0]) && !(first && t.s[0] >= '0' && t.s[0] <= '9')))
			return false;
		t = str_from_offset(t, n > 0 ? n : 1);
		first = false;
	}
	return true;
}

/* Any UTF-8 text is a name for loading and for targets; streams take legacy names only (relabel_apply). */
static bool
is_utf8_name(struct str name)
{
	return name.len > 0 && str_utf8_valid(name);
}

static bool
is_default(struct str s, const char *fallback)
{
	return str_is(s, fallback);
}

/* The rule's fault in Alloy's words, or NULL. */
static const char *
fault_of(struct arena *arena, const struct relabel_rule_args *a, enum action action)
{
	bool equal = action == ACTION_KEEPEQUAL || action == ACTION_DROPEQUAL;
	bool cased = action == ACTION_LOWERCASE || action == ACTION_UPPERCASE;
	bool targeted = equal || cased || action == ACTION_REPLACE || action == ACTION_HASHMOD;
	bool template = action == ACTION_REPLACE && memchr(a->target_label.s, '$', a->target_label.len) != NULL;
	const char *name = action_names[action];

	if (action == ACTION_HASHMOD && a->modulus == 0)
		return "relabel configuration for hashmod requires non-zero modulus";
	if (targeted && a->target_label.len == 0)
		return arena_printf(arena, "relabel configuration for %s action requires 'target_label' value", name).s;
	if (targeted && !(template ? is_name_template(a->target_label) : is_utf8_name(a->target_label)))
		return arena_printf(arena, "\"%.*s\" is invalid 'target_label' for %s action", STR_FMT(a->target_label), name).s;
	if ((equal || cased) && !is_default(a->replacement, DEFAULT_REPLACEMENT))
		return arena_printf(arena, "'replacement' can not be set for %s action", name).s;
	if (action == ACTION_LABELMAP && !is_name_template(a->replacement))
		return arena_printf(arena, "\"%.*s\" is invalid 'replacement' for %s action", STR_FMT(a->replacement), name).s;
	if ((action == ACTION_LABELDROP || action == ACTION_LABELKEEP) &&
		(a->source_labels.n > 0 || a->target_label.len > 0 || a->modulus != 0 || !is_default(a->separator, DEFAULT_SEPARATOR) ||
			!is_default(a->replacement, DEFAULT_REPLACEMENT)))
		return arena_printf(arena, "%s action requires only 'regex', and no other fields", name).s;
	if (equal && (!is_default(a->regex, DEFAULT_REGEX) || a->modulus != 0 || !is_default(a->separator, DEFAULT_SEPARATOR)))
		return arena_printf(arena, "%s action requires only 'source_labels' and 'target_label', and no other fields", name).s;
	return NULL;
}

bool
relabel_rule_check(const void *args, struct src_pos at, struct diags *diags)
{
	const struct relabel_rule_args *a = args;
	enum action action = action_of(a->action);
	struct arena *arena;
	const char *fault;

	if (action == ACTION_COUNT) {
		diag_error(diags, at, "unrecognized action type \"%.*s\"", STR_FMT(a->action));
		return false;
	}
	arena = arena_new(0);
	fault = fault_of(arena, a, action);
	if (fault != NULL)
		diag_error(diags, at, "%s", fault);
	arena_free(arena);
	return fault == NULL;
}

/* Compiling. */

static struct relabel_rule_args
copy_args(struct arena *arena, const struct relabel_rule_args *a)
{
	struct relabel_rule_args copy = *a;

	copy.source_labels.items = arena_array(arena, struct str, a->source_labels.n);
	for (size_t i = 0; i < a->source_labels.n; i++)
		copy.source_labels.items[i] = arena_str(arena, a->source_labels.items[i]);
	copy.separator = arena_str(arena, a->separator);
	copy.regex = arena_str(arena, a->regex);
	copy.target_label = arena_str(arena, a->target_label);
	if (str_is(a->target_label, TENANT_LABEL))
		destination_expect_others();
	copy.replacement = arena_str(arena, a->replacement);
	copy.action = arena_str(arena, a->action);
	return copy;
}

struct relabel *
relabel_compile(struct arena *arena, const struct block_list *rules, struct diags *diags)
{
	const struct relabel_rule_args *items = rules->items;
	struct relabel *relabel = arena_zalloc(arena, sizeof(*relabel) + rules->n * sizeof(relabel->rules[0]));
	bool ok = true;

	relabel->n = rules->n;
	for (size_t i = 0; i < rules->n; i++) {
		struct rule *rule = &relabel->rules[i];
		struct str error;
		size_t offset;

		if (!relabel_rule_check(&items[i], items[i].pos, diags)) {
			ok = false;
			continue;
		}
		rule->args = copy_args(arena, &items[i]);
		rule->action = action_of(items[i].action);
		rule->regex = regex_compile(arena, rule->args.regex, REGEX_ANCHORED, &error, &offset);
		if (rule->regex == NULL) {
			diag_error(diags, items[i].pos, "%.*s", STR_FMT(error));
			ok = false;
		}
	}
	return ok ? relabel : NULL;
}

size_t
relabel_rules(const struct relabel *relabel)
{
	return relabel->n;
}

const struct relabel_rule_args *
relabel_rule(const struct relabel *relabel, size_t i)
{
	assert(i < relabel->n);
	return &relabel->rules[i].args;
}

static bool
rule_equal(const struct relabel_rule_args *a, const struct relabel_rule_args *b)
{
	if (a->source_labels.n != b->source_labels.n || a->modulus != b->modulus)
		return false;
	for (size_t i = 0; i < a->source_labels.n; i++)
		if (!str_eq(a->source_labels.items[i], b->source_labels.items[i]))
			return false;
	return str_eq(a->separator, b->separator) && str_eq(a->regex, b->regex) && str_eq(a->target_label, b->target_label) &&
		str_eq(a->replacement, b->replacement) && str_eq(a->action, b->action);
}

bool
relabel_equal(const struct relabel *a, const struct relabel *b)
{
	if (a == NULL || b == NULL || a == b)
		return a == b;
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!rule_equal(&a->rules[i].args, &b->rules[i].args))
			return false;
	return true;
}

/* Applying. */

struct run {
	struct labels_builder *labels;
	struct arena *scratch;
	bool (*is_name)(struct str);
	struct regex_match match;
	struct buf text;
};

static void
set_label(struct run *run, struct str name, struct str value)
{
	if (value.len == 0)
		labels_builder_del(run->labels, name);
	else
		(void)labels_builder_set(run->labels, name, value);
}

/* The texts that a rule makes outlive the run. */
static struct str
take_text(struct run *run)
{
	return arena_str(run->scratch, buf_view(&run->text));
}

static struct str
joined(struct run *run, const struct relabel_rule_args *args)
{
	if (args->source_labels.n == 1)
		return labels_builder_get(run->labels, args->source_labels.items[0]);
	buf_clear(&run->text);
	for (size_t i = 0; i < args->source_labels.n; i++) {
		if (i > 0)
			(void)buf_str(&run->text, args->separator);
		(void)buf_str(&run->text, labels_builder_get(run->labels, args->source_labels.items[i]));
	}
	return take_text(run);
}

static struct str
expanded(struct run *run, const struct rule *rule, struct str template, struct str value)
{
	if (template.len == 0 || memchr(template.s, '$', template.len) == NULL)
		return template;
	buf_clear(&run->text);
	(void)regex_expand(rule->regex, template, value, &run->match, &run->text);
	return take_text(run);
}

static void
replace(struct run *run, const struct rule *rule, struct str value)
{
	struct str target;

	if (regex_match(rule->regex, value, 0, &run->match) != REGEX_YES)
		return;
	target = expanded(run, rule, rule->args.target_label, value);
	if (run->is_name(target))
		set_label(run, target, expanded(run, rule, rule->args.replacement, value));
}

static void
hashmod(struct run *run, const struct rule *rule, struct str value)
{
	uint8_t digest[16];
	uint64_t number = 0;

	hash_md5(value, digest);
	for (size_t i = 8; i < sizeof(digest); i++)
		number = number << 8 | digest[i];
	set_label(run, rule->args.target_label, arena_printf(run->scratch, "%" PRIu64, number % (uint64_t)rule->args.modulus));
}

static void
change_case(struct run *run, const struct rule *rule, struct str value)
{
	set_label(run, rule->args.target_label,
		rule->action == ACTION_LOWERCASE ? unicode_lower(run->scratch, value) : unicode_upper(run->scratch, value));
}

static void
map_labels(struct run *run, const struct rule *rule)
{
	size_t n = run->labels->n;
	struct label *before = arena_alloc(run->scratch, (n + 1) * sizeof(*before));

	memcpy(before, run->labels->items, n * sizeof(*before));
	for (size_t i = 0; i < n; i++) {
		bool matches = regex_test(rule->regex, before[i].name) == REGEX_YES;

		if (rule->action == ACTION_LABELMAP && matches) {
			buf_clear(&run->text);
			if (regex_replace_all(rule->regex, before[i].name, rule->args.replacement, &run->text))
				set_label(run, take_text(run), before[i].value);
		} else if (rule->action != ACTION_LABELMAP && matches == (rule->action == ACTION_LABELDROP)) {
			labels_builder_del(run->labels, before[i].name);
		}
	}
}

/* false: the set is dropped. */
static bool
apply_rule(struct run *run, const struct rule *rule)
{
	struct str value = joined(run, &rule->args);

	switch (rule->action) {
	case ACTION_KEEP:
		return regex_test(rule->regex, value) == REGEX_YES;
	case ACTION_DROP:
		return regex_test(rule->regex, value) != REGEX_YES;
	case ACTION_KEEPEQUAL:
		return str_eq(labels_builder_get(run->labels, rule->args.target_label), value);
	case ACTION_DROPEQUAL:
		return !str_eq(labels_builder_get(run->labels, rule->args.target_label), value);
	case ACTION_REPLACE:
		replace(run, rule, value);
		return true;
	case ACTION_HASHMOD:
		hashmod(run, rule, value);
		return true;
	case ACTION_LOWERCASE:
	case ACTION_UPPERCASE:
		change_case(run, rule, value);
		return true;
	case ACTION_LABELMAP:
	case ACTION_LABELDROP:
	case ACTION_LABELKEEP:
		map_labels(run, rule);
		return true;
	case ACTION_COUNT:
		break;
	}
	assert(false);
	return true;
}

static bool
apply(const struct relabel *relabel, struct labels_builder *labels, struct arena *scratch, bool (*is_name)(struct str))
{
	struct run run = {.labels = labels, .scratch = scratch, .is_name = is_name};
	bool keep = true;

	buf_init(&run.text, LABEL_TEXT_BYTES_MAX);
	/* Prometheus' builder takes an empty label for an absent one. */
	for (size_t i = labels->n; i-- > 0;)
		if (labels->items[i].value.len == 0)
			labels_builder_del(labels, labels->items[i].name);
	for (size_t i = 0; i < relabel->n && keep; i++)
		keep = apply_rule(&run, &relabel->rules[i]);
	buf_done(&run.text);
	regex_match_done(&run.match);
	return keep;
}

bool
relabel_apply(const struct relabel *relabel, struct labels_builder *labels, struct arena *scratch)
{
	return apply(relabel, labels, scratch, labels_name_legacy);
}

bool
relabel_apply_target(const struct relabel *relabel, struct labels_builder *labels, struct arena *scratch)
{
	return apply(relabel, labels, scratch, is_utf8_name);
}

bool
relabel_check(const struct block_list *rules, struct diags *diags)
{
	struct arena *arena = arena_new(0);
	bool ok = relabel_compile(arena, rules, diags) != NULL;

	arena_free(arena);
	return ok;
}

bool
relabel_keep(struct relabel_kept *kept, const struct block_list *list)
{
	struct arena *arena = arena_new(0);
	struct diags diags;
	struct relabel *rules;

	diags_init(&diags, arena, NULL);
	rules = relabel_compile(arena, list, &diags);
	diags_done(&diags);
	if (rules == NULL || relabel_equal(rules, kept->rules)) { /* NULL: cannot be, check has passed them */
		arena_free(arena);
		return false;
	}
	kept->generation = (kept->generation + 1) % RELABEL_GENERATIONS;
	arena_free(kept->arenas[kept->generation]);
	kept->arenas[kept->generation] = arena;
	kept->rules = rules;
	return true;
}

void
relabel_kept_done(struct relabel_kept *kept)
{
	for (size_t i = 0; i < RELABEL_GENERATIONS; i++)
		arena_free(kept->arenas[i]);
	*kept = (struct relabel_kept){0};
}
