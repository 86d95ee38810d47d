/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/app/catalog.h"

/* Each stands in src/component/NAME.c (or NAME/), whose only export it is: no component knows another one. */
extern const struct component_type block_http;
extern const struct component_type block_livedebugging;
extern const struct component_type block_logging;
extern const struct component_type loki_process;
extern const struct component_type loki_write_type;

const struct component_type *const catalog_types[] = {
	&block_http,
	&block_livedebugging,
	&block_logging,
	&loki_process,
	&loki_write_type,
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
