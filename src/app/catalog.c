/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/app/catalog.h"

#include "longship/component/types.h"

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
