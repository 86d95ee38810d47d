/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/function.h"

#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <unistd.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "stdlib_priv.h"

/*
 * The table of all functions, the namespaces made from their names, the constants, and the functions that need
 * no codec. The namespaces are built once per process; they and the values in them are never freed.
 */

#define FUNCTIONS_MAX	64
#define NAMESPACES_MAX	16
#define ERROR_BYTES_MAX 4096

bool
function_fail(struct function_call *call, int arg, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text, ERROR_BYTES_MAX);
	va_start(args, format);
	if (!buf_vprintf(&text, format, args)) {
		buf_clear(&text);
		buf_z(&text, "failed with an error too long to show");
	}
	va_end(args);
	call->error = arena_str(call->arena, buf_view(&text));
	call->error_arg = arg;
	buf_done(&text);
	return false;
}

struct str
stdlib_text(const struct value *v)
{
	switch (v->kind) {
	case VALUE_STRING:
	case VALUE_BYTES:
	case VALUE_SECRET:
	case VALUE_OPTIONAL_SECRET:
		return v->text;
	default:
		return STR_EMPTY;
	}
}

bool
stdlib_to_string(struct function_call *call, const struct value *v, struct str *ret, const char **ret_error)
{
	*ret_error = NULL;
	if (value_is_number(v))
		*ret = value_number_text(call->arena, v);
	else if (v->kind == VALUE_NULL)
		*ret = STR_EMPTY;
	else if (v->kind == VALUE_SECRET || (v->kind == VALUE_OPTIONAL_SECRET && v->is_secret))
		*ret_error = "secrets may not be converted into strings";
	else if (v->kind == VALUE_STRING || v->kind == VALUE_BYTES || v->kind == VALUE_OPTIONAL_SECRET)
		*ret = v->text;
	else
		*ret_error = arena_printf(call->arena, "should be string, got %s", value_type_name(v)).s;
	return *ret_error == NULL;
}

bool
stdlib_room(struct function_call *call, size_t bytes)
{
	if (bytes <= CONFIG_VALUE_BYTES_MAX && arena_bytes(call->arena) <= CONFIG_VALUE_BYTES_MAX - bytes)
		return true;
	return function_fail(call, -1, "makes a value larger than %u MiB", CONFIG_VALUE_BYTES_MAX >> 20);
}

bool
stdlib_type_error(
	struct function_call *call, int arg, const struct value *args, const struct value *inside, const char *wanted)
{
	call->error_value = inside;
	return function_fail(
		call, arg, "should be %s, got %s", wanted, value_type_name(inside != NULL ? inside : &args[arg]));
}

/* Recursion is bounded: the parser and the decoders of documents limit the nesting of values. */
bool
stdlib_holds_secret(const struct value *v)
{
	bool found = v->kind == VALUE_SECRET || (v->kind == VALUE_OPTIONAL_SECRET && v->is_secret);

	if (v->kind == VALUE_ARRAY) {
		for (size_t i = 0; i < v->array.n && !found; i++)
			found = stdlib_holds_secret(&v->array.items[i]);
	} else if (v->kind == VALUE_OBJECT || v->kind == VALUE_TARGET) {
		for (size_t i = 0; i < v->object.n && !found; i++)
			found = stdlib_holds_secret(v->object.fields[i].value);
	}
	return found;
}

static bool
sys_env(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	const char *value;

	(void)n;
	value = getenv(arena_z(call->arena, stdlib_text(&args[0])));
	*ret = value_string(arena_str(call->arena, str_from(value)));
	return true;
}

static bool
convert_nonsensitive(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)call;
	(void)n;
	*ret = value_string(stdlib_text(&args[0]));
	return true;
}

static bool
is_empty(const struct value *v)
{
	switch (v->kind) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return !v->boolean;
	case VALUE_INT:
		return v->i == 0;
	case VALUE_UINT:
		return v->u == 0;
	case VALUE_FLOAT:
		return v->f == 0;
	case VALUE_STRING:
	case VALUE_BYTES:
	case VALUE_SECRET:
		return v->text.len == 0;
	case VALUE_OPTIONAL_SECRET:
		return v->text.len == 0 && !v->is_secret;
	case VALUE_ARRAY:
		return v->array.n == 0;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		return v->object.n == 0;
	case VALUE_CAPSULE:
		return v->capsule.ptr == NULL;
	default:
		return false;
	}
}

static bool
coalesce(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)call;
	*ret = n > 0 ? args[n - 1] : (struct value){.kind = VALUE_NULL};
	for (size_t i = 0; i < n; i++) {
		if (!is_empty(&args[i])) {
			*ret = args[i];
			break;
		}
	}
	return true;
}

/* Appends one part of a path to a cleaned one: "." falls away, ".." takes the last part with it where there is one. */
static void
add_path_part(struct buf *path, struct str part, bool rooted, size_t *keep)
{
	size_t start = rooted;

	if (part.len == 0 || str_is(part, "."))
		return;
	if (str_is(part, "..") && path->len > *keep) {
		while (path->len > *keep && path->data[path->len - 1] != '/')
			path->len--;
		if (path->len > start && path->data[path->len - 1] == '/')
			path->len--;
		return;
	}
	if (str_is(part, "..") && rooted)
		return;
	if (path->len > start)
		buf_putc(path, '/');
	buf_str(path, part);
	if (str_is(part, ".."))
		*keep = path->len;
}

static bool
file_path_join(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct buf joined, path;
	struct str rest, part;
	size_t keep;
	bool rooted, more = true;

	buf_init(&joined, CONFIG_VALUE_BYTES_MAX);
	buf_init(&path, CONFIG_VALUE_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		struct str text = stdlib_text(&args[i]);

		if (text.len > 0 && joined.len > 0)
			buf_putc(&joined, '/');
		buf_str(&joined, text);
	}
	rooted = joined.len > 0 && joined.data[0] == '/';
	keep = rooted;
	if (rooted)
		buf_putc(&path, '/');
	for (rest = buf_view(&joined); more;) {
		more = str_cut(rest, '/', &part, &rest);
		add_path_part(&path, part, rooted, &keep);
	}
	if (path.len == 0 && joined.len > 0)
		buf_putc(&path, '.');
	*ret = value_string(arena_str(call->arena, buf_view(&path)));
	buf_done(&joined);
	buf_done(&path);
	return true;
}

static const struct function core_functions[] = {
	{.name = "coalesce",
		.args_max = FUNCTION_ARGS_ANY,
		.params = {PARAM_ANY},
		.call = coalesce,
		.doc = "The first argument that is neither null, zero, false nor empty, else the last one."},
	{.name = "sys.env",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = sys_env,
		.doc = "The value of an environment variable; empty when it is not set."},
	{.name = "env",
		.replaced_by = "sys.env",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = sys_env,
		.doc = "Former name of sys.env."},
	{.name = "convert.nonsensitive",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_SECRET},
		.call = convert_nonsensitive,
		.doc = "A secret as a plain string."},
	{.name = "nonsensitive",
		.replaced_by = "convert.nonsensitive",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_SECRET},
		.call = convert_nonsensitive,
		.doc = "Former name of convert.nonsensitive."},
	{.name = "file.path_join",
		.args_max = FUNCTION_ARGS_ANY,
		.params = {PARAM_STRING},
		.call = file_path_join,
		.doc = "Joins parts of a path with slashes and cleans the result."},
	{0},
};

struct name_space {
	struct str name;
	struct field fields[FUNCTIONS_MAX];
	struct value value;
};

static once_flag built_once = ONCE_FLAG_INIT;
static struct function functions[FUNCTIONS_MAX];
static struct value function_values[FUNCTIONS_MAX];
static size_t n_functions;
static struct name_space name_spaces[NAMESPACES_MAX];
static size_t n_name_spaces;
static char host_name[256];
static struct value constant_values[4];

static struct name_space *
get_name_space(struct str name)
{
	for (size_t i = 0; i < n_name_spaces; i++) {
		if (str_eq(name_spaces[i].name, name))
			return &name_spaces[i];
	}
	assert(n_name_spaces < NAMESPACES_MAX);
	name_spaces[n_name_spaces].name = name;
	name_spaces[n_name_spaces].value =
		(struct value){.kind = VALUE_OBJECT, .object = {name_spaces[n_name_spaces].fields, 0}};
	return &name_spaces[n_name_spaces++];
}

static void
add_to_name_space(struct str name, struct str field, const struct value *value)
{
	struct name_space *space = get_name_space(name);

	assert(space->value.object.n < FUNCTIONS_MAX);
	space->fields[space->value.object.n++] = (struct field){field, value};
}

static void
add_functions(const struct function *rows)
{
	for (; rows->name != NULL; rows++, n_functions++) {
		struct str head, tail;

		assert(n_functions < FUNCTIONS_MAX);
		functions[n_functions] = *rows;
		function_values[n_functions] =
			(struct value){.kind = VALUE_FUNCTION, .function = &functions[n_functions]};
		if (str_cut(str_from(rows->name), '.', &head, &tail))
			add_to_name_space(head, tail, &function_values[n_functions]);
	}
}

/* The machine in Go's words. */
static const char *
arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__i386__)
	return "386";
#elif defined(__arm__)
	return "arm";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return "ppc64le";
#elif defined(__powerpc64__)
	return "ppc64";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__loongarch64)
	return "loong64";
#elif defined(__mips64) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return "mips64le";
#else
	return "unknown";
#endif
}

static void
build(void)
{
	const struct field constants[] = {
		{STR("hostname"), NULL}, {STR("os"), NULL}, {STR("arch"), NULL}, {STR("version"), NULL}};
	const char *texts[] = {host_name, "linux", arch(), "v" LONGSHIP_VERSION};

	add_functions(core_functions);
	add_functions(stdlib_array_functions);
	add_functions(stdlib_encoding_functions);
	add_functions(stdlib_string_functions);
	if (gethostname(host_name, sizeof(host_name) - 1) != 0)
		host_name[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(constants); i++) {
		constant_values[i] = value_string(str_from(texts[i]));
		add_to_name_space(STR("constants"), constants[i].name, &constant_values[i]);
	}
}

const struct function *
stdlib_functions(size_t *ret_n)
{
	call_once(&built_once, build);
	*ret_n = n_functions;
	return functions;
}

const struct value *
stdlib_lookup(struct str identifier)
{
	call_once(&built_once, build);
	for (size_t i = 0; i < n_name_spaces; i++) {
		if (str_eq(name_spaces[i].name, identifier))
			return &name_spaces[i].value;
	}
	for (size_t i = 0; i < n_functions; i++) {
		if (str_is(identifier, functions[i].name) && memchr(identifier.s, '.', identifier.len) == NULL)
			return &function_values[i];
	}
	return NULL;
}
