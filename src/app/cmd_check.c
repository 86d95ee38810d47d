/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/log.h"

#include "check_priv.h"

/*
 * The preflight. The configuration is loaded and evaluated, nothing is started or written. With --user the process
 * becomes that user first, so that every answer is the kernel's own for it.
 */

static bool
become(const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (user == NULL) {
		fprintf(stderr, "longship check: there is no user %s; mend: useradd --system %s\n", name, name);
		return false;
	}
	if (user->pw_uid == geteuid())
		return true;
	if (initgroups(name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0) {
		fprintf(stderr, "longship check: cannot become %s: %s; mend: run it with sudo\n", name, strerror(errno));
		return false;
	}
	return true;
}

static const char *
own_name(struct arena *arena)
{
	const struct passwd *user = getpwuid(geteuid());

	return user != NULL ? arena_z(arena, str_from(user->pw_name)) : arena_printf(arena, "%u", (unsigned)geteuid()).s;
}

static int
check(const struct options *options)
{
	struct graph *graph = graph_new(NULL,
		&(struct graph_options){
			.types = catalog_types, .known = known_names, .skip_unsupported = options->skip_unsupported});
	struct check c = {.options = options, .arena = arena_new(0)};

	c.load = graph_load(graph, (const char *const *)options->operands, options->n_operands, GRAPH_LOAD_VALIDATE);
	c.user = own_name(c.arena);
	diags_print(graph_load_diags(c.load), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
	if (diags_failed(graph_load_diags(c.load))) {
		check_finding(&c, CHECK_FAIL, arena_printf(c.arena, "longship validate %s", check_word(&c, options->operands[0])).s,
			"configuration: is at fault");
	} else {
		check_finding(&c, CHECK_OK, NULL, "configuration: is valid");
		check_files(&c);
		check_journal(&c);
		check_limits(&c);
		if (!options->offline)
			check_loki(&c);
	}
	graph_load_free(c.load);
	graph_free(graph);
	arena_free(c.arena);
	return c.failed ? STATUS_FAULT : STATUS_FINE;
}

int
cmd_check(int argc, char **argv)
{
	struct options options;
	int status;

	if (!options_parse(OPTIONS_CHECK, argc, argv, &options, &status))
		return status;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return STATUS_SYSTEM;
	log_start(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	if (options.user != NULL && !become(options.user))
		return STATUS_USAGE;
	return check(&options);
}
