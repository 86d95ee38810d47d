/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern becomes up to two PCRE2 programs: one in byte mode for subjects that are pure ASCII (most lines;
 * telling costs less than the match), one in UTF mode for the others, left out when only ASCII can match.
 * PCRE2's JIT of before 10.43 forgets matches of an alternation whose branches differ in length, when a repeated character
 * follows (its issue 336): such a pattern does without the optimizations of where a match may start, if a test shows the fault.
 * A subject that is not UTF-8 is matched as a copy in which each bad byte is U+FFFD; offsets are mapped back.
 * Where backtracking would not give Go's answer (loops over what can be empty), and where it exceeds the match
 * limit, the own machine runs (regex_vm.c).
 *
 * Match data, JIT stack and copies are kept per thread or per struct regex_match, and those of a match that is done wait
 * for the thread's next one, so a match allocates nothing once they have grown.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "longship/codec/regex.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "regex_priv.h"

#define JIT_STACK_START (32u << 10)
#define JIT_STACK_MAX (1u << 20) /* per thread; what needs more is a pattern that backtracks per byte */
#define SPARE_BYTES_MAX (64u << 10) /* what a match needed beyond that is not kept */
#define NEST_MAX (2 * REGEX_HEIGHT_MAX + 8) /* parentheses that a tree can print */

struct program {
	pcre2_code *code; /* NULL: none */
	bool jit;
};

struct regex {
	struct program bytes, utf; /* both without code: PCRE2 refuses the size, or would answer differently */
	bool has_bytes_only; /* there is no utf because only ASCII can match */
	struct str text; /* for the own machine, made when it is first needed */
	_Atomic(struct regex_vm *) vm;
	_Atomic bool vm_failed;
	size_t n_groups;
	struct str *names;
};

enum subject_kind { SUBJECT_ASCII, SUBJECT_UTF8, SUBJECT_BROKEN };

/* What struct regex_match owns. */
struct state {
	pcre2_match_data *data;
	uint32_t pairs;
	struct str subject; /* of the last match: a later one with from > 0 goes on in it */
	enum subject_kind kind;
	struct buf machine; /* memory of regex_vm */
	struct buf mapped; /* SUBJECT_BROKEN: the copy */
	VEC(size_t) bad; /* offsets of its bad bytes, ascending */
};

/* Per thread. */
struct thread {
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	struct regex_match test; /* for regex_test */
	struct state *spare;	 /* of the match that was done last, for the next one */
	pcre2_match_data *class_data; /* for single characters */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static pcre2_general_context *general;
static pcre2_compile_context *compile_context;
static bool jit_forgets; /* see above */
static pcre2_code *name_code; /* the characters that a name in a replacement may have */
static _Thread_local struct thread *this_thread;

static void *
pcre_alloc(size_t bytes, void *ptr)
{
	(void)ptr;
	return mem_alloc(bytes);
}

static void
pcre_free(void *p, void *ptr)
{
	(void)ptr;
	mem_free(p);
}

static void
state_free(struct state *state)
{
	if (state == NULL)
		return;
	pcre2_match_data_free(state->data);
	buf_done(&state->machine);
	buf_done(&state->mapped);
	vec_done(&state->bad);
	mem_free(state);
}

static void
thread_free(void *ptr)
{
	struct thread *t = ptr;

	pcre2_match_context_free(t->context);
	pcre2_jit_stack_free(t->stack);
	pcre2_match_data_free(t->class_data);
	state_free(t->test.data);
	state_free(t->spare);
	mem_free(t);
	this_thread = NULL;
}

/* Whether "ab|a" is given up when what follows fails behind "ab". */
static bool
test_jit(void)
{
	int error, rc = 1;
	PCRE2_SIZE offset;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR) "(?:ab|a)[^x]*b", PCRE2_ZERO_TERMINATED, 0, &error, &offset, compile_context);
	pcre2_match_data *data = pcre2_match_data_create(1, general);

	assert(code != NULL && data != NULL);
	if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0)
		rc = pcre2_jit_match(code, (PCRE2_SPTR) "abc", 3, 0, 0, data, NULL);
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return rc == PCRE2_ERROR_NOMATCH;
}

static void
global_init(void)
{
	int error;
	PCRE2_SIZE offset;

	assert(pthread_key_create(&thread_key, thread_free) == 0);
	general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
	compile_context = pcre2_compile_context_create(general);
	assert(general != NULL && compile_context != NULL);
	(void)pcre2_set_newline(compile_context, PCRE2_NEWLINE_LF);
	(void)pcre2_set_parens_nest_limit(compile_context, NEST_MAX);
	name_code = pcre2_compile((PCRE2_SPTR) "\\A[\\p{L}\\p{Nd}_]+", PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
		&error, &offset, compile_context);
	assert(name_code != NULL);
	jit_forgets = test_jit();
}

static struct thread *
thread_get(void)
{
	struct thread *t = this_thread;

	if (t != NULL)
		return t;
	t = mem_zalloc(sizeof(*t));
	t->context = pcre2_match_context_create(general);
	t->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, general);
	assert(t->context != NULL);
	(void)pcre2_set_match_limit(t->context, REGEX_MATCH_LIMIT);
	if (t->stack != NULL)
		pcre2_jit_stack_assign(t->context, NULL, t->stack);
	assert(pthread_setspecific(thread_key, t) == 0);
	this_thread = t;
	return t;
}

/* Compiling. */

static bool
has_alternation(const struct regex_node *node)
{
	if (node->op == REGEX_OP_ALTERNATE)
		return true;
	for (const struct regex_node *part = node->first; part != NULL; part = part->next)
		if (has_alternation(part))
			return true;
	return false;
}

/* Only where a match may start matters: not where it must be at the start of the text. */
static bool
is_anchored(const struct regex_node *node)
{
	while (node->op == REGEX_OP_CONCAT || node->op == REGEX_OP_CAPTURE)
		node = node->first;
	return node->op == REGEX_OP_BEGIN_TEXT;
}

static bool
program_compile(struct program *program, const struct regex_tree *tree, bool utf)
{
	uint32_t options = PCRE2_DOTALL | PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX | (utf ? PCRE2_UTF | PCRE2_NO_UTF_CHECK : 0u);
	struct buf text;
	int error;
	PCRE2_SIZE offset;

	if (jit_forgets && has_alternation(tree->root) && !is_anchored(tree->root))
		options |= PCRE2_NO_START_OPTIMIZE;
	buf_init(&text, REGEX_EMIT_BYTES_MAX);
	(void)buf_reserve(&text, 1);
	regex_emit(tree->root, utf, &text);
	if (!text.overflow)
		program->code = pcre2_compile((PCRE2_SPTR)text.data, text.len, options, &error, &offset, compile_context);
	buf_done(&text);
	if (program->code == NULL)
		return false;
	program->jit = pcre2_jit_compile(program->code, PCRE2_JIT_COMPLETE) == 0;
	return true;
}

static void
program_done(struct program *program)
{
	pcre2_code_free(program->code);
	program->code = NULL;
}

static void
regex_done(void *ptr)
{
	struct regex *re = ptr;

	program_done(&re->bytes);
	program_done(&re->utf);
	regex_vm_free(re->vm);
}

/* The own machine's program, or NULL where it would be too large. */
static const struct regex_vm *
regex_vm_get(const struct regex *regex)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct regex *re = (struct regex *)(uintptr_t)regex; /* immutable but for this */
	struct regex_tree tree;
	struct arena *scratch;
	struct str error;
	size_t offset;

	if (re->vm != NULL || re->vm_failed)
		return re->vm;
	(void)pthread_mutex_lock(&lock);
	if (re->vm == NULL && !re->vm_failed) {
		scratch = arena_new(0);
		if (regex_syntax_parse(scratch, re->text, &tree, &error, &offset)) {
			re->vm = regex_vm_new(tree.root);
			vec_done(&tree.names);
		}
		re->vm_failed = re->vm == NULL;
		arena_free(scratch);
	}
	(void)pthread_mutex_unlock(&lock);
	return re->vm;
}

/* PCRE2 programs, where PCRE2 gives Go's answers. false: neither it nor the own machine can take the pattern. */
static bool
regex_make_programs(struct regex *re, const struct regex_tree *tree)
{
	re->has_bytes_only = tree->root->ascii;
	if (tree->root->loops_on_empty && regex_vm_get(re) != NULL)
		return true;
	if (program_compile(&re->bytes, tree, false) && (re->has_bytes_only || program_compile(&re->utf, tree, true)))
		return true;
	program_done(&re->bytes);
	program_done(&re->utf);
	return regex_vm_get(re) != NULL;
}

/* Sets of characters for the own machine. */

static bool
class_test(const pcre2_code *code, uint32_t rune)
{
	struct thread *thread = thread_get();
	char text[4];
	size_t len = str_utf8_encode(rune, text);

	if (thread->class_data == NULL) {
		thread->class_data = pcre2_match_data_create(1, general);
		assert(thread->class_data != NULL);
	}
	return pcre2_match(code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED, thread->class_data, thread->context) >= 0;
}

bool
regex_class_compile(const struct regex_node *node, struct regex_vm_class *ret)
{
	struct regex_node single = *node;
	struct regex_tree tree = {.root = &single};
	struct program program = {0};

	single.next = NULL;
	if (!program_compile(&program, &tree, true))
		return false;
	*ret = (struct regex_vm_class){.wide = program.code};
	for (uint32_t c = 0; c < 128; c++)
		if (class_test(program.code, c))
			ret->ascii[c / 64] |= UINT64_C(1) << c % 64;
	return true;
}

void
regex_class_done(struct regex_vm_class *class)
{
	pcre2_code_free(class->wide);
}

bool
regex_class_has(const struct regex_vm_class *class, uint32_t rune)
{
	return rune < 128 ? (class->ascii[rune / 64] >> rune % 64 & 1) != 0 : class_test(class->wide, rune);
}

/* The text that Go's callers build around a pattern, so that messages and odd patterns come out the same. */
static struct str
wrapped(struct arena *arena, struct str pattern, unsigned flags, size_t *ret_shift)
{
	char *text;

	*ret_shift = 0;
	if ((flags & (REGEX_ANCHORED | REGEX_FULL)) == 0)
		return arena_str(arena, pattern);
	*ret_shift = (flags & REGEX_ANCHORED) != 0 ? strlen("^(?s:") : strlen("^(?:");
	text = arena_alloc(arena, *ret_shift + pattern.len + 2);
	memcpy(text, (flags & REGEX_ANCHORED) != 0 ? "^(?s:" : "^(?:", *ret_shift);
	if (pattern.len > 0)
		memcpy(text + *ret_shift, pattern.s, pattern.len);
	memcpy(text + *ret_shift + pattern.len, ")$", 2);
	return (struct str){text, *ret_shift + pattern.len + 2};
}

struct regex *
regex_compile(struct arena *arena, struct str pattern, unsigned flags, struct str *ret_error, size_t *ret_offset)
{
	struct arena *scratch;
	struct regex_tree tree;
	struct regex *re = NULL;
	struct str text, error;
	size_t shift, offset;

	(void)pthread_once(&once, global_init);
	text = wrapped(arena, pattern, flags, &shift);
	scratch = arena_new(0);
	if (regex_syntax_parse(scratch, text, &tree, &error, &offset)) {
		re = arena_make(arena, struct regex);
		re->n_groups = tree.groups;
		re->names = arena_array(arena, struct str, tree.groups + 1);
		for (size_t i = 0; i < tree.groups; i++)
			re->names[i + 1] = tree.names.items[i];
		re->text = text;
		arena_defer(arena, regex_done, re);
		if (!regex_make_programs(re, &tree)) {
			re = NULL;
			error = arena_printf(scratch, "error parsing regexp: expression too large: `%.*s`", STR_FMT(text));
			offset = 0;
		}
		vec_done(&tree.names);
	}
	if (re == NULL) {
		*ret_error = arena_str(arena, error);
		offset = offset < shift ? 0 : offset - shift;
		*ret_offset = offset < pattern.len ? offset : pattern.len;
	}
	arena_free(scratch);
	return re;
}

size_t
regex_groups(const struct regex *re)
{
	return re->n_groups;
}

struct str
regex_group_name(const struct regex *re, size_t i)
{
	return i <= re->n_groups ? re->names[i] : STR_EMPTY;
}

/* Matching. */

void
regex_match_done(struct regex_match *m)
{
	struct state *state = m->data;

	if (state != NULL && this_thread != NULL && this_thread->spare == NULL &&
		state->machine.cap + state->mapped.cap + state->bad.cap * sizeof(size_t) <= SPARE_BYTES_MAX)
		this_thread->spare = state;
	else
		state_free(state);
	*m = (struct regex_match){0};
}

static struct state *
state_new(void)
{
	struct thread *thread = thread_get();
	struct state *state = thread->spare;

	thread->spare = NULL;
	if (state == NULL) {
		state = mem_zalloc(sizeof(*state));
		buf_init(&state->machine, SIZE_MAX / 2);
		buf_init(&state->mapped, SIZE_MAX / 2);
	}
	state->subject = STR_EMPTY;
	return state;
}

static struct state *
state_get(struct regex_match *m, size_t pairs)
{
	struct state *state = m->data;

	if (state == NULL) {
		state = m->data = state_new();
		m->cap = state->pairs;
		m->at = state->data != NULL ? pcre2_get_ovector_pointer(state->data) : NULL;
	}
	if (state->pairs < pairs) {
		pcre2_match_data_free(state->data);
		state->data = pcre2_match_data_create((uint32_t)pairs, general);
		assert(state->data != NULL);
		state->pairs = (uint32_t)pairs;
		m->at = pcre2_get_ovector_pointer(state->data);
		m->cap = pairs;
	}
	return state;
}

static bool
is_ascii(struct str s)
{
	uint64_t any = 0, word[8];

	for (; s.len >= sizeof(word); s = (struct str){s.s + sizeof(word), s.len - sizeof(word)}) {
		memcpy(word, s.s, sizeof(word));
		any = word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7];
		if ((any & UINT64_C(0x8080808080808080)) != 0)
			return false;
	}
	for (size_t i = 0; i < s.len; i++)
		any |= (unsigned char)s.s[i];
	return (any & UINT64_C(0x8080808080808080)) == 0;
}

/* Makes the copy in which U+FFFD stands for each bad byte. */
static void
state_map(struct state *state, struct str subject)
{
	uint32_t rune;
	size_t copied = 0, n;

	buf_clear(&state->mapped);
	state->bad.len = 0;
	(void)buf_reserve(&state->mapped, subject.len + 64);
	for (size_t at = 0; at < subject.len; at += n) {
		n = (unsigned char)subject.s[at] < 0x80 ? 1 : str_utf8_decode(str_from_offset(subject, at), &rune);
		if (n > 0)
			continue;
		n = 1;
		(void)buf_append(&state->mapped, subject.s + copied, at - copied);
		(void)buf_append(&state->mapped, "\xef\xbf\xbd", 3);
		vec_push(&state->bad, at);
		copied = at + 1;
	}
	(void)buf_append(&state->mapped, subject.s + copied, subject.len - copied);
}

/* How many bad bytes stand before an offset; `step` is 0 for offsets of the subject, 2 for those of the copy. */
static size_t
bad_before(const struct state *state, size_t offset, size_t step)
{
	size_t low = 0, high = state->bad.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (state->bad.items[middle] + middle * step < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
state_look_at(struct state *state, struct str subject, size_t from)
{
	if (from > 0 && state->subject.s == subject.s && state->subject.len == subject.len)
		return;
	state->subject = subject;
	if (is_ascii(subject)) {
		state->kind = SUBJECT_ASCII;
	} else if (str_utf8_valid(subject)) {
		state->kind = SUBJECT_UTF8;
	} else {
		state->kind = SUBJECT_BROKEN;
		state_map(state, subject);
	}
}

static enum regex_result
run(const struct program *program, struct str subject, size_t from, pcre2_match_data *data)
{
	struct thread *thread = thread_get();
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.s != NULL ? subject.s : "");
	int rc = program->jit ? pcre2_jit_match(program->code, text, subject.len, from, 0, data, thread->context) :
				pcre2_match(program->code, text, subject.len, from, PCRE2_NO_UTF_CHECK, data, thread->context);

	return rc >= 0 ? REGEX_YES : rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_LIMIT;
}

/* Offsets of the copy back into those of the subject. */
static void
unmap(const struct state *state, struct regex_match *m, size_t pairs)
{
	for (size_t i = 0; i < 2 * pairs; i++)
		if (m->at[i] != SIZE_MAX)
			m->at[i] -= 2 * bad_before(state, m->at[i], 2);
}

static enum regex_result
match_programs(const struct regex *re, struct state *state, struct str subject, size_t from, struct regex_match *m, size_t pairs)
{
	enum regex_result result;

	if (re->has_bytes_only) {
		state->subject = STR_EMPTY;
		return run(&re->bytes, subject, from, state->data);
	}
	state_look_at(state, subject, from);
	switch (state->kind) {
	case SUBJECT_ASCII:
		return run(&re->bytes, subject, from, state->data);
	case SUBJECT_UTF8:
		while (from < subject.len && ((unsigned char)subject.s[from] & 0xc0) == 0x80)
			from++;
		return run(&re->utf, subject, from, state->data);
	case SUBJECT_BROKEN:
		break;
	}
	result = run(&re->utf, buf_view(&state->mapped), from + 2 * bad_before(state, from, 0), state->data);
	if (result == REGEX_YES)
		unmap(state, m, pairs);
	return result;
}

static enum regex_result
match(const struct regex *re, struct str subject, size_t from, struct regex_match *m, size_t pairs)
{
	struct state *state = state_get(m, pairs);
	enum regex_result result = REGEX_LIMIT;
	const struct regex_vm *vm;

	m->n = 0;
	if (from > subject.len)
		return REGEX_NO;
	if (re->bytes.code != NULL)
		result = match_programs(re, state, subject, from, m, pairs);
	else
		state->subject = STR_EMPTY;
	if (result == REGEX_LIMIT) {
		vm = regex_vm_get(re);
		if (vm != NULL)
			result = regex_vm_match(vm, subject, from, m->at, pairs, &state->machine);
	}
	if (result == REGEX_YES)
		m->n = pairs;
	return result;
}

enum regex_result
regex_match(const struct regex *re, struct str subject, size_t from, struct regex_match *m)
{
	return match(re, subject, from, m, re->n_groups + 1);
}

enum regex_result
regex_test(const struct regex *re, struct str subject)
{
	return match(re, subject, 0, &thread_get()->test, 1);
}

/* Replacing. */

static size_t
name_length(struct str s)
{
	size_t i = 0, n = 0;
	pcre2_match_data *data;

	while (i < s.len && ((s.s[i] >= '0' && s.s[i] <= '9') || (s.s[i] >= 'a' && s.s[i] <= 'z') ||
				(s.s[i] >= 'A' && s.s[i] <= 'Z') || s.s[i] == '_'))
		i++;
	if (i == s.len || (unsigned char)s.s[i] < 0x80)
		return i;
	data = pcre2_match_data_create(1, general);
	assert(data != NULL);
	if (pcre2_match(name_code, (PCRE2_SPTR)s.s, s.len, 0, 0, data, NULL) >= 0)
		n = pcre2_get_ovector_pointer(data)[1];
	pcre2_match_data_free(data);
	return n;
}

#define GROUP_NUMBER_MAX 100000000 /* as in Go: longer digits are a name */

/* Reads $1, ${1}, $name, ${name} behind the dollar sign. false: the dollar sign is just that. *ret_number is -1 for a name. */
static bool
read_reference(struct str *t, struct str *ret_name, long *ret_number)
{
	bool brace = t->len > 0 && t->s[0] == '{';
	struct str s = str_from_offset(*t, brace);
	size_t n = name_length(s);
	long number = 0;

	if (n == 0 || (brace && (n >= s.len || s.s[n] != '}')))
		return false;
	for (size_t i = 0; i < n && number >= 0; i++)
		number = s.s[i] < '0' || s.s[i] > '9' || number >= GROUP_NUMBER_MAX ? -1 : number * 10 + (s.s[i] - '0');
	if (s.s[0] == '0' && n > 1)
		number = -1;
	*ret_name = str_head(s, n);
	*ret_number = number;
	*t = str_from_offset(s, n + brace);
	return true;
}

static struct str
referred(const struct regex *re, struct str name, long number, struct str subject, const struct regex_match *m)
{
	if (number >= 0)
		return regex_group(m, subject, (size_t)number);
	for (size_t i = 1; i < m->n; i++)
		if (str_eq(re->names[i], name) && m->at[2 * i] != SIZE_MAX)
			return regex_group(m, subject, i);
	return STR_EMPTY;
}

bool
regex_expand(const struct regex *re, struct str replacement, struct str subject, const struct regex_match *m, struct buf *out)
{
	struct str t = replacement, before, after, name;
	long number;

	while (str_cut(t, '$', &before, &after)) {
		(void)buf_str(out, before);
		t = after;
		if (t.len > 0 && t.s[0] == '$') {
			(void)buf_putc(out, '$');
			t = str_from_offset(t, 1);
		} else if (read_reference(&t, &name, &number)) {
			(void)buf_str(out, referred(re, name, number, subject, m));
		} else {
			(void)buf_putc(out, '$');
		}
	}
	(void)buf_str(out, t);
	return !out->overflow;
}

bool
regex_replace_all(const struct regex *re, struct str subject, struct str replacement, struct buf *out)
{
	struct regex_match m = {0};
	size_t last_end = 0, width;
	enum regex_result result = REGEX_NO;
	uint32_t rune;

	for (size_t at = 0; at <= subject.len;) {
		result = regex_match(re, subject, at, &m);
		if (result != REGEX_YES)
			break;
		(void)buf_append(out, subject.s + last_end, m.at[0] - last_end);
		/* An empty match directly behind a match does not count, as in Go. */
		if (m.at[1] > last_end || m.at[0] == 0)
			(void)regex_expand(re, replacement, subject, &m, out);
		last_end = m.at[1];
		width = str_utf8_decode(str_from_offset(subject, at), &rune);
		if (width == 0)
			width = 1;
		at = at + width > m.at[1] ? at + width : m.at[1];
	}
	(void)buf_str(out, str_from_offset(subject, last_end));
	regex_match_done(&m);
	return result != REGEX_LIMIT && !out->overflow;
}
