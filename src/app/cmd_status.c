/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "longship/app/commands.h"
#include "longship/base/clock.h"
#include "longship/base/duration.h"
#include "longship/codec/json_tree.h"

#include "control.h"
#include "control_answer.h"
#include "storage.h"
#include "table.h"

/* Asks the running instance and shows its answer as tables, or as it came. */

#define WORST 5

struct status_options {
	const char *storage_path;
	bool json;
	uint64_t worst;
};

static void
print_usage(FILE *out)
{
	const struct command *row = command_find("status");

	fprintf(out,
		"usage: longship %s %s\n\n%s.\n\n"
		"  --storage.path=DIR   As given to \"longship run\"; by default data-longship, else /var/lib/longship.\n"
		"  --worst=5            How many files that are behind are shown of each source.\n"
		"  --json               Everything, as one JSON object.\n",
		row->name, row->usage, row->doc);
}

static const char *
number(struct arena *arena, const struct json *object, const char *name)
{
	return arena_printf(arena, "%" PRIu64, control_get_number(object, name)).s;
}

static const char *
age(struct arena *arena, const struct json *object, const char *name)
{
	char text[DURATION_BYTES];
	double s = 0;

	(void)json_tree_number(json_tree_get(object, str_from(name)), &s);
	/* Below a minute with tenths. */
	return arena_z(arena,
		str_from(duration_format(s < 60 ? (int64_t)(s * 10) * (NS_PER_S / 10) : (int64_t)s * NS_PER_S, text)));
}

static const char *
text(struct arena *arena, const struct json *object, const char *name)
{
	struct str s = control_get_text(arena, object, name);

	return s.len > 0 ? arena_z(arena, s) : "-";
}

static void
print_head(struct arena *arena, const struct json *status)
{
	const struct json *healthy = json_tree_get(status, STR("healthy")), *memory = json_tree_get(status, STR("memory"));
	const struct json *components = json_tree_get(status, STR("components"));

	printf("longship %s, pid %s, up %s, %s, memory in flight %s of %s bytes\n", text(arena, status, "version"),
		number(arena, status, "pid"), age(arena, status, "uptime_seconds"),
		healthy != NULL && healthy->boolean ? "healthy" : "UNHEALTHY", number(arena, memory, "used"),
		number(arena, memory, "budget"));
	for (size_t i = 0; components != NULL && i < components->array.n; i++) {
		const struct json *c = &components->array.items[i];
		struct str health = json_tree_get_text(c, STR("health"));

		if (str_is(health, "unhealthy") || str_is(health, "exited"))
			printf("%s is %.*s: %s\n", text(arena, c, "id"), STR_FMT(health), text(arena, c, "message"));
	}
}

static void
print_sources(struct arena *arena, const struct json *sources)
{
	struct table table;
	bool behind = false;

	table_init(&table, arena, 9);
	table_row(&table, (const char *[]){"SOURCE", "READ", "ACKNOWLEDGED", "REJECTED", "DROPPED", "IN FLIGHT", "LAG BYTES",
				  "LAG", "STREAMS"});
	for (size_t i = 0; i < sources->array.n; i++) {
		const struct json *s = &sources->array.items[i];
		const struct json *worst = json_tree_get(s, STR("worst"));

		behind = behind || (worst != NULL && worst->array.n > 0);
		table_row(&table, (const char *[]){text(arena, s, "id"), number(arena, s, "read"),
					  number(arena, s, "acknowledged"), number(arena, s, "rejected"),
					  number(arena, s, "dropped"), number(arena, s, "in_flight"),
					  number(arena, s, "lag_bytes"), age(arena, s, "lag_seconds"),
					  number(arena, s, "streams")});
	}
	table_print(&table, stdout);
	if (!behind)
		return;
	table_init(&table, arena, 5);
	table_row(&table, (const char *[]){"BEHIND", "POSITION", "SIZE", "LAG BYTES", "LAG"});
	for (size_t i = 0; i < sources->array.n; i++) {
		const struct json *worst = json_tree_get(&sources->array.items[i], STR("worst"));

		for (size_t k = 0; worst != NULL && k < worst->array.n; k++) {
			const struct json *w = &worst->array.items[k];

			table_row(&table, (const char *[]){text(arena, w, "path"), number(arena, w, "position"),
						  number(arena, w, "size"), number(arena, w, "lag_bytes"),
						  age(arena, w, "lag_seconds")});
		}
	}
	table_print(&table, stdout);
}

static void
print_endpoints(struct arena *arena, const struct json *endpoints)
{
	struct table table;

	table_init(&table, arena, 7);
	table_row(&table, (const char *[]){"ENDPOINT", "HOST", "TENANT", "SENT BYTES", "SENT ENTRIES", "RETRIES", "LAST ERROR"});
	for (size_t i = 0; i < endpoints->array.n; i++) {
		const struct json *e = &endpoints->array.items[i];
		const char *error = text(arena, e, "last_error");

		if (strcmp(error, "-") != 0)
			error = arena_printf(arena, "%s ago%s: %s", age(arena, e, "last_error_seconds_ago"),
				control_get_number(e, "parked") > 0 ? ", parked" : control_get_number(e, "failures") > 0 ? ", still failing" : "", error)
					.s;
		if (control_get_number(e, "lagging_sources") > 0)
			error = arena_printf(arena, "%s (%s sources are ahead of it)", error, number(arena, e, "lagging_sources")).s;
		table_row(&table, (const char *[]){text(arena, e, "component"), text(arena, e, "host"), text(arena, e, "tenant"),
					  number(arena, e, "sent_bytes"), number(arena, e, "sent_entries"),
					  number(arena, e, "retries"), error});
	}
	table_print(&table, stdout);
}

static void
print_wals(struct arena *arena, const struct json *wals)
{
	struct table table;

	if (wals == NULL || wals->kind != JSON_TREE_ARRAY || wals->array.n == 0)
		return;
	table_init(&table, arena, 7);
	table_row(&table, (const char *[]){"WAL", "BYTES", "MAX BYTES", "ENTRIES", "OLDEST", "DROPPED", "ERROR"});
	for (size_t i = 0; i < wals->array.n; i++) {
		const struct json *w = &wals->array.items[i];

		table_row(&table, (const char *[]){text(arena, w, "component"), number(arena, w, "bytes"), number(arena, w, "max_bytes"),
					  number(arena, w, "entries"), age(arena, w, "oldest_seconds"), number(arena, w, "dropped"), text(arena, w, "error")});
	}
	table_print(&table, stdout);
}

static int
print_status(struct str reply, bool json)
{
	struct arena *arena = arena_new(0);
	struct str error;
	const struct json *status = json_tree_parse(arena, reply, 0, &error);
	const struct json *sources = json_tree_get(status, STR("sources"));
	const struct json *endpoints = json_tree_get(status, STR("endpoints"));
	int r = STATUS_FINE;

	if (sources == NULL || sources->kind != JSON_TREE_ARRAY || endpoints == NULL || endpoints->kind != JSON_TREE_ARRAY) {
		fprintf(stderr, "longship status: the answer is not understood: %.*s\n", STR_FMT(str_head(reply, 200)));
		r = STATUS_SYSTEM;
	} else if (json) {
		(void)fwrite(reply.s, 1, reply.len, stdout);
	} else {
		print_head(arena, status);
		print_sources(arena, sources);
		print_endpoints(arena, endpoints);
		print_wals(arena, json_tree_get(status, STR("wals")));
	}
	if (r == STATUS_FINE && fflush(stdout) != 0)
		r = STATUS_SYSTEM;
	arena_free(arena);
	return r;
}

static int
ask_status(const struct status_options *options)
{
	struct buf request, reply;
	int r, status = STATUS_FAULT;

	buf_init(&request, 256);
	buf_init(&reply, CONTROL_REPLY_BYTES_MAX + (1u << 20));
	buf_printf(&request, "{\"command\":\"status\",\"worst\":%" PRIu64 "}", options->worst);
	r = control_ask(options->storage_path, buf_view(&request), &reply);
	if (r == 0)
		status = print_status(buf_view(&reply), options->json);
	else if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
		fprintf(stderr, "longship status: no longship is running on the storage path %s\n", options->storage_path);
	else if (r == -EACCES || r == -EPERM)
		fprintf(stderr, "longship status: %s/control.sock is for its owner and root only\n", options->storage_path);
	else
		fprintf(stderr, "longship status: the longship that runs on %s does not answer: %s\n", options->storage_path,
			strerror(-r));
	buf_done(&request);
	buf_done(&reply);
	return status;
}

int
cmd_status(int argc, char **argv)
{
	static const struct option flags[] = {
		{"storage.path", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"worst", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct status_options options = {.storage_path = storage_default_path(), .worst = WORST};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "h", flags, NULL)) != -1) {
		if (c == 's') {
			options.storage_path = optarg;
		} else if (c == 'j') {
			options.json = true;
		} else if (c == 'h') {
			print_usage(stdout);
			return STATUS_FINE;
		} else if (c != 'w' || !str_to_u64(str_from(optarg), &options.worst)) {
			print_usage(stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	return ask_status(&options);
}
