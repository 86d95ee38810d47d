/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/buf.h"
#include "longship/base/mem.h"
#include "longship/base/vec.h"
#include "longship/lang/args.h"

/* Everything that help says comes from the tables that the program itself works with. */

#define PAGE_BYTES_MAX (1u << 20)

static void
print_overview(void)
{
	printf("longship ships logs to Grafana Loki. It reads Grafana Alloy's configuration language.\n\nusage: "
	       "longship COMMAND …\n\n");
	for (const struct command *command = commands; command->name != NULL; command++)
		printf("  %-10s %s\n", command->name, command->doc);
	printf("\ncomponents (longship help NAME):\n");
	for (const struct component_type *const *type = catalog_types; *type != NULL; type++)
		printf("  %-22s %s\n", (*type)->name, (*type)->doc);
}

static void
print_component(const struct component_type *type)
{
	bool receiver = (type->flags & COMPONENT_CONSUMES) != 0;
	bool listed = false;
	struct buf page;

	buf_init(&page, PAGE_BYTES_MAX);
	buf_printf(&page, "%s%s\n\n%s\n\n", type->name, (type->flags & COMPONENT_BLOCK) != 0 ? "" : " \"LABEL\"",
		type->doc);
	args_print_help(type->args, &page);
	for (const char *const *name = type->exports; name != NULL && *name != NULL; name++)
		listed = listed || strcmp(*name, "receiver") == 0;
	if (receiver || type->exports != NULL)
		buf_z(&page, "\nExports:\n");
	if (receiver && !listed)
		buf_z(&page, "  receiver\n");
	for (const char *const *name = type->exports; name != NULL && *name != NULL; name++)
		buf_printf(&page, "  %s\n", *name);
	fwrite(page.data, 1, page.len, stdout);
	buf_done(&page);
}

static int
unknown_topic(const char *name)
{
	VEC(const char *) names = {0};
	const char *nearest;

	for (const struct command *command = commands; command->name != NULL; command++)
		vec_push(&names, command->name);
	for (const struct component_type *const *type = catalog_types; *type != NULL; type++)
		vec_push(&names, (*type)->name);
	nearest = str_nearest(str_from(name), names.items, names.len);
	vec_done(&names);
	for (const char *const *known = known_names; *known != NULL; known++) {
		if (strcmp(*known, name) == 0) {
			fprintf(stderr, "longship help: \"%s\" exists in Alloy, longship does not have it\n", name);
			return STATUS_USAGE;
		}
	}
	fprintf(stderr, "longship help: there is no command or component \"%s\"", name);
	if (nearest != NULL)
		fprintf(stderr, ", did you mean \"%s\"?", nearest);
	fputc('\n', stderr);
	return STATUS_USAGE;
}

int
cmd_help(int argc, char **argv)
{
	char help[] = "--help";
	const struct component_type *type;
	const struct command *command;

	if (argc > 2) {
		fprintf(stderr, "usage: longship help [COMMAND|COMPONENT]\n");
		return STATUS_USAGE;
	}
	if (argc < 2 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		print_overview();
		return STATUS_FINE;
	}
	type = catalog_find(str_from(argv[1]));
	if (type != NULL) {
		print_component(type);
		return STATUS_FINE;
	}
	command = command_find(argv[1]);
	if (command == NULL)
		return unknown_topic(argv[1]);
	if (command->run == cmd_help) {
		print_overview();
		return STATUS_FINE;
	}
	return command->run(2, (char *[]){argv[1], help, NULL});
}
