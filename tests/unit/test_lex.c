/* SPDX-License-Identifier: Apache-2.0 */
#include "lang_fixture.h"

#include "longship/lang/lex.h"

/* Tokens: kinds, inserted terminators, comments, errors with their offsets. */

static void
tokens(const char *text, const char *want)
{
	struct arena *arena = arena_new(0);
	struct lexer lexer;
	struct token t;
	struct buf got;

	buf_init(&got, 1 << 20);
	lex_init(&lexer, str_from(text), 1, NULL);
	do {
		t = lex_next(&lexer);
		buf_printf(&got, "%s%s", got.len > 0 ? " " : "", lex_token_name(t.kind));
	} while (t.kind != TOKEN_EOF);
	assert_str(buf_view(&got), want);
	assert_int_equal(lexer.n_errors, 0);
	buf_done(&got);
	arena_free(arena);
}

static void
fails_at(struct str text, uint32_t off, const char *error)
{
	struct arena *arena = arena_new(0);
	struct diags diags;
	struct lexer lexer;

	diags_init(&diags, arena, NULL);
	lex_init(&lexer, text, 1, &diags);
	while (lex_next(&lexer).kind != TOKEN_EOF)
		;
	assert_true(diags.n > 0);
	assert_str(diags.items[0].text, error);
	assert_int_equal(diags.items[0].pos.off, off);
	diags_done(&diags);
	arena_free(arena);
}

static void
test_lex__kinds(void **state)
{
	(void)state;
	tokens("", "EOF");
	tokens("abc _x1 true null 12 1.5 .5 5. 1e3 \"s\" `r`",
		"IDENT IDENT BOOL NULL NUMBER FLOAT FLOAT FLOAT FLOAT STRING STRING TERMINATOR EOF");
	tokens("|| && ! = == != < <= > >= + - * / % ^ { ( [ , .", "|| && ! = == != < <= > >= + - * / % ^ { ( [ , . EOF");
	tokens("0x1F", "NUMBER IDENT TERMINATOR EOF");
	tokens("a.b", "IDENT . IDENT TERMINATOR EOF");
	tokens("\xce\xb1\xd9\xa3", "IDENT TERMINATOR EOF");
}

static void
test_lex__terminators(void **state)
{
	(void)state;
	tokens("a\n\n\nb", "IDENT TERMINATOR IDENT TERMINATOR EOF");
	tokens("a +\nb", "IDENT + IDENT TERMINATOR EOF");
	tokens("a // c\nb", "IDENT TERMINATOR COMMENT IDENT TERMINATOR EOF");
	tokens("a /* c */\nb", "IDENT TERMINATOR COMMENT IDENT TERMINATOR EOF");
	tokens("a /* c\n */ b", "IDENT TERMINATOR COMMENT IDENT TERMINATOR EOF");
	tokens("a /* c */ /* d */ // e\nb", "IDENT TERMINATOR COMMENT COMMENT COMMENT IDENT TERMINATOR EOF");
	tokens("a /* c */ b", "IDENT COMMENT IDENT TERMINATOR EOF");
	tokens("}\n)\n]\n", "} TERMINATOR ) TERMINATOR ] TERMINATOR EOF");
	tokens("{\n(\n[\n", "{ ( [ EOF");
	tokens("a\r\nb", "IDENT TERMINATOR IDENT TERMINATOR EOF");
}

static void
test_lex__errors(void **state)
{
	(void)state;
	fails_at(STR("\x07"), 0, "illegal character U+0007");
	fails_at(STR("a \xe2\x80\xa6"), 2, "illegal character U+2026 '\xe2\x80\xa6'");
	fails_at(STR("'x'"), 0, "illegal single-quoted string; use double quotes");
	fails_at(STR("\"abc"), 0, "string literal not terminated");
	fails_at(STR("\"abc\n"), 0, "string literal not terminated");
	fails_at(STR("`abc\n"), 0, "string literal not terminated");
	fails_at(STR("\"abc\0def\""), 4, "illegal character NUL");
	fails_at(STR("//\xef\xbb\xbf"), 2, "illegal byte order mark");
	fails_at(STR("\"ab\x80\""), 3, "illegal UTF-8 encoding");
	fails_at(STR("10E"), 0, "exponent has no digits");
	fails_at(STR("\"\\q\""), 2, "unknown escape sequence");
	fails_at(STR("\"\\'\""), 2, "unknown escape sequence");
	fails_at(STR("\"\\400\""), 2, "escape sequence is invalid Unicode code point");
	fails_at(STR("\"\\xg0\""), 2, "illegal character U+0067 'g' in escape sequence");
	fails_at(STR("\"\\u12"), 2, "escape sequence not terminated");
	fails_at(STR("\"\\"), 2, "escape sequence not terminated");
	fails_at(STR("\"\\udfff\""), 2, "escape sequence is invalid Unicode code point");
	fails_at(STR("a & b"), 3, "missing second & in &&");
	fails_at(STR("/* x"), 0, "block comment not terminated");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lex__kinds),
		cmocka_unit_test(test_lex__terminators),
		cmocka_unit_test(test_lex__errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
