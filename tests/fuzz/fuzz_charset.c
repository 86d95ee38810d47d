/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the encoding; the rest is a file: its mark, its lines, each as UTF-8. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/codec/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32BE", "ISO-8859-1", "windows-1252",
	"GB18030", "Shift_JIS", "EUC-JP", "ISO-2022-JP", "Big5", "IBM037", "EUC-KR"};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct charset *configured[N_NAMES];
	static bool made;
	struct str text;
	const struct charset *c;
	struct arena *arena;
	size_t bom;

	for (size_t i = 0; !made && i < N_NAMES; i++)
		if (charset_new(str_from(names[i]), &configured[i]) < 0)
			configured[i] = NULL;
	made = true;
	if (size == 0)
		return 0;
	text = (struct str){(const char *)data + 1, size - 1};
	c = charset_of_file(configured[data[0] % N_NAMES], str_head(text, CHARSET_HEAD_BYTES), &bom);
	(void)charset_is_open(configured[data[0] % N_NAMES], str_head(text, CHARSET_HEAD_BYTES));
	if (c == NULL)
		return 0;
	text = str_from_offset(text, bom);
	arena = arena_new(0);
	while (text.len > 0) {
		size_t end = charset_line_end(c, text), lines = charset_lines(c, text);
		struct str line = str_head(text, end), utf8;
		bool bad = false;

		assert(end <= text.len && lines <= text.len && lines % charset_unit(c) == 0);
		assert((end == text.len) == (lines == 0));
		assert(charset_nuls(c, line) <= line.len);
		assert(charset_cut(c, line) <= line.len);
		utf8 = charset_decode(c, arena, charset_without_cr(c, line), &bad);
		assert(str_utf8_valid(utf8) && utf8.len <= line.len * CHARSET_GROWTH_MAX);
		text = end < text.len ? str_from_offset(text, end + charset_unit(c)) : STR_EMPTY;
	}
	arena_free(arena);
	return 0;
}
