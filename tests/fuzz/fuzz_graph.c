/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: bit 0 validate or run, bit 1 --config.skip-unsupported. The rest: a configuration, which is loaded but
 * not applied. */
#include <stdint.h>

#include "longship/app/catalog.h"
#include "longship/flow/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct graph_load *load;
	struct graph *graph;

	if (size == 0)
		return 0;
	graph = graph_new(
		NULL, &(struct graph_options){
			      .types = catalog_types, .known = known_names, .skip_unsupported = (data[0] & 2) != 0});
	load = graph_load_text(graph, STR("fuzz.alloy"), (struct str){(const char *)data + 1, size - 1},
		(data[0] & 1) != 0 ? GRAPH_LOAD_VALIDATE : GRAPH_LOAD_RUN);
	graph_load_free(load);
	graph_free(graph);
	return 0;
}
