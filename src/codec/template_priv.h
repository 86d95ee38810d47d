/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between the files template*.c: the tree that the parser makes, the values that it works on, the functions. */
#include "longship/base/buf.h"
#include "longship/base/map.h"
#include "longship/codec/regex.h"
#include "longship/codec/template.h"
#include "longship/codec/timefmt.h"

/* ---- values: what reflect.Value is to Go ---- */

enum template_kind {
	T_INVALID, /* no value: a missing key */
	T_NIL,	   /* an interface {} that holds nothing */
	T_BOOL,
	T_INT,
	T_INT64,
	T_UINT8, /* a byte of a string */
	T_FLOAT,
	T_STRING,
	T_LIST,
	T_MAP,
	T_TIME,
	T_DATA, /* "." as it was given: becomes a T_MAP when it is used as a whole */
};

enum template_element { T_OF_ANY, T_OF_STRING, T_OF_INT, T_OF_LIST };

struct tvalue {
	enum template_kind kind;
	union {
		bool b;
		int64_t i; /* T_INT, T_INT64, T_UINT8 */
		double f;
		struct str s;
		struct tlist *list;
		struct tmap *map;
		const struct timefmt_time *time;
	};
};

struct tlist { /* immutable once made */
	enum template_element of;
	bool nil;
	size_t n;
	struct tvalue *items;
};

struct tmap_item {
	struct str key;
	struct tvalue value;
};

struct tmap { /* in order of insertion */
	bool strings; /* map[string]string */
	size_t n, cap;
	struct tmap_item *items;
};

/* ---- the tree ---- */

enum tnode_kind {
	N_TEXT,
	N_ACTION,
	N_IF,
	N_WITH,
	N_RANGE,
	N_TEMPLATE,
	N_BREAK,
	N_CONTINUE,
	N_PIPE,
	N_FIELD,
	N_CHAIN,
	N_VARIABLE,
	N_DOT,
	N_NIL,
	N_BOOL,
	N_NUMBER,
	N_STRING,
	N_FUNCTION,
	N_END,
	N_ELSE,
};

struct tfunction;

struct tname { /* one of a chain of fields */
	struct str text;
	size_t number; /* among the template's names, if it is the first of a field or behind $ */
};

struct tcommand {
	struct tnode **args;
	size_t n;
	struct tcommand *next;
};

struct tpipe {
	struct tcommand *commands;
	size_t variables[2]; /* numbers of declared or assigned names */
	size_t n_variables;
	bool assign;
};

struct tnumber {
	bool is_int, is_float;
	bool float_form; /* a float64 where nothing says what type is wanted */
	int64_t i;
	double f;
};

struct tlist_node {
	struct tnode *first, *last;
};

struct tbranch { /* if, with, range */
	struct tpipe *pipe;
	struct tlist_node list, other;
	bool has_other;
};

struct tnode {
	enum tnode_kind kind;
	struct tnode *next; /* in its list */
	union {
		struct str text; /* N_TEXT, N_STRING */
		struct tpipe *pipe; /* N_ACTION, N_PIPE */
		struct tbranch branch;
		struct {
			struct str name;
			struct tpipe *pipe; /* or NULL */
			struct tdefinition *definition; /* found when all is parsed, or NULL */
		} call;
		struct { /* N_FIELD, N_CHAIN, N_VARIABLE */
			struct tnode *term;
			size_t variable;
			struct tname *names;
			size_t n;
		} chain;
		bool boolean;
		struct tnumber number;
		const struct tfunction *function;
	};
};

struct tdefinition {
	struct str name;
	struct tlist_node list;
	struct tdefinition *next;
};

struct template {
	struct tdefinition *definitions;
	struct tdefinition *main;
	struct str *names;
	size_t n_names, cap_names;
	const struct timezone_db *local;
	struct map regexes; /* constant expressions, compiled; NULL: they do not */
};

/* ---- tokens ---- */

enum ttoken_kind {
	K_ERROR,
	K_EOF,
	K_TEXT,
	K_LEFT,
	K_RIGHT,
	K_SPACE,
	K_BOOL,
	K_CHAR,
	K_CHARACTER, /* 'x' */
	K_COMPLEX,
	K_ASSIGN,
	K_DECLARE,
	K_FIELD,
	K_IDENTIFIER,
	K_OPEN,
	K_CLOSE,
	K_NUMBER,
	K_PIPE,
	K_RAW,
	K_STRING,
	K_VARIABLE,
	K_DOT,
	K_NIL,
	K_BLOCK, /* from here on keywords */
	K_BREAK,
	K_CONTINUE,
	K_DEFINE,
	K_ELSE,
	K_END,
	K_IF,
	K_RANGE,
	K_TEMPLATE,
	K_WITH,
};

struct ttoken {
	enum ttoken_kind kind;
	struct str text;
	size_t line;
};

struct tlexer {
	struct arena *arena;
	struct str input;
	size_t at, start, line, start_line;
	int parens;
	bool inside;
	bool done; /* an error was given: only K_EOF from now on */
};

void template_lex_init(struct tlexer *, struct arena *, struct str input);
struct ttoken template_lex_next(struct tlexer *);
/* strconv.Unquote of a "…" or `…` literal. */
bool template_unquote(struct arena *, struct str literal, struct str *ret);
/* One character of a literal with the quote given; advances *rest. */
bool template_unquote_char(struct str *rest, char quote, uint32_t *ret_rune, bool *ret_byte);
/* The constant of a K_NUMBER, K_CHARACTER or K_COMPLEX token. */
bool template_number(struct arena *, struct ttoken, struct tnumber *ret, struct str *ret_error);
/* strconv.ParseInt(text, 0, 64) and ParseFloat(text, 64). */
bool template_parse_int(struct str text, int base, int64_t *ret);
bool template_parse_float(struct str text, double *ret);

/* ---- running ---- */

struct tvariable {
	size_t name;
	struct tvalue value;
};

struct template_run {
	struct arena *arena; /* of one execution */
	struct buf out, text; /* the output; what a function makes meanwhile */
	const struct template *template;
	const struct template_data *data;
	struct tmap *whole; /* "." as a map, once it was asked for */
	size_t steps;
	int depth;
	struct tvariable *variables;
	size_t n_variables, cap_variables;
	struct regex_match match;
	struct map kept; /* expressions and zones that the lines brought, by a letter and the text */
	struct arena *kept_arena;
	struct str error;
};

/* Remembers the first reason; false. */
bool template_fail(struct template_run *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes n of the steps of this execution. */
bool template_step(struct template_run *, size_t n);
/* Memory of this execution for n items of so many bytes; NULL beyond the limit. */
void *template_alloc(struct template_run *, size_t n, size_t bytes);
/* What was kept under the kind of thing and its text, or NULL. After NULL kept_arena has room for it. */
const void *template_keep(struct template_run *, char kind, struct str text);
void template_kept(struct template_run *, char kind, struct str text, const void *thing);
/* "." as a map; other values unchanged. NULL-map beyond the limits is a failure. */
bool template_whole(struct template_run *, struct tvalue *);

/* ---- functions ---- */

/*
 * Types of parameters, one letter each, '*' behind the last one: any number of them.
 * s string, i int, b bool, f float64, m map[string]interface {}, t time.Time, a interface {}, v any value or none
 */
struct tfunction {
	const char *name;
	const char *parameters;
	bool (*call)(struct template_run *, const struct tvalue *args, size_t n, struct tvalue *ret);
	const char *refused; /* why there is no such function here */
};

extern const struct tfunction template_go_functions[], template_text_functions[], template_list_functions[], template_math_functions[],
	template_time_functions[], template_code_functions[], template_json_functions[], template_case_functions[], template_url_functions[],
	template_refused_functions[];
const struct tfunction *template_function_find(struct str name);
bool template_and(struct template_run *, const struct tvalue *, size_t, struct tvalue *); /* mark "and", "or": the */
bool template_or(struct template_run *, const struct tvalue *, size_t, struct tvalue *);  /* executor runs them itself */

/* A method of a time.Time that is simple enough: {{ now.Unix }}. False, with a failure only if it exists: no such method. */
bool template_time_method(struct template_run *, const struct timefmt_time *, struct str name, const struct tvalue *args, size_t n,
	struct tvalue *ret);

/* ---- template_value.c ---- */

static inline struct tvalue
tv_string(struct str s)
{
	return (struct tvalue){.kind = T_STRING, .s = s};
}
static inline struct tvalue
tv_int(int64_t i)
{
	return (struct tvalue){.kind = T_INT, .i = i};
}
static inline struct tvalue
tv_int64(int64_t i)
{
	return (struct tvalue){.kind = T_INT64, .i = i};
}
static inline struct tvalue
tv_float(double f)
{
	return (struct tvalue){.kind = T_FLOAT, .f = f};
}
static inline struct tvalue
tv_bool(bool b)
{
	return (struct tvalue){.kind = T_BOOL, .b = b};
}
static inline bool
tv_is_nil(const struct tvalue *v)
{
	return v->kind == T_INVALID || v->kind == T_NIL;
}
bool tv_truth(const struct tvalue *);
/* Go's name of the type. */
const char *tv_type(const struct tvalue *);
const char *tv_kind(const struct tvalue *);
bool tv_deep_equal(struct template_run *, const struct tvalue *, const struct tvalue *, int depth);
/* Appends as %v; fails beyond the limits. */
bool tv_print(struct template_run *, struct buf *, const struct tvalue *);
/* As text: a string is itself, all else as %v. */
bool tv_text(struct template_run *, const struct tvalue *, struct str *ret);
struct gofmt_arg;
bool tv_to_gofmt(struct template_run *, const struct tvalue *, struct gofmt_arg *ret, int depth);
/* spf13/cast's conversions: what cannot be converted is 0. */
int64_t tv_to_int64(const struct tvalue *);
double tv_to_float(const struct tvalue *);

/* A list of n items; NULL beyond the limits. */
struct tlist *tl_new(struct template_run *, enum template_element, size_t n);
struct tmap *tm_new(struct template_run *, bool strings);
bool tm_set(struct template_run *, struct tmap *, struct str key, struct tvalue);
/* NULL when absent. */
struct tvalue *tm_get(struct template_run *, struct tmap *, struct str key);
/* The items sorted by key, in the execution's memory; NULL beyond the limits. */
const struct tmap_item **tm_sorted(struct template_run *, const struct tmap *);
/* A copy in the execution's memory of what is in run->text. */
bool tv_take_text(struct template_run *, struct tvalue *ret);
