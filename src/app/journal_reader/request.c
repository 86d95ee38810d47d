/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "longship/base/check.h"

#define REQUEST_FD 3

struct name
reader_name(struct str s, bool wanted)
{
	struct name n = {.len = (uint8_t)(s.len < FIELD_NAME_BYTES_MAX ? s.len : FIELD_NAME_BYTES_MAX), .wanted = wanted};

	memcpy(n.text, s.s, n.len);
	return n;
}

static bool
take_ask(struct reader *r, const struct journal_frame *frame, struct str body)
{
	struct str error;
	size_t offset;
	struct regex *regex;
	uint64_t cut;

	switch (frame->kind) {
	case JOURNAL_ASK_PATH:
		r->options.path = arena_z(r->arena, body);
		return true;
	case JOURNAL_ASK_NAMESPACE:
		r->options.name_space = arena_z(r->arena, body);
		return true;
	case JOURNAL_ASK_MATCH:
		vec_push(&r->matches, arena_str(r->arena, body));
		return true;
	case JOURNAL_ASK_OR:
	case JOURNAL_ASK_AND:
		vec_push(&r->matches, frame->kind == JOURNAL_ASK_OR ? STR("+") : STR("&"));
		return true;
	case JOURNAL_ASK_FIELD:
		vec_push(&r->fields, reader_name(body, true));
		return true;
	case JOURNAL_ASK_FIELD_REGEX:
		regex = regex_compile(r->arena, body, REGEX_ANCHORED, &error, &offset);
		vec_push(&r->regexes, regex);
		return regex != NULL;
	case JOURNAL_ASK_ALL_FIELDS:
		r->all_fields = true;
		return true;
	case JOURNAL_ASK_OWN_LINES:
		r->own_lines = true;
		return true;
	case JOURNAL_ASK_CURSOR:
		(void)snprintf(r->cursor, sizeof(r->cursor), "%.*s", STR_FMT(body));
		return body.len < sizeof(r->cursor);
	case JOURNAL_ASK_SINCE:
		memcpy(&r->since_ns, body.s, body.len < sizeof(r->since_ns) ? body.len : sizeof(r->since_ns));
		return body.len == sizeof(r->since_ns);
	case JOURNAL_ASK_SKIP:
		memcpy(&r->skip_ns, body.s, body.len < sizeof(r->skip_ns) ? body.len : sizeof(r->skip_ns));
		return body.len == sizeof(r->skip_ns);
	case JOURNAL_ASK_CUT:
		memcpy(&cut, body.s, body.len < sizeof(cut) ? body.len : sizeof(cut));
		vec_push(&r->cuts, cut);
		return body.len == sizeof(cut);
	default:
		return false;
	}
}

bool
reader_take_request(struct reader *r)
{
	struct buf bytes;
	struct journal_frame frame;
	struct str in, body;
	bool ok = true;
	int got = -1;

	buf_init(&bytes, JOURNAL_WIRE_REQUEST_BYTES_MAX);
	for (;;) {
		ssize_t n;

		if (!buf_reserve(&bytes, 4096))
			break;
		n = pread(REQUEST_FD, bytes.data + bytes.len, 4096, (off_t)bytes.len);
		if (n <= 0)
			break;
		bytes.len += (size_t)n;
	}
	(void)close(REQUEST_FD);
	in = buf_view(&bytes);
	while (ok && (got = journal_wire_take(&in, &frame, &body)) > 0)
		ok = take_ask(r, &frame, body);
	buf_done(&bytes);
	return ok && got == 0 && in.len == 0;
}
