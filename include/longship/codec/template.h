/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Go's text/template with the functions that Alloy's stages give it: Go's own, sprig's pure ones, and
 * ToLower ToUpper Replace Trim* Hash Sha2Hash regexReplaceAll regexReplaceAllLiteral. A template is compiled once
 * and immutable; a run (the memory of executions) belongs to one thread. What depends on chance, keys, the
 * environment or the network does not compile; "now" is given by the caller. Every execution is bounded in steps,
 * memory and output (TEMPLATE_* in base/limits.h): beyond them it fails like an error of the template.
 *
 *	const struct template *t = template_compile(arena, STR("{{ .Value | ToUpper }}"), &error);
 *	struct template_run *run = template_run_new();
 *	if (template_execute(run, t, &data, &text)) …
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

struct template;
struct template_run;

/* What "." is: a map of strings, asked for one name at a time, or for all when the template uses it as a whole. */
struct template_data {
	/* The value of template_name(t, number); false: the map has no such key. */
	bool (*get)(void *ptr, size_t number, struct str *ret);
	/* Calls add for each key, each once. */
	void (*each)(void *ptr, void (*add)(void *to, struct str name, struct str value), void *to);
	void *ptr;
	int64_t now_ns; /* of {{ now }} */
	bool strings;	/* it is a map[string]string, not a map[string]interface {} */
};

/* Lives in the arena. NULL with Go's message: "template: pipeline_template:1: unexpected EOF". */
const struct template *template_compile(struct arena *, struct str text, struct str *ret_error);
/* The names of fields that the template asks "." for, numbered from 0. */
size_t template_names(const struct template *);
struct str template_name(const struct template *, size_t number);

/* A thread keeps the memory of the last one that it freed: used again and again it allocates nothing. */
struct template_run *template_run_new(void);
void template_run_free(struct template_run *); /* NULL is fine */
/* The text is borrowed until the next execution. False: an error of execution in Go's sense, or a limit. */
bool template_execute(struct template_run *, const struct template *, const struct template_data *, struct str *ret);
/* Why the last execution failed; borrowed likewise. */
struct str template_error(const struct template_run *);
