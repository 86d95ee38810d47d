/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"

#define LINE_BYTES_LIMIT (32u << 10) /* one record; a longer one is cut */
#define FIELDS_LIMIT 16

struct field {
	const char *name, *value;
};

struct record {
	enum log_level level;
	int64_t ts;
	const char *id, *msg;
	struct field fields[FIELDS_LIMIT];
	size_t n;
};

/* Records from before log_start, with copied texts. */
static struct {
	pthread_mutex_t lock;
	bool started;
	enum log_level level;
	enum log_format format;
	int fd;
	int priorities; /* -1: not looked yet */
	struct record *early[LOG_EARLY_MAX];
	size_t n_early, n_omitted;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO, .fd = -1, .priorities = -1};

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int level_priorities[] = {3, 4, 6, 7};

/* Go's slog quotes when a value is empty or has a space, '=', '"' or anything not printable. */
static bool
needs_quotes(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if (c <= ' ' || c == '=' || c == '"' || c == 0x7f)
			return true;
	}
	return s.len == 0 || !str_utf8_valid(s);
}

static void
put_quoted(struct buf *b, struct str s)
{
	(void)buf_putc(b, '"');
	while (s.len > 0) {
		unsigned char c = (unsigned char)s.s[0];
		uint32_t rune;
		size_t n = str_utf8_decode(s, &rune);

		if (c == '"' || c == '\\')
			(void)buf_printf(b, "\\%c", c);
		else if (c == '\n')
			(void)buf_z(b, "\\n");
		else if (c == '\t')
			(void)buf_z(b, "\\t");
		else if (c == '\r')
			(void)buf_z(b, "\\r");
		else if (n == 0)
			(void)buf_z(b, "\xef\xbf\xbd");
		else if (c < ' ' || c == 0x7f)
			(void)buf_printf(b, "\\u%04x", c);
		else
			(void)buf_append(b, s.s, n);
		s = str_from_offset(s, n > 0 ? n : 1);
	}
	(void)buf_putc(b, '"');
}

static void
put_field(struct buf *b, enum log_format format, bool first, const char *name, struct str value)
{
	if (format == LOG_FORMAT_JSON) {
		(void)buf_printf(b, "%s\"%s\":", first ? "{" : ",", name);
		put_quoted(b, value);
		return;
	}
	(void)buf_printf(b, "%s%s=", first ? "" : " ", name);
	if (needs_quotes(value))
		put_quoted(b, value);
	else
		(void)buf_str(b, value);
}

static void
format_record(struct buf *b, const struct record *r, enum log_format format)
{
	char ts[CLOCK_RFC3339_BYTES];

	put_field(b, format, true, "ts", str_from(clock_format_rfc3339(r->ts, ts)));
	put_field(b, format, false, "level", str_from(level_names[r->level]));
	put_field(b, format, false, "msg", str_from(r->msg));
	if (r->id != NULL) {
		put_field(b, format, false, "component_path", STR("/"));
		put_field(b, format, false, "component_id", str_from(r->id));
	}
	for (size_t i = 0; i < r->n; i++)
		put_field(b, format, false, r->fields[i].name, str_from(r->fields[i].value));
	if (format == LOG_FORMAT_JSON)
		(void)buf_putc(b, '}');
}

/* JOURNAL_STREAM is "device:inode" of the stream that systemd connected to the journal. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void
write_record(const struct record *r)
{
	struct buf b;

	if (r->level > state.level)
		return;
	if (state.priorities < 0)
		state.priorities = stderr_is_journal();
	buf_init(&b, LINE_BYTES_LIMIT);
	if (state.priorities > 0)
		(void)buf_printf(&b, "<%d>", level_priorities[r->level]);
	format_record(&b, r, state.format);
	if (!buf_putc(&b, '\n') && b.len > 0)
		b.data[b.len - 1] = '\n';
	(void)!write(state.fd >= 0 ? state.fd : STDERR_FILENO, b.data, b.len);
	buf_done(&b);
}

static void
keep_early(const struct record *r)
{
	struct record *kept;

	if (state.n_early == LOG_EARLY_MAX || (state.n_early >= LOG_EARLY_INFO_MAX && r->level > LOG_LEVEL_WARN)) {
		state.n_omitted++;
		return;
	}
	kept = mem_new(struct record);
	*kept = *r;
	kept->id = mem_strdup(r->id);
	kept->msg = mem_strdup(r->msg);
	for (size_t i = 0; i < r->n; i++)
		kept->fields[i] = (struct field){mem_strdup(r->fields[i].name), mem_strdup(r->fields[i].value)};
	state.early[state.n_early++] = kept;
}

static void
free_early(struct record *r)
{
	for (size_t i = 0; i < r->n; i++) {
		mem_free((void *)(uintptr_t)r->fields[i].name);
		mem_free((void *)(uintptr_t)r->fields[i].value);
	}
	mem_free((void *)(uintptr_t)r->id);
	mem_free((void *)(uintptr_t)r->msg);
	mem_free(r);
}

void
log_write(enum log_level level, const char *id, const char *msg, ...)
{
	struct record r = {.level = level, .ts = clock_now_ns(), .id = id, .msg = msg};
	const char *name;
	va_list args;

	va_start(args, msg);
	while (r.n < FIELDS_LIMIT && (name = va_arg(args, const char *)) != NULL) {
		const char *value = va_arg(args, const char *);

		r.fields[r.n++] = (struct field){name, value != NULL ? value : ""};
	}
	va_end(args);
	(void)pthread_mutex_lock(&state.lock);
	if (state.started)
		write_record(&r);
	else
		keep_early(&r);
	(void)pthread_mutex_unlock(&state.lock);
}

bool
log_enabled(enum log_level level)
{
	bool enabled;

	(void)pthread_mutex_lock(&state.lock);
	enabled = !state.started || level <= state.level;
	(void)pthread_mutex_unlock(&state.lock);
	return enabled;
}

static void
write_omitted(void)
{
	char count[24];
	struct record r = {.level = LOG_LEVEL_WARN, .ts = clock_now_ns(), .msg = "too many records before the log was set up: some are left out"};

	if (state.n_omitted == 0)
		return;
	(void)snprintf(count, sizeof(count), "%zu", state.n_omitted);
	r.fields[r.n++] = (struct field){"count", count};
	write_record(&r);
	state.n_omitted = 0;
}

void
log_start(enum log_level level, enum log_format format)
{
	(void)pthread_mutex_lock(&state.lock);
	state.level = level;
	state.format = format;
	state.started = true;
	for (size_t i = 0; i < state.n_early; i++) {
		write_record(state.early[i]);
		free_early(state.early[i]);
	}
	state.n_early = 0;
	write_omitted();
	(void)pthread_mutex_unlock(&state.lock);
}

bool
log_level_parse(struct str s, enum log_level *ret)
{
	if (s.len == 0)
		s = STR("info");
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (str_is(s, level_names[i])) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void
log_set_fd(int fd)
{
	(void)pthread_mutex_lock(&state.lock);
	state.fd = fd;
	(void)pthread_mutex_unlock(&state.lock);
}

const char *
log_i64(int64_t n)
{
	static _Thread_local char texts[LOG_NUM][24];
	static _Thread_local unsigned next;
	char *out = texts[next++ % LOG_NUM];

	(void)snprintf(out, sizeof(texts[0]), "%lld", (long long)n);
	return out;
}

bool
log_rate(int64_t *last, int64_t interval_ns)
{
	int64_t now = clock_mono_ns();

	if (*last != 0 && now - *last < interval_ns)
		return false;
	*last = now;
	return true;
}
