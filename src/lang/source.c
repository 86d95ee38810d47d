/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/lang/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/vec.h"
#include "longship/lang/diag.h"

/*
 * Files are read whole. Line and column are counted from the start of the file each time somebody asks:
 * that happens once per printed diagnostic.
 */

#define BOM "\xef\xbb\xbf"

void
source_init(struct source *s, struct arena *arena)
{
	*s = (struct source){.arena = arena};
}

uint32_t
source_add(struct source *s, struct str name, struct str text)
{
	struct source_file *files = arena_array(s->arena, struct source_file, s->n_files + 1);

	assert(text.len <= UINT32_MAX);
	if (str_starts(text, STR(BOM)))
		text = str_from_offset(text, 3);
	if (s->n_files > 0)
		memcpy(files, s->files, s->n_files * sizeof(*files));
	files[s->n_files] = (struct source_file){arena_str(s->arena, name), arena_str(s->arena, text)};
	s->files = files;
	return ++s->n_files;
}

/* What refuses a text before it is parsed, as Alloy words it; NULL when it is UTF-8. */
static const char *
encoding_error(struct str text)
{
	static const struct {
		struct str bom;
		const char *error;
	} marks[] = {
		{STR(BOM), NULL},
		{STR("\0\0\xfe\xff"), "configuration is encoded with UTF-32BE but must be utf8"},
		{STR("\xff\xfe\0\0"), "configuration is encoded with UTF-32LE but must be utf8"},
		{STR("\xfe\xff"), "configuration is encoded with UTF-16BE but must be utf8"},
		{STR("\xff\xfe"), "configuration is encoded with UTF-16LE but must be utf8"},
	};

	for (size_t i = 1; i < ARRAY_LEN(marks); i++)
		if (str_starts(text, marks[i].bom))
			return marks[i].error;
	return str_utf8_valid(text) ? NULL : "unknown encoding for config";
}

static const struct src_pos nowhere;

/* Reads at most CONFIG_FILE_BYTES_MAX. 0 or -errno; the caller clears buf. */
static int
read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char piece[16384];
	size_t n;
	int r = 0;

	if (f == NULL)
		return -errno;
	while (r == 0 && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		if (!buf_append(out, piece, n))
			r = -EFBIG;
	if (r == 0 && ferror(f))
		r = errno != 0 ? -errno : -EIO;
	fclose(f);
	return r;
}

static bool
load_file(struct source *s, const char *path, struct diags *diags)
{
	struct buf text;
	const char *error;
	int r;

	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	errno = 0;
	r = read_file(path, &text);
	if (r == -EFBIG)
		diag_error(diags, nowhere, "%s: a configuration file may have at most %u bytes", path,
			CONFIG_FILE_BYTES_MAX);
	else if (r < 0)
		diag_error(diags, nowhere, "%s: %s", path, strerror(-r));
	else if ((error = encoding_error(buf_view(&text))) != NULL)
		diag_error(diags, nowhere, "%s: %s", path, error);
	else {
		source_add(s, str_from(path), buf_view(&text));
		buf_done(&text);
		return true;
	}
	buf_done(&text);
	return false;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every regular *.alloy directly in the directory (symbolic links followed), in path order. */
static bool
load_directory(struct source *s, const char *path, DIR *dir, struct diags *diags)
{
	VEC(const char *) paths = {0};
	struct dirent *entry;
	bool ok = true;

	while ((entry = readdir(dir)) != NULL) {
		struct stat st;
		struct str file;

		if (!str_ends(str_from(entry->d_name), STR(".alloy")))
			continue;
		file = str_ends(str_from(path), STR("/")) ? arena_printf(s->arena, "%s%s", path, entry->d_name)
							  : arena_printf(s->arena, "%s/%s", path, entry->d_name);
		if (stat(file.s, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		vec_push(&paths, file.s);
	}
	if (paths.len > CONFIG_FILES_MAX) {
		diag_error(diags, nowhere, "%s: a configuration may have at most %d files, this has %zu", path,
			CONFIG_FILES_MAX, paths.len);
		ok = false;
	} else if (paths.len == 0) {
		diag_error(diags, nowhere, "%s: there is no file *.alloy in this directory", path);
		ok = false;
	} else {
		qsort(paths.items, paths.len, sizeof(*paths.items), compare_paths);
		for (size_t i = 0; i < paths.len; i++)
			ok = load_file(s, paths.items[i], diags) && ok;
	}
	vec_done(&paths);
	return ok;
}

bool
source_load(struct source *s, const char *path, struct diags *diags)
{
	DIR *dir = opendir(path);
	bool ok;

	if (dir == NULL)
		return load_file(s, path, diags);
	ok = load_directory(s, path, dir, diags);
	closedir(dir);
	return ok;
}

struct str
source_text(const struct source *s, struct src_pos pos)
{
	if (pos.file == 0 || pos.file > s->n_files)
		return STR_EMPTY;
	return str_head(str_from_offset(s->files[pos.file - 1].text, pos.off), pos.len);
}

void
source_line_col(const struct source *s, struct src_pos pos, uint32_t *ret_line, uint32_t *ret_col)
{
	struct str before = str_head(s->files[pos.file - 1].text, pos.off);
	uint32_t line = 1, start = 0;

	assert(pos.file > 0 && pos.file <= s->n_files);
	for (uint32_t i = 0; i < before.len; i++)
		if (before.s[i] == '\n') {
			line++;
			start = i + 1;
		}
	*ret_line = line;
	*ret_col = pos.off - start + 1;
}
