/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a tree as Go does: all alternatives at once, in order of preference, one step a character, each
 * instruction at most once a position. It is slower than PCRE2 on the usual line, but its time is bounded by
 * program × subject, and loops over what can be empty ((a*)+) end as in Go. Instructions are made from the
 * end backwards, so each knows where it goes on.
 */
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "regex_priv.h"

#define STEPS_MAX 20000000u     /* instructions looked at in one match: a fraction of a second */
#define SLOTS_MAX (1u << 20)    /* capture offsets of all threads: 16 MiB */

enum inst_op { INST_ALT, INST_CAPTURE, INST_ASSERT, INST_RUNE, INST_CLASS, INST_ANY, INST_ANY_NOT_NL, INST_FAIL, INST_MATCH };

struct inst {
	uint8_t op;
	uint8_t assertion; /* enum regex_op */
	uint32_t out;      /* INST_ALT: preferred */
	uint32_t arg;      /* INST_ALT: the other; INST_CAPTURE: slot; INST_RUNE: rune; INST_CLASS: number of the class */
};

struct regex_vm {
	VEC(struct inst) insts;
	VEC(struct regex_vm_class) classes;
	uint32_t start;
	bool full;
};

/* Compiling. */

static uint32_t
add(struct regex_vm *vm, enum inst_op op, uint32_t out, uint32_t arg)
{
	struct inst inst = {.op = (uint8_t)op, .out = out, .arg = arg};

	if (vm->insts.len >= REGEX_VM_INSTS_MAX) {
		vm->full = true;
		return 0;
	}
	vec_push(&vm->insts, inst);
	return (uint32_t)vm->insts.len - 1;
}

/* A choice whose preferred branch is the body, or (lazy) going on. */
static uint32_t
add_choice(struct regex_vm *vm, uint32_t body, uint32_t next, bool lazy)
{
	return lazy ? add(vm, INST_ALT, next, body) : add(vm, INST_ALT, body, next);
}

/* A repetition as Go's simplifier leaves it: (?:a*)* is a*, a{1} is a, a{0} is nothing. */
struct simple {
	enum regex_op op;
	bool lazy;
	const struct regex_node *node; /* what is repeated, or the node itself */
};

static struct simple
simplify(const struct regex_node *node)
{
	struct simple s = {node->op, node->lazy, node->first}, sub;

	if (node->op == REGEX_OP_REPEAT) {
		if (node->max == 0)
			return (struct simple){.op = REGEX_OP_EMPTY};
		if (node->min == 1 && node->max == 1)
			return simplify(node->first);
		if (node->max < 0 && node->min <= 1)
			s.op = node->min == 0 ? REGEX_OP_STAR : REGEX_OP_PLUS;
		else if (node->min == 0 && node->max == 1)
			s.op = REGEX_OP_QUEST;
	}
	if (s.op != REGEX_OP_STAR && s.op != REGEX_OP_PLUS && s.op != REGEX_OP_QUEST)
		return (struct simple){node->op, node->lazy, node};
	sub = simplify(node->first);
	if (sub.op == REGEX_OP_EMPTY || (sub.op == s.op && sub.lazy == s.lazy))
		return sub;
	return s;
}

static uint32_t compile(struct regex_vm *vm, const struct regex_node *node, uint32_t next);

static uint32_t
compile_plus(struct regex_vm *vm, const struct regex_node *sub, bool lazy, uint32_t next)
{
	uint32_t loop = add_choice(vm, 0, next, lazy), body = compile(vm, sub, loop);

	if (vm->full)
		return 0;
	if (lazy)
		vm->insts.items[loop].arg = body;
	else
		vm->insts.items[loop].out = body;
	return body;
}

static uint32_t
compile_star(struct regex_vm *vm, const struct regex_node *sub, bool lazy, uint32_t next)
{
	uint32_t body = (uint32_t)vm->insts.len; /* of the loop, which compile_plus makes first */
	uint32_t start = compile_plus(vm, sub, lazy, next);

	return sub->nullable ? add_choice(vm, start, next, lazy) : body;
}

/* x{2,5} is xx(x(x(x)?)?)?, x{2,} is xx+. */
static uint32_t
compile_repeat(struct regex_vm *vm, const struct regex_node *node, uint32_t next)
{
	const struct regex_node *sub = node->first;
	uint32_t pc = next;
	int copies = node->min;

	if (node->max < 0) {
		pc = compile_plus(vm, sub, node->lazy, next);
		copies--;
	}
	for (int i = node->min; i < node->max && !vm->full; i++)
		pc = add_choice(vm, compile(vm, sub, pc), next, node->lazy);
	for (int i = 0; i < copies && !vm->full; i++)
		pc = compile(vm, sub, pc);
	return pc;
}

static uint32_t
compile_repetition(struct regex_vm *vm, const struct regex_node *node, uint32_t next)
{
	struct simple s = simplify(node);

	switch (s.op) {
	case REGEX_OP_STAR:
		return compile_star(vm, s.node, s.lazy, next);
	case REGEX_OP_PLUS:
		return compile_plus(vm, s.node, s.lazy, next);
	case REGEX_OP_QUEST:
		return add_choice(vm, compile(vm, s.node, next), next, s.lazy);
	case REGEX_OP_EMPTY:
		return next;
	case REGEX_OP_REPEAT:
		return compile_repeat(vm, s.node, next);
	default:
		return compile(vm, s.node, next);
	}
}

static uint32_t
compile_sequence(struct regex_vm *vm, const struct regex_node *node, uint32_t next)
{
	VEC(const struct regex_node *) parts = {0};
	uint32_t pc = next;

	for (const struct regex_node *part = node->first; part != NULL; part = part->next)
		vec_push(&parts, part);
	for (size_t i = parts.len; i-- > 0 && !vm->full;)
		pc = compile(vm, parts.items[i], pc);
	vec_done(&parts);
	return pc;
}

static uint32_t
compile_alternatives(struct regex_vm *vm, const struct regex_node *node, uint32_t next)
{
	uint32_t pc = compile(vm, node->first, next);

	for (const struct regex_node *part = node->first->next; part != NULL && !vm->full; part = part->next)
		pc = add(vm, INST_ALT, pc, compile(vm, part, next));
	return pc;
}

static uint32_t
compile_class(struct regex_vm *vm, const struct regex_node *node, uint32_t next)
{
	struct regex_vm_class class;

	if (vm->full || !regex_class_compile(node, &class)) {
		vm->full = true;
		return 0;
	}
	vec_push(&vm->classes, class);
	return add(vm, INST_CLASS, next, (uint32_t)vm->classes.len - 1);
}

/* Makes the instructions of a node that goes on at `next`; where they start. Recursion: height of the tree. */
static uint32_t
compile(struct regex_vm *vm, const struct regex_node *node, uint32_t next)
{
	uint32_t pc;

	if (vm->full)
		return 0;
	switch (node->op) {
	case REGEX_OP_EMPTY:
		return next;
	case REGEX_OP_LITERAL:
		return node->fold ? compile_class(vm, node, next) : add(vm, INST_RUNE, next, node->rune);
	case REGEX_OP_CLASS:
		return compile_class(vm, node, next);
	case REGEX_OP_ANY:
		return add(vm, INST_ANY, next, 0);
	case REGEX_OP_ANY_NOT_NL:
		return add(vm, INST_ANY_NOT_NL, next, 0);
	case REGEX_OP_CAPTURE:
		pc = add(vm, INST_CAPTURE, next, (uint32_t)(2 * node->capture + 1));
		pc = compile(vm, node->first, pc);
		return add(vm, INST_CAPTURE, pc, (uint32_t)(2 * node->capture));
	case REGEX_OP_STAR:
	case REGEX_OP_PLUS:
	case REGEX_OP_QUEST:
	case REGEX_OP_REPEAT:
		return compile_repetition(vm, node, next);
	case REGEX_OP_CONCAT:
		return compile_sequence(vm, node, next);
	case REGEX_OP_ALTERNATE:
		return compile_alternatives(vm, node, next);
	default:
		pc = add(vm, INST_ASSERT, next, 0);
		if (!vm->full)
			vm->insts.items[pc].assertion = (uint8_t)node->op;
		return pc;
	}
}

struct regex_vm *
regex_vm_new(const struct regex_node *root)
{
	struct regex_vm *vm = mem_zalloc(sizeof(*vm));

	vm->start = compile(vm, root, add(vm, INST_MATCH, 0, 0));
	if (!vm->full)
		return vm;
	regex_vm_free(vm);
	return NULL;
}

void
regex_vm_free(struct regex_vm *vm)
{
	if (vm == NULL)
		return;
	for (size_t i = 0; i < vm->classes.len; i++)
		regex_class_done(&vm->classes.items[i]);
	vec_done(&vm->classes);
	vec_done(&vm->insts);
	mem_free(vm);
}

/* Running. */

struct threads { /* in order of preference, each instruction once */
	uint32_t n;
	uint32_t *pcs;
	size_t *slots; /* n_slots of each thread */
};

struct pending { /* what is still to be added */
	uint32_t pc; /* or, when restore: the slot to be set back */
	bool restore;
	size_t old;
};

struct run {
	const struct regex_vm *vm;
	struct str subject;
	size_t n_slots;
	uint32_t *where; /* of each instruction in the list being filled: valid when pcs there says so */
	struct pending *pending;
	struct threads now, next;
	size_t *slots; /* of the thread being added */
	size_t *best; /* of the match found */
	bool matched;
	uint64_t steps;
};

static bool
is_word(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Only ASCII neighbours matter. */
static bool
holds(struct str s, size_t at, enum regex_op assertion)
{
	uint32_t before = at > 0 ? (unsigned char)s.s[at - 1] : 0x80, behind = at < s.len ? (unsigned char)s.s[at] : 0x80;

	switch (assertion) {
	case REGEX_OP_BEGIN_LINE:
		return at == 0 || before == '\n';
	case REGEX_OP_END_LINE:
		return at == s.len || behind == '\n';
	case REGEX_OP_BEGIN_TEXT:
		return at == 0;
	case REGEX_OP_END_TEXT:
		return at == s.len;
	case REGEX_OP_WORD_BOUNDARY:
		return is_word(before) != is_word(behind);
	default:
		return is_word(before) == is_word(behind);
	}
}

static bool
is_listed(const struct run *run, const struct threads *list, uint32_t pc)
{
	return run->where[pc] < list->n && list->pcs[run->where[pc]] == pc;
}

/* Adds the thread at pc, and all that it reaches without a character, with the captures in run->slots. */
static void
follow(struct run *run, struct threads *list, uint32_t start, size_t at)
{
	size_t n = 0;

	run->pending[n++] = (struct pending){.pc = start};
	while (n > 0) {
		struct pending p = run->pending[--n];
		const struct inst *inst;

		if (p.restore) {
			run->slots[p.pc] = p.old;
			continue;
		}
		if (is_listed(run, list, p.pc))
			continue;
		run->steps++;
		run->where[p.pc] = list->n;
		list->pcs[list->n] = p.pc;
		inst = &run->vm->insts.items[p.pc];
		if (inst->op > INST_ASSERT)
			memcpy(list->slots + list->n * run->n_slots, run->slots, run->n_slots * sizeof(size_t));
		list->n++;
		if (inst->op == INST_ALT) {
			run->pending[n++] = (struct pending){.pc = inst->arg};
			run->pending[n++] = (struct pending){.pc = inst->out};
		} else if (inst->op == INST_CAPTURE) {
			if (inst->arg < run->n_slots) {
				run->pending[n++] = (struct pending){.pc = inst->arg, .restore = true, .old = run->slots[inst->arg]};
				run->slots[inst->arg] = at;
			}
			run->pending[n++] = (struct pending){.pc = inst->out};
		} else if (inst->op == INST_ASSERT && holds(run->subject, at, inst->assertion)) {
			run->pending[n++] = (struct pending){.pc = inst->out};
		}
	}
}

static bool
accepts(const struct regex_vm *vm, const struct inst *inst, uint32_t rune)
{
	switch (inst->op) {
	case INST_RUNE:
		return inst->arg == rune;
	case INST_ANY:
		return true;
	case INST_ANY_NOT_NL:
		return rune != '\n';
	case INST_CLASS:
		return regex_class_has(&vm->classes.items[inst->arg], rune);
	default:
		return false;
	}
}

/* One character, `width` bytes at `at` (0 at the end); a match ends what is less preferred. */
static void
step(struct run *run, size_t at, size_t width, uint32_t rune)
{
	run->next.n = 0;
	for (uint32_t i = 0; i < run->now.n; i++) {
		const struct inst *inst = &run->vm->insts.items[run->now.pcs[i]];
		const size_t *slots = run->now.slots + i * run->n_slots;

		if (inst->op == INST_MATCH) {
			memcpy(run->best, slots, run->n_slots * sizeof(size_t));
			run->best[1] = at;
			run->matched = true;
			return;
		}
		if (width > 0 && accepts(run->vm, inst, rune)) {
			memcpy(run->slots, slots, run->n_slots * sizeof(size_t));
			follow(run, &run->next, inst->out, at + width);
		}
	}
}

static enum regex_result
search(struct run *run, size_t from)
{
	size_t width;

	for (size_t at = from;; at += width) {
		struct threads list;
		uint32_t rune = 0;

		if (run->now.n == 0 && run->matched)
			break;
		if (!run->matched) { /* another start, less preferred than all that run */
			for (size_t i = 0; i < run->n_slots; i++)
				run->slots[i] = SIZE_MAX;
			run->slots[0] = at;
			/* The list that was filled last is run->now, so `where` speaks of it. */
			follow(run, &run->now, run->vm->start, at);
		}
		width = 0;
		if (at < run->subject.len) {
			width = str_utf8_decode(str_from_offset(run->subject, at), &rune);
			if (width == 0) {
				rune = 0xfffd;
				width = 1;
			}
		}
		step(run, at, width, rune);
		list = run->now;
		run->now = run->next;
		run->next = list;
		if (width == 0)
			break;
		if (run->steps > STEPS_MAX)
			return REGEX_LIMIT;
	}
	return run->matched ? REGEX_YES : REGEX_NO;
}

static void *
carve(char **at, size_t bytes)
{
	void *part = *at;

	*at += (bytes + 15) & ~(size_t)15;
	return part;
}

enum regex_result
regex_vm_match(const struct regex_vm *vm, struct str subject, size_t from, size_t *ret_slots, size_t pairs, struct buf *memory)
{
	size_t n = vm->insts.len, n_slots = 2 * pairs;
	size_t lists = n * n_slots * sizeof(size_t), bytes;
	struct run run = {.vm = vm, .subject = subject, .n_slots = n_slots, .best = ret_slots};
	char *at;

	if (n * n_slots > SLOTS_MAX)
		return REGEX_LIMIT;
	bytes = 3 * (n * sizeof(uint32_t)) + (2 * n + 2) * sizeof(struct pending) + 2 * lists + n_slots * sizeof(size_t) + 128;
	buf_clear(memory);
	assert(buf_reserve(memory, bytes));
	at = memory->data;
	run.slots = carve(&at, n_slots * sizeof(size_t));
	run.now.slots = carve(&at, lists);
	run.next.slots = carve(&at, lists);
	run.pending = carve(&at, (2 * n + 2) * sizeof(struct pending));
	run.where = carve(&at, n * sizeof(uint32_t));
	run.now.pcs = carve(&at, n * sizeof(uint32_t));
	run.next.pcs = carve(&at, n * sizeof(uint32_t));
	memset(run.where, 0, n * sizeof(uint32_t)); /* any value would do, if it were defined */
	return search(&run, from);
}
