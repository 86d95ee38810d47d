/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/app/commands.h"
#include "longship/base/buf.h"
#include "longship/base/limits.h"
#include "longship/lang/eval.h"
#include "longship/lang/parse.h"

/* longship eval EXPR: the value as one line of JSON. Only the standard library is in scope. */

static const char usage[] = "Usage: longship eval EXPR\n"
			    "\n"
			    "Prints the value of an expression of the configuration language as JSON.\n"
			    "Components are not in scope, the standard library is.\n"
			    "\n"
			    "  -h, --help   print this text\n";

static bool
evaluate(struct arena *arena, const char *text, struct diags *diags, struct source *source, struct value *ret)
{
	struct eval_env env = {.module_path = "."};
	uint32_t file = source_add(source, STR_EMPTY, str_from(text));
	struct expr *e = parse_expression(arena, source, file, diags);

	return e != NULL && eval_expr(e, &env, arena, diags, ret);
}

static int
run(const char *text)
{
	struct arena *arena = arena_new(0);
	struct source source;
	struct diags diags;
	struct value value;
	struct buf out;
	bool ok;

	source_init(&source, arena);
	diags_init(&diags, arena, &source);
	buf_init(&out, 8 * (size_t)CONFIG_VALUE_BYTES_MAX);
	ok = evaluate(arena, text, &diags, &source, &value);
	if (ok) {
		value_to_json(&value, &out, false);
		buf_putc(&out, '\n');
		ok = !out.overflow && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	}
	diags_print(&diags, stderr, isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL);
	buf_done(&out);
	diags_done(&diags);
	arena_free(arena);
	return ok ? 0 : 1;
}

int
cmd_eval(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c;

	/* An expression may start with a minus sign: what looks like an option is one only if we know it. */
	if (argc == 2 && strcmp(argv[1], "-h") != 0 && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "--") != 0)
		return run(argv[1]);
	optind = 0;
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		fputs(usage, stderr);
		return 2;
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return 2;
	}
	return run(argv[optind]);
}
