/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the form: protobuf, JSON, the labels text, snappy (block and framed). */
#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/codec/push_json.h"
#include "longship/codec/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_stream(void *ctx, const struct push_label *l, size_t n, const char *bad) { (void)ctx, (void)l; return bad == NULL || n > 0; }
static bool on_entry(void *ctx, int64_t ts, struct str line, const struct push_label *m, size_t n) { (void)ctx, (void)line, (void)m, (void)n; return ts % 2 == 0; }

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct push_sink sink = {on_stream, on_entry, NULL};
	struct str in = {(const char *)data + 1, size > 0 ? size - 1 : 0};
	struct arena *arena = arena_new(0);
	struct push_label labels[PUSH_LABELS_MAX];
	struct push_place place = {0};
	const char *error;
	struct buf out;
	size_t n;

	buf_init(&out, 1 << 20);
	switch (size > 0 ? data[0] % 5 : 0) {
	case 0:
		if (push_decode_protobuf(in, NULL, &sink, NULL, &error))
			do (void)!push_decode_protobuf(in, arena, &sink, &place, &error); while (place.stopped);
		break;
	case 1:
		if (push_json_decode(in, NULL, &sink, NULL, &error))
			do (void)!push_json_decode(in, arena, &sink, &place, &error); while (place.stopped);
		break;
	case 2: (void)!push_decode_labels(in, arena, labels, &n); break;
	case 3: (void)!snappy_block_uncompress(&out, in); break;
	default: (void)!snappy_framed_uncompress(&out, in); break;
	}
	buf_done(&out);
	arena_free(arena);
	return 0;
}
