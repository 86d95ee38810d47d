/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader says: frames, and the fields of a record as labels and as JSON; matches and cursors of a configuration and a store. */
#include "../../src/component/loki_source_journal/mapping.h"
#include "../../src/component/loki_source_journal/selection.h"
#include "longship/os/journal_wire.h"
#include "longship/os/sdjournal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size}, body, rest = in;
	const struct str_map none = {0};
	const struct mapping mapping = {.job = STR("job"), .labels = &none};
	struct labels_table *table = labels_table_new();
	struct arena *arena = arena_new(0);
	struct sdjournal_place place;
	struct journal_frame frame;

	while (journal_wire_take(&rest, &frame, &body) > 0) {
		(void)mapping_labels(&mapping, arena, table, body);
		(void)mapping_json(arena, body);
	}
	(void)mapping_labels(&mapping, arena, table, in);
	(void)mapping_json(arena, in);
	(void)sdjournal_cursor_place(in, &place);
	(void)selection_check_matches(arena, in);
	arena_free(arena);
	labels_table_free(table);
	return 0;
}
