/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stage costs: nanoseconds and allocations for a line, in batches of a span as a lane runs them. The stages
 * before the measured one (for instance stage.json before stage.labels) run, too; only the measured one is timed, by the
 * pipeline's own clock. Allocations are those of all of them, counted by malloc itself after the first spans.
 *
 *	stages [-n SPANS] [NAME…]     a line for each: name, bytes of a line, ns/line, allocations/line; 1 when one allocates
 *	stages -i [NAME…]             under callgrind with --collect-atstart=no: counts the measured stage alone, prints the lines
 *	stages -l                     the names
 */
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/pipeline_fixture.h"
#include "longship/base/clock.h"
#include "longship/base/limits.h"

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define TOGGLE_COLLECT() CALLGRIND_TOGGLE_COLLECT
#endif
#endif
#ifndef TOGGLE_COLLECT
#define TOGGLE_COLLECT() ((void)0)
#endif

#define WARM_SPANS 3
#define HELD_MAX   4 /* allocations a span: what a stage keeps from one batch to the next cannot stay in the batch's memory */

/* ---- the allocator's hook: glibc's own functions behind counting ones ---- */

static uint64_t n_allocations;

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *malloc(size_t);
void *calloc(size_t, size_t);
void *realloc(void *, size_t);

void *
malloc(size_t bytes)
{
	n_allocations++;
	return __libc_malloc(bytes);
}

void *
calloc(size_t n, size_t bytes)
{
	n_allocations++;
	return __libc_calloc(n, bytes);
}

void *
realloc(void *p, size_t bytes)
{
	n_allocations++;
	return __libc_realloc(p, bytes);
}

/* ---- lines; %1 is a number, %2 a level, %3 a time ---- */

struct kind {
	const char *name, *text;
};

static const char json_line[] =
	"{\"ts\":\"%3\",\"level\":\"%2\",\"logger\":\"shop.checkout\",\"msg\":\"order %1 was paid\",\"request_id\":\"9f2c%1aa1b2c3\","
	"\"user_id\":%1,\"duration_ms\":12.%1,\"path\":\"/orders/%1\",\"status\":200,\"nested\":{\"a\":{\"b\":\"%1\"}}}";
static const char logfmt_line[] =
	"ts=%3 level=%2 caller=checkout.go:118 component=shop msg=\"order %1 was paid\" request_id=9f2c%1aa1b2c3 user_id=%1 "
	"duration_ms=12.%1 path=/orders/%1 method=GET status=200 bytes=48213 upstream=10.2.3.4:8080 retries=0 cache=hit";
static const char nginx_line[] =
	"10.20.30.%1 - alice [21/Nov/2026:12:34:56 +0000] \"GET /orders/%1?page=2 HTTP/1.1\" 200 %1 \"https://shop.example.com/\" "
	"\"Mozilla/5.0 (X11; Linux x86_64)\"";
static const char cri_line[] = "%3 stdout F {\"level\":\"%2\",\"msg\":\"order %1 was paid and the customer told\"}";
static const char docker_line[] = "{\"log\":\"level=%2 order %1 was paid and the customer told\\n\",\"stream\":\"stdout\",\"time\":\"%3\"}";
static const char colour_line[] = "\033[32m%2\033[0m order \033[1m%1\033[0m was paid by \033[36malice\033[0m in 12 ms, all is well here";
static const char plain_line[] = "order %1 was paid by card 4111 1111 1111 1111 and shipped to warehouse %1; %2";
static const char array_line[] = "[{\"level\":\"%2\",\"n\":%1},{\"level\":\"%2\",\"n\":2},{\"level\":\"info\",\"n\":3}]";
static const char pack_line[] = "level=%2 order %1 was paid";

struct workload {
	const char *name, *line;
	const char *before; /* stages that prepare for it */
	const char *stage;  /* the last one is measured */
};

#define JSON_LEVEL "stage.json {\nexpressions = {\"level\" = \"\", \"ts\" = \"\", \"path\" = \"\", \"n\" = \"user_id\"}\n}\n"
#define NGINX                                                                                                          \
	"stage.regex {\nexpression = `^(?P<ip>\\S+) \\S+ (?P<user>\\S+) \\[(?P<time>[^\\]]+)\\] \"(?P<method>\\S+) (?P<path>\\S+) [^\"]*\" "      \
	"(?P<status>\\d+) (?P<size>\\d+)`\n}\n"

static const struct workload workloads[] = {
	{"cri", cri_line, "", "stage.cri { }"},
	{"decolorize", colour_line, "", "stage.decolorize { }"},
	{"docker", docker_line, "", "stage.docker { }"},
	{"drop, value", json_line, JSON_LEVEL, "stage.drop {\nsource = \"level\"\nvalue = \"debug\"\n}"},
	{"drop, expression", plain_line, "", "stage.drop { expression = \".*healthcheck.*\" }"},
	{"eventlogmessage", json_line, JSON_LEVEL,
		"stage.eventlogmessage {\nsource = \"path\"\n}"},
	{"json, four fields", json_line, "", JSON_LEVEL},
	{"json, nested field", json_line, "", "stage.json { expressions = {\"b\" = \"nested.a.b\"} }"},
	{"json, JMESPath", json_line, "", "stage.json { expressions = {\"b\" = \"join('-', [level, path])\"} }"},
	{"label_drop", json_line, JSON_LEVEL "stage.labels { values = {\"level\" = \"\"} }\n", "stage.label_drop { values = [\"level\"] }"},
	{"label_keep", json_line, JSON_LEVEL "stage.labels { values = {\"level\" = \"\"} }\n", "stage.label_keep { values = [\"level\"] }"},
	{"labels", json_line, JSON_LEVEL, "stage.labels { values = {\"level\" = \"\"} }"},
	{"limit", json_line, "", "stage.limit {\nrate = 1000000000\nburst = 1000000000\ndrop = true\n}"},
	{"limit, by label", json_line, JSON_LEVEL "stage.labels { values = {\"level\" = \"\"} }\n",
		"stage.limit {\nrate = 1000000000\nburst = 1000000000\ndrop = true\nby_label_name = \"level\"\n}"},
	{"logfmt", logfmt_line, "", "stage.logfmt { mapping = {\"level\" = \"\", \"ts\" = \"\", \"path\" = \"\", \"msg\" = \"\"} }"},
	{"luhn", plain_line, "", "stage.luhn { }"},
	{"match", json_line, JSON_LEVEL "stage.labels { values = {\"level\" = \"\"} }\n",
		"stage.match {\nselector = `{level=\"warn\"} |= \"order\"`\nstage.static_labels { values = {\"a\" = \"b\"} }\n}"},
	{"metrics", json_line, JSON_LEVEL "stage.labels { values = {\"level\" = \"\"} }\n",
		"stage.metrics {\nmetric.counter {\nname = \"n\"\naction = \"inc\"\nmatch_all = true\n}\n"
		"metric.histogram {\nname = \"h\"\nsource = \"n\"\nbuckets = [1, 100, 1000]\n}\n}"},
	{"multiline", logfmt_line, "", "stage.multiline { firstline = \"^ts=\" }"},
	{"output", json_line, JSON_LEVEL, "stage.output { source = \"path\" }"},
	{"pack", pack_line, "", "stage.pack { labels = [\"l\"] }"},
	{"pattern", nginx_line, "", "stage.pattern { pattern = `<ip> - <user> [<time>] \"<method> <path> <_>\" <status> <size> <_>` }"},
	{"regex, nginx, 7 groups", nginx_line, "", NGINX},
	{"replace", plain_line, "", "stage.replace {\nexpression = `warehouse (\\d+)`\nreplace = \"{{ .Value | ToUpper }}x\"\n}"},
	{"sampling", json_line, "", "stage.sampling { rate = 0.5 }"},
	{"split_json", array_line, "", "stage.split_json { }"},
	{"static_labels", json_line, "", "stage.static_labels { values = {\"a\" = \"b\"} }"},
	{"structured_metadata", json_line, JSON_LEVEL, "stage.structured_metadata { values = {\"path\" = \"\", \"n\" = \"\"} }"},
	{"structured_metadata_drop", json_line, JSON_LEVEL "stage.structured_metadata { values = {\"path\" = \"\", \"n\" = \"\"} }\n",
		"stage.structured_metadata_drop { values = [\"n\"] }"},
	{"template, two functions", json_line, JSON_LEVEL,
		"stage.template {\nsource = \"level\"\ntemplate = `{{ .Value | ToUpper | TrimSpace }}`\n}"},
	{"tenant", json_line, JSON_LEVEL, "stage.tenant { source = \"level\" }"},
	{"timestamp, RFC3339Nano", json_line, JSON_LEVEL, "stage.timestamp {\nsource = \"ts\"\nformat = \"RFC3339Nano\"\n}"},
	{"timestamp, nginx", nginx_line, NGINX, "stage.timestamp {\nsource = \"time\"\nformat = \"02/Jan/2006:15:04:05 -0700\"\n}"},
	{"truncate", json_line, "", "stage.truncate {\nrule {\nlimit = \"128B\"\nsource_type = \"line\"\n}\n}"},
};

#define N_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

/* ---- a span of lines ---- */

static void
put_line(struct buf *out, const char *line, unsigned n)
{
	static const char *const levels[] = {"info", "info", "info", "debug", "warn", "error"};

	for (const char *p = line; *p != '\0'; p++) {
		if (*p != '%')
			(void)buf_putc(out, *p);
		else if (*++p == '1')
			(void)buf_printf(out, "%u", n % 1000);
		else if (*p == '2')
			(void)buf_z(out, levels[n % 6]);
		else
			(void)buf_printf(out, "2026-11-21T12:34:%02u.%09uZ", n / 1000 % 60, n * 1000 % 1000000000);
	}
	(void)buf_putc(out, '\n');
}

static void
make_span(struct buf *span, const char *line)
{
	buf_init(span, 2 * SPAN_BYTES_MAX);
	for (unsigned n = 0; span->len < SPAN_BYTES_MAX - 1024; n++)
		put_line(span, line, n);
}

/* Collects from behind the last stage but one to behind the last. */
struct collecting {
	size_t stage, last;
};

static void
toggle_after(void *ptr, const char *stage, const struct batch *b)
{
	struct collecting *c = ptr;

	(void)stage;
	(void)b;
	c->stage++;
	if (c->stage == c->last || c->stage == c->last + 1)
		TOGGLE_COLLECT();
}

static void
run_collecting(struct fixture *f, struct batch *b)
{
	struct collecting c = {.last = pipeline_stages(f->pipeline) - 1};

	if (c.last == 0)
		TOGGLE_COLLECT();
	pipeline_run_traced(f->pipeline, b, toggle_after, &c);
}

/* As a source does: the batch's memory comes from the arena, which is cleared after each batch. */
static size_t
run_span(struct fixture *f, const struct buf *span, bool collecting)
{
	struct str rest = buf_view(span), line;
	size_t lines = 0;

	while (rest.len > 0) {
		struct batch *b = fixture_batch(f, BATCH_ENTRIES_MAX);

		while (b->n < BATCH_ENTRIES_MAX && rest.len > 0) {
			(void)str_cut(rest, '\n', &line, &rest);
			fixture_add(f, b, line, "app", INT64_C(1700000000000000000) + (int64_t)lines++);
		}
		if (collecting)
			run_collecting(f, b);
		else
			pipeline_run(f->pipeline, b);
		arena_clear(f->arena);
	}
	return lines;
}

struct figures {
	double ns, allocations; /* a line */
	uint64_t lines, bytes;
};

static void
run_timed(struct fixture *f, const struct buf *span, unsigned spans, struct figures *ret)
{
	size_t last = pipeline_stages(f->pipeline) - 1;
	uint64_t allocations = n_allocations, best_ns = UINT64_MAX, in = 1;

	pipeline_timing(f->pipeline, true);
	for (unsigned i = 0; i < spans; i++) {
		struct pipeline_counts before = pipeline_counts_of(f->pipeline, last), after;

		ret->lines += run_span(f, span, false);
		after = pipeline_counts_of(f->pipeline, last);
		if (after.ns - before.ns < best_ns) {
			best_ns = after.ns - before.ns;
			in = after.in - before.in;
		}
	}
	ret->ns = (double)best_ns / (double)in;
	ret->allocations = (double)(n_allocations - allocations) / (double)ret->lines;
	ret->bytes = span->len * spans / ret->lines;
}

static int
measure(const struct workload *w, unsigned spans, bool collecting)
{
	struct arena *text = arena_new(0);
	struct figures figures = {0};
	struct fixture f;
	struct buf span;
	uint64_t in;

	fixture_init(&f, arena_printf(text, "%s%s\n", w->before, w->stage).s);
	if (f.pipeline == NULL) {
		diags_print(&f.diags, stderr, false);
		return 1;
	}
	arena_free(f.arena);
	f.arena = arena_new(64u << 10); /* as a lane's */
	make_span(&span, w->line);
	for (unsigned i = 0; i < WARM_SPANS; i++)
		(void)run_span(&f, &span, false);
	in = pipeline_counts_of(f.pipeline, pipeline_stages(f.pipeline) - 1).in;
	if (collecting) {
		(void)run_span(&f, &span, true);
		(void)printf("%llu\n", (unsigned long long)(pipeline_counts_of(f.pipeline, pipeline_stages(f.pipeline) - 1).in - in));
	} else {
		run_timed(&f, &span, spans, &figures);
		(void)printf("%-26s %5llu bytes %8.1f ns/line %8.4f allocations/line\n", w->name, (unsigned long long)figures.bytes,
			figures.ns, figures.allocations);
		(void)fflush(stdout);
	}
	buf_done(&span);
	fixture_done(&f);
	arena_free(text);
	return figures.allocations * (double)figures.lines / spans > HELD_MAX;
}

static bool
is_wanted(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return n == 0;
}

int
main(int argc, char **argv)
{
	unsigned spans = 50;
	bool collecting = false;
	int c, status = 0;

	while ((c = getopt(argc, argv, "n:il")) != -1) {
		if (c == 'l') {
			for (size_t i = 0; i < N_WORKLOADS; i++)
				(void)puts(workloads[i].name);
			return 0;
		}
		if (c == '?')
			return 2;
		if (c == 'i')
			collecting = true;
		else
			spans = (unsigned)atoi(optarg);
	}
	for (size_t i = 0; i < N_WORKLOADS; i++)
		if (is_wanted(workloads[i].name, argv + optind, argc - optind))
			status |= measure(&workloads[i], spans, collecting);
	return status;
}
