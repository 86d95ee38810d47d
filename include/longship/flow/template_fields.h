/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A Go template whose fields are columns, as stage.template and stage.replace have one. Made with the stage, then read-only. */
#include "longship/flow/stage.h"

struct template;

struct template_fields {
	const struct template *template;
	size_t *columns;     /* by number of the template's name */
	size_t value, entry; /* numbers of the names Value and Entry, or SIZE_MAX */
};

/* False with a diagnostic at the stage's block: the prefix and Go's words. */
bool template_fields_init(struct template_fields *, struct stage_builder *, struct str text, const char *prefix);
/* Every extracted value of entry i that has a text. */
void template_fields_each(const struct batch *, size_t i, void (*add)(void *to, struct str name, struct str value), void *to);
