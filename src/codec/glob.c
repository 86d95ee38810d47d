/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Braces are expanded first, into at most GLOB_ALTERNATIVES_MAX patterns; what is left is matched with two
 * points to fall back to (the last * and the last **), so in time length × length at worst. A walk goes
 * segment by segment and opens only directories that can lead to a match.
 */
#include "longship/codec/glob.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/vec.h"

#define PATTERN_BYTES_MAX (64u << 10) /* of all alternatives of a pattern together, per alternative */
#define EXPAND_DEPTH_MAX 64           /* braces in one pattern: bounds the recursion */

struct patterns {
	VEC(struct str) items;
	bool full;
};

bool
glob_valid(struct str p)
{
	size_t depth = 0;

	for (size_t i = 0; i < p.len; i++) {
		switch (p.s[i]) {
		case '\\':
			if (++i >= p.len)
				return false;
			break;
		case '[':
			i++;
			if (i < p.len && (p.s[i] == '^' || p.s[i] == '!'))
				i++;
			if (i >= p.len || p.s[i] == ']')
				return false;
			for (; i < p.len && p.s[i] != ']'; i++)
				i += p.s[i] == '\\';
			if (i >= p.len)
				return false;
			break;
		case '{':
			depth++;
			break;
		case '}':
			if (depth-- == 0)
				return false;
			break;
		default:
			break;
		}
	}
	return depth == 0;
}

/* Braces. */

/* First character of `set` at brace depth 0 from `from` on, or p.len. */
static size_t
find_at_depth(struct str p, size_t from, char a, char b)
{
	size_t depth = 0;

	for (size_t i = from; i < p.len; i++) {
		if (p.s[i] == '\\') {
			i++;
			continue;
		}
		if (depth == 0 && (p.s[i] == a || p.s[i] == b))
			return i;
		if (p.s[i] == '{')
			depth++;
		else if (p.s[i] == '}' && depth > 0)
			depth--;
	}
	return p.len;
}

/* The first brace outside of sets and escapes, or p.len. */
static size_t
find_brace(struct str p)
{
	for (size_t i = 0; i < p.len; i++) {
		if (p.s[i] == '\\') {
			i++;
		} else if (p.s[i] == '[') {
			i++;
			i += i < p.len && (p.s[i] == '^' || p.s[i] == '!');
			for (; i < p.len && p.s[i] != ']'; i++)
				i += p.s[i] == '\\';
		} else if (p.s[i] == '{') {
			return i;
		}
	}
	return p.len;
}

static struct str
joined(struct arena *arena, struct str a, struct str b, struct str c)
{
	char *text = arena_alloc(arena, a.len + b.len + c.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < 3; i++) {
		struct str part = i == 0 ? a : i == 1 ? b : c;

		if (part.len > 0)
			memcpy(text + len, part.s, part.len);
		len += part.len;
	}
	text[len] = '\0';
	return (struct str){text, len};
}

static void
expand(struct arena *arena, struct str p, size_t depth, struct patterns *out)
{
	size_t open = find_brace(p), close;

	if (out->items.len >= GLOB_ALTERNATIVES_MAX || depth > EXPAND_DEPTH_MAX || p.len > PATTERN_BYTES_MAX) {
		out->full = true;
		return;
	}
	if (open == p.len) {
		vec_push(&out->items, p);
		return;
	}
	close = find_at_depth(p, open + 1, '}', '}');
	for (size_t at = open + 1; at <= close && !out->full;) {
		size_t end = find_at_depth(str_head(p, close), at, ',', ',');

		expand(arena, joined(arena, str_head(p, open), str_from_offset(str_head(p, end), at), str_from_offset(p, close + 1)), depth + 1, out);
		at = end + 1;
	}
}

/* Matching one pattern without braces. */

static size_t
rune_at(struct str s, size_t i, uint32_t *ret)
{
	size_t n = str_utf8_decode(str_from_offset(s, i), ret);

	if (n > 0)
		return n;
	*ret = 0xfffd;
	return i < s.len;
}

/* A set at *i of the pattern, which it passes; whether it holds the rune. */
static bool
in_set(struct str p, size_t *i, uint32_t rune)
{
	bool negated = false, found = false;
	uint32_t lo, hi;

	++*i;
	if (*i < p.len && (p.s[*i] == '!' || p.s[*i] == '^')) {
		negated = true;
		++*i;
	}
	while (*i < p.len && p.s[*i] != ']') {
		*i += p.s[*i] == '\\';
		*i += rune_at(p, *i, &lo);
		hi = lo;
		if (*i + 1 < p.len && p.s[*i] == '-' && p.s[*i + 1] != ']') {
			++*i;
			*i += p.s[*i] == '\\';
			*i += rune_at(p, *i, &hi);
		}
		found |= lo <= rune && rune <= hi;
	}
	++*i;
	return found != negated;
}

struct cursor {
	size_t p, s; /* in the pattern and in the text */
	bool segment_start;
	bool has_star, has_stars; /* where to fall back to */
	size_t star_p, star_s, stars_p, stars_s;
};

/* Passes the star or stars at c->p. true: all the rest matches. */
static bool
pass_star(struct cursor *c, struct str p)
{
	c->p++;
	if (c->p < p.len && p.s[c->p] == '*') {
		c->p++;
		if (c->segment_start && c->p == p.len)
			return true;
		if (c->segment_start && p.s[c->p] == '/') {
			c->p++;
			c->has_stars = true;
			c->stars_p = c->p;
			c->stars_s = c->s;
			c->has_star = false;
			return false;
		}
	}
	c->segment_start = false;
	c->has_star = true;
	c->star_p = c->p;
	c->star_s = c->s;
	return false;
}

/* Passes one character of both; false: they differ. */
static bool
pass_character(struct cursor *c, struct str p, struct str s)
{
	uint32_t rune;
	size_t n = rune_at(s, c->s, &rune), at = c->p;

	switch (p.s[at]) {
	case '?':
		if (rune == '/')
			return false;
		at++;
		break;
	case '[':
		if (!in_set(p, &at, rune))
			return false;
		break;
	default:
		at += p.s[at] == '\\' && at + 1 < p.len;
		if (p.s[at] != s.s[c->s])
			return false;
		c->segment_start = s.s[c->s] == '/';
		c->p = at + 1;
		c->s++;
		return true;
	}
	c->segment_start = false;
	c->p = at;
	c->s += n;
	return true;
}

static bool
fall_back(struct cursor *c, struct str s)
{
	const char *slash;

	if (c->has_star && s.s[c->star_s] != '/') {
		uint32_t rune;

		c->star_s += rune_at(s, c->star_s, &rune);
		c->p = c->star_p;
		c->s = c->star_s;
		c->segment_start = false;
		return true;
	}
	slash = c->has_stars ? memchr(s.s + c->stars_s, '/', s.len - c->stars_s) : NULL;
	if (slash == NULL)
		return false;
	c->stars_s = (size_t)(slash - s.s) + 1;
	c->s = c->stars_s;
	c->p = c->stars_p;
	c->segment_start = true;
	c->has_star = false;
	return true;
}

static bool
match_plain(struct str p, struct str s)
{
	static const char *const empty[] = {"", "*", "**", "/**", "**/", "/**/"}; /* what matches nothing at the end */
	struct cursor c = {.segment_start = true};
	struct str rest;

	while (c.s < s.len) {
		if (c.p < p.len && p.s[c.p] == '*') {
			if (pass_star(&c, p))
				return true;
			continue;
		}
		if ((c.p == p.len || !pass_character(&c, p, s)) && !fall_back(&c, s))
			return false;
	}
	rest = str_from_offset(p, c.p);
	for (size_t i = 0; i < ARRAY_LEN(empty); i++)
		if (str_is(rest, empty[i]))
			return true;
	return false;
}

bool
glob_match(struct str pattern, struct str path)
{
	struct patterns patterns = {0};
	struct arena *arena;
	bool matches = false;

	if (!glob_valid(pattern))
		return false;
	if (find_brace(pattern) == pattern.len)
		return match_plain(pattern, path);
	arena = arena_new(0);
	expand(arena, pattern, 0, &patterns);
	for (size_t i = 0; i < patterns.items.len && !matches; i++)
		matches = match_plain(patterns.items.items[i], path);
	vec_done(&patterns.items);
	arena_free(arena);
	return matches;
}

/* Paths. */

struct str
glob_clean(struct arena *arena, struct str path)
{
	bool rooted = path.len > 0 && path.s[0] == '/';
	char *out = arena_alloc(arena, path.len + 2);
	size_t len = 0, floor = 0; /* ".." cannot go below floor */
	struct str rest = path, part;

	if (rooted)
		out[len++] = '/';
	floor = len;
	while (rest.len > 0) {
		(void)str_cut(rest, '/', &part, &rest);
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..") && len > floor) {
			do
				len--;
			while (len > floor && out[len] != '/');
			continue;
		}
		if (str_is(part, "..") && rooted)
			continue;
		if (len > rooted)
			out[len++] = '/';
		memcpy(out + len, part.s, part.len);
		len += part.len;
		if (str_is(part, ".."))
			floor = len;
	}
	if (len == 0)
		out[len++] = '.';
	out[len] = '\0';
	return (struct str){out, len};
}

static bool
has_meta(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.s[i] == '\\')
			i++;
		else if (memchr("*?[{", s.s[i], 4) != NULL)
			return true;
	}
	return false;
}

/* Without the backslashes before special characters. */
static struct str
unescaped(struct arena *arena, struct str s)
{
	char *out = arena_alloc(arena, s.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.s[i] == '\\' && i + 1 < s.len && memchr("*?[]{}", s.s[i + 1], 6) != NULL)
			i++;
		out[len++] = s.s[i];
	}
	out[len] = '\0';
	return (struct str){out, len};
}

/* Length of the part before the first segment with a wildcard, without its slash; all when there is none. */
static size_t
base_length(struct str p)
{
	size_t end = 0;

	for (size_t i = 0; i <= p.len; i++) {
		if (i < p.len && p.s[i] != '/')
			continue;
		if (has_meta(str_head(p, i)))
			return end;
		end = i > 0 ? i : (p.len > 0 && p.s[0] == '/');
	}
	return p.len;
}

struct str
glob_base(struct arena *arena, struct str pattern)
{
	struct str p = glob_clean(arena, pattern);
	size_t len = base_length(p);

	return len == 0 ? STR(".") : unescaped(arena, str_head(p, len));
}

/* Walking. */

struct directory {
	dev_t dev;
	ino_t ino;
};

struct glob_found {
	struct str path;
	bool is_file;
};

struct walk {
	struct arena *arena;
	char path[PATH_MAX];
	size_t len;
	struct directory open[GLOB_DEPTH_MAX]; /* being walked by a **; those of the innermost one start at `base` */
	size_t depth, base;
	size_t entries; /* looked at */
	VEC(struct glob_found) found;
	VEC(struct str) dirs;
	bool full;
	int error; /* of a directory that could not be opened for want of resources */
};

static void
add_path(struct walk *w, unsigned char type)
{
	if (w->found.len >= GLOB_PATHS_MAX) {
		w->full = true;
		return;
	}
	vec_push(&w->found, ((struct glob_found){arena_str(w->arena, (struct str){w->path, w->len}), type == DT_REG}));
}

static void
add_dir(struct walk *w)
{
	vec_push(&w->dirs, w->len > 0 ? arena_str(w->arena, (struct str){w->path, w->len}) : STR("."));
}

/* Appends a name; false when the path gets too long. */
static bool
enter(struct walk *w, struct str name)
{
	bool slash = w->len > 0 && w->path[w->len - 1] != '/';

	if (w->len + slash + name.len >= sizeof(w->path))
		return false;
	if (slash)
		w->path[w->len++] = '/';
	memcpy(w->path + w->len, name.s, name.len);
	w->len += name.len;
	w->path[w->len] = '\0';
	return true;
}

static void
leave(struct walk *w, size_t len)
{
	w->len = len;
	w->path[len] = '\0';
}

/* Whether the path (whose directory entry may say so already) is a directory. */
static bool
is_directory(const struct walk *w, unsigned char type)
{
	struct stat st;

	if (type != DT_UNKNOWN && type != DT_LNK)
		return type == DT_DIR;
	return stat(w->path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void walk_segments(struct walk *w, struct str segments);

/* Notes the directory as being walked; false when it already is, or the depth is used up. */
static bool
push_directory(struct walk *w, DIR *dir)
{
	struct stat st;

	if (fstat(dirfd(dir), &st) != 0)
		return false;
	if (w->depth == GLOB_DEPTH_MAX) {
		w->full = true;
		return false;
	}
	for (size_t i = w->base; i < w->depth; i++)
		if (w->open[i].dev == st.st_dev && w->open[i].ino == st.st_ino)
			return false;
	w->open[w->depth++] = (struct directory){st.st_dev, st.st_ino};
	return true;
}

/* A directory that cannot be read is left out; one that this process has nothing left to open it with is a failure. */
static DIR *
open_here(struct walk *w)
{
	DIR *dir = opendir(w->len > 0 ? w->path : ".");

	if (dir == NULL && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		w->error = -errno;
	if (dir != NULL || errno != ENOTDIR)
		add_dir(w);
	return dir;
}

/* But for "." and "..". NULL at the end, or when a limit is hit. */
static struct dirent *
next_entry(struct walk *w, DIR *dir)
{
	struct dirent *entry;

	do {
		entry = w->full ? NULL : readdir(dir);
		w->full |= ++w->entries > GLOB_ENTRIES_MAX;
	} while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

/* ** before `rest`: here and in all directories below. An empty rest is all there is. */
static void
walk_stars(struct walk *w, struct str rest)
{
	size_t len = w->len;
	DIR *dir = open_here(w);
	struct dirent *entry;

	if (dir == NULL)
		return;
	if (!push_directory(w, dir)) {
		(void)closedir(dir);
		return;
	}
	if (rest.len == 0 && len > 0)
		add_path(w, DT_DIR);
	else if (rest.len > 0)
		walk_segments(w, rest);
	while ((entry = next_entry(w, dir)) != NULL) {
		if (!enter(w, str_from(entry->d_name)))
			continue;
		if (is_directory(w, entry->d_type))
			walk_stars(w, rest);
		else if (rest.len == 0)
			add_path(w, entry->d_type);
		leave(w, len);
	}
	w->depth--;
	(void)closedir(dir);
}

static void
walk_names(struct walk *w, struct str pattern, struct str rest)
{
	size_t len = w->len;
	DIR *dir = open_here(w);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = next_entry(w, dir)) != NULL) {
		struct str name = str_from(entry->d_name);

		if (!match_plain(pattern, name) || !enter(w, name))
			continue;
		if (rest.len == 0)
			add_path(w, entry->d_type);
		else if (is_directory(w, entry->d_type))
			walk_segments(w, rest);
		leave(w, len);
	}
	(void)closedir(dir);
}

/* Finds what matches the segments below w->path. Recursion: one level a segment, and GLOB_DEPTH_MAX for each **. */
static void
walk_segments(struct walk *w, struct str segments)
{
	struct str first, rest;
	struct stat st;
	size_t len = w->len;

	(void)str_cut(segments, '/', &first, &rest);
	if (str_is(first, "**")) {
		size_t base = w->base;

		while (str_starts(rest, STR("**/")))
			rest = str_from_offset(rest, 3);
		if (str_is(rest, "**"))
			rest = STR_EMPTY;
		w->base = w->depth;
		walk_stars(w, rest);
		w->base = base;
		return;
	}
	if (has_meta(first)) {
		walk_names(w, first, rest);
		return;
	}
	if (rest.len == 0)
		add_dir(w);
	if (!enter(w, memchr(first.s, '\\', first.len) != NULL ? unescaped(w->arena, first) : first))
		return;
	if (rest.len > 0)
		walk_segments(w, rest);
	else if (stat(w->path, &st) == 0)
		add_path(w, S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN);
	leave(w, len);
}

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(((const struct glob_found *)a)->path, ((const struct glob_found *)b)->path);
}

static void
sort_unique(struct walk *w, struct glob_paths *ret)
{
	size_t n = 0;

	ret->items = arena_array(w->arena, struct str, w->found.len + 1);
	ret->is_file = arena_array(w->arena, bool, w->found.len + 1);
	if (w->found.len > 0)
		qsort(w->found.items, w->found.len, sizeof(w->found.items[0]), by_bytes);
	for (size_t i = 0; i < w->found.len; i++) {
		if (n > 0 && str_eq(ret->items[n - 1], w->found.items[i].path))
			continue;
		ret->items[n] = w->found.items[i].path;
		ret->is_file[n++] = w->found.items[i].is_file;
	}
	ret->n = n;
	ret->n_dirs = w->dirs.len;
	ret->dirs = arena_array(w->arena, struct str, w->dirs.len + 1);
	if (w->dirs.len > 0)
		memcpy(ret->dirs, w->dirs.items, w->dirs.len * sizeof(w->dirs.items[0]));
	vec_done(&w->dirs);
	vec_done(&w->found);
}

int
glob_walk(struct arena *arena, struct str pattern, struct glob_paths *ret)
{
	struct patterns patterns = {0};
	struct walk *w;
	struct str clean;
	bool full;

	if (pattern.len == 0) {
		*ret = (struct glob_paths){0};
		return 0;
	}
	clean = glob_clean(arena, pattern);
	/* In front of the first wildcard a lone brace is just a name, as upstream. */
	if (!glob_valid(str_from_offset(clean, base_length(clean))) || memchr(clean.s, '\0', clean.len) != NULL)
		return -EINVAL;
	expand(arena, clean, 0, &patterns);
	w = arena_make(arena, struct walk);
	w->arena = arena;
	for (size_t i = 0; i < patterns.items.len; i++) {
		struct str p = glob_clean(arena, patterns.items.items[i]);
		bool rooted = p.s[0] == '/';

		leave(w, 0);
		if (rooted)
			(void)enter(w, STR("/"));
		if (p.len > rooted)
			walk_segments(w, str_from_offset(p, rooted));
		else
			add_path(w, DT_DIR);
	}
	full = w->full || patterns.full;
	sort_unique(w, ret);
	vec_done(&patterns.items);
	return w->error != 0 ? w->error : full ? -E2BIG : 0;
}
