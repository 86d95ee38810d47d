/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is the layout, the second the text, the rest a zone file. */
#include "longship/base/buf.h"
#include "longship/codec/timefmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str layout, text, rest;
	struct arena *arena = arena_new(0);
	const struct timezone_db *zone;
	const struct timefmt *f;
	struct timefmt_time t;
	struct buf out;

	(void)str_cut((struct str){(const char *)data, len}, '\n', &layout, &rest);
	(void)str_cut(rest, '\n', &text, &rest);
	zone = tz_parse(arena, STR("fuzz"), rest);
	zone = zone != NULL ? zone : tz_utc();
	f = timefmt_compile(arena, layout);
	buf_init(&out, 1u << 16);
	if (timefmt_parse(f, text, zone, zone, &t))
		timefmt_format(f, &t, &out);
	buf_done(&out);
	arena_free(arena);
	return 0;
}
