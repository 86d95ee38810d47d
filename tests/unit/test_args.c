/* SPDX-License-Identifier: Apache-2.0 */
#include "lang_fixture.h"

#include "longship/lang/args.h"

/* Argument tables: every kind decoded, refused, compared, shown and documented. */

static const struct capsule_type receiver = {"LogsReceiver"}, rules = {"RelabelRules"};
static int pointee;

static bool
check_wait(const void *args, struct src_pos at, struct diags *diags)
{
	if (*(const int64_t *)args != 13)
		return true;
	diag_error(diags, at, "thirteen");
	return false;
}

struct leaf {
	int64_t wait_ns;
	struct str label;
	struct src_pos pos;
};
static const struct arg_spec leaf_spec[] = {
	{.name = "wait", .kind = ARG_DURATION, .offset = offsetof(struct leaf, wait_ns), .fallback = "\"1s\"",
		.doc = "How long."},
	{.kind = ARG_LABEL, .offset = offsetof(struct leaf, label)},
	{.kind = ARG_POS, .offset = offsetof(struct leaf, pos)},
	{0},
};
struct endpoint {
	struct str url;
	struct str_map headers;
};
static const struct arg_spec endpoint_spec[] = {
	{.name = "url", .kind = ARG_STRING, .flags = ARG_REQUIRED, .offset = offsetof(struct endpoint, url), .doc = "Where."},
	{.name = "headers", .kind = ARG_SECRET_MAP, .offset = offsetof(struct endpoint, headers), .doc = "Extra."},
	{0},
};
struct json_stage {
	struct str_map expressions;
};
static const struct arg_spec json_spec[] = {
	{.name = "expressions", .kind = ARG_STRING_MAP, .flags = ARG_REQUIRED,
		.offset = offsetof(struct json_stage, expressions), .doc = "What to take."},
	{0},
};
struct drop_stage {
	int64_t number;
};
static const struct arg_spec drop_spec[] = {
	{.name = "number", .kind = ARG_INT, .offset = offsetof(struct drop_stage, number), .doc = "A number."},
	{0},
};
static const struct arg_variant json_variant = {.name = "json", .args = json_spec, .args_size = sizeof(struct json_stage),
	.doc = "Takes values."};
static const struct arg_variant drop_variant = {.name = "drop", .args = drop_spec, .args_size = sizeof(struct drop_stage),
	.check = check_wait, .doc = "Drops."};
static const struct arg_variant *const variants[] = {&json_variant, &drop_variant, NULL};
static const char *const colours[] = {"red", "green", NULL};

struct group {
	bool enabled;
	struct str token;
};
static const struct arg_spec group_spec[] = {
	{.name = "enabled", .kind = ARG_BOOL, .offset = offsetof(struct group, enabled), .fallback = "true", .doc = "On."},
	{.name = "token", .kind = ARG_SECRET, .offset = offsetof(struct group, token), .doc = "Secret."},
	{0},
};

struct everything {
	int64_t count;
	struct str name, pattern;
	double ratio;
	int64_t wait_ns, bytes;
	int colour;
	struct str_list list;
	struct str_map map;
	struct target_list targets;
	void *to;
	struct ptr_list all;
	struct value any;
	struct endpoint *endpoint;
	struct block_list leaves;
	struct variant_list stages;
	struct group group;
};
#define AT(field) .offset = offsetof(struct everything, field)
static const struct arg_spec spec[] = {
	{.name = "count", .kind = ARG_INT, AT(count), .min = 1, .max = 10, .fallback = "3", .doc = "How many."},
	{.name = "name", .kind = ARG_STRING, AT(name), .fallback = "\"none\"", .doc = "A name."},
	{.name = "pattern", .kind = ARG_REGEX, AT(pattern), .doc = "A pattern."},
	{.name = "ratio", .kind = ARG_NUMBER, AT(ratio), .doc = "A ratio."},
	{.name = "wait", .kind = ARG_DURATION, AT(wait_ns), .min = 0, .max = 60000000000, .fallback = "\"5s\"", .doc = "A time."},
	{.name = "bytes", .kind = ARG_SIZE, AT(bytes), .fallback = "\"1MiB\"", .doc = "A size."},
	{.name = "colour", .kind = ARG_CHOICE, AT(colour), .choices = colours, .fallback = "\"green\"", .doc = "A colour."},
	{.name = "list", .kind = ARG_STRING_LIST, AT(list), .doc = "Names."},
	{.name = "map", .kind = ARG_STRING_MAP, AT(map), .doc = "Pairs."},
	{.name = "targets", .kind = ARG_TARGETS, AT(targets), .doc = "Targets."},
	{.name = "to", .kind = ARG_CAPSULE, AT(to), .capsule = &receiver, .doc = "One receiver."},
	{.name = "all", .kind = ARG_CAPSULE_LIST, AT(all), .capsule = &receiver, .doc = "Receivers."},
	{.name = "any", .kind = ARG_ANY, AT(any), .doc = "Anything."},
	{.name = "endpoint", .kind = ARG_BLOCK, AT(endpoint), .sub = endpoint_spec, .sub_size = sizeof(struct endpoint),
		.doc = "An endpoint."},
	{.name = "leaf", .kind = ARG_BLOCKS, AT(leaves), .sub = leaf_spec, .sub_size = sizeof(struct leaf),
		.sub_check = check_wait, .doc = "Leaves."},
	{.name = "stage", .kind = ARG_ENUM_BLOCKS, AT(stages), .variants = variants, .doc = "Stages."},
	{.kind = ARG_SQUASH, AT(group), .sub = group_spec},
	{0},
};

static struct variable scope[] = {
	{"secret", {.kind = VALUE_SECRET, .text = STR("foo")}},
	{"optional", {.kind = VALUE_OPTIONAL_SECRET, .text = STR("bar")}},
	{"hidden", {.kind = VALUE_OPTIONAL_SECRET, .is_secret = true, .text = STR("baz")}},
	{"receiver", {.kind = VALUE_CAPSULE, .capsule = {&receiver, &pointee}}},
	{"rules", {.kind = VALUE_CAPSULE, .capsule = {&rules, &pointee}}},
	{NULL, {0}},
};

static const struct block *
parse_block(struct lang *l)
{
	struct body *body = parse_file(l->arena, &l->source, 1, &l->diags);

	assert_non_null(body);
	assert_non_null(body->stmts[0].block);
	return body->stmts[0].block;
}

static bool
decode(struct lang *l, const char *text, struct everything *ret)
{
	lang_init(l, "c.alloy", text, scope);
	return args_decode(spec, parse_block(l), "Failed to build component: decoding configuration: ", &l->env, l->arena,
		ret, &l->diags);
}

static void
refuse(const char *text, const char *error)
{
	struct everything args;
	struct lang l;

	assert_false(decode(&l, text, &args));
	assert_int_equal(l.diags.n_errors, 1);
	assert_string_equal(lang_first(&l), error);
	lang_done(&l);
}

static void
test_args__defaults_of_an_empty_block(void **state)
{
	struct everything a;
	struct lang l;

	(void)state;
	memset(&a, 0xff, sizeof(a));
	assert_true(decode(&l, "b { }", &a));
	assert_int_equal(a.count, 3);
	assert_str(a.name, "none");
	assert_int_equal(a.pattern.len, 0);
	assert_true(a.ratio == 0);
	assert_int_equal(a.wait_ns, 5000000000);
	assert_int_equal(a.bytes, 1 << 20);
	assert_int_equal(a.colour, 1);
	assert_int_equal(a.list.n + a.map.n + a.targets.n + a.all.n + a.leaves.n + a.stages.n, 0);
	assert_null(a.to);
	assert_null(a.endpoint);
	assert_int_equal(a.any.kind, VALUE_NULL);
	assert_true(a.group.enabled);
	lang_done(&l);
}

static void
test_args__every_kind(void **state)
{
	struct everything a;
	struct lang l;
	struct leaf *leaves;

	(void)state;
	assert_true(decode(&l,
		"b \"x\" {\n count = \"7\"\n name = 8.50\n pattern = \"a+\"\n ratio = \"1e3\"\n wait = \"1m\"\n"
		" bytes = 512\n colour = \"red\"\n list = [1, \"b\", optional, null]\n map = { a = 1, b = \"x\" }\n"
		" targets = [{ b = 1, a = true, c = optional, d = 2.5 }]\n to = receiver\n all = [receiver, null]\n"
		" any = [1, { k = secret }]\n endpoint { url = \"u\" + optional\n headers = { A = [\"x\", secret], B = \"y\" } }\n"
		" leaf \"one\" { wait = \"0\" }\n leaf \"two\" { }\n stage.drop { number = 1 }\n"
		" stage.json { expressions = {} }\n stage.drop { }\n enabled = false\n token = hidden\n}\n",
		&a));
	assert_int_equal(a.count, 7);
	assert_str(a.name, "8.5");
	assert_true(a.ratio == 1000);
	assert_int_equal(a.wait_ns, 60000000000);
	assert_int_equal(a.bytes, 512);
	assert_int_equal(a.colour, 0);
	assert_int_equal(a.list.n, 4);
	assert_str(a.list.items[0], "1");
	assert_str(a.list.items[2], "bar");
	assert_str(a.list.items[3], "");
	assert_str(a.map.items[0].value, "1");
	assert_int_equal(a.targets.n, 1);
	assert_str(a.targets.items[0].labels[0].name, "a");
	assert_str(a.targets.items[0].labels[0].value, "true");
	assert_str(a.targets.items[0].labels[3].value, "2.5");
	assert_ptr_equal(a.to, &pointee);
	assert_int_equal(a.all.n, 1);
	assert_int_equal(a.any.array.items[1].object.fields[0].value->kind, VALUE_SECRET);
	assert_str(a.endpoint->url, "ubar");
	assert_str(a.endpoint->headers.items[0].value, "x, foo");
	leaves = a.leaves.items;
	assert_int_equal(a.leaves.n, 2);
	assert_str(leaves[0].label, "one");
	assert_int_equal(leaves[0].wait_ns, 0);
	assert_int_equal(leaves[1].wait_ns, 1000000000);
	assert_int_equal(leaves[1].pos.file, 1);
	assert_int_equal(a.stages.n, 3);
	assert_ptr_equal(a.stages.items[0].variant, &drop_variant);
	assert_ptr_equal(a.stages.items[1].variant, &json_variant);
	assert_int_equal(((struct drop_stage *)a.stages.items[0].args)->number, 1);
	assert_false(a.group.enabled);
	assert_str(a.group.token, "baz");
	lang_done(&l);
}

static void
test_args__null_is_zero_not_default(void **state)
{
	struct everything a;
	struct lang l;

	(void)state;
	assert_true(decode(&l, "b {\n name = null\n bytes = null\n enabled = null\n list = null\n to = null\n}", &a));
	assert_int_equal(a.name.len, 0);
	assert_int_equal(a.bytes, 0);
	assert_false(a.group.enabled);
	lang_done(&l);
}

static void
test_args__refused_values(void **state)
{
	(void)state;
	refuse("b { count = true }", "c.alloy:1:13: true should be number, got bool");
	refuse("b { count = \"\" }", "c.alloy:1:13: \"\" should be number, got string");
	refuse("b { count = 11 }", "c.alloy:1:13: 11 must be at most 10");
	refuse("b { count = 0 }", "c.alloy:1:13: 0 must be at least 1");
	refuse("b { wait = 5 }", "c.alloy:1:12: 5 time: missing unit in duration \"5\"");
	refuse("b { wait = \"1d\" }", "c.alloy:1:12: \"1d\" time: unknown unit \"d\" in duration \"1d\"");
	refuse("b { wait = \"x\" }", "c.alloy:1:12: \"x\" time: invalid duration \"x\"");
	refuse("b { wait = \"2m\" }", "c.alloy:1:12: \"2m\" must be at most 1m0s");
	refuse("b { enabled = \"true\" }", "c.alloy:1:15: \"true\" should be bool, got string");
	refuse("b { name = secret }", "c.alloy:1:12: secret secrets may not be converted into strings");
	refuse("b { name = hidden }", "c.alloy:1:12: hidden secrets may not be converted into strings");
	refuse("b { name = [0, 1, 2] }", "c.alloy:1:12: [0, 1, 2] should be string, got array");
	refuse("b { token = 1 }", "c.alloy:1:13: 1 should be capsule, got number");
	refuse("b { list = [\"a\", [\"b\"]] }", "c.alloy:1:18: [\"b\"] should be string, got array");
	refuse("b { map = { a = { b = 1 } } }", "c.alloy:1:17: {b = 1} should be string, got object");
	refuse("b { to = rules }", "c.alloy:1:10: rules expected capsule(\"LogsReceiver\"), got capsule(\"RelabelRules\")");
	refuse("b { all = [receiver, 1] }", "c.alloy:1:22: 1 should be capsule, got number");
	refuse("b { targets = [{ a = secret }] }",
		"c.alloy:1:16: {a = secret} target::ConvertFrom: cannot use a secret as a target value");
	refuse("b { targets = [\"x\"] }", "c.alloy:1:16: \"x\" should be capsule, got string");
	refuse("b { colour = \"gren\" }",
		"c.alloy:1:14: \"gren\" should be one of \"red\", \"green\", got \"gren\"; did you mean \"green\"?");
	refuse("b { pattern = \"(\" }", "c.alloy:1:15: \"(\" error parsing regexp: missing closing ): `(`");
	refuse("b { name = nope.x }", "c.alloy:1:12: component \"nope.x\" does not exist or is out of scope");
}

static void
test_args__refused_names_and_blocks(void **state)
{
	static const char missing[] = "c.alloy:1:1: Failed to build component: decoding configuration: missing required "
				      "attribute \"url\"";

	(void)state;
	refuse("b { nam = 1 }", "c.alloy:1:5: unrecognized attribute name \"nam\"; did you mean \"name\"?");
	refuse("b { qqqqqqq = 1 }", "c.alloy:1:5: unrecognized attribute name \"qqqqqqq\"");
	refuse("b { stage.jso { } }", "c.alloy:1:5: unrecognized block name \"stage.jso\"; did you mean \"stage.json\"?");
	refuse("b { stage { } }", "c.alloy:1:5: unrecognized block name \"stage\"");
	refuse("b { name { } }", "c.alloy:1:5: \"name\" must be an attribute, but is used as a block");
	refuse("b { endpoint = 1 }", "c.alloy:1:5: \"endpoint\" must be a block, but is used as an attribute");
	refuse("b {\n name = 1\n name = 2\n}", "c.alloy:3:2: attribute \"name\" may only be provided once");
	refuse("b {\n endpoint { url = 1 }\n endpoint { url = 1 }\n}",
		"c.alloy:2:2: block \"endpoint\" may only be specified once");
	refuse("b { endpoint \"l\" { url = 1 } }", "c.alloy:1:5: block \"endpoint\" does not support specifying labels");
	refuse("b { leaf { } }", "c.alloy:1:5: block \"leaf\" requires non-empty label");
	refuse("b { leaf \"\" { } }", "c.alloy:1:5: block \"leaf\" requires non-empty label");
	refuse("b { endpoint { } }", missing);
	refuse("b { leaf \"x\" { wait = \"13ns\" } }", "c.alloy:1:5: thirteen");
	refuse("b { stage.drop { number = 13 } }", "c.alloy:1:5: thirteen");
}

/* Values from elsewhere have no text: the expression that led there is quoted with the way behind it. */
static void
test_args__path_into_a_reference(void **state)
{
	static const struct value items[] = {{.kind = VALUE_INT, .i = 15}, {.kind = VALUE_STRING, .text = {"x", 1}}};
	static const struct value list = {.kind = VALUE_ARRAY, .array = {items, 2}};
	static const struct field fields[] = {{{"ports", 5}, &list}};
	struct variable vars[] = {{"cfg", {.kind = VALUE_OBJECT, .object = {fields, 1}}}, {NULL, {0}}};
	struct everything a;
	struct lang l;

	(void)state;
	lang_init(&l, "test", "b { targets = cfg.ports }", vars);
	assert_false(args_decode(spec, parse_block(&l), "", &l.env, l.arena, &a, &l.diags));
	assert_string_equal(lang_first(&l), "test:1:15: cfg.ports[0] should be capsule, got number");
	lang_done(&l);
	lang_init(&l, "test", "b { map = cfg }", vars);
	assert_false(args_decode(spec, parse_block(&l), "", &l.env, l.arena, &a, &l.diags));
	assert_string_equal(lang_first(&l), "test:1:11: cfg.ports should be string, got array");
	lang_done(&l);
}

static void
test_args__validate_collects_all(void **state)
{
	struct lang l;

	(void)state;
	lang_init(&l, "c.alloy",
		"b {\n count = true\n nope = 1\n name = 1 + \"x\"\n list = [1, true]\n endpoint { }\n wait = unknown.ref\n"
		" map = 5\n any = [1]\n to = { }\n colour = f(1)\n enabled = -5\n leaf { wait = \"1d\" }\n}\n",
		NULL);
	assert_false(args_validate(spec, parse_block(&l), l.arena, &l.diags));
	assert_int_equal(l.diags.n_errors, 10);
	assert_non_null(strstr(lang_errors(&l), "Error: c.alloy:2:10: expected number, got bool\n"));
	assert_non_null(strstr(l.printed, "c.alloy:3:2: unrecognized attribute name \"nope\""));
	assert_non_null(strstr(l.printed, "c.alloy:4:9: expected number, got string\n"));
	assert_non_null(strstr(l.printed, "c.alloy:5:13: expected string, got bool\n"));
	assert_non_null(strstr(l.printed, "c.alloy:6:2: missing required attribute \"url\"\n"));
	assert_non_null(strstr(l.printed, "c.alloy:8:8: expected object, got number\n"));
	assert_non_null(strstr(l.printed, "c.alloy:10:7: expected capsule, got object\n"));
	assert_non_null(strstr(l.printed, "c.alloy:12:12: expected bool, got number\n"));
	assert_non_null(strstr(l.printed, "c.alloy:13:2: block \"leaf\" requires non-empty label\n"));
	assert_non_null(strstr(l.printed, "c.alloy:13:16: time: unknown unit \"d\" in duration \"1d\"\n"));
	lang_done(&l);
	lang_init(&l, "c.alloy", "b {\n count = 2\n endpoint { url = a.b }\n leaf \"x\" { }\n}\n", NULL);
	assert_true(args_validate(spec, parse_block(&l), l.arena, &l.diags));
	lang_done(&l);
}

static void
test_args__equal(void **state)
{
	static const char *const texts[] = {"b { }", "b { count = 4 }", "b { list = [\"a\"] }", "b { map = {a = 1} }",
		"b { targets = [{a = 1}] }", "b { endpoint { url = 1 } }", "b { endpoint { url = 2 } }",
		"b { leaf \"a\" { } }", "b { leaf \"b\" { } }", "b { stage.drop { } }", "b { stage.drop { number = 1 } }",
		"b { any = {a = [1]} }", "b { all = [receiver] }", "b { token = \"t\" }"};
	struct everything x, y;
	struct lang lx, ly;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
			assert_true(decode(&lx, texts[i], &x) && decode(&ly, texts[k], &y));
			assert_int_equal(args_equal(spec, &x, &y), i == k);
			lang_done(&lx);
			lang_done(&ly);
		}
}

static void
test_args__json(void **state)
{
	struct everything a;
	struct lang l;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_true(decode(&l, "b {\n count = 3\n wait = \"1m\"\n token = \"t\"\n to = receiver\n map = {a = 1}\n"
			       " leaf \"x\" { }\n stage.drop { number = 2 }\n any = {z = [true]}\n}", &a));
	args_to_json(spec, &a, &out);
	assert_str(buf_view(&out),
		"[{\"name\":\"wait\",\"type\":\"attr\",\"value\":{\"type\":\"string\",\"value\":\"1m0s\"}},"
		"{\"name\":\"map\",\"type\":\"attr\",\"value\":{\"type\":\"object\",\"value\":[{\"key\":\"a\",\"value\":{\"type\":"
		"\"string\",\"value\":\"1\"}}]}},"
		"{\"name\":\"to\",\"type\":\"attr\",\"value\":{\"type\":\"capsule\",\"value\":\"capsule(\\\"LogsReceiver\\\")\"}},"
		"{\"name\":\"any\",\"type\":\"attr\",\"value\":{\"type\":\"object\",\"value\":[{\"key\":\"z\",\"value\":{\"type\":"
		"\"array\",\"value\":[{\"type\":\"bool\",\"value\":true}]}}]}},"
		"{\"name\":\"leaf\",\"type\":\"block\",\"label\":\"x\",\"body\":[]},"
		"{\"name\":\"stage.drop\",\"type\":\"block\",\"body\":[{\"name\":\"number\",\"type\":\"attr\",\"value\":{\"type\":"
		"\"number\",\"value\":2}}]},"
		"{\"name\":\"token\",\"type\":\"attr\",\"value\":{\"type\":\"capsule\",\"value\":\"(secret)\"}}]");
	buf_done(&out);
	lang_done(&l);
}

static void
test_args__help(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	args_print_help(spec, &out);
	buf_putc(&out, '\0');
	assert_non_null(strstr(out.data, "  count  number, default 3, at least 1, at most 10\n      How many.\n"));
	assert_non_null(strstr(out.data, "  colour  \"red\" | \"green\", default \"green\"\n"));
	assert_non_null(strstr(out.data, "  all  list(LogsReceiver)\n"));
	assert_non_null(strstr(out.data, "  leaf \"LABEL\"  block, repeatable\n"));
	assert_non_null(strstr(out.data, "    url  string, required\n"));
	assert_non_null(strstr(out.data, "  stage.drop  block, in order with the other stage.* blocks\n"));
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args__defaults_of_an_empty_block),
		cmocka_unit_test(test_args__every_kind),
		cmocka_unit_test(test_args__null_is_zero_not_default),
		cmocka_unit_test(test_args__refused_values),
		cmocka_unit_test(test_args__refused_names_and_blocks),
		cmocka_unit_test(test_args__path_into_a_reference),
		cmocka_unit_test(test_args__validate_collects_all),
		cmocka_unit_test(test_args__equal),
		cmocka_unit_test(test_args__json),
		cmocka_unit_test(test_args__help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
