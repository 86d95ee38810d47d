/* SPDX-License-Identifier: Apache-2.0 */
#include "wal.h"

#include "longship/base/clock.h"
#include "longship/base/log.h"

#define AT(field) offsetof(struct wal_args, field)

static const char *const when_full[] = {"refuse", "drop_oldest", NULL};

const struct arg_spec wal_spec[] = {
	{.name = "enabled", .kind = ARG_BOOL, .offset = AT(enabled), .fallback = "false", .doc = "Whether pushes go through the spool."},
	{.name = "max_size", .kind = ARG_SIZE, .offset = AT(max_size_bytes), .fallback = "\"1GiB\"", .min = 1 << 20, .max = INT64_MAX,
		.doc = "Bytes of its files."},
	{.name = "when_full", .kind = ARG_CHOICE, .offset = AT(when_full), .fallback = "\"refuse\"", .choices = when_full,
		.doc = "What becomes of a push that does not fit: it is answered with 503, so that its client sends it again; or the oldest entries are dropped and counted."},
	{.name = "max_segment_age", .kind = ARG_DURATION, .offset = AT(max_segment_age_ns), .fallback = "\"0s\"", .min = 0, .max = INT64_MAX,
		.doc = "Entries that have waited for longer are dropped and counted, with their file; 0 keeps them."},
	{.name = "min_read_frequency", .kind = ARG_DURATION, .offset = AT(min_read_frequency_ns), .fallback = "\"250ms\"", .min = 0, .max = INT64_MAX,
		.doc = "Without effect: what is written is sent at once."},
	{.name = "max_read_frequency", .kind = ARG_DURATION, .offset = AT(max_read_frequency_ns), .fallback = "\"1s\"", .min = 0, .max = INT64_MAX,
		.doc = "Without effect, but greater than min_read_frequency."},
	{.name = "drain_timeout", .kind = ARG_DURATION, .offset = AT(drain_timeout_ns), .fallback = "\"15s\"", .min = 0, .max = INT64_MAX,
		.doc = "Without effect: what a stop leaves unsent is sent by the next start (--drain-timeout)."},
	{0},
};

bool
wal_check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct wal_args *args = ptr;

	if (args->max_read_frequency_ns > args->min_read_frequency_ns)
		return true;
	diag_error(diags, at, "WAL min read frequency should be lower than max read frequency");
	return false;
}

/* What is written in the configuration is obeyed, but its price is named. */
static void
warn_of_losses(const struct component *c, const struct wal_args *args)
{
	if (args->max_segment_age_ns > 0)
		log_warn(c->id, "max_segment_age is set: entries of the wal that wait for so long are dropped; 0 loses nothing", NULL);
	if (args->when_full == SPOOL_DROP_OLDEST)
		log_warn(c->id, "when_full is drop_oldest: a full wal drops its oldest entries; \"refuse\" loses nothing", NULL);
}

struct spool *
wal_spool(struct component *c, const struct wal_args *args, struct spool *before)
{
	struct spool_options options = {.closed = true};

	if (args != NULL)
		options = (struct spool_options){.bytes_max = (uint64_t)args->max_size_bytes, .age_max_ns = args->max_segment_age_ns,
			.when_full = (enum spool_full)args->when_full, .closed = !args->enabled};
	if (!options.closed)
		warn_of_losses(c, args);
	if (before != NULL)
		return spool_update(before, &options);
	if (options.closed && !spool_has_files(c))
		return NULL;
	if (options.closed)
		log_info(c->id, args == NULL ? "there is no wal block any more: what the wal still holds is sent" :
			"the wal is not enabled any more: what it still holds is sent", NULL);
	return spool_new(c, &options);
}
