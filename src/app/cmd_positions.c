/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/app/commands.h"
#include "longship/base/clock.h"
#include "longship/codec/legacy_positions.h"
#include "longship/os/file.h"

#include "control.h"
#include "control_answer.h"
#include "position_rows.h"
#include "storage.h"
#include "table.h"

/*
 * longship positions. Everything goes through storage_ask, so it works the same while longship runs and while it
 * does not. Which component is meant is worked out where only one can be.
 */

#define REQUEST_BYTES (8u << 20) /* an import is cut into requests of about this size */
#define REQUEST_CHANGES 50000
#define INVALID_BYTES_MAX 256 /* of what is no number are kept */

struct verb;

struct positions_options {
	const struct verb *verb;
	const char *storage_path;
	struct str component, labels;
	enum legacy_positions_format format;
	bool has_format, json;
	char **operands;
	size_t n_operands;
};

struct verb {
	const char *name, *usage, *doc;
	size_t operands_min, operands_max;
	bool creates; /* a store, when there is none */
	int (*run)(struct storage *, const struct positions_options *);
};

static int run_list(struct storage *, const struct positions_options *);
static int run_export(struct storage *, const struct positions_options *);
static int run_import(struct storage *, const struct positions_options *);
static int run_set(struct storage *, const struct positions_options *);
static int run_reset(struct storage *, const struct positions_options *);

static const struct verb verbs[] = {
	{"list", "[--component=ID] [--json]", "How far each file has been read, and what is left of it.", 0, 0, false, run_list},
	{"export", "--format=promtail|alloy [--component=ID] [FILE]", "Write a positions file for another shipper.", 0, 1, false,
		run_export},
	{"import", "[--component=ID] [--format=auto|promtail|alloy] FILE", "Take over the positions file of Promtail or Alloy.",
		1, 1, true, run_import},
	{"set", "[--component=ID] [--labels={a=\"b\"}] PATH OFFSET", "Read a file from this byte on.", 2, 2, true, run_set},
	{"reset", "[--component=ID] PATH", "Forget a file: it is read as one that was never seen.", 1, 1, false, run_reset},
};

static void
print_usage(FILE *out)
{
	fprintf(out, "usage:\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(out, "  longship positions %s %s\n      %s\n", verbs[i].name, verbs[i].usage, verbs[i].doc);
	fprintf(out,
		"\n  --storage.path=DIR  As given to \"longship run\"; by default data-longship, else /var/lib/longship.\n"
		"  --component=ID      loki.source.file.LABEL; needed where several could be meant.\n"
		"  --labels={a=\"b\"}    Where one component follows a path under several label sets: the one that is meant.\n\n"
		"Works through the longship that runs on the storage path, else on its store. What is set or imported is taken\n"
		"over when longship opens the path; at once, when it follows it already.\n");
}

static int
fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int
fault(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "longship positions: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return STATUS_FAULT;
}

static uint64_t
unread(const struct position_row *row)
{
	return row->has_size && row->size > row->offset ? row->size - row->offset : 0;
}

static const char *
state_text(const struct position_row *row)
{
	switch (row->state) {
	case POSITION_CURRENT:
		return row->offset > row->size ? "cut since" : "";
	case POSITION_PLACED:
		return row->invalid ? "not a number, to be opened" : "to be opened";
	case POSITION_EARLIER:
		return "earlier file";
	case POSITION_GONE:
		return "no such file";
	case POSITION_LAGGING:
		return "a destination lags behind";
	case POSITION_CURSOR:
		break;
	}
	return "";
}

static const char *
state_name(const struct position_row *row)
{
	static const char *const names[] = {"current", "placed", "earlier", "gone", "cursor", "lagging"};

	return names[row->state];
}

static void
print_table(const struct position_rows *rows)
{
	struct arena *arena = rows->arena;
	struct table table;

	table_init(&table, arena, 7);
	table_row(&table, (const char *[]){"OFFSET", "SIZE", "UNREAD", "UPDATED", "COMPONENT", "PATH", "NOTE"});
	for (size_t i = 0; i < rows->rows.len; i++) {
		const struct position_row *row = &rows->rows.items[i];
		char updated[CLOCK_RFC3339_BYTES];
		const char *note = row->text.len > 0 ? arena_z(arena, row->text) : state_text(row);

		clock_format_rfc3339(row->updated_ns / NS_PER_S * NS_PER_S, updated);
		memcpy(updated + 19, "Z", 2);
		table_row(&table,
			(const char *[]){row->state == POSITION_CURSOR ? "-" : arena_printf(arena, "%" PRIu64, row->offset).s,
				row->has_size ? arena_printf(arena, "%" PRIu64, row->size).s : "-",
				row->has_size ? arena_printf(arena, "%" PRIu64, unread(row)).s : "-", updated,
				arena_z(arena, row->component), arena_z(arena, row->path), note});
	}
	table_print(&table, stdout);
}

static void
print_json(const struct position_rows *rows)
{
	struct buf line;

	buf_init(&line, 1 << 20);
	fputs("[", stdout);
	for (size_t i = 0; i < rows->rows.len; i++) {
		const struct position_row *row = &rows->rows.items[i];
		char updated[CLOCK_RFC3339_BYTES];

		buf_clear(&line);
		buf_z(&line, i > 0 ? ",\n{" : "\n{");
		control_put_text(&line, "component", row->component);
		control_put_text(&line, "path", row->path);
		control_put_text(&line, "labels", row->labels);
		if (row->text.len > 0)
			control_put_text(&line, row->invalid ? "invalid" : "cursor", row->text);
		if (row->state != POSITION_CURSOR)
			buf_printf(&line, ",\"offset\":%" PRIu64, row->offset);
		if (row->has_size)
			buf_printf(&line, ",\"size\":%" PRIu64 ",\"unread\":%" PRIu64, row->size, unread(row));
		buf_printf(&line, ",\"state\":\"%s\",\"updated\":\"%s\"}", state_name(row),
			clock_format_rfc3339(row->updated_ns, updated));
		(void)fwrite(line.data, 1, line.len, stdout);
	}
	fputs(rows->rows.len > 0 ? "\n]\n" : "]\n", stdout);
	buf_done(&line);
}

static int
run_list(struct storage *storage, const struct positions_options *options)
{
	struct position_rows rows;
	int r = position_rows_get(storage, options->component, &rows);

	if (r == 0 && options->json)
		print_json(&rows);
	else if (r == 0)
		print_table(&rows);
	if (r == 0 && fflush(stdout) != 0)
		r = STATUS_SYSTEM;
	position_rows_done(&rows);
	return r;
}

static bool
is_file_source(struct str component)
{
	return str_starts(component, STR("loki.source.file."));
}

static int
say_which(const struct str *names, size_t n, const char *why)
{
	(void)fault("%s: name one with --component", why);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "  --component=%.*s\n", STR_FMT(names[i]));
	return STATUS_FAULT;
}

static void
add_once(struct str *names, size_t *n, size_t max, struct str name)
{
	for (size_t i = 0; i < *n; i++)
		if (str_eq(names[i], name))
			return;
	if (*n < max)
		names[(*n)++] = name;
}

/* Which component is meant, when none was named: the only one that knows the path (if there is one), that runs, or that the
 * store knows. */
static int
choose_component(const struct position_rows *rows, const struct positions_options *options, struct str path, struct str *ret)
{
	struct str names[16];
	size_t n = 0, max = sizeof(names) / sizeof(names[0]);

	if (options->component.len > 0) {
		*ret = options->component;
		return 0;
	}
	for (size_t i = 0; i < rows->rows.len; i++)
		if (path.len > 0 && is_file_source(rows->rows.items[i].component) && str_eq(rows->rows.items[i].path, path))
			add_once(names, &n, max, rows->rows.items[i].component);
	for (size_t i = 0; n == 0 && i < rows->components.len; i++)
		add_once(names, &n, max, rows->components.items[i]);
	for (size_t i = 0, none = n; none == 0 && i < rows->rows.len; i++)
		if (is_file_source(rows->rows.items[i].component))
			add_once(names, &n, max, rows->rows.items[i].component);
	if (n == 0)
		return fault("name the component that reads the file, as in --component=loki.source.file.LABEL");
	if (n > 1)
		return say_which(names, n, "there are several components");
	*ret = names[0];
	return 0;
}

/* Sends what is in request so far, closes and opens it. */
static int
send_changes(struct storage *storage, struct buf *request)
{
	struct arena *arena;
	struct buf reply;
	struct str error = STR_EMPTY;
	const struct json *doc;
	int r;

	buf_init(&reply, CONTROL_REPLY_BYTES_MAX);
	buf_z(request, "]}");
	r = storage_ask(storage, buf_view(request), &reply);
	if (r == 0) {
		arena = arena_new(0);
		doc = json_tree_parse(arena, str_trim(buf_view(&reply)), 0, &error);
		if (doc != NULL)
			error = json_tree_get_text(doc, STR("error"));
		if (error.len > 0)
			r = fault("%.*s", STR_FMT(error));
		arena_free(arena);
	}
	buf_done(&reply);
	buf_clear(request);
	buf_z(request, "{\"command\":\"positions.change\",\"changes\":[");
	return r;
}

static void
begin_changes(struct buf *request)
{
	buf_init(request, CONTROL_REQUEST_BYTES_MAX);
	buf_z(request, "{\"command\":\"positions.change\",\"changes\":[");
}

static void
put_change(struct buf *request, const char *kind, const struct placed *p)
{
	buf_z(request, request->data[request->len - 1] == '[' ? "{" : ",{");
	control_put_text(request, "kind", str_from(kind));
	control_put_text(request, "component", p->component);
	control_put_text(request, "path", p->path);
	control_put_text(request, "labels", p->labels);
	control_put_text(request, "text", p->text);
	buf_printf(request, ",\"offset\":%" PRIu64 "}", p->offset);
}

static int
run_set(struct storage *storage, const struct positions_options *options)
{
	struct placed p = {.path = str_from(options->operands[0]), .labels = options->labels};
	struct file_identity id;
	struct position_rows rows;
	struct buf request;
	int r;

	if (!str_to_u64(str_from(options->operands[1]), &p.offset) || p.offset > INT64_MAX)
		return fault("\"%s\" is not an offset in bytes", options->operands[1]);
	if (file_identify_path(options->operands[0], &id) == 0 && p.offset > id.size)
		return fault("%s has only %" PRIu64 " bytes", options->operands[0], id.size);
	r = position_rows_get(storage, STR_EMPTY, &rows);
	if (r == 0)
		r = choose_component(&rows, options, p.path, &p.component);
	if (r == 0) {
		begin_changes(&request);
		put_change(&request, "offset", &p);
		r = send_changes(storage, &request);
		if (r == 0)
			printf("%.*s: %.*s is read from byte %" PRIu64 " on\n", STR_FMT(p.component), STR_FMT(p.path), p.offset);
		buf_done(&request);
	}
	position_rows_done(&rows);
	return r;
}

static int
run_reset(struct storage *storage, const struct positions_options *options)
{
	struct str path = str_from(options->operands[0]), last = STR_EMPTY;
	struct position_rows rows;
	struct buf request;
	int r = position_rows_get(storage, options->component, &rows);

	begin_changes(&request);
	for (size_t i = 0; r == 0 && i < rows.rows.len; i++) {
		const struct position_row *row = &rows.rows.items[i];

		if (!str_eq(row->path, path) || str_eq(row->component, last))
			continue;
		last = row->component;
		put_change(&request, "reset", &(struct placed){.component = row->component, .path = path});
	}
	if (r == 0 && last.len == 0)
		r = fault("nothing is known of %s", options->operands[0]);
	else if (r == 0)
		r = send_changes(storage, &request);
	if (r == 0)
		printf("%s is forgotten\n", options->operands[0]);
	buf_done(&request);
	position_rows_done(&rows);
	return r;
}

/* Alloy's file lies in a folder named after its component. */
static struct str
component_of_folder(const char *file)
{
	struct str path = str_from(file);
	size_t slash, from;

	for (slash = path.len; slash > 0 && path.s[slash - 1] != '/'; slash--)
		;
	if (slash == 0)
		return STR_EMPTY;
	for (from = slash - 1; from > 0 && path.s[from - 1] != '/'; from--)
		;
	path = (struct str){path.s + from, slash - 1 - from};
	return is_file_source(path) ? path : STR_EMPTY;
}

static bool
is_journal(struct str path)
{
	return str_starts(path, STR("cursor-")) || str_starts(path, STR("journal-"));
}

static int
send_positions(struct storage *storage, struct str component, const struct legacy_positions *positions)
{
	size_t n = 0, invalid = 0, journals = 0;
	struct buf request;
	int r = 0;

	begin_changes(&request);
	for (size_t i = 0; r == 0 && i < positions->n; i++) {
		const struct legacy_position *from = &positions->items[i];
		struct placed p = {.component = component, .path = from->path, .labels = from->labels};
		bool good = str_to_u64(from->value, &p.offset) && p.offset <= INT64_MAX;

		if (is_journal(from->path)) {
			journals++;
			continue;
		}
		if (!good) {
			p.offset = 0;
			p.text = str_head(from->value, INVALID_BYTES_MAX);
			invalid++;
		}
		put_change(&request, good ? "offset" : "invalid", &p);
		n++;
		if (request.len >= REQUEST_BYTES || n % REQUEST_CHANGES == 0)
			r = send_changes(storage, &request);
	}
	if (r == 0)
		r = send_changes(storage, &request);
	buf_done(&request);
	if (r != 0)
		return r;
	printf("%.*s: %zu positions taken over\n", STR_FMT(component), n);
	if (invalid > 0)
		printf("%zu of them are no numbers: on_positions_file_error of the component decides\n", invalid);
	if (journals > 0)
		printf("%zu positions of journals are left out: legacy_position of loki.source.journal takes one over\n", journals);
	return 0;
}

static int
run_import(struct storage *storage, const struct positions_options *options)
{
	struct positions_options chosen = *options;
	struct arena *arena = arena_new(0);
	struct legacy_positions positions;
	struct position_rows rows = {0};
	struct str component, error;
	struct buf text;
	int r;

	buf_init(&text, LEGACY_POSITIONS_BYTES_MAX);
	r = file_read(options->operands[0], &text);
	if (r < 0)
		r = fault("cannot read %s: %s", options->operands[0], strerror(-r));
	else if (!legacy_positions_parse(arena, buf_view(&text), options->format, &positions, &error))
		r = fault("%s: %.*s", options->operands[0], STR_FMT(error));
	if (r == 0) {
		if (chosen.component.len == 0)
			chosen.component = component_of_folder(options->operands[0]);
		r = position_rows_get(storage, STR_EMPTY, &rows);
		if (r == 0)
			r = choose_component(&rows, &chosen, STR_EMPTY, &component);
		if (r == 0)
			r = send_positions(storage, component, &positions);
		position_rows_done(&rows);
	}
	buf_done(&text);
	arena_free(arena);
	return r;
}

/* The entries that count, of one component. */
static int
select_rows(const struct position_rows *rows, enum legacy_positions_format format, struct legacy_position *items, size_t *ret_n)
{
	struct str names[16];
	size_t n_names = 0, n = 0;

	for (size_t i = 0; i < rows->rows.len; i++) {
		const struct position_row *row = &rows->rows.items[i];
		bool cursor = row->state == POSITION_CURSOR;

		if (row->state == POSITION_EARLIER || row->state == POSITION_LAGGING || (cursor && row->text.len == 0))
			continue;
		add_once(names, &n_names, sizeof(names) / sizeof(names[0]), row->component);
		items[n++] = (struct legacy_position){
			.path = cursor && !str_starts(row->path, STR("cursor-")) ? arena_printf(rows->arena, "cursor-%.*s", STR_FMT(row->component)) : row->path,
			.labels = row->labels,
			.value = cursor || row->invalid ? row->text : arena_printf(rows->arena, "%" PRIu64, row->offset),
		};
	}
	*ret_n = n;
	/* Promtail has one file for all, Alloy one for each component. */
	return format == LEGACY_POSITIONS_ALLOY && n_names > 1
		? say_which(names, n_names, "Alloy has a file for each component")
		: 0;
}

static int
write_export(const struct positions_options *options, struct str text)
{
	int r;

	if (options->n_operands == 0)
		return fwrite(text.s, 1, text.len, stdout) == text.len && fflush(stdout) == 0 ? 0 : STATUS_SYSTEM;
	r = file_replace(options->operands[0], text, 0600);
	return r < 0 ? fault("cannot write %s: %s", options->operands[0], strerror(-r)) : 0;
}

static int
run_export(struct storage *storage, const struct positions_options *options)
{
	struct legacy_position *items;
	struct position_rows rows;
	struct buf text;
	size_t n;
	int r;

	if (!options->has_format || options->format == LEGACY_POSITIONS_AUTO) {
		fprintf(stderr, "longship positions: export needs --format=promtail or --format=alloy\n");
		return STATUS_USAGE;
	}
	r = position_rows_get(storage, options->component, &rows);
	if (r == 0) {
		items = arena_array(rows.arena, struct legacy_position, rows.rows.len);
		buf_init(&text, SIZE_MAX / 2);
		r = select_rows(&rows, options->format, items, &n);
		if (r == 0) {
			(void)legacy_positions_print(items, n, options->format, &text);
			r = write_export(options, buf_view(&text));
		}
		buf_done(&text);
	}
	position_rows_done(&rows);
	return r;
}

static bool
take_flag(int c, struct positions_options *options)
{
	switch (c) {
	case 's':
		options->storage_path = optarg;
		return optarg[0] != '\0';
	case 'c':
		options->component = str_from(optarg);
		return optarg[0] != '\0' && strchr(optarg, '|') == NULL;
	case 'l':
		options->labels = str_from(optarg);
		return true;
	case 'f':
		options->has_format = true;
		return legacy_positions_format_parse(str_from(optarg), &options->format);
	case 'j':
		options->json = true;
		return true;
	default:
		return false;
	}
}

/* -1: go on, else the exit status. */
static int
parse_options(int argc, char **argv, struct positions_options *ret)
{
	static const struct option flags[] = {
		{"storage.path", required_argument, NULL, 's'},
		{"component", required_argument, NULL, 'c'},
		{"labels", required_argument, NULL, 'l'},
		{"format", required_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	*ret = (struct positions_options){.storage_path = storage_default_path()};
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "h", flags, NULL)) != -1) {
		if (c == 'h') {
			print_usage(stdout);
			return STATUS_FINE;
		}
		if (!take_flag(c, ret)) {
			print_usage(stderr);
			return STATUS_USAGE;
		}
	}
	for (size_t i = 0; optind < argc && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[optind], verbs[i].name) == 0)
			ret->verb = &verbs[i];
	if (ret->verb != NULL) {
		ret->operands = argv + optind + 1;
		ret->n_operands = (size_t)(argc - optind - 1);
		if (ret->n_operands >= ret->verb->operands_min && ret->n_operands <= ret->verb->operands_max)
			return -1;
	}
	print_usage(stderr);
	return STATUS_USAGE;
}

int
cmd_positions(int argc, char **argv)
{
	struct positions_options options;
	struct storage storage = {.command = "positions"};
	int r = parse_options(argc, argv, &options);

	if (r != -1)
		return r;
	storage.path = options.storage_path;
	storage.create = options.verb->creates;
	r = options.verb->run(&storage, &options);
	storage_done(&storage);
	return r;
}
