/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments, rules, and which bytes of a file make lines. content_lines.c makes the lines. */
#include "content.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content_rules.h"
#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/lang/diag.h"
#include "longship/os/file.h"

#define CURSOR_BYTES 80

/* ---- Arguments ---- */

/* In the order of enum decompress_format, invalid_utf8, long_action. */
static const char *const format_choices[] = {"gz", "z", "bz2", "zst", NULL};
static const char *const invalid_choices[] = {"keep", "replace", "escape", NULL};
static const char *const action_choices[] = {"split", "truncate", NULL};

static const struct arg_spec decompression_spec[] = {
	{.name = "enabled", .kind = ARG_BOOL, .flags = ARG_REQUIRED, .offset = offsetof(struct decompression_args, enabled),
		.doc = "Whether the files are compressed."},
	{.name = "initial_delay", .kind = ARG_DURATION, .offset = offsetof(struct decompression_args, initial_delay_ns), .fallback = "\"0s\"",
		.max = INT64_MAX, .doc = "How long to wait before a file that was found is read."},
	{.name = "format", .kind = ARG_CHOICE, .flags = ARG_REQUIRED, .offset = offsetof(struct decompression_args, format),
		.choices = format_choices, .doc = "gzip, zlib, bzip2 or zstd."},
	{0},
};

static const struct arg_spec long_lines_spec[] = {
	{.name = "action", .kind = ARG_CHOICE, .offset = offsetof(struct long_lines_args, action), .fallback = "\"split\"",
		.choices = action_choices, .doc = "Whether a line over the limit becomes several entries, or one that is cut off."},
	{.name = "limit", .kind = ARG_SIZE, .offset = offsetof(struct long_lines_args, limit_bytes), .fallback = "\"256KiB\"",
		.min = LINE_LIMIT_BYTES_MIN, .max = LINE_BYTES_MAX, .doc = "How long an entry is at most; Loki's own limit is 256KB by default."},
	{.name = "mark", .kind = ARG_STRING, .offset = offsetof(struct long_lines_args, mark), .fallback = "\" [truncated]\"",
		.doc = "Stands at the end of a line that was cut off."},
	{0},
};

const struct arg_spec content_spec[] = {
	{.name = "encoding", .kind = ARG_STRING, .offset = offsetof(struct content_args, encoding), .fallback = "\"\"",
		.doc = "IANA's name of the files' encoding; a byte order mark in a file wins over it. Empty: UTF-8, bytes as they are."},
	{.name = "decompression", .kind = ARG_BLOCK, .offset = offsetof(struct content_args, decompression), .sub = decompression_spec,
		.sub_size = sizeof(struct decompression_args), .doc = "Reads compressed files."},
	{.name = "invalid_utf8", .kind = ARG_CHOICE, .offset = offsetof(struct content_args, invalid_utf8), .fallback = "\"keep\"",
		.choices = invalid_choices,
		.doc = "What becomes of bytes that are not UTF-8: they stay, become U+FFFD, or \\xNN. With encoding = \"UTF-8\" they do not stay."},
	{.name = "long_lines", .kind = ARG_BLOCK, .offset = offsetof(struct content_args, long_lines), .sub = long_lines_spec,
		.sub_size = sizeof(struct long_lines_args), .doc = "What becomes of lines over a limit."},
	{.name = "flush_partial_after", .kind = ARG_DURATION, .offset = offsetof(struct content_args, flush_partial_after_ns),
		.fallback = "\"5s\"", .min = 0, .max = INT64_MAX,
		.doc = "When nothing was added for so long to a file that was deleted or rotated away, its last line is sent without its end."},
	{.name = "rotated_wait", .kind = ARG_DURATION, .offset = offsetof(struct content_args, rotated_wait_ns), .fallback = "\"10s\"",
		.min = 0, .max = INT64_MAX,
		.doc = "How long a file that was deleted or rotated away, and that nobody writes, stays open for a writer that has not noticed."},
	{0},
};

bool
content_check(const struct content_args *args, struct src_pos at, struct diags *d)
{
	struct charset *c = NULL;
	int r = charset_new(args->encoding, &c);

	charset_unref(c);
	if (r == -EINVAL)
		diag_error(d, at, "encoding: \"%.*s\" is not the name of an encoding that this system's iconv knows", STR_FMT(args->encoding));
	else if (r == -ENOTSUP)
		diag_error(d, at, "encoding: lines cannot be found in \"%.*s\"", STR_FMT(args->encoding));
	else if (r < 0)
		diag_error(d, at, "encoding: this system's iconv lacks \"%.*s\"; it may be in a package of its own (glibc-gconv-extra)",
			STR_FMT(args->encoding));
	if (args->long_lines != NULL && args->long_lines->mark.len > LINE_LIMIT_BYTES_MIN / 2) {
		diag_error(d, at, "long_lines: mark is longer than %d bytes", LINE_LIMIT_BYTES_MIN / 2);
		return false;
	}
	return r == 0;
}

/* ---- Rules ---- */

static struct str
own(struct str s)
{
	char *copy = mem_alloc(s.len);

	if (s.len > 0)
		memcpy(copy, s.s, s.len);
	return (struct str){copy, s.len};
}

void
content_rules_set_waits(struct content_rules *rules, const struct content_args *args)
{
	atomic_store(&rules->flush_partial_ns, args->flush_partial_after_ns);
	atomic_store(&rules->rotated_wait_ns, args->rotated_wait_ns);
}

struct content_rules *
content_rules_new(const struct content_args *args, const struct content_metrics *metrics)
{
	struct content_rules *rules = mem_new(struct content_rules);

	atomic_init(&rules->refs, 1);
	rules->metrics = *metrics;
	rules->encoding = own(args->encoding);
	(void)!charset_new(args->encoding, &rules->charset); /* checked; a library that went away since leaves UTF-8 */
	rules->invalid = (enum invalid_utf8)args->invalid_utf8;
	if (rules->invalid == INVALID_KEEP && charset_is_utf8(args->encoding))
		rules->invalid = INVALID_REPLACE;
	if (args->decompression != NULL && args->decompression->enabled) {
		rules->packed = true;
		rules->format = (enum decompress_format)args->decompression->format;
		rules->delay_ns = args->decompression->initial_delay_ns;
	}
	content_rules_set_waits(rules, args);
	rules->limit_bytes = LINE_BYTES_MAX;
	if (args->long_lines != NULL) {
		rules->action = (enum long_action)args->long_lines->action;
		rules->limit_bytes = (size_t)args->long_lines->limit_bytes;
		rules->mark = own(args->long_lines->mark);
	}
	return rules;
}

struct content_rules *
content_rules_ref(struct content_rules *rules)
{
	(void)atomic_fetch_add(&rules->refs, 1);
	return rules;
}

void
content_rules_unref(struct content_rules *rules)
{
	if (rules == NULL || atomic_fetch_sub(&rules->refs, 1) != 1)
		return;
	charset_unref(rules->charset);
	mem_free((void *)(uintptr_t)rules->mark.s);
	mem_free((void *)(uintptr_t)rules->encoding.s);
	mem_free(rules);
}

bool
content_rules_equal(const struct content_rules *a, const struct content_rules *b)
{
	return str_eq(a->encoding, b->encoding) && a->packed == b->packed && a->format == b->format && a->delay_ns == b->delay_ns &&
		a->invalid == b->invalid && a->action == b->action && a->limit_bytes == b->limit_bytes && str_eq(a->mark, b->mark);
}

int64_t
content_delay_ns(const struct content_rules *rules)
{
	return rules->delay_ns;
}

int64_t
content_flush_partial_ns(const struct content_rules *rules)
{
	return atomic_load(&rules->flush_partial_ns);
}

int64_t
content_rotated_wait_ns(const struct content_rules *rules)
{
	int64_t wait_ns = atomic_load(&rules->rotated_wait_ns), partial_ns = atomic_load(&rules->flush_partial_ns);

	return wait_ns > partial_ns ? wait_ns : partial_ns;
}

/* ---- A file ---- */

void
content_init(struct content *c, struct content_rules *rules)
{
	*c = (struct content){.rules = content_rules_ref(rules)};
	if (rules->packed)
		c->unpack = unpack_new(rules->format);
}

void
content_done(struct content *c)
{
	unpack_free(c->unpack);
	content_rules_unref(c->rules);
	c->rules = NULL;
}

ssize_t
content_read(struct content *c, int fd, char *to, size_t bytes, uint64_t offset, bool whole)
{
	size_t have = 0;

	if (c->unpack != NULL)
		return bytes > 0 ? unpack_read(c->unpack, fd, to, bytes, offset) : 0;
	while (have < bytes) {
		ssize_t n = pread(fd, to + have, bytes - have, (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return have > 0 && !whole ? (ssize_t)have : -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

void
content_used(struct content *c, const char *bytes, size_t n, uint64_t offset)
{
	if (c->unpack != NULL)
		unpack_keep(c->unpack, bytes, n, offset);
}

uint64_t
content_taken(const struct content *c, uint64_t offset)
{
	return c->unpack != NULL ? c->unpack->in : offset;
}

uint64_t
content_size(const struct content *c, uint64_t offset, uint64_t file_size)
{
	const struct unpack *u = c->unpack;

	if (u == NULL)
		return file_size;
	if (u->end == UNPACK_COMPLETE || u->end == UNPACK_DAMAGED)
		return u->out;
	return (u->out > offset ? u->out : offset) + (file_size > u->in ? file_size - u->in : 0);
}

/* What is kept of a compressed file begins so many bytes before the offset, but at first there is nothing: then it is worth
 * reading from before only where it decides about lines. */
size_t
content_before(const struct content *c, uint64_t offset, bool wanted)
{
	if (c->unpack != NULL && !wanted && c->rules->action != LONG_TRUNCATE)
		return 0;
	return offset < SPAN_BEFORE_BYTES ? (size_t)offset : SPAN_BEFORE_BYTES;
}

bool
content_is_short(const struct content *c, uint64_t offset)
{
	return c->unpack != NULL && c->unpack->out < offset;
}

char *
content_cursor(struct content *c, int fd, uint64_t offset)
{
	struct unpack_mark mark;
	struct stat st;
	char *text;

	if (c->unpack == NULL)
		return NULL;
	mark = unpack_mark(c->unpack, offset);
	if (mark.in == c->unpack->told || fstat(fd, &st) < 0)
		return NULL;
	c->unpack->told = mark.in;
	text = mem_alloc(CURSOR_BYTES);
	(void)snprintf(text, CURSOR_BYTES, "packed %" PRIu64 " %" PRIu64 " %" PRIu64, (uint64_t)st.st_ino, mark.in, mark.out);
	return text;
}

void
content_resume(struct content *c, int fd, const char *cursor)
{
	struct unpack_mark mark;
	struct stat st;
	uint64_t ino;

	if (c->unpack == NULL || cursor == NULL ||
		sscanf(cursor, "packed %" SCNu64 " %" SCNu64 " %" SCNu64, &ino, &mark.in, &mark.out) != 3)
		return;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_ino == ino && (uint64_t)st.st_size >= mark.in)
		unpack_resume(c->unpack, mark);
}

bool
content_is_final(const struct content *c)
{
	return c->unpack != NULL && (c->unpack->end == UNPACK_COMPLETE || c->unpack->end == UNPACK_DAMAGED);
}

bool
content_recognise(struct content *c, int fd, struct str text, uint64_t offset)
{
	char bytes[CHARSET_HEAD_BYTES];
	struct str head = str_head(text, sizeof(bytes));
	size_t bom;

	if (c->known)
		return true;
	if (offset > 0) {
		ssize_t n = content_read(c, fd, bytes, sizeof(bytes), 0, true);

		if (n < 0)
			return false;
		head = (struct str){bytes, (size_t)n};
	}
	c->charset = charset_of_file(c->rules->charset, head, &bom);
	c->bom = (uint8_t)bom;
	c->known = !charset_is_open(c->rules->charset, head);
	return c->known;
}

/* The last rune of text may be cut in the middle. */
static size_t
cut_utf8(struct str text)
{
	for (size_t back = 1; back <= 3 && back < text.len; back++) {
		unsigned char b = (unsigned char)text.s[text.len - back];

		if ((b & 0xc0) == 0x80)
			continue;
		/* A lead byte: is its sequence all there? */
		if ((b >= 0xf0 && back < 4) || (b >= 0xe0 && back < 3) || (b >= 0xc0 && back < 2))
			return text.len - back;
		break;
	}
	return text.len;
}

size_t
content_cut(const struct content *c, struct str text)
{
	return c->charset != NULL ? charset_cut(c->charset, text) : cut_utf8(text);
}

/* Of a line longer than a span: as many whole pieces as fit. */
static size_t
cut_pieces(const struct content *c, struct str text)
{
	size_t at = 0;

	if (c->charset != NULL)
		return charset_cut(c->charset, text);
	while (at + c->rules->limit_bytes <= text.len)
		at += cut_utf8((struct str){text.s + at, c->rules->limit_bytes});
	return at;
}

size_t
content_cut_min(const struct content *c)
{
	size_t limit = c->rules->limit_bytes;

	return c->charset != NULL ? SPAN_BYTES_MAX - 8 : SPAN_BYTES_MAX / limit * (limit - 3);
}

size_t
content_whole_lines(const struct content *c, struct str text, uint64_t offset)
{
	size_t skip = 0, lines;

	if (c->charset == NULL) {
		const char *newline = text.len > 0 ? memrchr(text.s, '\n', text.len) : NULL;

		lines = newline != NULL ? (size_t)(newline - text.s) + 1 : 0;
	} else {
		/* A position that somebody placed may stand inside of a unit. */
		skip = (size_t)(-offset % charset_unit(c->charset));
		lines = charset_lines(c->charset, str_from_offset(text, skip));
		lines += lines > 0 ? skip : 0;
	}
	if (lines > 0 || text.len < SPAN_BYTES_MAX)
		return lines;
	return skip + cut_pieces(c, str_from_offset(text, skip));
}

uint64_t
content_hole(const struct content *c, int fd, struct str text, uint64_t offset, uint64_t limit)
{
	uint64_t end = offset + text.len;
	off_t data;

	if (text.len < SPAN_BYTES_MAX || text.s[0] != '\0' || memcmp(text.s, text.s + 1, text.len - 1) != 0)
		return 0;
	if (c->unpack == NULL) {
		/* Nothing but a hole up to the end of the file is ENXIO; file systems that do not know holes have data everywhere. */
		data = lseek(fd, (off_t)end, SEEK_DATA);
		if (data > (off_t)end || (data < 0 && errno == ENXIO))
			end = data < 0 || (uint64_t)data > limit ? limit : (uint64_t)data;
	}
	return end - end % 4; /* no unit of any encoding is cut */
}

uint64_t
content_last_line(struct content *c, int fd, uint64_t size)
{
	char buffer[4096];
	uint64_t end = size;

	if (c->unpack != NULL)
		return 0;
	(void)content_recognise(c, fd, STR_EMPTY, 1);
	while (end > 0) {
		uint64_t from = end > sizeof(buffer) ? (end - 1) / sizeof(buffer) * sizeof(buffer) : 0;
		ssize_t n = content_read(c, fd, buffer, (size_t)(end - from), from, true);
		size_t lines;

		if (n <= 0)
			return 0;
		lines = content_whole_lines(c, (struct str){buffer, (size_t)n}, from);
		if (lines > 0)
			return from + lines;
		end = from;
	}
	return 0;
}
