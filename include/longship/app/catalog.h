/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What this longship is made of: the component types, and what Alloy has beyond them. */
#include "longship/flow/component.h"

/* NULL-terminated, config blocks first, then by name. */
extern const struct component_type *const catalog_types[];
const struct component_type *catalog_find(struct str name);

/* Names of Alloy's components and top-level blocks, sorted, NULL-terminated; those that catalog_types has, too. */
extern const char *const known_names[];
