/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/push_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/codec/push_json.h"

struct seen {
	struct buf text; /* S a=b … / E ts line name=value … / B reason */
	bool refuse;
	bool stop; /* behind each entry */
};

static void
put_pairs(struct buf *b, const struct push_label *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, ' ');
		buf_str(b, pairs[i].name);
		buf_putc(b, '=');
		buf_str(b, pairs[i].value);
	}
	buf_putc(b, '\n');
}

static bool
on_stream(void *ctx, const struct push_label *labels, size_t n, const char *bad)
{
	struct seen *seen = ctx;

	if (bad != NULL) {
		buf_printf(&seen->text, "B %s\n", bad);
		return false;
	}
	buf_z(&seen->text, "S");
	put_pairs(&seen->text, labels, n);
	return !seen->refuse;
}

static bool
on_entry(void *ctx, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n)
{
	struct seen *seen = ctx;

	buf_printf(&seen->text, "E %lld ", (long long)ts_ns);
	buf_str(&seen->text, line);
	put_pairs(&seen->text, metadata, n);
	return !seen->stop;
}

/* What both passes say; the error when it is refused. A copy of the exact size, so that ASan sees a read behind it. */
static void
expect(bool json, const char *body, size_t len, bool refuse, const char *want)
{
	struct seen seen = {.refuse = refuse};
	const struct push_sink sink = {on_stream, on_entry, &seen};
	struct arena *arena = arena_new(0);
	char *copy = malloc(len > 0 ? len : 1);
	struct str s = {copy, len};
	const char *error = NULL, *error2 = NULL;
	bool ok, ok2;

	memcpy(copy, body, len);
	buf_init(&seen.text, 1 << 20);
	ok = json ? push_json_decode(s, NULL, &sink, NULL, &error) : push_decode_protobuf(s, NULL, &sink, NULL, &error);
	assert_int_equal(seen.text.len, 0);
	ok2 = json ? push_json_decode(s, arena, &sink, NULL, &error2) : push_decode_protobuf(s, arena, &sink, NULL, &error2);
	assert_int_equal(ok, ok2);
	if (ok) {
		buf_putc(&seen.text, '\0');
		assert_string_equal(seen.text.data, want);
	} else {
		assert_string_equal(error, error2);
		assert_string_equal(error, want);
	}
	buf_done(&seen.text);
	free(copy);
	arena_free(arena);
}
#define EXPECT_PB(body, want) expect(false, body, sizeof(body) - 1, false, want)
#define EXPECT_JSON(body, want) expect(true, body, sizeof(body) - 1, false, want)

static void
test_push_decode__what_the_encoder_writes(void **state)
{
	const struct push_label md[] = {{STR("i"), STR("0")}, {STR("e"), STR("")}};
	char entries[1000], body[2000];
	size_t n = 0, h;

	(void)state;
	n += loki_push_entry(entries + n, 1700000000000000007, STR("first"), NULL, 0);
	n += loki_push_entry(entries + n, 5, STR(""), md, 2);
	n += loki_push_entry(entries + n, -1, STR("old"), NULL, 0);
	h = loki_push_stream_header(body, STR("{a=\"b\", c=\"\\\"\"}"), n);
	memcpy(body + h, entries, n);
	expect(false, body, h + n, false, "S a=b c=\"\nE 1700000000000000007 first\nE 5  i=0 e=\nE -1 old\n");
	expect(false, body, h + n, true, "S a=b c=\"\n");
	/* Every cut but none and all is malformed. */
	for (size_t cut = 1; cut < h + n; cut++) {
		const char *error;

		assert_false(push_decode_protobuf((struct str){body, cut}, NULL, &(struct push_sink){0}, NULL, &error));
	}
}

static void
test_push_decode__protobuf_shapes(void **state)
{
	(void)state;
	EXPECT_PB("", "");
	/* Labels behind the entry, unknown fields of each kind, a repeated line. */
	EXPECT_PB("\x0a\x12\x12\x07\x0a\x00\x12\x01x\x12\x00\x0a\x05{a=1}\x18\x07", "B parse error: expected a quoted label value\n");
	EXPECT_PB("\x0a\x15\x12\x07\x0a\x00\x12\x01x\x12\x00\x0a\x08{a='1'} \x18\x07", "S a=1\nE 0 \n");
	EXPECT_PB("\x0a\x06\x0a\x02{}\x12\x00", "S\nE -9223372036854775808 \n");
	EXPECT_PB("\x0a\x13\x0a\x02{}\x12\x0d\x0a\x0b\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01", "S\nE -9223372036854775808 \n");
	EXPECT_PB("\x29\x01\x02\x03\x04\x05\x06\x07\x08\x2d\x01\x02\x03\x04\x22\x01x", "");
	EXPECT_PB("\x0b", "malformed push request");
	EXPECT_PB("\x08\x01", "malformed push request");
	EXPECT_PB("\x02\x00", "malformed push request");
	EXPECT_PB("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "malformed push request");
	EXPECT_PB("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "malformed push request");
	EXPECT_PB("\x0a\x04\x12\x02\x12\x05", "malformed entry");
	EXPECT_PB("\x0a\x0d\x12\x0b\x0a\x09\x10\xff\xff\xff\xff\xff\xff\xff\x7f", "malformed timestamp");
	EXPECT_PB("\x0a\x06\x12\x04\x1a\x02\x0a\x05", "malformed structured metadata");
}

/* Reading that stops behind each entry gives the same entries. */
static void
expect_stops(bool json, struct str body, const char *want)
{
	struct seen seen = {.stop = true};
	const struct push_sink sink = {on_stream, on_entry, &seen};
	struct arena *arena = arena_new(0);
	struct push_place place = {0};
	const char *error;

	buf_init(&seen.text, 1 << 20);
	do {
		assert_true(json ? push_json_decode(body, arena, &sink, &place, &error) :
				   push_decode_protobuf(body, arena, &sink, &place, &error));
		buf_z(&seen.text, place.stopped ? "|" : "end");
	} while (place.stopped);
	buf_putc(&seen.text, '\0');
	assert_string_equal(seen.text.data, want);
	buf_done(&seen.text);
	arena_free(arena);
}

static void
test_push_decode__stopping_and_going_on(void **state)
{
	char body[1000], entries[500];
	size_t len = 0, n = 0;

	(void)state;
	n += loki_push_entry(entries + n, 1, STR("x"), NULL, 0);
	n += loki_push_entry(entries + n, 2, STR("y"), NULL, 0);
	for (int i = 0; i < 2; i++) {
		len += loki_push_stream_header(body + len, i == 0 ? STR("{a=\"0\"}") : STR("{a=\"1\"}"), n);
		memcpy(body + len, entries, n);
		len += n;
	}
	expect_stops(false, (struct str){body, len}, "S a=0\nE 1 x\n|S a=0\nE 2 y\n|S a=0\nS a=1\nE 1 x\n|S a=1\nE 2 y\n|S a=1\nend");
	expect_stops(true, STR("{\"streams\":[{\"stream\":{\"a\":\"0\"},\"values\":[[\"1\",\"x\"],[\"2\",\"y\"],null,[\"3\",\"z\"]]},"
			       "{\"values\":[[\"4\",\"w\"],null,[\"5\",\"v\"]],\"stream\":{\"a\":\"1\"}}],\"z\":[]}"),
		"S a=0\nE 1 x\n|S a=0\nE 2 y\n|S a=0\nE 3 z\n|S a=0\nS a=1\nE 4 w\n|S a=1\nE 5 v\n|S a=1\nend");
}

static void
expect_labels(const char *text, const char *want)
{
	struct push_label out[PUSH_LABELS_MAX];
	struct arena *arena = arena_new(0);
	size_t len = strlen(text), n = 0;
	char *copy = malloc(len + 1);
	struct buf b;
	const char *error;

	memcpy(copy, text, len);
	buf_init(&b, 1000);
	error = push_decode_labels((struct str){copy, len}, arena, out, &n);
	if (error != NULL)
		buf_z(&b, "error");
	else
		put_pairs(&b, out, n);
	buf_putc(&b, '\0');
	assert_string_equal(b.data, want);
	buf_done(&b);
	free(copy);
	arena_free(arena);
}

static void
test_push_decode__labels_as_prometheus_reads_them(void **state)
{
	(void)state;
	expect_labels("{}", "\n");
	expect_labels(" { a = \"b\" , c='d',} ", " a=b c=d\n");
	expect_labels("{a=\"b\",a=\"c\"}", " a=b a=c\n");
	expect_labels("up:x{a=`\\n`}", " __name__=up:x a=\\n\n");
	expect_labels("up", " __name__=up\n");
	expect_labels("{\"up.x\", \"a.b\"=\"c\"}", " __name__=up.x a.b=c\n");
	expect_labels("{a=\"\\t\\\\\\\"\\x41\\101\\u00e9\\U0001F600\"}", " a=\t\\\"AA\xc3\xa9\xf0\x9f\x98\x80\n");
	expect_labels("{a='\\''}", " a='\n");
	expect_labels("{a=\"\\'\"}", "error");
	expect_labels("{a=\"\n\"}", "error");
	expect_labels("{a=\"\\777\"}", "error");
	expect_labels("{a=\"\\x4\"}", "error");
	expect_labels("{a=\"\\", "error");
	expect_labels("", "error");
	expect_labels("{", "error");
	expect_labels("{a}", "error");
	expect_labels("{a=b}", "error");
	expect_labels("{a-b=\"c\"}", "error");
	expect_labels("{1=\"c\"}", "error");
	expect_labels("{,}", "error");
	expect_labels("{a=\"b\" c=\"d\"}", "error");
	expect_labels("{a=\"b\"}x", "error");
	expect_labels("{\"\"=\"b\"}", "error");
}

static void
test_push_decode__too_many_labels(void **state)
{
	struct push_label out[PUSH_LABELS_MAX];
	struct arena *arena = arena_new(0);
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, 10000);
	buf_putc(&b, '{');
	for (int i = 0; i <= PUSH_LABELS_MAX; i++)
		buf_printf(&b, "a%d='',", i);
	buf_putc(&b, '}');
	assert_string_equal(push_decode_labels(buf_view(&b), arena, out, &n), "too many labels");
	buf_done(&b);
	arena_free(arena);
}

static void
test_push_decode__json_shapes(void **state)
{
	(void)state;
	EXPECT_JSON("{}", "");
	EXPECT_JSON("{\"streams\":null}", "");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"x\"],[\"-2\",\"y\",{\"m\":\"1\"}]]}]}",
		"S a=b\nE 1 x\nE -2 y m=1\n");
	/* Values first, unknown members, blanks, escapes. */
	EXPECT_JSON(" { \"z\" : [ { } , [ ] , -1e5 , \"\\\"\" ] , \"streams\" : [ { \"values\" : [ [ \"1\" , \"a\\n\\u00e9\\\\\\/\" ] ] , "
		    "\"stream\" : { \"k\" : \"\\ud83d\\ude00\" } } , null ] }",
		"S k=\xf0\x9f\x98\x80\nE 1 a\n\xc3\xa9\\/\n");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":1,\"b\":{\"c\":[]}},\"values\":null}]}", "S a=1 b={\"c\":[]}\n");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"bad-label\":\"x\"},\"values\":[[\"1\",\"x\"]]}]}", "B parse error: bad label name\n");
	EXPECT_JSON("{\"streams\":[{\"values\":[[\"1\",\"x\"]]}]}", "B parse error: stream without labels\n");
	EXPECT_JSON("{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"\\ud800x\",null,5]]}]}", "S\nE 1 \xef\xbf\xbdx\n");
	EXPECT_JSON("{} trailing", "");
	EXPECT_JSON("", "malformed JSON: expected an object");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[1,\"x\"]]}]}", "malformed JSON: expected a string");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1.5\",\"x\"]]}]}",
		"malformed timestamp: expected nanoseconds as a string");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\"]]}]}", "malformed JSON: a value without a line");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"x\",{\"m\":1}]]}]}", "malformed JSON: expected a string");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"\\x\"]]}]}", "malformed JSON: bad escape in a string");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"\\", "malformed JSON: string without an end");
	EXPECT_JSON("{\"streams\":[{\"stream\":{\"a\":\"b\"} \"values\":[]}]}", "malformed JSON: expected a comma");
	EXPECT_JSON("{\"streams\":[{\"values\":[],\"stream\":{},\"values\":[]}]}", "malformed JSON: repeated member \"values\"");
	EXPECT_JSON("{\"x\":[1 2]}", "malformed JSON: expected a comma");
	EXPECT_JSON("{\"x\":", "malformed JSON: expected a value");
}

static void
test_push_decode__json_nesting_is_bounded(void **state)
{
	char deep[2000];
	const char *error;

	(void)state;
	memcpy(deep, "{\"x\":", 5);
	memset(deep + 5, '[', sizeof(deep) - 5);
	assert_false(push_json_decode((struct str){deep, sizeof(deep)}, NULL, &(struct push_sink){0}, NULL, &error));
	assert_string_equal(error, "JSON nested too deeply");
	memset(deep + 5 + 64, ']', 64);
	deep[5 + 128] = '}';
	assert_true(push_json_decode((struct str){deep, 5 + 128 + 1}, NULL, &(struct push_sink){0}, NULL, &error));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_decode__what_the_encoder_writes),
		cmocka_unit_test(test_push_decode__protobuf_shapes),
		cmocka_unit_test(test_push_decode__stopping_and_going_on),
		cmocka_unit_test(test_push_decode__labels_as_prometheus_reads_them),
		cmocka_unit_test(test_push_decode__too_many_labels),
		cmocka_unit_test(test_push_decode__json_shapes),
		cmocka_unit_test(test_push_decode__json_nesting_is_bounded),
	};

	return cmocka_run_group_tests_name("push_decode", tests, NULL, NULL);
}
