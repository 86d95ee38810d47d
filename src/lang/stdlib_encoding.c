/* SPDX-License-Identifier: Apache-2.0 */
#include "stdlib_priv.h"

#include <math.h>

#include "longship/base/limits.h"
#include "longship/codec/base64.h"
#include "longship/codec/json_tree.h"
#include "longship/codec/jsonpath.h"
#include "longship/codec/url.h"
#include "longship/codec/yaml.h"

/* Between the language's values and texts in other notations: JSON, YAML, base64, URLs, JSONPath. */

static struct value from_json_value(struct arena *, const struct json *, bool floats_only);

static struct value
from_json_array(struct arena *arena, const struct json *json, bool floats_only)
{
	struct value *items = arena_array(arena, struct value, json->array.n);

	for (size_t i = 0; i < json->array.n; i++)
		items[i] = from_json_value(arena, &json->array.items[i], floats_only);
	return (struct value){.kind = VALUE_ARRAY, .array = {items, json->array.n}};
}

static struct value
from_json_object(struct arena *arena, const struct json *json, bool floats_only)
{
	struct field *fields = arena_array(arena, struct field, json->object.n);
	struct value *values = arena_array(arena, struct value, json->object.n);

	for (size_t i = 0; i < json->object.n; i++) {
		values[i] = from_json_value(arena, &json->object.fields[i].value, floats_only);
		fields[i] = (struct field){json->object.fields[i].name, &values[i]};
	}
	return (struct value){.kind = VALUE_OBJECT, .object = {fields, json->object.n}};
}

/* encoding/json makes every number a float, ojg keeps whole ones. */
static struct value
from_json_value(struct arena *arena, const struct json *json, bool floats_only)
{
	switch (json->kind) {
	case JSON_TREE_BOOL:
		return value_bool(json->boolean);
	case JSON_TREE_INT:
		return floats_only ? value_float((double)json->i) : value_int(json->i);
	case JSON_TREE_FLOAT:
		return value_float(json->f);
	case JSON_TREE_STRING:
		return value_string(json->text);
	case JSON_TREE_ARRAY:
		return from_json_array(arena, json, floats_only);
	case JSON_TREE_OBJECT:
		return from_json_object(arena, json, floats_only);
	default:
		return (struct value){.kind = VALUE_NULL};
	}
}

/* At most so many bytes become of a JSON text: each value but the first stands behind one of these characters. */
static size_t
json_room(struct str text)
{
	size_t values = 1;

	for (size_t i = 0; i < text.len; i++)
		values += text.s[i] == ',' || text.s[i] == '[' || text.s[i] == ':';
	return text.len + values * (sizeof(struct json_field) + sizeof(struct value) + sizeof(struct field));
}

static bool
encoding_from_json(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str text = stdlib_text(&args[0]), error;
	const struct json *json;

	(void)n;
	if (!stdlib_room(call, json_room(text)))
		return false;
	json = json_tree_parse(call->arena, text, 0, &error);
	if (json == NULL)
		return function_fail(call, -1, "%.*s", STR_FMT(error));
	*ret = from_json_value(call->arena, json, true);
	return true;
}

static bool from_yaml_value(struct function_call *, const struct yaml_tree *, struct value *ret);

static bool
from_yaml_sequence(struct function_call *call, const struct yaml_tree *yaml, struct value *ret)
{
	struct value *items;

	if (!stdlib_room(call, yaml->sequence.n * sizeof(*items)))
		return false;
	items = arena_array(call->arena, struct value, yaml->sequence.n);
	for (size_t i = 0; i < yaml->sequence.n; i++) {
		if (!from_yaml_value(call, yaml->sequence.items[i], &items[i]))
			return false;
	}
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {items, yaml->sequence.n}};
	return true;
}

static bool
from_yaml_mapping(struct function_call *call, const struct yaml_tree *yaml, struct value *ret)
{
	struct field *fields;
	struct value *values;

	if (!stdlib_room(call, yaml->mapping.n * (sizeof(*fields) + sizeof(*values))))
		return false;
	fields = arena_array(call->arena, struct field, yaml->mapping.n);
	values = arena_array(call->arena, struct value, yaml->mapping.n);
	for (size_t i = 0; i < yaml->mapping.n; i++) {
		const struct yaml_tree *key = yaml->mapping.pairs[i].key;

		/* Alloy makes a value of it that nothing accepts. */
		if (key->kind != YAML_TREE_STRING)
			return function_fail(
				call, -1, "yaml: line %u: the key %.*s is not a string", key->line, STR_FMT(key->text));
		if (!from_yaml_value(call, yaml->mapping.pairs[i].value, &values[i]))
			return false;
		fields[i] = (struct field){key->text, &values[i]};
	}
	*ret = (struct value){.kind = VALUE_OBJECT, .object = {fields, yaml->mapping.n}};
	return true;
}

static bool
from_yaml_value(struct function_call *call, const struct yaml_tree *yaml, struct value *ret)
{
	switch (yaml->kind) {
	case YAML_TREE_SEQUENCE:
		return from_yaml_sequence(call, yaml, ret);
	case YAML_TREE_MAPPING:
		return from_yaml_mapping(call, yaml, ret);
	case YAML_TREE_BOOL:
		*ret = value_bool(yaml->boolean);
		return true;
	case YAML_TREE_INT:
		*ret = value_int(yaml->i);
		return true;
	case YAML_TREE_UINT:
		*ret = (struct value){.kind = VALUE_UINT, .u = yaml->u};
		return true;
	case YAML_TREE_FLOAT:
		*ret = value_float(yaml->f);
		return true;
	case YAML_TREE_STRING:
		*ret = value_string(yaml->text);
		return true;
	case YAML_TREE_TIME:
		*ret = value_string(yaml->rfc3339);
		return true;
	default:
		*ret = (struct value){.kind = VALUE_NULL};
		return true;
	}
}

static bool
encoding_from_yaml(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct yaml_tree_error error;
	const struct yaml_tree *yaml = yaml_tree_parse(call->arena, stdlib_text(&args[0]), &error);

	(void)n;
	if (yaml != NULL)
		return from_yaml_value(call, yaml, ret);
	if (error.line > 0 && memchr(error.text.s, '\n', error.text.len) == NULL)
		return function_fail(call, -1, "yaml: line %u: %.*s", error.line, STR_FMT(error.text));
	return function_fail(call, -1, "yaml: %.*s", STR_FMT(error.text));
}

/* Matches may hold each other, so their values together can be much larger than the document. */
static bool
from_matches(struct function_call *call, const struct json *matches, struct value *ret)
{
	struct value *items = arena_array(call->arena, struct value, matches->array.n);

	for (size_t i = 0; i < matches->array.n; i++) {
		items[i] = from_json_value(call->arena, &matches->array.items[i], false);
		if (!stdlib_room(call, 0))
			return false;
	}
	*ret = (struct value){.kind = VALUE_ARRAY, .array = {items, matches->array.n}};
	return true;
}

/* The matches of a path in a JSON text; numbers stay whole where they are, as ojg reads them. */
static bool
encoding_json_path(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str text = stdlib_text(&args[0]), error;
	struct jsonpath *path = jsonpath_compile(call->arena, stdlib_text(&args[1]), &error);
	const struct json *json, *matches = NULL;

	(void)n;
	if (path == NULL)
		return function_fail(call, -1, "%.*s", STR_FMT(error));
	if (!stdlib_room(call, json_room(text)))
		return false;
	json = str_trim(text).len > 0 ? json_tree_parse(call->arena, text, JSON_TREE_BIG_AS_TEXT, &error)
				      : arena_make(call->arena, struct json);
	if (json != NULL)
		matches = jsonpath_get(path, json, call->arena, &error);
	if (matches == NULL)
		return function_fail(call, -1, "%.*s", STR_FMT(error));
	if (!stdlib_room(call, matches->array.n * sizeof(struct value)))
		return false;
	return from_matches(call, matches, ret);
}

static bool
check_encodable(struct function_call *call, const struct value *v)
{
	bool ok = true;

	switch (v->kind) {
	case VALUE_ARRAY:
		for (size_t i = 0; i < v->array.n && ok; i++)
			ok = check_encodable(call, &v->array.items[i]);
		return ok;
	case VALUE_OBJECT:
	case VALUE_TARGET:
		for (size_t i = 0; i < v->object.n && ok; i++)
			ok = check_encodable(call, v->object.fields[i].value);
		return ok;
	case VALUE_FLOAT:
		return isfinite(v->f) || function_fail(call, -1, "json: unsupported value: %s",
						 isnan(v->f) ? "NaN"
						 : v->f > 0  ? "+Inf"
							     : "-Inf");
	case VALUE_FUNCTION:
	case VALUE_CAPSULE:
		return function_fail(call, -1, "json: unsupported type: %s", value_type_name(v));
	default:
		return true;
	}
}

/* Decoded base64 is a list of numbers to JSON, as it is an array to the language. */
static struct value
bytes_as_arrays(struct arena *arena, const struct value *v)
{
	struct value copy = *v, *items;
	struct field *fields;

	if (v->kind == VALUE_BYTES) {
		items = arena_array(arena, struct value, v->text.len);
		for (size_t i = 0; i < v->text.len; i++)
			items[i] = value_int((unsigned char)v->text.s[i]);
		copy = (struct value){.kind = VALUE_ARRAY, .array = {items, v->text.len}};
	} else if (v->kind == VALUE_ARRAY) {
		items = arena_array(arena, struct value, v->array.n);
		for (size_t i = 0; i < v->array.n; i++)
			items[i] = bytes_as_arrays(arena, &v->array.items[i]);
		copy.array.items = items;
	} else if (v->kind == VALUE_OBJECT || v->kind == VALUE_TARGET) {
		items = arena_array(arena, struct value, v->object.n);
		fields = arena_array(arena, struct field, v->object.n);
		for (size_t i = 0; i < v->object.n; i++) {
			items[i] = bytes_as_arrays(arena, v->object.fields[i].value);
			fields[i] = (struct field){v->object.fields[i].name, &items[i]};
		}
		copy.object.fields = fields;
	}
	return copy;
}

static bool
encoding_to_json(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct value plain;
	struct buf text;
	bool ok;

	(void)n;
	if (args[0].kind != VALUE_OBJECT && args[0].kind != VALUE_TARGET)
		return function_fail(call, -1, "jsonEncode only supports map");
	if (stdlib_holds_secret(&args[0]))
		return function_fail(call, 0, "secrets may not be converted into strings");
	if (!check_encodable(call, &args[0]))
		return false;
	plain = bytes_as_arrays(call->arena, &args[0]);
	buf_init(&text, CONFIG_VALUE_BYTES_MAX);
	value_to_json(&plain, &text, true);
	ok = stdlib_room(call, text.overflow ? CONFIG_VALUE_BYTES_MAX + 1 : text.len);
	if (ok)
		*ret = value_string(arena_str(call->arena, buf_view(&text)));
	buf_done(&text);
	return ok;
}

static bool
decode_base64(struct function_call *call, const struct value *arg, enum base64_alphabet alphabet, struct value *ret)
{
	struct str bytes;
	size_t offset;

	if (!base64_decode(call->arena, stdlib_text(arg), alphabet, &bytes, &offset))
		return function_fail(call, -1, "illegal base64 data at input byte %zu", offset);
	*ret = (struct value){.kind = VALUE_BYTES, .text = bytes};
	return true;
}

static bool
encode_base64(struct function_call *call, const struct value *arg, enum base64_alphabet alphabet, struct value *ret)
{
	if (!stdlib_room(call, stdlib_text(arg).len * 2))
		return false;
	*ret = value_string(base64_encode(call->arena, stdlib_text(arg), alphabet));
	return true;
}

static bool
encoding_from_base64(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	return decode_base64(call, &args[0], BASE64_STANDARD, ret);
}

static bool
encoding_from_url_base64(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	return decode_base64(call, &args[0], BASE64_URL, ret);
}

static bool
encoding_to_base64(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	return encode_base64(call, &args[0], BASE64_STANDARD, ret);
}

static bool
encoding_to_url_base64(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	return encode_base64(call, &args[0], BASE64_URL, ret);
}

static bool
encoding_url_encode(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	(void)n;
	if (!stdlib_room(call, stdlib_text(&args[0]).len * 3))
		return false;
	*ret = value_string(url_query_escape(call->arena, stdlib_text(&args[0])));
	return true;
}

static bool
encoding_url_decode(struct function_call *call, const struct value *args, size_t n, struct value *ret)
{
	struct str text, bad;

	(void)n;
	if (!url_query_unescape(call->arena, stdlib_text(&args[0]), &text, &bad))
		return function_fail(call, -1, "invalid URL escape \"%.*s\"", STR_FMT(bad));
	*ret = value_string(text);
	return true;
}

const struct function stdlib_encoding_functions[] = {
	{.name = "encoding.from_json",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_json,
		.doc = "The value of a JSON text."},
	{.name = "json_decode",
		.replaced_by = "encoding.from_json",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_json,
		.doc = "Former name of encoding.from_json."},
	{.name = "encoding.from_yaml",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_yaml,
		.doc = "The value of a YAML text."},
	{.name = "yaml_decode",
		.replaced_by = "encoding.from_yaml",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_yaml,
		.doc = "Former name of encoding.from_yaml."},
	{.name = "json_path",
		.args_min = 2,
		.args_max = 2,
		.params = {PARAM_STRING, PARAM_STRING},
		.call = encoding_json_path,
		.doc = "What a JSONPath expression finds in a JSON text, as an array."},
	{.name = "encoding.to_json",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_ANY},
		.call = encoding_to_json,
		.doc = "An object as a JSON text."},
	{.name = "encoding.from_base64",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_base64,
		.doc = "The bytes of a base64 text."},
	{.name = "base64_decode",
		.replaced_by = "encoding.from_base64",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_base64,
		.doc = "Former name of encoding.from_base64."},
	{.name = "encoding.from_URLbase64",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_from_url_base64,
		.doc = "The bytes of a base64 text in the alphabet for URLs."},
	{.name = "encoding.to_base64",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_to_base64,
		.doc = "A text in base64."},
	{.name = "encoding.to_URLbase64",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_to_url_base64,
		.doc = "A text in base64 in the alphabet for URLs."},
	{.name = "encoding.url_encode",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_url_encode,
		.doc = "Escapes a text for the query of a URL."},
	{.name = "encoding.url_decode",
		.args_min = 1,
		.args_max = 1,
		.params = {PARAM_STRING},
		.call = encoding_url_decode,
		.doc = "Reads the escapes of a text from the query of a URL."},
	{0},
};
