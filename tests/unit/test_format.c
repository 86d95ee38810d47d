/* SPDX-License-Identifier: Apache-2.0 */
#include "lang_fixture.h"

#include <glob.h>
#include <string.h>

#include "longship/lang/format.h"
#include "longship/lang/lex.h"

/* The layout of each construct; formatting twice changes nothing; no token is lost, added or changed. */

static void
formats(const char *text, const char *want)
{
	struct buf out;
	struct lang l;

	lang_init(&l, "", text, NULL);
	buf_init(&out, 1 << 20);
	if (!format_file(l.arena, &l.source, 1, &l.diags, &out))
		fail_msg("%s: %s", text, lang_first(&l));
	assert_str(buf_view(&out), want);
	buf_done(&out);
	lang_done(&l);
}

static void
test_format__attributes(void **state)
{
	(void)state;
	formats("", "\n");
	formats("a=1", "a = 1\n");
	formats("a=1\nlong_name =2 // x\nb= 3 // y\n\nc =4", "a         = 1\nlong_name = 2 // x\nb         = 3 // y\n\nc = 4\n");
	formats("a = [\n1,\n]\nbb = 2\nccc = 3\n", "a = [\n\t1,\n]\nbb  = 2\nccc = 3\n");
	formats("a = 1\nbbb = [\n1,\n]\n", "a   = 1\nbbb = [\n\t1,\n]\n");
	formats("a = 1\n\n\n\nb = 2", "a = 1\n\nb = 2\n");
	formats("a=1+2*-3^!b.c [ 0 ](x,y , z)", "a = 1 + 2 * -3 ^ !b.c[0](x, y, z)\n");
	formats("a = (1+2) / 1 .x", "a = (1 + 2) / 1 .x\n");
}

static void
test_format__blocks(void **state)
{
	(void)state;
	formats("a{}", "a { }\n");
	formats("a \"\" {}\nb \"l\" {\n\n\n}", "a { }\n\nb \"l\" { }\n");
	formats("a.b \"l\" {x=1\ny { z = 2 }\n}\nc { }", "a.b \"l\" {\n\tx = 1\n\n\ty {\n\t\tz = 2\n\t}\n}\n\nc { }\n");
	formats("a { }\nb = 1", "a { }\nb = 1\n");
	formats("a {\n}\nbbb = 1", "a { }\nbbb = 1\n");
}

static void
test_format__lists(void **state)
{
	(void)state;
	formats("a = [1,2 ,3]", "a = [1, 2, 3]\n");
	formats("a = [1,\n2,\n]", "a = [1,\n\t2,\n]\n");
	formats("a = {x=1,yy = 2}", "a = {x = 1, yy = 2}\n");
	formats("a = {\nx=1,\n\"y y\"=2,\nz={\nq=1,\n},\n}",
		"a = {\n\tx     = 1,\n\t\"y y\" = 2,\n\tz     = {\n\t\tq = 1,\n\t},\n}\n");
	formats("a = f({\nx=1,\n},2)", "a = f({\n\tx = 1,\n}, 2)\n");
	formats("a = { \"x\\ty\" = 1 }", "a = {\"x\\ty\" = 1}\n");
}

static void
test_format__comments_and_literals(void **state)
{
	(void)state;
	formats("// only\n\n\n\n// two", "// only\n\n// two\n");
	formats("a { // one\n// two\nb = 1 /* three */\n// four\n}\n/* five */",
		"a { // one\n\t// two\n\tb = 1 /* three */\n\t// four\n}\n/* five */\n");
	formats("a = [ // x\n1, // y\n// z\n]", "a = [ // x\n\t1, // y\n\t// z\n]\n");
	formats("a = f(1, // x\n)", "a = f(1, // x\n)\n");
	formats("a = `x\t\n  y  ` // z\nbb = \"\t\"", "a = `x\t\n  y  ` // z\nbb = \"\t\"\n");
	formats("a = 1 // x  \r\nb = 2\r\n", "a = 1 // x  \nb = 2\n");
}

/* The tokens without what formatting may change: line ends, commas before closing brackets, empty labels. */
static void
list_tokens(struct str text, struct buf *out)
{
	struct lexer lexer;
	struct token t;
	bool comma = false;

	lex_init(&lexer, text, 1, NULL);
	while ((t = lex_next(&lexer)).kind != TOKEN_EOF) {
		if (t.kind == TOKEN_TERMINATOR || t.kind == TOKEN_COMMENT || str_is(t.text, "\"\""))
			continue;
		if (comma && t.kind != TOKEN_RBRACK && t.kind != TOKEN_RPAREN && t.kind != TOKEN_RCURLY)
			buf_z(out, ",\n");
		comma = t.kind == TOKEN_COMMA;
		if (!comma) {
			buf_str(out, t.text);
			buf_putc(out, '\n');
		}
	}
	buf_putc(out, '\0');
}

static void
check_file(const char *path)
{
	struct buf once, twice, before, after;
	struct lang l;

	lang_init(&l, "", "", NULL);
	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	source_init(&l.source, l.arena);
	assert_true(source_load(&l.source, path, &l.diags));
	if (format_file(l.arena, &l.source, 1, &l.diags, &once)) {
		source_add(&l.source, STR_EMPTY, buf_view(&once));
		assert_true(format_file(l.arena, &l.source, 2, &l.diags, &twice));
		assert_true(str_eq(buf_view(&once), buf_view(&twice)));
		list_tokens(l.source.files[0].text, &before);
		list_tokens(l.source.files[1].text, &after);
		assert_string_equal(before.data, after.data);
	}
	buf_done(&once);
	buf_done(&twice);
	buf_done(&before);
	buf_done(&after);
	lang_done(&l);
}

static void
test_format__keeps_every_token(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob("tests/lang/*.alloy", 0, NULL, &files), 0);
	(void)glob("tests/fuzz/corpus/lang/*", GLOB_APPEND, NULL, &files);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_file(files.gl_pathv[i]);
	globfree(&files);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format__attributes),
		cmocka_unit_test(test_format__blocks),
		cmocka_unit_test(test_format__lists),
		cmocka_unit_test(test_format__comments_and_literals),
		cmocka_unit_test(test_format__keeps_every_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
