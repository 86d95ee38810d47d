/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is the pattern, the rest the subject. */
#include "longship/base/buf.h"
#include "longship/codec/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str pattern, subject, error;
	struct arena *arena = arena_new(0);
	struct regex *re;
	struct buf out;
	size_t offset;

	(void)str_cut((struct str){(const char *)data, len}, '\n', &pattern, &subject);
	re = regex_compile(arena, pattern, (unsigned)(len % 3), &error, &offset);
	buf_init(&out, 1u << 16);
	if (re != NULL && regex_test(re, subject) == REGEX_YES)
		(void)regex_replace_all(re, subject, STR("<$1${x}$$>"), &out);
	buf_done(&out);
	arena_free(arena);
	return 0;
}
