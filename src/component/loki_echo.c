/* SPDX-License-Identifier: Apache-2.0 */
/* loki.echo: writes the entries to longship's own log, at info. They count as acknowledged. */
#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/component.h"
#include "longship/flow/stream.h"

#define METADATA_TEXT_BYTES_MAX (64u << 10)

struct echo_args {
	char none;
};

static const struct arg_spec echo_spec[] = {
	{0},
};

static int
start(struct component *c, const void *args)
{
	(void)args;
	component_set_health(c, HEALTH_HEALTHY, "started component");
	return 0;
}

static void
update(struct component *c, const void *old_args, const void *args)
{
	(void)c;
	(void)old_args;
	(void)args;
}

static void
stop(struct component *c)
{
	(void)c;
}

static const char *
metadata_text(struct arena *arena, const struct metadata *m)
{
	struct buf text;
	const char *z;

	if (m == NULL || m->n == 0)
		return "{}";
	buf_init(&text, METADATA_TEXT_BYTES_MAX);
	for (size_t i = 0; i < m->n; i++) {
		(void)buf_z(&text, i == 0 ? "{" : ", ");
		(void)buf_str(&text, m->items[i].name);
		(void)buf_putc(&text, '=');
		labels_quote(&text, m->items[i].value);
	}
	(void)buf_putc(&text, '}');
	z = arena_z(arena, buf_view(&text));
	buf_done(&text);
	return z;
}

static void
consume(struct component *c, struct batch *b)
{
	char ts[CLOCK_RFC3339_BYTES];

	if (!log_enabled(LOG_LEVEL_INFO) || (b->receipt != NULL && b->receipt->stream->reads_lag))
		return;
	for (size_t i = 0; i < b->n; i++)
		log_info(c->id, "", "receiver", c->id, "entry", arena_z(b->arena, b->line[i]), "entry_timestamp",
			clock_format_rfc3339(b->ts[i], ts), "labels", arena_z(b->arena, b->labels[i]->text), "structured_metadata",
			metadata_text(b->arena, b->metadata[i]), NULL);
}

const struct component_type loki_echo = {
	.name = "loki.echo",
	.flags = COMPONENT_CONSUMES,
	.args = echo_spec,
	.args_size = sizeof(struct echo_args),
	.state_size = sizeof(char),
	.doc = "Writes entries to longship's own log.",
	.start = start,
	.update = update,
	.consume = consume,
	.stop = stop,
};
