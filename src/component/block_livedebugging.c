/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/log.h"
#include "longship/flow/component.h"

/* The `livedebugging` block is accepted so that configurations of Alloy load; there is nothing yet that it could switch
 * on. */

struct livedebugging_args {
	bool enabled;
};

static const struct arg_spec spec[] = {
	{.name = "enabled",
		.kind = ARG_BOOL,
		.offset = offsetof(struct livedebugging_args, enabled),
		.fallback = "false",
		.doc = "Accepted, without effect; \"longship inspect\" shows what a component does with lines."},
	{0},
};

static void
tell(const struct livedebugging_args *args)
{
	if (args->enabled)
		log_info(NULL, "livedebugging has no effect in longship, use \"longship inspect\"", NULL);
}

static int
start(struct component *component, const void *args)
{
	(void)component;
	tell(args);
	return 0;
}

static void
update(struct component *component, const void *old_args, const void *args)
{
	(void)component, (void)old_args;
	tell(args);
}

const struct component_type block_livedebugging = {
	.name = "livedebugging",
	.flags = COMPONENT_BLOCK,
	.args = spec,
	.args_size = sizeof(struct livedebugging_args),
	.doc = "Live debugging in Alloy's user interface: accepted, without effect.",
	.start = start,
	.update = update,
};
