/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A configuration text with what is needed to parse, evaluate and decode it, for the tests of src/lang. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/mem.h"
#include "longship/lang/eval.h"
#include "longship/lang/parse.h"

struct variable {
	const char *name;
	struct value value;
};

struct lang {
	struct arena *arena;
	struct source source;
	struct diags diags;
	const struct variable *scope; /* ends with a NULL name */
	struct eval_env env;
	char *printed; /* of lang_errors */
};

static const struct value *
lang_resolve(void *ptr, const struct str *parts, size_t n, size_t *ret_used)
{
	struct lang *l = ptr;

	(void)n;
	*ret_used = 1;
	for (const struct variable *v = l->scope; v != NULL && v->name != NULL; v++)
		if (str_is(parts[0], v->name))
			return &v->value;
	return NULL;
}

static __attribute__((unused)) void
lang_init(struct lang *l, const char *file, const char *text, const struct variable *scope)
{
	*l = (struct lang){.arena = arena_new(0), .scope = scope};
	source_init(&l->source, l->arena);
	source_add(&l->source, str_from(file), str_from(text));
	diags_init(&l->diags, l->arena, &l->source);
	l->env = (struct eval_env){.ptr = l, .resolve = scope != NULL ? lang_resolve : NULL, .module_path = "/etc/x"};
}

static __attribute__((unused)) void
lang_done(struct lang *l)
{
	diags_done(&l->diags);
	arena_free(l->arena);
	free(l->printed);
}

/* What diags_print writes. */
static __attribute__((unused)) const char *
lang_errors(struct lang *l)
{
	size_t size;
	FILE *f;

	free(l->printed);
	f = open_memstream(&l->printed, &size);
	diags_print(&l->diags, f, false);
	fclose(f);
	return l->printed;
}

/* The first error as one line. */
static __attribute__((unused)) const char *
lang_first(struct lang *l)
{
	struct buf out;
	const char *z;

	buf_init(&out, 1 << 20);
	diags_summary(&l->diags, &out);
	z = arena_z(l->arena, buf_view(&out));
	buf_done(&out);
	return z;
}

static __attribute__((unused)) void
check_str(struct str s, const char *want, const char *file, int line)
{
	char *got = strndup(s.len > 0 ? s.s : "", s.len);

	_assert_string_equal(got, want, file, line);
	free(got);
}

#define assert_str(got, want) check_str((got), (want), __FILE__, __LINE__)
