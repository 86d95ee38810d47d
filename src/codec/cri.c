/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/cri.h"

#include <string.h>

#define STREAM_BYTES 6 /* "stdout", "stderr" */

/* White space by Unicode, but for the blank. */
static bool
is_other_space(uint32_t rune)
{
	return (rune >= '\t' && rune <= '\r') || rune == 0x85 || rune == 0xa0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) ||
		rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f || rune == 0x3000;
}

/* The time ends at the first white space, which must be a blank. */
static bool
has_other_space(struct str s)
{
	while (s.len > 0) {
		uint32_t rune = (unsigned char)s.s[0];
		size_t n = 1;

		if (rune >= 0x80)
			n = str_utf8_decode(s, &rune);
		if (n > 0 && is_other_space(rune))
			return true;
		s = str_from_offset(s, n > 0 ? n : 1);
	}
	return false;
}

bool
cri_parse(struct str line, struct cri *ret)
{
	const char *blank = line.len > 0 ? memchr(line.s, ' ', line.len) : NULL;
	struct str rest;

	if (blank == NULL)
		return false;
	ret->time = (struct str){line.s, (size_t)(blank - line.s)};
	rest = str_from_offset(line, ret->time.len + 1);
	if (!str_starts(rest, STR("stdout")) && !str_starts(rest, STR("stderr")))
		return false;
	ret->stream = str_head(rest, STREAM_BYTES);
	rest = str_from_offset(rest, STREAM_BYTES);
	if (rest.len == 0 || rest.s[0] != ' ' || has_other_space(ret->time))
		return false;
	rest = str_from_offset(rest, 1);
	ret->partial = rest.len > 0 && rest.s[0] == 'P';
	if (rest.len > 0 && (rest.s[0] == 'P' || rest.s[0] == 'F'))
		rest = str_from_offset(rest, 1);
	if (rest.len > 0 && rest.s[0] == ' ')
		rest = str_from_offset(rest, 1);
	ret->content = rest;
	return true;
}
