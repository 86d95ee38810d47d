/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/app/catalog.h"

/* Each stands in src/component/NAME.c (or NAME/), whose only export it is: no component knows another one. */
extern const struct component_type block_http;
extern const struct component_type block_livedebugging;
extern const struct component_type block_logging;
extern const struct component_type discovery_relabel;
extern const struct component_type local_file;
extern const struct component_type local_file_match;
extern const struct component_type loki_echo;
extern const struct component_type loki_enrich;
extern const struct component_type loki_process;
extern const struct component_type loki_relabel;
extern const struct component_type loki_source_api;
extern const struct component_type loki_source_file;
extern const struct component_type loki_source_journal;
extern const struct component_type loki_write;

const struct component_type *const catalog_types[] = {
	&block_http,
	&block_livedebugging,
	&block_logging,
	&discovery_relabel,
	&local_file,
	&local_file_match,
	&loki_echo,
	&loki_enrich,
	&loki_process,
	&loki_relabel,
	&loki_source_api,
	&loki_source_file,
	&loki_source_journal,
	&loki_write,
	NULL,
};

const struct component_type *
catalog_find(struct str name)
{
	for (const struct component_type *const *type = catalog_types; *type != NULL; type++)
		if (str_is(name, (*type)->name))
			return *type;
	return NULL;
}
