/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/template_fields.h"

#include "longship/codec/template.h"

bool
template_fields_init(struct template_fields *f, struct stage_builder *b, struct str text, const char *prefix)
{
	struct str error = STR_EMPTY;

	*f = (struct template_fields){.value = SIZE_MAX, .entry = SIZE_MAX};
	f->template = template_compile(b->arena, text, &error);
	if (f->template == NULL)
		return stage_fail(b, "%s%.*s", prefix, STR_FMT(error)) != NULL;
	f->columns = arena_array(b->arena, size_t, template_names(f->template) + 1);
	for (size_t i = 0; i < template_names(f->template); i++) {
		struct str name = template_name(f->template, i);

		f->columns[i] = columns_number(b->columns, name);
		if (str_is(name, "Value"))
			f->value = i;
		else if (str_is(name, "Entry"))
			f->entry = i;
	}
	return true;
}

void
template_fields_each(const struct batch *b, size_t i, void (*add)(void *to, struct str name, struct str value), void *to)
{
	const struct labels *seed = b->seed[i];
	struct str text;

	/* A label that no stage names has no column: it is as it was on entry. */
	for (size_t k = 0; k < seed->n; k++) {
		if (columns_find(b->columns, seed->items[k].name) == SIZE_MAX)
			add(to, seed->items[k].name, seed->items[k].value);
	}
	for (size_t c = 0; c < b->columns->n; c++) {
		if (stage_text(b, c, i, &text))
			add(to, b->columns->names[c], text);
	}
	for (const struct extra *e = b->extra != NULL ? b->extra[i] : NULL; e != NULL; e = e->next) {
		if (batch_cell_text(b, e->cell, &text))
			add(to, e->name, text);
	}
}
