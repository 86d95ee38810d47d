/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "longship/app/commands.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/duration.h"
#include "longship/base/limits.h"
#include "longship/base/log.h"
#include "longship/base/size.h"
#include "longship/base/str.h"

#include "storage.h"

/*
 * One table of flags. Alloy's run flags that mean nothing here are rows, too: a unit file written for Alloy
 * works, and the warning names what was ignored. getopt_long reads the table; its messages are ours, so that
 * they can say what was meant.
 */

enum flag_id {
	FLAG_HELP = 256,
	FLAG_LISTEN,
	FLAG_STORAGE,
	FLAG_SYNC,
	FLAG_BUDGET,
	FLAG_LANES,
	FLAG_DRAIN,
	FLAG_SANDBOX,
	FLAG_SKIP,
	FLAG_FORMAT,
	FLAG_OFFLINE,
	FLAG_USER,
	FLAG_IGNORED,
};

struct flag {
	const char *name;
	enum flag_id id;
	int has_arg;
	unsigned commands;
	const char *value; /* as help shows it, with the default */
	const char *doc;   /* NULL: not listed */
};

#define LOADING (OPTIONS_RUN | OPTIONS_VALIDATE | OPTIONS_TARGETS | OPTIONS_CHECK)
#define IGNORED_VALUE(flag_name)                                                                                       \
	{                                                                                                              \
		.name = (flag_name), .id = FLAG_IGNORED, .has_arg = required_argument, .commands = LOADING             \
	}
#define IGNORED_BOOL(flag_name)                                                                                        \
	{                                                                                                              \
		.name = (flag_name), .id = FLAG_IGNORED, .has_arg = optional_argument, .commands = LOADING             \
	}

static const struct flag flags[] = {
	{.name = "server.http.listen-addr",
		.id = FLAG_LISTEN,
		.has_arg = required_argument,
		.commands = OPTIONS_RUN | OPTIONS_CHECK,
		.value = "127.0.0.1:12345",
		.doc = "Address of metrics, status page and reload."},
	{.name = "storage.path",
		.id = FLAG_STORAGE,
		.has_arg = required_argument,
		.commands = OPTIONS_RUN | OPTIONS_CHECK,
		.value = "data-longship",
		.doc = "Directory of the positions."},
	{.name = "storage.sync",
		.id = FLAG_SYNC,
		.has_arg = required_argument,
		.commands = OPTIONS_RUN,
		.value = "second",
		.doc = "When positions are made durable; \"request\": before each request, too."},
	{.name = "memory.budget",
		.id = FLAG_BUDGET,
		.has_arg = required_argument,
		.commands = OPTIONS_RUN,
		.value = "16MiB",
		.doc = "Memory for what is in flight."},
	{.name = "lanes",
		.id = FLAG_LANES,
		.has_arg = required_argument,
		.commands = OPTIONS_RUN,
		.value = "N",
		.doc = "Worker threads; by default one per CPU, at most 4."},
	{.name = "drain-timeout",
		.id = FLAG_DRAIN,
		.has_arg = required_argument,
		.commands = OPTIONS_RUN,
		.value = "15s",
		.doc = "How long a graceful stop waits for what is on its way."},
	{.name = "sandbox",
		.id = FLAG_SANDBOX,
		.has_arg = optional_argument,
		.commands = OPTIONS_RUN,
		.value = "true",
		.doc = "Give up what is never needed: writing elsewhere, other programs, most of the kernel."},
	{.name = "config.skip-unsupported",
		.id = FLAG_SKIP,
		.has_arg = optional_argument,
		.commands = LOADING,
		.doc = "Leave out what longship does not know, and what only serves it, with a warning each."},
	{.name = "offline",
		.id = FLAG_OFFLINE,
		.has_arg = optional_argument,
		.commands = OPTIONS_CHECK,
		.doc = "Use no network: Loki is not asked."},
	{.name = "user",
		.id = FLAG_USER,
		.has_arg = required_argument,
		.commands = OPTIONS_CHECK,
		.value = "NAME",
		.doc = "Check as this user, as root only: the one of the service is longship."},
	{.name = "config.format", .id = FLAG_FORMAT, .has_arg = required_argument, .commands = LOADING},
	{.name = "help", .id = FLAG_HELP, .has_arg = no_argument, .commands = LOADING, .doc = "This page."},
	IGNORED_BOOL("cluster.discover-peers"),
	IGNORED_BOOL("cluster.enable-tls"),
	IGNORED_BOOL("cluster.enabled"),
	IGNORED_BOOL("cluster.use-discovery-v1"),
	IGNORED_BOOL("config.bypass-conversion-errors"),
	IGNORED_BOOL("disable-reporting"),
	IGNORED_BOOL("feature.community-components.enabled"),
	IGNORED_BOOL("feature.prometheus.direct-fanout.enabled"),
	IGNORED_BOOL("server.http.disable-support-bundle"),
	IGNORED_BOOL("server.http.enable-graphql"),
	IGNORED_BOOL("server.http.enable-graphql-playground"),
	IGNORED_BOOL("server.http.enable-pprof"),
	IGNORED_VALUE("cluster.advertise-address"),
	IGNORED_VALUE("cluster.advertise-interfaces"),
	IGNORED_VALUE("cluster.join-addresses"),
	IGNORED_VALUE("cluster.max-join-peers"),
	IGNORED_VALUE("cluster.name"),
	IGNORED_VALUE("cluster.node-name"),
	IGNORED_VALUE("cluster.rejoin-interval"),
	IGNORED_VALUE("cluster.tls-ca-path"),
	IGNORED_VALUE("cluster.tls-cert-path"),
	IGNORED_VALUE("cluster.tls-key-path"),
	IGNORED_VALUE("cluster.tls-server-name"),
	IGNORED_VALUE("cluster.wait-for-size"),
	IGNORED_VALUE("cluster.wait-timeout"),
	IGNORED_VALUE("config.extra-args"),
	IGNORED_VALUE("feature.component-shutdown-deadline"),
	IGNORED_VALUE("feature.prometheus.metric-validation-scheme"),
	IGNORED_VALUE("server.http.memory-addr"),
	IGNORED_VALUE("server.http.ui-path-prefix"),
	IGNORED_VALUE("stability.level"),
};

static const char *
command_name(enum options_command command)
{
	switch (command) {
	case OPTIONS_RUN:
		return "run";
	case OPTIONS_VALIDATE:
		return "validate";
	case OPTIONS_CHECK:
		return "check";
	case OPTIONS_TARGETS:
		break;
	}
	return "targets";
}

void
options_print_usage(enum options_command command, bool to_stderr)
{
	FILE *out = to_stderr ? stderr : stdout;
	const struct command *row = command_find(command_name(command));

	fprintf(out, "usage: longship %s %s\n\n%s.\n\n", row->name, row->usage, row->doc);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		char text[80];

		if (flags[i].doc == NULL || (flags[i].commands & (unsigned)command) == 0)
			continue;
		snprintf(text, sizeof(text), "--%s%s%s", flags[i].name, flags[i].value != NULL ? "=" : "",
			flags[i].value != NULL ? flags[i].value : "");
		fprintf(out, "  %-42s %s\n", text, flags[i].doc);
	}
}

static unsigned
default_lanes(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : n > 4 ? 4 : (unsigned)n;
}

static bool
bad_value(enum options_command command, const struct flag *flag, const char *why)
{
	fprintf(stderr, "longship %s: --%s: %s\n", command_name(command), flag->name, why);
	return false;
}

static bool
parse_bool(const char *text, bool *ret)
{
	if (text == NULL || strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*ret = true;
	else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*ret = false;
	else
		return false;
	return true;
}

static bool
take_number(enum options_command command, const struct flag *flag, struct str text, struct options *options)
{
	uint64_t n;

	if (flag->id == FLAG_BUDGET) {
		if (!size_parse(text, &n) || n < (1u << 20) || n > (UINT64_C(1) << 40))
			return bad_value(command, flag, "a size from 1MiB to 1TiB is expected");
		options->memory_budget_bytes = n;
	} else {
		if (!str_to_u64(text, &n) || n < 1 || n > LANES_MAX)
			return bad_value(command, flag, "a number from 1 to 64 is expected");
		options->lanes = (unsigned)n;
	}
	return true;
}

static bool
is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	return colon != NULL && str_to_u64(str_from(colon + 1), &port) && port <= UINT16_MAX;
}

static bool
take_flag(enum options_command command, const struct flag *flag, const char *value, struct options *options)
{
	switch (flag->id) {
	case FLAG_LISTEN:
		options->listen_addr = value;
		return is_address(value) || bad_value(command, flag, "HOST:PORT is expected, as 127.0.0.1:12345");
	case FLAG_STORAGE:
		options->storage_path = value;
		return value[0] != '\0' || bad_value(command, flag, "a directory is expected");
	case FLAG_SYNC:
		options->sync_requests = strcmp(value, "request") == 0;
		return options->sync_requests || strcmp(value, "second") == 0 ||
		       bad_value(command, flag, "\"second\" or \"request\" is expected");
	case FLAG_BUDGET:
	case FLAG_LANES:
		return take_number(command, flag, str_from(value), options);
	case FLAG_DRAIN:
		return (duration_parse(str_from(value), &options->drain_timeout_ns) &&
			       options->drain_timeout_ns >= 0) ||
		       bad_value(command, flag, "a duration like 15s is expected");
	case FLAG_SKIP:
		return parse_bool(value, &options->skip_unsupported) ||
		       bad_value(command, flag, "true or false is expected");
	case FLAG_SANDBOX:
		return parse_bool(value, &options->sandbox) || bad_value(command, flag, "true or false is expected");
	case FLAG_OFFLINE:
		return parse_bool(value, &options->offline) || bad_value(command, flag, "true or false is expected");
	case FLAG_USER:
		options->user = value;
		return value[0] != '\0' || bad_value(command, flag, "a user name is expected");
	case FLAG_FORMAT:
		return strcmp(value, "alloy") == 0 ||
		       bad_value(command, flag,
			       "only \"alloy\" is read; \"longship convert\" makes it from other formats");
	case FLAG_IGNORED:
		log_warn(NULL, "flag of Alloy without meaning for longship is ignored", "flag", flag->name, NULL);
		return true;
	case FLAG_HELP:
		break;
	}
	return true;
}

static void
report_unknown(enum options_command command, const char *arg)
{
	const char *names[ARRAY_LEN(flags)];
	const char *nearest;
	struct str name, value;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if ((flags[i].commands & (unsigned)command) != 0)
			names[n++] = flags[i].name;
	(void)str_cut(str_from(arg), '=', &name, &value);
	while (name.len > 0 && name.s[0] == '-')
		name = str_from_offset(name, 1);
	nearest = str_nearest(name, names, n);
	fprintf(stderr, "longship %s: unknown flag %s", command_name(command), arg);
	if (nearest != NULL)
		fprintf(stderr, ", did you mean --%s?", nearest);
	fprintf(stderr, "\n");
}

static size_t
fill_table(enum options_command command, struct option *table)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if ((flags[i].commands & (unsigned)command) != 0)
			table[n++] = (struct option){
				.name = flags[i].name, .has_arg = flags[i].has_arg, .val = (int)(1000 + i)};
	table[n] = (struct option){0};
	return n;
}

/* getopt takes abbreviations, which would change their meaning with every new flag. */
static const char *
find_unknown(enum options_command command, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		struct str name, value;
		bool known = false;

		if (strncmp(argv[i], "--", 2) != 0)
			continue;
		(void)str_cut(str_from(argv[i] + 2), '=', &name, &value);
		for (size_t k = 0; k < ARRAY_LEN(flags); k++)
			known = known || ((flags[k].commands & (unsigned)command) != 0 && str_is(name, flags[k].name));
		if (!known)
			return argv[i];
	}
	return NULL;
}

static bool
check_operands(enum options_command command, const struct options *options)
{
	size_t n = options->n_operands;

	if (command == OPTIONS_TARGETS ? n == 2 : n >= 1)
		return true;
	options_print_usage(command, true);
	return false;
}

bool
options_parse(enum options_command command, int argc, char **argv, struct options *ret, int *ret_status)
{
	struct option table[ARRAY_LEN(flags) + 1];
	const char *unknown = find_unknown(command, argc, argv);
	int c;

	*ret = (struct options){
		.listen_addr = "127.0.0.1:12345",
		.storage_path = command == OPTIONS_CHECK ? storage_default_path() : "data-longship",
		.memory_budget_bytes = MEMORY_BUDGET_BYTES,
		.lanes = default_lanes(),
		.drain_timeout_ns = 15 * NS_PER_S,
		.sandbox = true,
	};
	(void)fill_table(command, table);
	*ret_status = STATUS_USAGE;
	if (unknown != NULL) {
		report_unknown(command, unknown);
		return false;
	}
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (c == 'h' || (c >= 1000 && flags[c - 1000].id == FLAG_HELP)) {
			options_print_usage(command, false);
			*ret_status = STATUS_FINE;
			return false;
		}
		if (c == ':') {
			fprintf(stderr, "longship %s: %s needs a value\n", command_name(command), argv[optind - 1]);
			return false;
		}
		if (c == '?') {
			report_unknown(command, argv[optind - 1]);
			return false;
		}
		if (!take_flag(command, &flags[c - 1000], optarg, ret))
			return false;
	}
	ret->operands = argv + optind;
	ret->n_operands = (size_t)(argc - optind);
	return check_operands(command, ret);
}
