/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "entry_json_priv.h"
#include "harness.h"
#include "longship/app/commands.h"
#include "longship/base/clock.h"
#include "longship/flow/metric.h"
#include "trace_priv.h"

/*
 * longship inspect: standard input is fed to one component, and what it forwards is printed. The text output feeds one
 * entry at a time and shows what each stage did.
 */

#define OUTPUT_BYTES_MAX (256u << 20) /* what one batch prints: all of its lines, escaped */

struct inspect {
	const char *path, *id, *metrics_path;
	bool jsonl_in, jsonl_out;
	bool has_now;
	int64_t now_ns;

	struct harness harness;
	uint64_t n_lines;
	struct buf out;
	struct trace *trace; /* text output */
};

static void
print_usage(FILE *out)
{
	const struct command *row = command_find("inspect");

	fprintf(out, "usage: longship %s %s\n", row->name, row->usage);
}

static int
usage(const char *why)
{
	fprintf(stderr, "longship inspect: %s\n", why);
	print_usage(stderr);
	return STATUS_USAGE;
}

static bool
parse_choice(const char *value, const char *yes, const char *no, bool *ret)
{
	*ret = strcmp(value, yes) == 0;
	return *ret || strcmp(value, no) == 0;
}

/* STATUS_FINE, or what the command is to return. in->path stays NULL when help was printed. */
static int
parse_options(struct inspect *in, int argc, char **argv)
{
	static const struct option table[] = {
		{"input", required_argument, NULL, 'i'},
		{"output", required_argument, NULL, 'o'},
		{"now", required_argument, NULL, 'n'},
		{"metrics", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (c == 'h') {
			print_usage(stdout);
			return STATUS_FINE;
		}
		if (c == 'i' && !parse_choice(optarg, "jsonl", "raw", &in->jsonl_in))
			return usage("--input is raw or jsonl");
		if (c == 'o' && !parse_choice(optarg, "jsonl", "text", &in->jsonl_out))
			return usage("--output is text or jsonl");
		if (c == 'n' && !clock_parse_rfc3339(str_from(optarg), &in->now_ns))
			return usage("--now is a time like 2026-01-02T03:04:05Z");
		if (c == ':' || c == '?')
			return usage(c == ':' ? "a flag needs a value" : "unknown flag");
		if (c == 'm')
			in->metrics_path = optarg;
		in->has_now |= c == 'n';
	}
	if (argc - optind != 2)
		return usage("PATH and COMPONENT are expected");
	in->path = argv[optind];
	in->id = argv[optind + 1];
	return STATUS_FINE;
}

/* ---- output ---- */

static void
forwarded(void *ptr, const struct batch *b)
{
	struct inspect *in = ptr;

	if (in->trace != NULL) {
		trace_forwarded(in->trace, b, &in->out);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		entry_json_print(&in->out, harness_arena(&in->harness), b, i);
		(void)buf_putc(&in->out, '\n');
	}
}

static void
run_traced(void *ptr, struct batch *b)
{
	struct inspect *in = ptr;

	trace_run(in->trace, b, &in->out);
}

static void
tell_time(void *ptr, int64_t now_ns, bool end)
{
	struct inspect *in = ptr;

	trace_time(in->trace, now_ns, end, &in->out);
}

/* Prints what a batch has left in the buffer. */
static bool
print_batch(void *ptr)
{
	struct inspect *in = ptr;

	if (in->out.overflow) {
		fprintf(stderr, "longship inspect: a batch printed more than %u MiB\n", OUTPUT_BYTES_MAX >> 20);
		return false;
	}
	if (in->out.len > 0 && (fwrite(in->out.data, 1, in->out.len, stdout) != in->out.len || fflush(stdout) != 0)) {
		fprintf(stderr, "longship inspect: cannot write standard output: %s\n", strerror(errno));
		return false;
	}
	buf_clear(&in->out);
	return true;
}

/* ---- input ---- */

static bool
feed_line(struct inspect *in, struct str text)
{
	struct entry_json entry = {0};
	struct arena *arena = harness_arena(&in->harness);
	struct str error;

	if (!in->jsonl_in) {
		entry.line = arena_str(arena, text);
	} else if (!entry_json_parse(arena, text, &entry, &error)) {
		fprintf(stderr, "longship inspect: standard input, line %llu: %.*s\n", (unsigned long long)in->n_lines,
			STR_FMT(error));
		return false;
	}
	return harness_feed(&in->harness, &entry);
}

static bool
feed(struct inspect *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	bool ok = true;

	while (ok && (len = getline(&line, &cap, stdin)) >= 0) {
		in->n_lines++;
		if (len > 0 && line[len - 1] == '\n')
			len--;
		/* Blank lines of JSONL are no entries. */
		if (in->jsonl_in && str_trim((struct str){line, (size_t)len}).len == 0)
			continue;
		if ((size_t)len > HARNESS_LINE_BYTES_MAX) {
			fprintf(stderr, "longship inspect: a line is longer than %u MiB\n", HARNESS_LINE_BYTES_MAX >> 20);
			ok = false;
		} else {
			ok = feed_line(in, (struct str){line, (size_t)len});
		}
	}
	free(line);
	return ok && harness_finish(&in->harness);
}

static bool
write_metrics(const struct inspect *in)
{
	struct buf page;
	FILE *file;
	bool ok;

	if (in->metrics_path == NULL)
		return true;
	buf_init(&page, OUTPUT_BYTES_MAX);
	metrics_print(harness_metrics(&in->harness), &page);
	file = fopen(in->metrics_path, "we");
	ok = file != NULL && (page.len == 0 || fwrite(page.data, 1, page.len, file) == page.len);
	ok = file != NULL && fclose(file) == 0 && ok;
	if (!ok)
		fprintf(stderr, "longship inspect: cannot write %s: %s\n", in->metrics_path, strerror(errno));
	buf_done(&page);
	return ok;
}

static int
run(struct inspect *in)
{
	struct harness *h = &in->harness;
	struct harness_sink sink = {.ptr = in, .forwarded = forwarded, .fed = print_batch};
	int status = STATUS_FAULT;

	h->has_now = in->has_now;
	h->now_ns = in->now_ns;
	if (!in->jsonl_out) {
		sink.run = run_traced;
		sink.time = tell_time;
		sink.batch_entries = 1;
	}
	if (!harness_start(h, &sink))
		return STATUS_FAULT;
	buf_init(&in->out, OUTPUT_BYTES_MAX);
	if (!in->jsonl_out)
		in->trace = trace_new(h->component, harness_metrics(h), isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL);
	if (feed(in) && write_metrics(in))
		status = STATUS_FINE;
	trace_free(in->trace);
	harness_stop(h);
	buf_done(&in->out);
	return status;
}

int
cmd_inspect(int argc, char **argv)
{
	struct inspect in = {0};
	int status = parse_options(&in, argc, argv);

	if (status != STATUS_FINE || in.path == NULL)
		return status;
	status = harness_open(&in.harness, "inspect", in.path, in.id);
	if (status == STATUS_FINE)
		status = run(&in);
	harness_close(&in.harness);
	return status;
}
