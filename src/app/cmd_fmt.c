/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/app/commands.h"
#include "longship/base/buf.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/format.h"

/*
 * longship fmt: the formatted text on standard output, or written back. A file is written beside itself and
 * renamed over, so that no interruption leaves half of it; a symbolic link is followed first.
 */

static const char usage[] = "Usage: longship fmt [--write|--test] [PATH|-]\n"
			    "\n"
			    "Formats a configuration file, every *.alloy file of a directory, or standard input.\n"
			    "\n"
			    "  -w, --write   write the result back instead of printing it\n"
			    "  -t, --test    change nothing; status 1 when a file is not formatted\n"
			    "  -h, --help    print this text\n";

#define OUT_BYTES_MAX (8 * (size_t)CONFIG_FILE_BYTES_MAX)

struct fmt {
	struct arena *arena;
	struct source source;
	struct diags diags;
	bool write, test;
	int status;
};

static void
fail(struct fmt *f, int status, const char *name, const char *why)
{
	fprintf(stderr, "longship fmt: %s: %s\n", name, why);
	if (f->status < status)
		f->status = status;
}

/* One "file:line:col: message" a line. */
static void
print_diags(const struct fmt *f)
{
	for (size_t i = 0; i < f->diags.n; i++) {
		struct diags one = f->diags;
		struct buf line;

		one.items = &f->diags.items[i];
		one.n = 1;
		buf_init(&line, OUT_BYTES_MAX);
		diags_summary(&one, &line);
		fprintf(stderr, "%.*s\n", STR_FMT(buf_view(&line)));
		buf_done(&line);
	}
}

static int
write_all(int fd, struct str s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.s, s.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			s = str_from_offset(s, (size_t)n);
	}
	return 0;
}

/* Fills the new file, with the owner and the mode of the old one, and puts it in its place. */
static int
replace(const char *path, const char *temporary, int fd, const struct stat *st, struct str text)
{
	int r = 0;

	if (fchmod(fd, st->st_mode & 07777) < 0 || (fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM))
		r = -errno;
	if (r == 0)
		r = write_all(fd, text);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

static int
write_file(struct fmt *f, const char *name, struct str text)
{
	char *path = realpath(name, NULL);
	struct stat st;
	char *temporary;
	int fd, r;

	if (path == NULL || stat(path, &st) < 0) {
		r = -errno;
		free(path);
		return r;
	}
	temporary = (char *)(uintptr_t)arena_printf(f->arena, "%s.XXXXXX", path).s;
	fd = mkostemp(temporary, O_CLOEXEC);
	r = fd < 0 ? -errno : replace(path, temporary, fd, &st, text);
	free(path);
	return r;
}

/* The text as it was on disk or on standard input, byte order mark or not, against the formatted one. */
static void
settle(struct fmt *f, const struct source_file *file, struct str text)
{
	bool same = str_eq(file->text, text);
	int r;

	if (f->test) {
		if (!same) {
			fprintf(stderr, "file %.*s is not formatted correctly\n", STR_FMT(file->name));
			f->status = f->status < 1 ? 1 : f->status;
		}
	} else if (!f->write) {
		r = write_all(STDOUT_FILENO, text);
		if (r < 0)
			fail(f, 3, "standard output", strerror(-r));
	} else if (!same) {
		r = write_file(f, arena_z(f->arena, file->name), text);
		if (r < 0)
			fail(f, 3, arena_z(f->arena, file->name), strerror(-r));
	}
}

static void
format_all(struct fmt *f)
{
	for (uint32_t i = 1; i <= f->source.n_files; i++) {
		struct buf out;

		buf_init(&out, OUT_BYTES_MAX);
		if (format_file(f->arena, &f->source, i, &f->diags, &out))
			settle(f, &f->source.files[i - 1], buf_view(&out));
		buf_done(&out);
	}
}

static void
read_stdin(struct fmt *f)
{
	char piece[16384];
	struct buf text;
	size_t n;

	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		if (!buf_append(&text, piece, n))
			break;
	if (text.overflow)
		fail(f, 1, "<stdin>", "is too large");
	else if (ferror(stdin))
		fail(f, 3, "<stdin>", "cannot be read");
	else if (!str_utf8_valid(buf_view(&text)))
		fail(f, 1, "<stdin>", "unknown encoding for config");
	else
		source_add(&f->source, STR("<stdin>"), buf_view(&text));
	buf_done(&text);
}

static int
run(struct fmt *f, const char *path)
{
	f->arena = arena_new(0);
	source_init(&f->source, f->arena);
	diags_init(&f->diags, f->arena, &f->source);
	if (strcmp(path, "-") == 0) {
		read_stdin(f);
		format_all(f);
	} else if (source_load(&f->source, path, &f->diags)) {
		format_all(f);
	}
	if (diags_failed(&f->diags)) {
		print_diags(f);
		f->status = f->status < 1 ? 1 : f->status;
	}
	diags_done(&f->diags);
	arena_free(f->arena);
	return f->status;
}

int
cmd_fmt(int argc, char **argv)
{
	static const struct option options[] = {
		{"write", no_argument, NULL, 'w'},
		{"test", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct fmt f = {0};
	const char *path;
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "wth", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'w' && c != 't') {
			fprintf(stderr, "longship fmt: unknown flag %s\n", argv[optind - 1]);
			fputs(usage, stderr);
			return 2;
		}
		*(c == 'w' ? &f.write : &f.test) = true;
	}
	if (argc - optind > 1) {
		fputs(usage, stderr);
		return 2;
	}
	path = optind < argc ? argv[optind] : "-";
	if (f.write && (f.test || strcmp(path, "-") == 0)) {
		fprintf(stderr, "longship fmt: %s\n",
			f.test ? "cannot use -w/--write and -t/--test at the same time"
			       : "cannot use -w with standard input");
		return 2;
	}
	return run(&f, path);
}
