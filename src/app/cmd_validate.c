/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/flow/graph.h"

#include "options.h"

int
cmd_validate(int argc, char **argv)
{
	struct options options;
	struct graph_load *load;
	struct graph *graph;
	bool failed;
	int status;

	if (!options_parse(OPTIONS_VALIDATE, argc, argv, &options, &status))
		return status;
	graph = graph_new(NULL,
		&(struct graph_options){
			.types = catalog_types, .known = known_names, .skip_unsupported = options.skip_unsupported});
	load = graph_load(graph, (const char *const *)options.operands, options.n_operands, GRAPH_LOAD_VALIDATE);
	diags_print(graph_load_diags(load), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
	failed = diags_failed(graph_load_diags(load));
	if (failed)
		fprintf(stderr, "\nvalidation failed\n");
	graph_load_free(load);
	graph_free(graph);
	return failed ? STATUS_FAULT : STATUS_FINE;
}
