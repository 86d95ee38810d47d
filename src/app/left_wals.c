/* SPDX-License-Identifier: Apache-2.0 */
#include "left_wals.h"

#include <dirent.h>

#include "longship/base/arena.h"
#include "longship/base/log.h"
#include "longship/base/str.h"
#include "longship/flow/graph.h"

static bool
has_files(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool some = false;

	while (d != NULL && !some && (entry = readdir(d)) != NULL)
		some = str_ends(str_from(entry->d_name), STR(".wal"));
	if (d != NULL)
		(void)closedir(d);
	return some;
}

void
left_wals_warn(const char *storage_path, const struct graph *graph)
{
	DIR *d = opendir(storage_path);
	struct arena *arena = arena_new(0);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		const char *dir = arena_printf(arena, "%s/%s/wal", storage_path, entry->d_name).s;

		if (!str_starts(str_from(entry->d_name), STR("loki.write.")) || graph_find(graph, entry->d_name) != NULL || !has_files(dir))
			continue;
		log_warn(NULL, "a wal is left of a loki.write that is not in the configuration: what is in it is sent when that is there again", "component",
			entry->d_name, "dir", dir, NULL);
	}
	if (d != NULL)
		(void)closedir(d);
	arena_free(arena);
}
