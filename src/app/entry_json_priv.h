/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Entries as lines of JSON, the way `inspect` and `test` read and write them:
 *	{"ts":"2026-01-02T03:04:05Z","line":"…","labels":{"a":"b"},"structured_metadata":{"k":"v"},"at_ms":5}
 * Only line is required; line_base64 stands in for lines that are not UTF-8. Unknown fields are ignored.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/flow/batch.h"

struct entry_json {
	bool has_ts, has_at;
	int64_t ts_ns;
	int64_t at_ns; /* when it comes, since the start */
	struct str line;
	struct label *labels;
	size_t n_labels;
	const struct metadata *metadata; /* NULL: none */
};

/* Everything lives in the arena. False with a message. */
bool entry_json_parse(struct arena *, struct str text, struct entry_json *ret, struct str *ret_error);
/* The same of a parsed text; without needs_line an entry may have none, which is then empty. */
struct json;
bool entry_json_read(struct arena *, const struct json *, bool needs_line, struct entry_json *ret, struct str *ret_error);
/* Whether a field is there and not null. */
bool entry_json_has(const struct json *, const char *name);
/* Entry i as one object with sorted keys, without a newline. */
void entry_json_print(struct buf *, struct arena *, const struct batch *, size_t i);
/* RFC 3339 in UTC with as many digits of the fraction as are needed. */
void entry_json_print_time(struct buf *, int64_t ns);
