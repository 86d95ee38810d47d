/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/reply.h"

#include <string.h>

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
	{"missing required labels", "missing_enforced_labels"},
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

/* A limit of one stream, not of the tenant: the others may have been stored. */
static bool
is_of_a_stream(struct str body)
{
	return str_find(body, STR("total ignored: ")) >= 0 || str_find(body, STR("when trying to create stream ")) >= 0;
}

/* gRPC's limit between Loki's parts, or a proxy's words. */
static bool
is_too_large(struct str body)
{
	return str_find(body, STR("received message larger than max")) >= 0 || str_find(body, STR("trying to send message larger than max")) >= 0 ||
		str_find(body, STR("request body too large")) >= 0;
}

static struct reply
classify_400(struct str body)
{
	const char *reason = find_reason(body);

	if (is_too_large(body))
		return (struct reply){.kind = REPLY_TOO_LARGE, .reason = "request_too_large"};
	/* Who speaks so has stored nothing: not Loki's ingester, or not understood. Nothing may count as stored that is not. */
	if (reason == NULL)
		return (struct reply){.kind = REPLY_REFUSED, .reason = "ingester_error"};
	if (strcmp(reason, "invalid_tenant") == 0)
		return (struct reply){.kind = REPLY_REFUSED, .reason = reason};
	/* "couldn't parse labels" is said while the push is read, before anything of it is stored. */
	if (str_starts(body, STR("couldn't parse labels")))
		return (struct reply){.kind = REPLY_BAD_STREAM, .reason = reason};
	return (struct reply){.kind = REPLY_PARTIAL, .reason = reason};
}

struct reply
reply_classify(const struct http_result *r, bool retry_429)
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
	if (r->status == 429 && is_of_a_stream(r->body))
		return (struct reply){.kind = REPLY_PARTIAL, .reason = "per_stream_rate_limit"};
	if (r->status == 413 || (r->status >= 500 && is_too_large(r->body)))
		return (struct reply){.kind = REPLY_TOO_LARGE, .reason = "request_too_large"};
	if (r->status == 429 || r->status >= 500 || r->status < 200)
		return (struct reply){.kind = REPLY_RETRY, .maybe_stored = r->status != 429};
	if (r->status == 400)
		return classify_400(r->body);
	if (r->status == 401 || r->status == 403 || r->status == 404 || r->status == 405 || r->status < 400)
		return (struct reply){.kind = REPLY_MISCONFIGURED};
	reason = find_reason(r->body);
	if (r->status == 422)
		return (struct reply){.kind = REPLY_BAD_STREAM, .reason = reason != NULL ? reason : "ingester_error"};
	return (struct reply){.kind = REPLY_REFUSED, .reason = reason != NULL ? reason : "ingester_error"};
}
