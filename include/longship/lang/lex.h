/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tokens of the configuration language. The lexer inserts a TERMINATOR
 * where a statement may end (at a line's end after a name, a literal or a closing bracket) and gives comments
 * as tokens. Lexical errors go to diags and the lexer goes on.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/lang/diag.h"
#include "longship/lang/source.h"

enum token_kind {
	TOKEN_ILLEGAL,
	TOKEN_EOF,
	TOKEN_COMMENT,
	TOKEN_TERMINATOR,
	TOKEN_IDENT,
	TOKEN_NUMBER,
	TOKEN_FLOAT,
	TOKEN_STRING, /* text includes the quotes */
	TOKEN_BOOL,
	TOKEN_NULL,
	TOKEN_OR,
	TOKEN_AND,
	TOKEN_NOT,
	TOKEN_ASSIGN,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_ADD,
	TOKEN_SUB,
	TOKEN_MUL,
	TOKEN_DIV,
	TOKEN_MOD,
	TOKEN_POW,
	TOKEN_LCURLY,
	TOKEN_RCURLY,
	TOKEN_LPAREN,
	TOKEN_RPAREN,
	TOKEN_LBRACK,
	TOKEN_RBRACK,
	TOKEN_COMMA,
	TOKEN_DOT,
	TOKEN_KIND_COUNT
};

struct token {
	enum token_kind kind;
	struct src_pos pos;
	struct str text; /* as in the source */
	uint32_t line;   /* 1-based, of its first byte */
};

struct lexer {
	struct str text;
	uint32_t file;
	struct diags *diags; /* NULL: errors are only counted */
	uint32_t off;        /* of ch */
	uint32_t next;       /* behind ch */
	uint32_t line;       /* of ch */
	int32_t ch;          /* code point, -1 at the end */
	bool terminator;     /* a line's end would end a statement */
	unsigned n_errors;
};

void lex_init(struct lexer *, struct str text, uint32_t file, struct diags *);
struct token lex_next(struct lexer *);
/* "IDENT", "{", …: as messages name it. */
const char *lex_token_name(enum token_kind);
