/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "entry_json_priv.h"
#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/graph.h"
#include "longship/flow/memory.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "trace_priv.h"

/*
 * longship inspect: one component of a configuration is started alone; its forward_to is replaced by a collector
 * that prints. Standard input is fed to it in batches (one entry at a time for the text output, which shows what each
 * stage did). Time is virtual: it is --now, moved by at_ms.
 */

#define INPUT_LINE_BYTES_MAX (16u << 20)  /* far above LINE_BYTES_MAX, which sources enforce */
#define OUTPUT_BYTES_MAX     (256u << 20) /* what one batch prints: all of its lines, escaped */
#define BATCH_ENTRIES	     256
#define BATCH_BYTES	     (1u << 20) /* a batch is fed when it holds as much */

struct inspect {
	const char *path, *id, *metrics_path;
	bool jsonl_in, jsonl_out;
	bool has_now;
	int64_t now_ns, at_ns;

	struct component *component;
	struct metrics *metrics;
	struct arena *arena; /* of a batch */
	struct labels_table *table;
	struct memory memory;
	struct batch *batch;
	size_t batch_bytes;
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

/* ---- the collector ---- */

static void
collect(struct component *c, struct batch *b)
{
	struct inspect *in = c->state;

	if (in->trace != NULL) {
		trace_forwarded(in->trace, b, &in->out);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		entry_json_print(&in->out, in->arena, b, i);
		(void)buf_putc(&in->out, '\n');
	}
}

static const struct component_type collector_type = {
	.name = "collector", .flags = COMPONENT_CONSUMES, .consume = collect};

/* The decoded arguments belong to this process alone, so their forward_to may be changed in place. */
static void
replace_receivers(struct component *c, void **collector)
{
	for (const struct arg_spec *row = c->type->args; row->kind != ARG_END; row++) {
		if (row->name != NULL && strcmp(row->name, "forward_to") == 0) {
			struct ptr_list *list = (struct ptr_list *)((uintptr_t)c->args + row->offset);

			*list = (struct ptr_list){.items = collector, .n = 1};
			return;
		}
	}
	assert(false); /* COMPONENT_FORWARDS says there is one */
}

/* ---- feeding ---- */

static bool
flush(struct inspect *in)
{
	struct batch *b = in->batch;

	if (b == NULL)
		return true;
	if (in->trace != NULL)
		trace_run(in->trace, b, &in->out);
	else
		in->component->type->consume(in->component, b);
	if (b->waited_until_ns - in->now_ns > in->at_ns)
		in->at_ns = b->waited_until_ns - in->now_ns;
	in->batch = NULL;
	in->batch_bytes = 0;
	arena_clear(in->arena);
	labels_table_trim(in->table, LABEL_TABLE_BYTES_MAX);
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

static void
add_entry(struct inspect *in, const struct entry_json *e)
{
	int64_t number = (int64_t)in->n_lines - 1, now;
	struct batch *b = in->batch;

	if (e->has_at && e->at_ns > in->at_ns)
		in->at_ns = e->at_ns;
	now = in->now_ns + in->at_ns + number;
	b->ts[b->n] = e->has_ts ? e->ts_ns : in->now_ns + number;
	b->mark[b->n] = e->has_ts && !in->has_now && !e->has_at ? e->ts_ns : now;
	b->line[b->n] = e->line;
	b->labels[b->n] = labels_intern(in->table, e->labels, e->n_labels);
	b->metadata[b->n] = e->metadata;
	b->origin[b->n] = (struct origin){.line = (uint32_t)number, .lines = 1};
	b->n++;
	in->batch_bytes += e->line.len;
}

static bool
feed_line(struct inspect *in, struct str text)
{
	struct entry_json entry = {0};
	struct str error;

	in->n_lines++;
	if (in->batch == NULL) {
		in->batch = batch_new(in->arena, in->table, BATCH_ENTRIES);
		in->batch->mark = arena_array(in->arena, int64_t, BATCH_ENTRIES);
		in->batch->memory = &in->memory;
	}
	if (!in->jsonl_in) {
		entry.line = arena_str(in->arena, text);
	} else if (!entry_json_parse(in->arena, text, &entry, &error)) {
		fprintf(stderr, "longship inspect: standard input, line %llu: %.*s\n", (unsigned long long)in->n_lines,
			STR_FMT(error));
		return false;
	}
	add_entry(in, &entry);
	if (in->trace != NULL || in->batch->n == BATCH_ENTRIES || in->batch_bytes >= BATCH_BYTES)
		return flush(in);
	return true;
}

static bool
feed(struct inspect *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	bool ok = true;

	while (ok && (len = getline(&line, &cap, stdin)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		/* Blank lines of JSONL are no entries. */
		if (in->jsonl_in && str_trim((struct str){line, (size_t)len}).len == 0)
			continue;
		if ((size_t)len > INPUT_LINE_BYTES_MAX) {
			fprintf(stderr, "longship inspect: a line is longer than %u MiB\n", INPUT_LINE_BYTES_MAX >> 20);
			ok = false;
		} else {
			ok = feed_line(in, (struct str){line, (size_t)len});
		}
	}
	free(line);
	return ok && flush(in);
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
	metrics_print(in->metrics, &page);
	file = fopen(in->metrics_path, "we");
	ok = file != NULL && (page.len == 0 || fwrite(page.data, 1, page.len, file) == page.len);
	ok = file != NULL && fclose(file) == 0 && ok;
	if (!ok)
		fprintf(stderr, "longship inspect: cannot write %s: %s\n", in->metrics_path, strerror(errno));
	buf_done(&page);
	return ok;
}

/* ---- the component ---- */

static int
run(struct inspect *in, struct component *c)
{
	struct component collector = {
		.magic = COMPONENT_MAGIC, .type = &collector_type, .id = "inspect", .label = "", .state = in};
	void *receiver = &collector;
	int status = STATUS_FAULT;

	in->component = c;
	in->arena = arena_new(64 * 1024);
	in->table = labels_table_new();
	buf_init(&in->out, OUTPUT_BYTES_MAX);
	replace_receivers(c, &receiver);
	c->state = mem_zalloc(c->type->state_size > 0 ? c->type->state_size : 1);
	if (c->type->start(c, c->args) < 0) {
		fprintf(stderr, "longship inspect: %s does not start: %s\n", in->id, component_fail_text(c));
	} else {
		if (!in->jsonl_out)
			in->trace = trace_new(c, in->metrics, isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL);
		if (feed(in) && write_metrics(in))
			status = STATUS_FINE;
	}
	trace_free(in->trace);
	c->type->stop(c);
	mem_free(c->state);
	c->state = NULL;
	buf_done(&in->out);
	arena_free(in->arena);
	labels_table_free(in->table);
	return status;
}

static int
check_component(const struct inspect *in, const struct component *c)
{
	if ((c->type->flags & COMPONENT_CONSUMES) == 0) {
		fprintf(stderr, "longship inspect: %s takes no entries\n", in->id);
		return STATUS_USAGE;
	}
	if ((c->type->flags & COMPONENT_FORWARDS) == 0) {
		fprintf(stderr, "longship inspect: %s forwards no entries\n", in->id);
		return STATUS_USAGE;
	}
	return STATUS_FINE;
}

int
cmd_inspect(int argc, char **argv)
{
	struct inspect in = {0};
	struct runtime runtime = {.storage_path = ""};
	struct graph_load *load;
	struct graph *graph;
	struct component *c;
	int status = parse_options(&in, argc, argv);

	if (status != STATUS_FINE || in.path == NULL)
		return status;
	in.metrics = runtime.metrics = metrics_new();
	graph = graph_new(
		&runtime, &(struct graph_options){.types = catalog_types, .known = known_names, .only = in.id});
	load = graph_load(graph, &in.path, 1, GRAPH_LOAD_VALIDATE);
	diags_print(graph_load_diags(load), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
	c = diags_failed(graph_load_diags(load)) ? NULL : graph_load_component(load, in.id);
	status = c != NULL ? check_component(&in, c) : STATUS_FAULT;
	if (c != NULL && status == STATUS_FINE)
		status = run(&in, c);
	graph_load_free(load);
	graph_free(graph);
	metrics_free(in.metrics);
	return status;
}
