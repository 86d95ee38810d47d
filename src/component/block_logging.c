/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/log.h"
#include "longship/flow/component.h"

/* The `logging` block: level and format of longship's own log. Without it, or when it goes, the defaults hold. */

struct logging_args {
	int level, format, destination;
	struct value write_to;
};

/* In the order of enum log_level; "" is info. */
static const char *const levels[] = {"error", "warn", "info", "debug", "", NULL};
/* In the order of enum log_format; "" is logfmt. */
static const char *const formats[] = {"logfmt", "json", "", NULL};
static const char *const destinations[] = {"stderr", NULL};

static const struct arg_spec spec[] = {
	{.name = "level",
		.kind = ARG_CHOICE,
		.offset = offsetof(struct logging_args, level),
		.fallback = "\"info\"",
		.choices = levels,
		.doc = "Records below this level are not written."},
	{.name = "format",
		.kind = ARG_CHOICE,
		.offset = offsetof(struct logging_args, format),
		.fallback = "\"logfmt\"",
		.choices = formats,
		.doc = "How a record is written."},
	{.name = "destination",
		.kind = ARG_CHOICE,
		.offset = offsetof(struct logging_args, destination),
		.fallback = "\"stderr\"",
		.choices = destinations,
		.doc = "Where records go."},
	{.name = "write_to",
		.kind = ARG_ANY,
		.flags = ARG_UNSUPPORTED,
		.offset = offsetof(struct logging_args, write_to),
		.doc = "Ship longship's own log from the journal or from a file instead."},
	{0},
};

static void
apply(const struct logging_args *args)
{
	log_start(args->level > LOG_LEVEL_DEBUG ? LOG_LEVEL_INFO : (enum log_level)args->level,
		args->format > LOG_FORMAT_JSON ? LOG_FORMAT_LOGFMT : (enum log_format)args->format);
}

static int
start(struct component *component, const void *args)
{
	(void)component;
	apply(args);
	return 0;
}

static void
update(struct component *component, const void *old_args, const void *args)
{
	(void)component, (void)old_args;
	apply(args);
}

static void
stop(struct component *component)
{
	(void)component;
	log_start(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
}

const struct component_type block_logging = {
	.name = "logging",
	.flags = COMPONENT_BLOCK,
	.args = spec,
	.args_size = sizeof(struct logging_args),
	.doc = "Level and format of longship's own log.",
	.start = start,
	.update = update,
	.stop = stop,
};
