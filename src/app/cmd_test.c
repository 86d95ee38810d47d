/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "case_diff_priv.h"
#include "harness.h"
#include "longship/app/commands.h"
#include "longship/base/clock.h"
#include "longship/base/vec.h"
#include "longship/codec/json_tree.h"

/*
 * longship test: each case is fed to its component, started anew and alone, and what it forwards is compared with what
 * the case expects. A configuration is loaded once for each component that cases name.
 */

#define DIFF_BYTES_MAX (64u << 20)

static const char usage_text[] =
	"usage: longship test [-v] PATH [CASES.jsonl…]\n"
	"\n"
	"Runs a configuration's own tests. Without CASES: app.*jsonl beside app.alloy,\n"
	"or where there is none, and for a directory, all *.jsonl there.\n"
	"\n"
	"A case is one JSON object a line:\n"
	"\n"
	"  {\"name\": \"…\", \"component\": \"loki.process.app\", \"in\": [ENTRY…], \"out\": [ENTRY…], \"now\": \"RFC 3339\"}\n"
	"\n"
	"An ENTRY has line (or line_base64), ts, labels, structured_metadata, and in \"in\" at_ms: when it comes.\n"
	"What an entry of \"out\" does not have is not compared; \"now\" may be left out.\n"
	"\n"
	"  -v, --verbose   name the cases that pass, too\n"
	"  -h, --help      print this text\n";

struct subject { /* a component that cases name */
	char *id;
	struct harness harness;
	int status; /* of harness_open */
};

struct test {
	const char *path;
	bool verbose, colour;
	VEC(struct subject *) subjects;
	size_t passed, failed;
	int status;
};

struct test_case {
	struct str name, component;
	bool has_now;
	int64_t now_ns;
	struct entry_json *in;
	size_t n_in;
	struct case_entry *out;
	size_t n_out;
};

struct outcome { /* what came, in the case's arena */
	struct arena *arena;
	VEC(struct entry_json) got;
};

static int
usage(const char *why)
{
	fprintf(stderr, "longship test: %s\n%s", why, usage_text);
	return STATUS_USAGE;
}

static void
worse(struct test *t, int status)
{
	if (t->status < status)
		t->status = status;
}

/* ---- reading a case ---- */

static bool
fail(struct arena *arena, struct str *ret_error, const char *where, size_t number, struct str why)
{
	*ret_error = arena_printf(arena, "entry %zu of \"%s\": %.*s", number, where, STR_FMT(why));
	return false;
}

/* A misspelt field would be one that is not compared. */
static bool
knows_fields(struct arena *arena, const struct json *doc, const char *const *names, size_t n, struct str *ret_error)
{
	for (size_t i = 0; doc->kind == JSON_TREE_OBJECT && i < doc->object.n; i++) {
		struct str name = doc->object.fields[i].name;
		bool known = false;
		const char *near = str_nearest(name, names, n);

		for (size_t k = 0; k < n; k++)
			known |= str_is(name, names[k]);
		if (known)
			continue;
		*ret_error = arena_printf(arena, "unknown field \"%.*s\"%s%s%s", STR_FMT(name), near != NULL ? ", did you mean \"" : "",
			near != NULL ? near : "", near != NULL ? "\"?" : "");
		return false;
	}
	return true;
}

#define ENTRY_FIELDS "line", "line_base64", "ts", "labels", "structured_metadata"

static bool
read_in(struct arena *arena, const struct json *list, struct test_case *c, struct str *ret_error)
{
	static const char *const names[] = {ENTRY_FIELDS, "at_ms"};
	struct str why = STR_EMPTY;

	c->n_in = list->array.n;
	c->in = arena_array(arena, struct entry_json, c->n_in + 1);
	for (size_t i = 0; i < c->n_in; i++) {
		const struct json *item = &list->array.items[i];

		if (!knows_fields(arena, item, names, sizeof(names) / sizeof(names[0]), &why) ||
			!entry_json_read(arena, item, true, &c->in[i], &why))
			return fail(arena, ret_error, "in", i + 1, why);
	}
	return true;
}

static bool
read_out(struct arena *arena, const struct json *list, struct test_case *c, struct str *ret_error)
{
	static const char *const names[] = {ENTRY_FIELDS};
	struct str why = STR_EMPTY;

	c->n_out = list->array.n;
	c->out = arena_array(arena, struct case_entry, c->n_out + 1);
	for (size_t i = 0; i < c->n_out; i++) {
		const struct json *item = &list->array.items[i];

		if (!knows_fields(arena, item, names, sizeof(names) / sizeof(names[0]), &why) ||
			!entry_json_read(arena, item, false, &c->out[i].entry, &why))
			return fail(arena, ret_error, "out", i + 1, why);
		c->out[i].has_line = entry_json_has(item, "line") || entry_json_has(item, "line_base64");
		c->out[i].has_labels = entry_json_has(item, "labels");
		c->out[i].has_metadata = entry_json_has(item, "structured_metadata");
	}
	return true;
}

static bool
is_list(const struct json *value)
{
	return value != NULL && value->kind == JSON_TREE_ARRAY;
}

static bool
read_case(struct arena *arena, struct str text, struct test_case *ret, struct str *ret_error)
{
	static const char *const names[] = {"name", "component", "in", "out", "now"};
	const struct json *doc = json_tree_parse(arena, text, 0, ret_error);
	const struct json *in = json_tree_get(doc, STR("in")), *out = json_tree_get(doc, STR("out"));

	*ret = (struct test_case){0};
	if (doc == NULL)
		return false;
	ret->name = json_tree_get_text(doc, STR("name"));
	ret->component = json_tree_get_text(doc, STR("component"));
	ret->has_now = entry_json_has(doc, "now");
	*ret_error = STR("a case is an object with \"name\", \"component\" (texts), \"in\" and \"out\" (lists of entries)");
	if (doc->kind != JSON_TREE_OBJECT || ret->name.len == 0 || ret->component.len == 0 || !is_list(in) || !is_list(out))
		return false;
	if (!knows_fields(arena, doc, names, sizeof(names) / sizeof(names[0]), ret_error))
		return false;
	*ret_error = STR("\"now\" is a time like 2026-01-02T03:04:05Z");
	if (ret->has_now && !clock_parse_rfc3339(json_tree_get_text(doc, STR("now")), &ret->now_ns))
		return false;
	return read_in(arena, in, ret, ret_error) && read_out(arena, out, ret, ret_error);
}

/* ---- running it ---- */

static struct label *
copy_labels(struct arena *arena, const struct label *items, size_t n)
{
	struct label *copy = arena_array(arena, struct label, n + 1);

	for (size_t i = 0; i < n; i++)
		copy[i] = (struct label){arena_str(arena, items[i].name), arena_str(arena, items[i].value)};
	return copy;
}

static void
collect(void *ptr, const struct batch *b)
{
	struct outcome *outcome = ptr;
	struct arena *arena = outcome->arena;

	for (size_t i = 0; i < b->n; i++) {
		struct entry_json e = {.has_ts = true, .ts_ns = b->ts[i], .line = arena_str(arena, b->line[i])};

		e.labels = copy_labels(arena, b->labels[i]->items, b->labels[i]->n);
		e.n_labels = b->labels[i]->n;
		if (b->metadata[i] != NULL) {
			size_t bytes = b->metadata[i]->n * sizeof(struct label);
			struct metadata *m = arena_zalloc(arena, sizeof(*m) + bytes);
			struct label *items = copy_labels(arena, b->metadata[i]->items, b->metadata[i]->n);

			m->n = b->metadata[i]->n;
			memcpy(m->items, items, bytes);
			e.metadata = m;
		}
		vec_push(&outcome->got, e);
	}
}

static bool
run_case(struct harness *h, const struct test_case *c, struct outcome *outcome)
{
	bool ok = true;

	h->has_now = c->has_now;
	h->now_ns = c->now_ns;
	if (!harness_start(h, &(struct harness_sink){.ptr = outcome, .forwarded = collect}))
		return false;
	for (size_t i = 0; i < c->n_in && ok; i++)
		ok = harness_feed(h, &c->in[i]);
	ok = ok && harness_finish(h);
	harness_stop(h);
	return ok;
}

static struct subject *
subject_of(struct test *t, struct str component)
{
	struct subject *s;

	for (size_t i = 0; i < t->subjects.len; i++)
		if (str_is(component, t->subjects.items[i]->id))
			return t->subjects.items[i];
	s = mem_new(struct subject);
	s->id = mem_alloc(component.len + 1);
	memcpy(s->id, component.s, component.len);
	s->id[component.len] = '\0';
	s->status = harness_open(&s->harness, "test", t->path, s->id);
	vec_push(&t->subjects, s);
	return s;
}

static void
report(struct test *t, bool passed, const char *file, size_t number, struct str name, struct str why)
{
	t->passed += passed;
	t->failed += !passed;
	if (passed && !t->verbose)
		return;
	printf("%s%s%s  %.*s", t->colour ? (passed ? "\033[32m" : "\033[31m") : "", passed ? "ok  " : "FAIL", t->colour ? "\033[0m" : "",
		STR_FMT(name));
	if (!passed)
		printf("  (%s:%zu)\n%.*s", file, number, STR_FMT(why));
	else
		putchar('\n');
}

static void
test_case(struct test *t, const char *file, size_t number, const struct test_case *c, struct arena *arena)
{
	struct subject *subject = subject_of(t, c->component);
	struct outcome outcome = {.arena = arena};
	struct buf why;
	bool passed = false;

	buf_init(&why, DIFF_BYTES_MAX);
	if (subject->status != STATUS_FINE)
		(void)buf_printf(&why, "  %s cannot be tested, see above\n", subject->id);
	else if (!run_case(&subject->harness, c, &outcome))
		(void)buf_printf(&why, "  %s did not take the entries, see above\n", subject->id);
	else
		passed = case_diff(&why, c->out, c->n_out, outcome.got.items, outcome.got.len);
	report(t, passed, file, number, c->name, buf_view(&why));
	buf_done(&why);
	vec_done(&outcome.got);
}

static void
test_line(struct test *t, const char *file, size_t number, struct str text)
{
	struct arena *arena = arena_new(0);
	struct str error = STR_EMPTY;
	struct test_case c;

	if (read_case(arena, text, &c, &error)) {
		test_case(t, file, number, &c, arena);
	} else {
		fprintf(stderr, "longship test: %s:%zu: %.*s\n", file, number, STR_FMT(error));
		t->failed++;
	}
	arena_free(arena);
}

static void
test_file(struct test *t, const char *file)
{
	FILE *in = fopen(file, "re");
	char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t len;

	if (in == NULL) {
		fprintf(stderr, "longship test: %s: %s\n", file, strerror(errno));
		worse(t, STATUS_FAULT);
		return;
	}
	while ((len = getline(&line, &cap, in)) >= 0) {
		struct str text = str_trim((struct str){line, (size_t)len});

		number++;
		if (text.len > HARNESS_LINE_BYTES_MAX) {
			fprintf(stderr, "longship test: %s:%zu: a case is longer than %u MiB\n", file, number, HARNESS_LINE_BYTES_MAX >> 20);
			t->failed++;
		} else if (text.len > 0) {
			test_line(t, file, number, text);
		}
	}
	if (ferror(in)) {
		fprintf(stderr, "longship test: %s: %s\n", file, strerror(errno));
		worse(t, STATUS_FAULT);
	}
	free(line);
	(void)fclose(in);
}

/* ---- which files ---- */

static int
is_cases(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && str_ends(str_from(entry->d_name), STR(".jsonl"));
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Of the directory's files those whose name begins with the prefix; how many there were. */
static size_t
test_dir(struct test *t, const char *dir, struct str prefix)
{
	struct arena *arena = arena_new(0);
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_cases, by_name);
	size_t found = 0;

	for (int i = 0; i < n; i++) {
		if (str_starts(str_from(names[i]->d_name), prefix)) {
			test_file(t, strcmp(dir, ".") == 0 ? names[i]->d_name : arena_printf(arena, "%s/%s", dir, names[i]->d_name).s);
			found++;
		}
		free(names[i]);
	}
	free(names);
	arena_free(arena);
	return found;
}

/* Beside app.alloy: app.*jsonl when there is one, else all. */
static int
test_beside(struct test *t)
{
	struct arena *arena = arena_new(0);
	struct str path = str_from(t->path), stem = STR_EMPTY;
	const char *slash = strrchr(t->path, '/'), *dir = t->path;
	struct stat st;
	size_t found;

	if (stat(t->path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		stem = slash != NULL ? str_from(slash + 1) : path;
		dir = slash == NULL ? "." : slash == t->path ? "/" : arena_z(arena, str_head(path, (size_t)(slash - t->path)));
		if (str_ends(stem, STR(".alloy")))
			stem.len -= strlen("alloy");
	}
	found = stem.len > 0 ? test_dir(t, dir, stem) : 0;
	if (found == 0)
		found = test_dir(t, dir, STR_EMPTY);
	if (found == 0)
		fprintf(stderr, "longship test: there is no *.jsonl in %s; name a file of cases\n", dir);
	arena_free(arena);
	return found > 0 ? STATUS_FINE : STATUS_USAGE;
}

static int
finish(struct test *t)
{
	for (size_t i = 0; i < t->subjects.len; i++) {
		harness_close(&t->subjects.items[i]->harness);
		mem_free(t->subjects.items[i]->id);
		mem_free(t->subjects.items[i]);
	}
	vec_done(&t->subjects);
	if (t->status != STATUS_USAGE) {
		printf("%zu passed, %zu failed\n", t->passed, t->failed);
		if (t->failed > 0 || t->passed == 0)
			worse(t, STATUS_FAULT);
	}
	if (fflush(stdout) != 0)
		worse(t, STATUS_SYSTEM);
	return t->status;
}

int
cmd_test(int argc, char **argv)
{
	static const struct option table[] = {{"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct test t = {.colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":hv", table, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage_text, stdout);
			return STATUS_FINE;
		}
		if (c != 'v')
			return usage("unknown flag");
		t.verbose = true;
	}
	if (optind == argc)
		return usage("PATH is expected");
	t.path = argv[optind++];
	if (optind == argc)
		worse(&t, test_beside(&t));
	for (int i = optind; i < argc; i++)
		test_file(&t, argv[i]);
	return finish(&t);
}
