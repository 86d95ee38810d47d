/* SPDX-License-Identifier: Apache-2.0 */
#include "lang_fixture.h"

#include <glob.h>
#include <string.h>

#include "longship/base/limits.h"

/*
 * The parser, and the corpus tests/lang: "// expect: JSON" behind an attribute gives its value, "// error L:C: text"
 * lines give all errors of the file, of parsing or, where it parses, of evaluating its attributes.
 */

static bool
parses(const char *text, const char *error)
{
	struct lang l;
	bool ok;

	lang_init(&l, "", text, NULL);
	ok = parse_file(l.arena, &l.source, 1, &l.diags) != NULL;
	assert_int_equal(ok, l.diags.n_errors == 0);
	if (error != NULL)
		assert_string_equal(lang_first(&l), error);
	else if (!ok)
		fail_msg("%s: %s", text, lang_first(&l));
	lang_done(&l);
	return ok;
}

static void
test_parse__statements(void **state)
{
	(void)state;
	parses("", NULL);
	parses("// nothing", NULL);
	parses("a = 1", NULL);
	parses("blk { a = 1 }", NULL);
	parses("blk { a = [\n1,\n] }\nblk \"\" { }", NULL);
	parses("a = b.\n c\nd = 1 +\n2\n", NULL);
	parses("a = 1 b = 2", "1:7: expected TERMINATOR, got IDENT");
	parses("a = b\n .c", "2:2: expected identifier, got .");
	parses("a = [\n1\n]", "2:2: missing ',' in expression list");
	parses("a = f(1\n)", "1:8: missing ',' in expression list");
	parses("true = 1", "1:1: expected identifier, got BOOL");
	parses("a \"x\" = 1", "1:3: attribute names may not have labels");
	parses("a `x` { }", "1:3: expected block label to be a double quoted string, but got \"`x`\"");
	parses("a {", "1:4: expected }, got EOF");
	parses("a = 0x1F", "1:6: expected TERMINATOR, got IDENT");
	parses("a = { b: 1 }", "1:8: illegal character U+003A ':' (and 1 more diagnostics)");
}

static void
test_parse__tree(void **state)
{
	struct lang l;
	struct body *body;
	struct block *block;
	struct expr *e;

	(void)state;
	lang_init(&l, "", "loki.write \"w\" {\n  x = a.b + [1, -2][0] * f(3)\n}\n", NULL);
	body = parse_file(l.arena, &l.source, 1, &l.diags);
	assert_non_null(body);
	block = body->stmts[0].block;
	assert_str(block->name, "loki.write");
	assert_str(block->label, "w");
	assert_str(source_text(&l.source, block->name_pos), "loki.write");
	assert_str(source_text(&l.source, block->label_pos), "\"w\"");
	assert_int_equal(block->pos.len, l.source.files[0].text.len - 1);
	e = block->body->stmts[0].attr->expr;
	assert_int_equal(e->kind, EXPR_BINARY);
	assert_int_equal(e->binary.op, OP_ADD);
	assert_str(source_text(&l.source, e->pos), "a.b + [1, -2][0] * f(3)");
	assert_str(source_text(&l.source, e->binary.right->binary.left->pos), "[1, -2][0]");
	assert_str(source_text(&l.source, e->binary.right->binary.right->pos), "f(3)");
	lang_done(&l);
}

/* Nesting and height have limits, and an error where they end. */
static void
test_parse__limits(void **state)
{
	static const struct {
		const char *head, *repeated, *tail;
		size_t n;
		bool ok;
	} cases[] = {
		{"a = ", "[", "", 100000, false},
		{"a = ", "(", "", 100000, false},
		{"a = ", "-", "1", 100000, false},
		{"a = ", "1 ^ ", "1", 100000, false},
		{"a = ", "{ x = ", "", 100000, false},
		{"", "b {\n", "", 100000, false},
		{"a = 1", " + 1", "", 100000, false},
		{"a = b", ".c", "", 100000, false},
		{"a = b", "[0]", "", 100000, false},
		{"a = b ", "{ c = d ", "", 100000, false},
		{"a = 1", " + 1", "", CONFIG_EXPR_HEIGHT_MAX - 1, true},
		{"a = ", "-", "1", CONFIG_NESTING_MAX - 2, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf text;

		buf_init(&text, 1 << 20);
		buf_z(&text, cases[i].head);
		for (size_t k = 0; k < cases[i].n; k++)
			buf_z(&text, cases[i].repeated);
		buf_z(&text, cases[i].tail);
		buf_putc(&text, '\0');
		if (cases[i].ok) {
			parses(text.data, NULL);
		} else {
			struct lang l;

			lang_init(&l, "", text.data, NULL);
			assert_null(parse_file(l.arena, &l.source, 1, &l.diags));
			lang_done(&l);
		}
		buf_done(&text);
	}
}

static void
test_parse__identifiers(void **state)
{
	(void)state;
	assert_true(parse_is_identifier(STR("a_1")));
	assert_true(parse_is_identifier(STR("\xc3\xa9t\xc3\xa9")));
	assert_false(parse_is_identifier(STR("")));
	assert_false(parse_is_identifier(STR("1a")));
	assert_false(parse_is_identifier(STR("a-b")));
	assert_false(parse_is_identifier(STR("true")));
	assert_false(parse_is_identifier(STR(" a")));
}

/* The text behind a mark on each line that has it, one a line. */
static void
collect(struct str text, const char *mark, struct buf *out)
{
	struct str line, rest = text;

	while (rest.len > 0) {
		ptrdiff_t at;

		(void)str_cut(rest, '\n', &line, &rest);
		at = str_find(line, str_from(mark));
		if (at >= 0) {
			buf_str(out, str_from_offset(line, (size_t)at + strlen(mark)));
			buf_putc(out, '\n');
		}
	}
}

/* The value of each attribute whose line expects one. */
static void
evaluate(struct lang *l, const struct body *body, struct buf *out)
{
	for (size_t i = 0; i < body->n; i++) {
		struct attr *attr = body->stmts[i].attr;
		struct str line;
		struct value v;

		if (attr == NULL) {
			evaluate(l, body->stmts[i].block->body, out);
			continue;
		}
		if (!eval_expr(attr->expr, &l->env, l->arena, &l->diags, &v))
			continue;
		line = str_from_offset(l->source.files[0].text, attr->pos.off + attr->pos.len);
		(void)str_cut(line, '\n', &line, &(struct str){0});
		if (str_find(line, STR("// expect: ")) < 0)
			continue;
		value_to_json(&v, out, false);
		buf_putc(out, '\n');
	}
}

static void
list_errors(struct lang *l, struct buf *out)
{
	for (size_t i = 0; i < l->diags.n; i++) {
		uint32_t line, col;

		source_line_col(&l->source, l->diags.items[i].pos, &line, &col);
		buf_printf(out, "%u:%u: %.*s\n", line, col, STR_FMT(l->diags.items[i].text));
	}
}

static void
check_corpus_file(const char *path)
{
	struct buf want_errors, errors, want, got;
	struct body *body;
	struct lang l;

	buf_init(&want_errors, 1 << 20);
	buf_init(&errors, 1 << 20);
	buf_init(&want, 1 << 20);
	buf_init(&got, 1 << 20);
	lang_init(&l, "", "", NULL);
	source_init(&l.source, l.arena);
	assert_true(source_load(&l.source, path, &l.diags));
	collect(l.source.files[0].text, "// error ", &want_errors);
	collect(l.source.files[0].text, "// expect: ", &want);
	body = parse_file(l.arena, &l.source, 1, &l.diags);
	if (body != NULL)
		evaluate(&l, body, &got);
	list_errors(&l, &errors);
	buf_putc(&errors, '\0');
	buf_putc(&want_errors, '\0');
	print_message("%s\n", path);
	assert_string_equal(errors.data, want_errors.data);
	if (body != NULL) {
		buf_putc(&want, '\0');
		buf_putc(&got, '\0');
		assert_string_equal(got.data, want.data);
	}
	buf_done(&want_errors);
	buf_done(&errors);
	buf_done(&want);
	buf_done(&got);
	lang_done(&l);
}

static void
test_parse__corpus(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/lang/*.alloy", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_corpus_file(files.gl_pathv[i]);
	globfree(&files);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__statements),
		cmocka_unit_test(test_parse__tree),
		cmocka_unit_test(test_parse__limits),
		cmocka_unit_test(test_parse__identifiers),
		cmocka_unit_test(test_parse__corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
