/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the text is taken apart into claims ("n entries broke rule r in stream s"), then the claims of each rule are held
 * against the entries, in the order in which Loki checks them: an entry is refused by the first rule that it breaks.
 */
#include "longship/flow/refusal.h"

#include <stdlib.h>
#include <time.h>

#include "longship/base/arena.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/codec/push_decode.h"

#define NAMED_MAX 1000  /* entries that an ingester names: Loki's max_returned_errors, 10 by default */
#define CLAIMS_MAX 4096 /* of one text; what is over counts as cut off */

enum rule { /* of a stream's labels, then of entries, each in Loki's order */
	RULE_LABELS,
	RULE_NO_LABELS,
	RULE_LABEL_NAMES,
	RULE_LABEL_NAME,
	RULE_LABEL_VALUE,
	RULE_LABEL_TWICE,
	RULE_ENFORCED,
	RULE_TOO_OLD,
	RULE_TOO_NEW,
	RULE_LINE,
	RULE_NO_METADATA,
	RULE_METADATA_BYTES,
	RULE_METADATA_COUNT,
	RULE_BEHIND,
	RULE_RATE,
	RULE_STREAMS,
	RULE_UNKNOWN,
	RULE_COUNT,
};

static const char *const reasons[RULE_COUNT] = {
	[RULE_LABELS] = "invalid_labels",
	[RULE_NO_LABELS] = "missing_labels",
	[RULE_LABEL_NAMES] = "max_label_names_per_series",
	[RULE_LABEL_NAME] = "label_name_too_long",
	[RULE_LABEL_VALUE] = "label_value_too_long",
	[RULE_LABEL_TWICE] = "duplicate_label_names",
	[RULE_ENFORCED] = "missing_enforced_labels",
	[RULE_TOO_OLD] = "greater_than_max_sample_age",
	[RULE_TOO_NEW] = "too_far_in_future",
	[RULE_LINE] = "line_too_long",
	[RULE_NO_METADATA] = "disallowed_structured_metadata",
	[RULE_METADATA_BYTES] = "structured_metadata_too_large",
	[RULE_METADATA_COUNT] = "structured_metadata_too_many",
	[RULE_BEHIND] = "too_far_behind",
	[RULE_RATE] = "per_stream_rate_limit",
	[RULE_STREAMS] = "stream_limit",
	[RULE_UNKNOWN] = "ingester_error",
};

struct claim {
	enum rule rule;
	uint64_t n;        /* entries, or streams for rules of labels */
	struct str stream; /* as Loki spells it; may be empty */
	struct str rest;   /* behind the words that name the rule */
	uint64_t limit;    /* RULE_LINE */
};

/* ---- Reading the text ---- */

static ptrdiff_t
find_last(struct str s, struct str needle)
{
	ptrdiff_t last = -1, at;
	size_t from = 0;

	while ((at = str_find(str_from_offset(s, from), needle)) >= 0) {
		last = (ptrdiff_t)from + at;
		from = (size_t)last + 1;
	}
	return last;
}

static uint64_t
leading_number(struct str s)
{
	size_t len = 0;
	uint64_t n = 0;

	while (len < s.len && s.s[len] >= '0' && s.s[len] <= '9')
		len++;
	return str_to_u64(str_head(s, len), &n) ? n : 0;
}

static bool
two_digits(struct str s, size_t at, int *ret)
{
	if (at + 2 > s.len || s.s[at] < '0' || s.s[at] > '9' || s.s[at + 1] < '0' || s.s[at + 1] > '9')
		return false;
	*ret = (s.s[at] - '0') * 10 + s.s[at + 1] - '0';
	return true;
}

/* Go's RFC3339 and time.String: "2006-01-02T15:04:05Z", "2006-01-02 15:04:05.999 +0200 CEST". */
static bool
read_time(struct str s, int64_t *ret_ns)
{
	struct tm tm = {0};
	int century, hours = 0, minutes = 0, sign = 0;
	int64_t nanos = 0, unit = NS_PER_S;
	size_t at = 19;

	if (!two_digits(s, 0, &century) || !two_digits(s, 2, &tm.tm_year) || !two_digits(s, 5, &tm.tm_mon) || !two_digits(s, 8, &tm.tm_mday) ||
		!two_digits(s, 11, &tm.tm_hour) || !two_digits(s, 14, &tm.tm_min) || !two_digits(s, 17, &tm.tm_sec))
		return false;
	tm.tm_year += century * 100 - 1900;
	tm.tm_mon--;
	if (at < s.len && s.s[at] == '.') {
		for (at++; at < s.len && s.s[at] >= '0' && s.s[at] <= '9' && unit > 1; at++) {
			unit /= 10;
			nanos += (s.s[at] - '0') * unit;
		}
	}
	if (at < s.len && s.s[at] == ' ')
		at++;
	if (at < s.len && (s.s[at] == '+' || s.s[at] == '-')) {
		sign = s.s[at] == '+' ? 1 : -1;
		if (!two_digits(s, at + 1, &hours) || !two_digits(s, at + 3 + (at + 3 < s.len && s.s[at + 3] == ':'), &minutes))
			return false;
	}
	if (tm.tm_year < 0 || tm.tm_year > 362) /* 1900 … 2262: what nanoseconds can say */
		return false;
	if (__builtin_mul_overflow((int64_t)timegm(&tm) - sign * (hours * 3600 + minutes * 60), NS_PER_S, ret_ns) ||
		__builtin_add_overflow(*ret_ns, nanos, ret_ns))
		return false;
	return true;
}

/* Texts that begin "entry for stream 'S' has …" or "stream 'S' has …": the words behind S. */
static const struct {
	const char *words;
	enum rule rule;
	bool of_entry; /* "entry for stream" */
} words[] = {
	{"' has timestamp too old: ", RULE_TOO_OLD, true},
	{"' has timestamp too new: ", RULE_TOO_NEW, true},
	{" label names; limit ", RULE_LABEL_NAMES, true},
	{"' has label name too long: '", RULE_LABEL_NAME, false},
	{"' has label value too long: '", RULE_LABEL_VALUE, false},
	{"' has duplicate label name: '", RULE_LABEL_TWICE, false},
	{"' includes structured metadata, but", RULE_NO_METADATA, false},
	{"' has structured metadata too large: '", RULE_METADATA_BYTES, false},
	{"' has too many structured metadata labels: '", RULE_METADATA_COUNT, false},
};

/* The stream's name may hold any words, so those nearest to the end count. */
static void
read_stream_rule(struct claim *c, struct str text, bool of_entry)
{
	ptrdiff_t best = -1;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		ptrdiff_t at = words[i].of_entry == of_entry ? find_last(text, str_from(words[i].words)) : -1;

		if (at > best) {
			best = at;
			c->rule = words[i].rule;
			c->rest = str_from_offset(text, (size_t)at + strlen(words[i].words));
		}
	}
	if (best < 0)
		return;
	c->stream = str_head(text, (size_t)best);
	if (c->rule == RULE_LABEL_NAMES) { /* "S' has 21" */
		ptrdiff_t at = find_last(c->stream, STR("' has "));

		c->stream = str_head(c->stream, at >= 0 ? (size_t)at : 0);
	}
}

static struct claim
read_claim(struct str text, uint64_t n)
{
	struct claim c = {.rule = RULE_UNKNOWN, .n = n};
	ptrdiff_t at;

	if (str_starts(text, STR("entry for stream '"))) {
		read_stream_rule(&c, str_from_offset(text, 18), true);
	} else if (str_starts(text, STR("stream '"))) {
		read_stream_rule(&c, str_from_offset(text, 8), false);
	} else if (str_starts(text, STR("max entry size '")) || str_starts(text, STR("Max entry size '"))) {
		c.rule = RULE_LINE;
		c.limit = leading_number(str_from_offset(text, 16));
		at = str_find(text, STR("for stream '"));
		c.stream = str_from_offset(text, at >= 0 ? (size_t)at + 12 : text.len);
		at = find_last(c.stream, STR("' while adding"));
		c.stream = str_head(c.stream, at >= 0 ? (size_t)at : 0);
	} else if (str_starts(text, STR("error at least one label pair"))) {
		c.rule = RULE_NO_LABELS;
	} else if (str_starts(text, STR("error parsing labels '"))) {
		c.rule = RULE_LABELS;
		at = find_last(text, STR("' with error: "));
		c.stream = at >= 22 ? str_head(str_from_offset(text, 22), (size_t)at - 22) : STR_EMPTY;
	} else if (str_starts(text, STR("missing required labels "))) {
		c.rule = RULE_ENFORCED;
		at = str_find(text, STR(" for stream {"));
		c.stream = str_from_offset(text, at >= 0 ? (size_t)at + 12 : text.len);
	}
	return c;
}

struct claims {
	VEC(struct claim) list;
	bool cut;
};

/* The distributor: TEXT, or "2 errors like: TEXT; 1 errors like: TEXT". */
static void
read_grouped(struct str body, struct claims *claims)
{
	static const struct str mark = {" errors like: ", 14};
	ptrdiff_t at = str_find(body, mark), next;

	if (at < 0) {
		vec_push(&claims->list, read_claim(body, 1));
		return;
	}
	while (at >= 0) {
		size_t from = (size_t)at, end;
		uint64_t n;
		struct str rest = str_from_offset(body, from + mark.len);

		while (from > 0 && body.s[from - 1] >= '0' && body.s[from - 1] <= '9')
			from--;
		n = leading_number(str_from_offset(body, from));
		next = str_find(rest, mark);
		end = next >= 0 ? (size_t)next : rest.len;
		if (next >= 0) {
			while (end > 0 && rest.s[end - 1] >= '0' && rest.s[end - 1] <= '9')
				end--;
			end -= end >= 2 ? 2 : end; /* "; " */
		}
		if (claims->list.len == CLAIMS_MAX) {
			claims->cut = true;
			return;
		}
		vec_push(&claims->list, read_claim(str_head(rest, end), n));
		body = rest;
		at = next;
	}
}

/* ---- Streams ---- */

struct parsed {
	struct push_label *labels;
	size_t n;
};

struct finder {
	const struct request_view *view;
	struct refusal *out;
	struct arena *arena;
	struct parsed *streams; /* NULL until one is looked for */
	bool cut;
};

static struct parsed
parse_labels(struct arena *arena, struct str text)
{
	struct push_label labels[PUSH_LABELS_MAX];
	struct parsed p = {0};

	if (push_decode_labels(text, arena, labels, &p.n) != NULL)
		return (struct parsed){0};
	p.labels = arena_array(arena, struct push_label, p.n);
	if (p.n > 0)
		memcpy(p.labels, labels, p.n * sizeof(*labels));
	return p;
}

static bool
added_by_loki(struct str name)
{
	return str_is(name, "service_name") || str_is(name, "__stream_shard__") || str_is(name, "__time_shard__");
}

/* What Loki names is what was sent, without labels that are empty and with some of its own. */
static bool
same_stream(struct parsed sent, struct parsed named)
{
	size_t k = 0, own = 0;

	for (size_t i = 0; i < sent.n; i++) {
		if (sent.labels[i].value.len == 0)
			continue;
		own++;
		while (k < named.n && !str_eq(named.labels[k].name, sent.labels[i].name) && added_by_loki(named.labels[k].name))
			k++;
		if (k == named.n || !str_eq(named.labels[k].name, sent.labels[i].name) || !str_eq(named.labels[k].value, sent.labels[i].value))
			return false;
		k++;
	}
	while (k < named.n && added_by_loki(named.labels[k].name))
		k++;
	return k == named.n && own > 0;
}

/* Number of the stream that Loki names, or -1. */
static ptrdiff_t
find_stream(struct finder *f, struct str name)
{
	struct parsed named = parse_labels(f->arena, name);

	if (named.n == 0)
		return -1;
	if (f->streams == NULL) {
		f->streams = arena_array(f->arena, struct parsed, f->view->n_streams);
		for (size_t i = 0; i < f->view->n_streams; i++)
			f->streams[i] = parse_labels(f->arena, f->view->streams[i].text);
	}
	for (size_t i = 0; i < f->view->n_streams; i++) {
		if (same_stream(f->streams[i], named))
			return (ptrdiff_t)i;
	}
	return -1;
}

/* ---- Marking ---- */

static bool
is_open(const struct finder *f, size_t i)
{
	return f->out->entries[i].verdict == VERDICT_STORED;
}

static void
refuse(struct finder *f, size_t i, enum rule rule)
{
	f->out->entries[i] = (struct refused){VERDICT_REFUSED, true, reasons[rule]};
	f->out->n_counted++;
}

static void
refuse_stream(struct finder *f, size_t stream, enum rule rule)
{
	const struct request_stream *s = &f->view->streams[stream];

	for (size_t i = s->first; i < s->first + s->n; i++) {
		if (is_open(f, i))
			refuse(f, i, rule);
	}
}

/* n of these entries were refused, nobody knows which. */
static void
doubt(struct finder *f, size_t from, size_t end, uint64_t n, enum rule rule)
{
	for (size_t i = from; i < end; i++) {
		if (!is_open(f, i))
			continue;
		f->out->entries[i] = (struct refused){VERDICT_UNCERTAIN, n > 0, reasons[rule]};
		f->out->n_counted += n > 0;
		n -= n > 0;
		f->out->exact = false;
	}
}

static void
doubt_stream(struct finder *f, struct str name, uint64_t n, enum rule rule)
{
	ptrdiff_t stream = find_stream(f, name);

	if (stream < 0)
		doubt(f, 0, f->view->n_entries, n, rule);
	else
		doubt(f, f->view->streams[stream].first, f->view->streams[stream].first + f->view->streams[stream].n, n, rule);
}

static void
doubt_rule(struct finder *f, const struct claims *claims, enum rule rule)
{
	for (size_t i = 0; i < claims->list.len; i++) {
		if (claims->list.items[i].rule == rule)
			doubt_stream(f, claims->list.items[i].stream, claims->list.items[i].n, rule);
	}
}

/* ---- Rules of times ---- */

struct by_time {
	int64_t ts_ns;
	size_t entry;
};

static int
compare_times(const void *a, const void *b)
{
	const struct by_time *x = a, *y = b;

	return (x->ts_ns > y->ts_ns) - (x->ts_ns < y->ts_ns);
}

/* Entries that no rule has refused yet, oldest first. */
static struct by_time *
sort_by_time(struct finder *f, size_t from, size_t end, size_t *ret_n)
{
	struct by_time *list = arena_alloc(f->arena, (end - from + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = from; i < end; i++) {
		if (is_open(f, i))
			list[n++] = (struct by_time){f->view->entries[i].ts_ns, i};
	}
	qsort(list, n, sizeof(*list), compare_times);
	*ret_n = n;
	return list;
}

/*
 * A border in time cuts the entries in two, so n refused ones are the n oldest. They are known when the border that Loki names
 * (to the second) agrees and does not fall between equal times.
 */
static bool
refuse_oldest(struct finder *f, size_t from, size_t end, uint64_t n, int64_t border_ns, enum rule rule)
{
	size_t len;
	struct by_time *list = sort_by_time(f, from, end, &len);

	if (f->cut) {
		for (n = 0; n < len && list[n].ts_ns < border_ns;)
			n++;
	}
	if (n > len || (n > 0 && list[n - 1].ts_ns >= border_ns + NS_PER_S) ||
		(n < len && (list[n].ts_ns < border_ns || (n > 0 && list[n].ts_ns == list[n - 1].ts_ns))))
		return false;
	for (size_t i = 0; i < n; i++)
		refuse(f, list[i].entry, rule);
	return true;
}

/* The oldest of the refused ones is named, to the second. */
static bool
refuse_newest(struct finder *f, uint64_t n, int64_t oldest_ns)
{
	size_t len;
	struct by_time *list = sort_by_time(f, 0, f->view->n_entries, &len);

	for (n = f->cut ? 0 : n; f->cut && n < len && list[len - n - 1].ts_ns >= oldest_ns;)
		n++;
	if (n > len || n == 0 || list[len - n].ts_ns < oldest_ns || (!f->cut && list[len - n].ts_ns >= oldest_ns + NS_PER_S) ||
		(n < len && list[len - n - 1].ts_ns == list[len - n].ts_ns))
		return false;
	for (size_t i = len - n; i < len; i++)
		refuse(f, list[i].entry, RULE_TOO_NEW);
	return true;
}

static uint64_t
count_claimed(const struct claims *claims, enum rule rule)
{
	uint64_t n = 0;

	for (size_t i = 0; i < claims->list.len; i++) {
		if (claims->list.items[i].rule == rule && __builtin_add_overflow(n, claims->list.items[i].n, &n))
			return UINT64_MAX;
	}
	return n;
}

static void
apply_too_old(struct finder *f, const struct claims *claims)
{
	static const struct str mark = {"oldest acceptable timestamp is: ", 32};

	for (size_t i = 0; i < claims->list.len; i++) {
		const struct claim *c = &claims->list.items[i];
		ptrdiff_t at;
		int64_t border_ns;

		if (c->rule != RULE_TOO_OLD)
			continue;
		at = str_find(c->rest, mark);
		if (at < 0 || !read_time(str_from_offset(c->rest, (size_t)at + mark.len), &border_ns) || border_ns > INT64_MAX - NS_PER_S ||
			!refuse_oldest(f, 0, f->view->n_entries, count_claimed(claims, RULE_TOO_OLD), border_ns, RULE_TOO_OLD))
			doubt_rule(f, claims, RULE_TOO_OLD);
		return;
	}
}

static void
apply_too_new(struct finder *f, const struct claims *claims)
{
	int64_t oldest_ns = INT64_MAX, ns;
	uint64_t n = count_claimed(claims, RULE_TOO_NEW);

	for (size_t i = 0; i < claims->list.len; i++) {
		const struct claim *c = &claims->list.items[i];

		if (c->rule == RULE_TOO_NEW && read_time(c->rest, &ns) && ns < oldest_ns)
			oldest_ns = ns;
	}
	if (n > 0 && (oldest_ns > INT64_MAX - NS_PER_S || !refuse_newest(f, n, oldest_ns)))
		doubt_rule(f, claims, RULE_TOO_NEW);
}

/* ---- Rules of sizes ---- */

/* What a rule of sizes measures of an entry; 0 keeps within any limit. */
static uint64_t
measure(const struct request_entry *e, enum rule rule)
{
	struct push_label pair;
	uint64_t n = 0, bytes = 0;
	size_t at = 0;

	if (rule == RULE_LINE)
		return e->line.len;
	while (request_metadata(e, &at, &pair)) {
		n++;
		if (!str_is(pair.name, "detected_level"))
			bytes += pair.name.len + pair.value.len;
	}
	return rule == RULE_METADATA_BYTES ? bytes : n;
}

static uint64_t
limit_of(const struct claim *c)
{
	static const struct str mark = {"limit: '", 8};
	ptrdiff_t at;

	if (c->rule == RULE_LINE)
		return c->limit;
	if (c->rule == RULE_NO_METADATA)
		return 0;
	at = str_find(c->rest, mark);
	return at >= 0 ? leading_number(str_from_offset(c->rest, (size_t)at + mark.len)) : UINT64_MAX;
}

static void
apply_sizes(struct finder *f, const struct claims *claims, enum rule rule)
{
	uint64_t claimed = count_claimed(claims, rule), limit = UINT64_MAX, n = 0;

	if (claimed == 0)
		return;
	for (size_t i = 0; i < claims->list.len; i++) {
		if (claims->list.items[i].rule == rule)
			limit = limit_of(&claims->list.items[i]);
	}
	for (size_t i = 0; i < f->view->n_entries; i++)
		n += is_open(f, i) && measure(&f->view->entries[i], rule) > limit;
	if (n != claimed && !(f->cut && n > claimed)) {
		doubt_rule(f, claims, rule);
		return;
	}
	for (size_t i = 0; i < f->view->n_entries; i++) {
		if (is_open(f, i) && measure(&f->view->entries[i], rule) > limit)
			refuse(f, i, rule);
	}
}

/* ---- Rules of labels: each claim names its stream ---- */

static void
apply_labels(struct finder *f, const struct claims *claims)
{
	for (size_t i = 0; i < claims->list.len; i++) {
		const struct claim *c = &claims->list.items[i];
		ptrdiff_t stream = -1;

		if (c->rule >= RULE_TOO_OLD)
			continue;
		if (c->rule == RULE_NO_LABELS) {
			for (size_t k = 0; k < f->view->n_streams; k++) {
				if (parse_labels(f->arena, f->view->streams[k].text).n == 0)
					stream = (ptrdiff_t)k;
			}
		} else {
			stream = find_stream(f, c->stream);
		}
		if (stream >= 0)
			refuse_stream(f, (size_t)stream, c->rule);
		else
			doubt(f, 0, f->view->n_entries, c->n, c->rule);
	}
}

static void
apply_claims(struct finder *f, const struct claims *claims)
{
	apply_labels(f, claims);
	apply_too_old(f, claims);
	apply_too_new(f, claims);
	for (enum rule rule = RULE_LINE; rule <= RULE_METADATA_COUNT; rule++)
		apply_sizes(f, claims, rule);
	doubt_rule(f, claims, RULE_UNKNOWN);
}

/* ---- The ingester: one stream, some of its entries by their time ---- */

struct ingester {
	struct str stream;
	uint64_t n, of;
	VEC(int64_t) times;  /* of the entries that it names */
	int64_t border_ns;   /* the latest oldest acceptable time, to the second; INT64_MIN: none named */
	bool rate;           /* some were refused for a rate: they may come again */
};

static void
read_named(struct str line, struct ingester *in)
{
	static const struct str border = {"oldest acceptable timestamp is: ", 32};
	ptrdiff_t at;
	int64_t ns;

	if (!read_time(str_from_offset(line, 21), &ns))
		return;
	if (in->times.len < NAMED_MAX)
		vec_push(&in->times, ns);
	if (str_find(line, STR("ate limit exceeded")) >= 0)
		in->rate = true;
	at = str_find(line, border);
	if (at >= 0 && read_time(str_from_offset(line, (size_t)at + border.len), &ns) && ns > in->border_ns)
		in->border_ns = ns;
}

static bool
read_ingester(struct str body, struct ingester *in)
{
	static const struct str total = {"total ignored: ", 15}, name = {" for stream: ", 13}, of = {" out of ", 8};
	struct str line, rest = body;
	ptrdiff_t at = str_find(body, total);

	in->border_ns = INT64_MIN;
	if (at < 0)
		return false;
	while (rest.len > 0) {
		ptrdiff_t begin;

		(void)str_cut(rest, '\n', &line, &rest);
		begin = str_find(line, STR("entry with timestamp "));
		if (begin >= 0 && str_find(line, total) < 0)
			read_named(str_from_offset(line, (size_t)begin), in);
	}
	rest = str_from_offset(body, (size_t)at + total.len);
	in->n = leading_number(rest);
	at = str_find(rest, of);
	in->of = at >= 0 ? leading_number(str_from_offset(rest, (size_t)at + of.len)) : 0;
	at = str_find(rest, name);
	in->stream = at >= 0 ? str_trim(str_from_offset(rest, (size_t)at + name.len)) : STR_EMPTY;
	return true;
}

static bool
is_named(const struct ingester *in, int64_t ts_ns)
{
	for (size_t i = 0; i < in->times.len; i++) {
		if (in->times.items[i] == ts_ns)
			return true;
	}
	return false;
}

/* All that it means are named by their time, and no others have the same. */
static bool
all_are_named(const struct finder *f, const struct request_stream *s, const struct ingester *in)
{
	uint64_t n = 0;

	if (in->n != in->times.len)
		return false;
	for (size_t i = s->first; i < s->first + s->n; i++)
		n += is_named(in, f->view->entries[i].ts_ns);
	return n == in->n;
}

static bool
names_only_older(const struct ingester *in, int64_t border_ns)
{
	for (size_t i = 0; i < in->times.len; i++) {
		if (in->times.items[i] >= border_ns)
			return false;
	}
	return true;
}

static void
apply_behind(struct finder *f, const struct ingester *in, ptrdiff_t stream)
{
	const struct request_stream *s = &f->view->streams[stream];
	int64_t border_ns = in->border_ns;

	if (all_are_named(f, s, in)) {
		for (size_t i = s->first; i < s->first + s->n; i++) {
			if (is_named(in, f->view->entries[i].ts_ns))
				refuse(f, i, RULE_BEHIND);
		}
		return;
	}
	if (in->of == s->n && in->n == s->n) {
		refuse_stream(f, (size_t)stream, RULE_BEHIND);
		return;
	}
	/* The window's border may move on within the push: it does not when none of the stored entries is behind it. */
	if (in->of == s->n && border_ns > INT64_MIN && border_ns < INT64_MAX - NS_PER_S && names_only_older(in, border_ns + NS_PER_S) &&
		refuse_oldest(f, s->first, s->first + s->n, in->n, border_ns, RULE_BEHIND))
		return;
	doubt(f, s->first, s->first + s->n, in->n, RULE_BEHIND);
}

static void
again(struct finder *f, size_t from, size_t end, enum verdict verdict)
{
	for (size_t i = from; i < end; i++)
		f->out->entries[i].verdict = (uint8_t)verdict;
	*(verdict == VERDICT_AGAIN ? &f->out->n_again : &f->out->n_perhaps) += end - from;
}

/* An ingester goes through the entries in their order and names the first that it refuses: those before it are stored. */
static size_t
first_again(const struct finder *f, const struct request_stream *s, const struct ingester *in)
{
	for (size_t i = s->first; in != NULL && i < s->first + s->n; i++) {
		if (is_named(in, f->view->entries[i].ts_ns))
			return i;
	}
	return s->first;
}

/*
 * Limits of a stream pass: it is sent again. Of several failures in one push an ingester tells only the last, so streams
 * before it may have met the same limit: they are sent again, too, apart from it.
 */
static void
apply_limit(struct finder *f, struct str name, const struct ingester *in)
{
	ptrdiff_t stream = find_stream(f, name);
	const struct request_stream *s;

	if (stream < 0) {
		again(f, 0, f->view->n_entries, VERDICT_AGAIN);
		return;
	}
	s = &f->view->streams[stream];
	again(f, 0, s->first, VERDICT_PERHAPS);
	again(f, first_again(f, s, in), s->first + s->n, VERDICT_AGAIN);
	for (size_t i = s->first; in != NULL && all_are_named(f, s, in) && i < s->first + s->n; i++) {
		if (f->out->entries[i].verdict == VERDICT_AGAIN && !is_named(in, f->view->entries[i].ts_ns)) {
			f->out->entries[i].verdict = VERDICT_STORED;
			f->out->n_again--;
		}
	}
}

static void
apply_ingester(struct finder *f, const struct ingester *in)
{
	ptrdiff_t stream;

	if (in->rate) {
		apply_limit(f, in->stream, in);
		return;
	}
	stream = find_stream(f, in->stream);
	if (stream >= 0)
		apply_behind(f, in, stream);
	else
		doubt(f, 0, f->view->n_entries, in->n, RULE_BEHIND);
}

/* "maximum active stream limit exceeded when trying to create stream {…}, reduce the number …" */
static bool
read_stream_limit(struct str body, struct str *ret_stream)
{
	static const struct str mark = {"when trying to create stream ", 29};
	ptrdiff_t at = str_find(body, mark), end;

	if (at < 0 || str_find(body, STR("ctive stream limit exceeded")) < 0)
		return false;
	*ret_stream = str_from_offset(body, (size_t)at + mark.len);
	end = find_last(*ret_stream, STR(", reduce the number"));
	*ret_stream = str_head(*ret_stream, end >= 0 ? (size_t)end : 0);
	return true;
}

void
refusal_find(struct refusal *out, const struct request_view *v, int status, struct str text, bool cut)
{
	struct finder f = {.view = v, .out = out, .arena = arena_new(0), .cut = cut};
	struct ingester in = {0};
	struct claims claims = {0};
	struct str stream;

	*out = (struct refusal){.entries = mem_zalloc(v->n_entries * sizeof(*out->entries)), .exact = true};
	if (read_ingester(text, &in)) {
		in.rate = in.rate || status == 429;
		apply_ingester(&f, &in);
	} else if (read_stream_limit(text, &stream)) {
		apply_limit(&f, stream, NULL);
	} else {
		read_grouped(str_trim(text), &claims);
		claims.list.len -= cut && claims.list.len > 1; /* half a claim says nothing */
		f.cut = cut || claims.cut;
		apply_claims(&f, &claims);
	}
	vec_done(&in.times);
	vec_done(&claims.list);
	arena_free(f.arena);
}

void
refusal_done(struct refusal *r)
{
	mem_free(r->entries);
	*r = (struct refusal){0};
}
