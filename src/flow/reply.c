/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/reply.h"

#include "longship/base/check.h"

/* Loki's texts, by what they say. The first that is found names the reason. */
static const struct {
	const char *text, *reason;
} texts[] = {
	{"parse labels", "invalid_labels"},
	{"error parsing labels", "invalid_labels"},
	{"timestamp too old", "greater_than_max_sample_age"},
	{"timestamp too new", "too_far_in_future"},
	{"entry too far behind", "too_far_behind"},
	{"entry out of order", "out_of_order"},
	{"max entry size", "line_too_long"},
	{"max line size", "line_too_long"},
	{"label names; limit", "max_label_names_per_series"},
	{"label name too long", "label_name_too_long"},
	{"label value too long", "label_value_too_long"},
	{"duplicate label name", "duplicate_label_names"},
	{"at least one label pair is required", "missing_labels"},
	{"structured metadata", "structured_metadata"},
	{"ingestion rate limit", "rate_limited"},
	{"per stream rate limit", "per_stream_rate_limit"},
	{"maximum active stream limit", "stream_limit"},
	{"tenant ID", "invalid_tenant"},
};

/* NULL: nothing known. */
static const char *
find_reason(struct str body)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (str_find(body, str_from(texts[i].text)) >= 0)
			return texts[i].reason;
	}
	return NULL;
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

/* Sum of the numbers behind each `before`. */
static uint64_t
sum_behind(struct str body, struct str before)
{
	uint64_t n = 0, add;
	ptrdiff_t at;

	while ((at = str_find(body, before)) >= 0) {
		body = str_from_offset(body, (size_t)at + before.len);
		add = leading_number(body);
		n = add > UINT64_MAX - n ? UINT64_MAX : n + add;
	}
	return n;
}

/* The distributor groups equal errors: "2 errors like: TEXT; 1 errors like: TEXT". */
static uint64_t
sum_grouped(struct str body)
{
	static const struct str mark = {" errors like: ", 14};
	uint64_t n = 0, add;
	ptrdiff_t at;

	while ((at = str_find(body, mark)) >= 0) {
		size_t from = (size_t)at;

		while (from > 0 && body.s[from - 1] >= '0' && body.s[from - 1] <= '9')
			from--;
		add = leading_number(str_from_offset(body, from));
		n = add > UINT64_MAX - n ? UINT64_MAX : n + add;
		body = str_from_offset(body, (size_t)at + mark.len);
	}
	return n;
}

/* The ingester says "total ignored: N out of M for stream: {…}", once per stream; the distributor groups equal errors or
 * names one; else each line of the text names one entry. */
static uint64_t
count_named(struct str body)
{
	uint64_t n = sum_behind(body, STR("total ignored: ")), lines = 0;
	struct str rest = body, line;

	if (n == 0)
		n = sum_grouped(body);
	if (n > 0)
		return n;
	while (rest.len > 0) {
		(void)str_cut(rest, '\n', &line, &rest);
		lines += str_trim(line).len > 0;
	}
	return lines > 0 ? lines : 1;
}

static struct reply
classify_400(struct str body, uint64_t entries)
{
	struct reply reply = {.kind = REPLY_PARTIAL, .reason = find_reason(body)};

	/* Who speaks so has stored nothing: not Loki's ingester, or not understood. Nothing may count as stored that is not. */
	if (reply.reason == NULL)
		return (struct reply){.kind = REPLY_REFUSED, .reason = "ingester_error"};
	/* A stream whose labels do not parse makes Loki refuse the whole push, and so does a tenant that it does not take. */
	if (strcmp(reply.reason, "invalid_labels") == 0 || strcmp(reply.reason, "invalid_tenant") == 0) {
		reply.kind = REPLY_REFUSED;
		return reply;
	}
	reply.refused = count_named(body);
	if (reply.refused > entries)
		reply.refused = entries;
	return reply;
}

struct reply
reply_classify(const struct http_result *r, uint64_t entries, bool retry_429)
{
	const char *reason;

	if (r->status == 0)
		return (struct reply){.kind = REPLY_RETRY, .maybe_stored = r->sent};
	if (r->status == 260) /* Loki's answer for a blocked tenant: nothing is kept */
		return (struct reply){.kind = REPLY_REFUSED, .reason = "blocked_ingestion"};
	if (r->status >= 200 && r->status < 300)
		return (struct reply){.kind = REPLY_STORED};
	if (r->status == 429 && !retry_429)
		return (struct reply){.kind = REPLY_REFUSED, .reason = "rate_limited"};
	if (r->status == 429 || r->status >= 500 || r->status < 200)
		return (struct reply){.kind = REPLY_RETRY, .maybe_stored = r->status != 429};
	if (r->status == 400)
		return classify_400(r->body, entries);
	if (r->status == 401 || r->status == 403 || r->status == 404 || r->status == 405 || r->status < 400)
		return (struct reply){.kind = REPLY_MISCONFIGURED};
	if (r->status == 413)
		return (struct reply){.kind = REPLY_REFUSED, .reason = "request_too_large"};
	reason = find_reason(r->body);
	return (struct reply){.kind = REPLY_REFUSED, .reason = reason != NULL ? reason : "ingester_error"};
}
