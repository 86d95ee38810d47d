/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/log.h"
#include "longship/base/vec.h"
#include "longship/flow/graph.h"
#include "longship/os/file.h"

#include "check_priv.h"
#include "replay_priv.h"

/*
 * Dead letters go to Loki again, to the endpoint that refused them, as the configuration now has it. A file is locked while it is worked
 * on, and written anew with what is left: a letter leaves it once Loki has stored it. Being interrupted costs nothing but that some go out
 * a second time, as the same entries.
 */

#define DEFAULT_CONFIG "/etc/longship/config.alloy"
#define FILE_BYTES_MAX (1u << 30)
#define FILES_MAX 100000

struct replay_options {
	const char *config, *dir;
	bool skip_unsupported;
};

static void
print_usage(FILE *out)
{
	const struct command *row = command_find("replay");

	fprintf(out,
		"usage: longship %s %s\n\n%s.\n\n"
		"  DIR                        A dead-letter directory: STORAGE/COMPONENT/dead-letters.\n"
		"  --config=PATH              The configuration whose endpoints they go to; by default %s.\n"
		"  --config.skip-unsupported  As of \"longship run\".\n\n"
		"What Loki stores leaves the files; what it refuses again, or cannot be sent, stays. The exit status is 0 when nothing\n"
		"is left, 1 when something is, 3 when Loki or the directory cannot be reached. It works beside a running longship.\n",
		row->name, row->usage, row->doc, DEFAULT_CONFIG);
}

/* ---- Files ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Its *.jsonl, oldest first. -errno. */
static ssize_t
list_files(struct arena *arena, const char *dir, const char ***ret)
{
	VEC(const char *) names = {0};
	struct dirent *entry;
	DIR *d = opendir(dir);
	ssize_t n;

	if (d == NULL)
		return -errno;
	while ((entry = readdir(d)) != NULL && names.len < FILES_MAX) {
		if (str_ends(str_from(entry->d_name), STR(".jsonl")))
			vec_push(&names, arena_printf(arena, "%s/%s", dir, entry->d_name).s);
	}
	(void)closedir(d);
	if (names.len > 0)
		qsort(names.items, names.len, sizeof(*names.items), compare_names);
	*ret = arena_array(arena, const char *, names.len + 1);
	if (names.len > 0)
		memcpy(*ret, names.items, names.len * sizeof(*names.items));
	n = (ssize_t)names.len;
	vec_done(&names);
	return n;
}

/* What is left replaces the file, for the same owner; nothing left removes it. */
static int
write_rest(struct arena *arena, const char *path, const struct stat *st, struct str rest)
{
	const char *new = arena_printf(arena, "%s.new", path).s;
	int fd, r;

	if (rest.len == 0)
		return unlink(path) < 0 ? -errno : 0;
	fd = file_open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = file_write(fd, rest.s, rest.len);
	if (r == 0 && (fchown(fd, st->st_uid, st->st_gid) < 0 || fsync(fd) < 0 || rename(new, path) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(new);
	(void)close(fd);
	return r;
}

static void
split_letters(struct replay *r, struct str text, struct letters *letters)
{
	struct str line;

	while (text.len > 0) {
		bool whole = str_cut(text, '\n', &line, &text);

		if (line.len > 0)
			replay_read_letter(r, line, whole, letters);
	}
}

/* False: nothing can be sent any more. */
static bool
replay_file(struct replay *r, const char *path)
{
	struct letters letters = {0};
	struct buf text, rest;
	struct stat st;
	int fd = file_open(path, O_RDONLY | O_NOFOLLOW, 0), e;
	bool go_on = true;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "longship replay: %s: %s\n", path,
			fd >= 0 && errno == EWOULDBLOCK ? "is being written, or replayed by another" : strerror(fd < 0 ? -fd : errno));
		r->failed = true;
		if (fd >= 0)
			(void)close(fd);
		return true;
	}
	buf_init(&text, FILE_BYTES_MAX);
	buf_init(&rest, FILE_BYTES_MAX);
	e = file_read(path, &text);
	if (e == 0) {
		split_letters(r, buf_view(&text), &letters);
		go_on = replay_send(r, &letters);
		for (size_t i = 0; i < letters.len; i++) {
			if (!letters.items[i].stored && (!buf_str(&rest, letters.items[i].text) || !buf_putc(&rest, '\n')))
				e = -EFBIG;
		}
		/* Only what is gone from Loki's side may go from ours: without the rest, nothing is touched. */
		e = e == 0 && rest.len < text.len ? write_rest(r->arena, path, &st, buf_view(&rest)) : e;
	}
	if (e < 0) {
		fprintf(stderr, "longship replay: %s: %s\n", path, strerror(-e));
		r->failed = true;
	}
	vec_done(&letters);
	buf_done(&text);
	buf_done(&rest);
	arena_clear(r->arena);
	(void)close(fd);
	return go_on;
}

/* ---- Endpoints ---- */

static void
add_endpoints(struct replay *r, const struct component *c)
{
	const struct block_list *endpoints = check_field(c->type->args, c->args, "endpoint");
	const struct arg_spec *row = check_row(c->type->args, "endpoint");

	for (size_t i = 0; i < endpoints->n; i++)
		replay_add_endpoint(r, c->id, row->sub, (const char *)endpoints->items + i * row->sub_size);
}

/* "loki.write.w" of ".../loki.write.w/dead-letters". */
static const char *
component_of(struct arena *arena, const char *dir)
{
	char *real = realpath(dir, NULL), *slash = real != NULL ? strrchr(real, '/') : NULL;
	const char *id = "";

	if (slash != NULL && slash != real) {
		*slash = '\0';
		id = arena_z(arena, str_from(strrchr(real, '/') + 1));
	}
	free(real);
	return id;
}

static int
tell(const struct replay *r)
{
	printf("%" PRIu64 " stored, %" PRIu64 " left%s", r->n_stored, r->n_left, r->n_left > 0 ? ":" : "");
	if (r->n_refused > 0)
		printf(" %" PRIu64 " refused again (%s)", r->n_refused, r->refused_reason);
	if (r->n_without > 0)
		printf(" %" PRIu64 " without an endpoint in the configuration (%s)", r->n_without, r->without_host);
	if (r->n_unreadable > 0)
		printf(" %" PRIu64 " that are no letters", r->n_unreadable);
	printf("\n");
	return r->failed ? STATUS_SYSTEM : r->n_left > 0 ? STATUS_FAULT : STATUS_FINE;
}

static int
replay(const struct replay_options *options)
{
	struct graph *graph = graph_new(NULL,
		&(struct graph_options){.types = catalog_types, .known = known_names, .skip_unsupported = options->skip_unsupported});
	struct graph_load *load = graph_load(graph, &options->config, 1, GRAPH_LOAD_VALIDATE);
	struct arena *arena = arena_new(0);
	int status = STATUS_FAULT;

	diags_print(graph_load_diags(load), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
	if (!diags_failed(graph_load_diags(load))) {
		struct replay *r = replay_new(component_of(arena, options->dir));
		const char **files = NULL;
		ssize_t n = list_files(arena, options->dir, &files);

		for (size_t i = 0; i < graph_load_len(load); i++) {
			const struct component *c = graph_load_at(load, i);

			if (c != NULL && strcmp(c->type->name, "loki.write") == 0)
				add_endpoints(r, c);
		}
		if (n < 0) {
			fprintf(stderr, "longship replay: %s: %s\n", options->dir, strerror((int)-n));
			status = n == -ENOENT ? STATUS_FAULT : STATUS_SYSTEM;
		} else {
			for (ssize_t i = 0; i < n && replay_file(r, files[i]); i++)
				;
			status = tell(r);
		}
		replay_free(r);
	}
	graph_load_free(load);
	graph_free(graph);
	arena_free(arena);
	return status;
}

int
cmd_replay(int argc, char **argv)
{
	static const struct option flags[] = {
		{"config", required_argument, NULL, 'c'},
		{"config.skip-unsupported", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct replay_options options = {.config = DEFAULT_CONFIG};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "h", flags, NULL)) != -1) {
		if (c == 'c') {
			options.config = optarg;
		} else if (c == 's') {
			options.skip_unsupported = true;
		} else {
			print_usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? STATUS_FINE : STATUS_USAGE;
		}
	}
	if (optind + 1 != argc) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	options.dir = argv[optind];
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return STATUS_SYSTEM;
	log_start(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	return replay(&options);
}
