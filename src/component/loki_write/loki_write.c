/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loki.write: batches entries per endpoint and tenant and hands them to the sender. A lane touches only its
 * own outlets. New arguments come while the lanes are parked, when nothing is open or queued: everything is
 * made anew.
 *
 * Where there is a spool, entries that cannot be read a second time go there first, and come here from it again.
 */
#include "endpoint.h"
#include "guard.h"
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/flow/lag.h"
#include "longship/flow/lane.h"
#include "longship/flow/runtime.h"
#include "outlet.h"
#include "wal.h"

struct write_args {
	struct block_list endpoints; /* struct endpoint_args */
	struct str_map external_labels;
	int64_t max_streams;
	struct dead_letter_args *dead_letter;
	struct guard_args *guard;
	struct wal_args *wal;
};

struct dead_letter_args {
	int64_t max_size_bytes;
	bool sync;
};

static const struct arg_spec dead_letter_spec[] = {
	{.name = "max_size", .kind = ARG_SIZE, .offset = offsetof(struct dead_letter_args, max_size_bytes), .fallback = "\"100MiB\"", .min = 1, .max = INT64_MAX,
		.doc = "Bytes of all dead-letter files; what does not fit is counted, not kept."},
	{.name = "sync", .kind = ARG_BOOL, .offset = offsetof(struct dead_letter_args, sync), .fallback = "true",
		.doc = "Waits until refused entries are on the disk before they count as settled; false leaves that to the kernel."},
	{0},
};

static const struct arg_spec write_spec[] = {
	{.name = "endpoint", .kind = ARG_BLOCKS, .offset = offsetof(struct write_args, endpoints), .sub = endpoint_spec,
		.sub_size = sizeof(struct endpoint_args), .sub_check = endpoint_check, .doc = "Where to send; each endpoint gets all entries."},
	{.name = "external_labels", .kind = ARG_STRING_MAP, .offset = offsetof(struct write_args, external_labels), .fallback = "{}",
		.doc = "Labels for entries that do not have them."},
	{.name = "max_streams", .kind = ARG_INT, .offset = offsetof(struct write_args, max_streams), .fallback = "0", .min = 0,
		.max = INT32_MAX, .doc = "Streams in one request, 0 for no limit; entries of further streams are refused and counted."},
	{.name = "wal", .kind = ARG_BLOCK, .offset = offsetof(struct write_args, wal), .sub = wal_spec, .sub_size = sizeof(struct wal_args),
		.sub_check = wal_check,
		.doc = "A spool on disk for what cannot be read a second time: pushes are answered when they are in it, and sent from it. Files and journals need none: "
		       "they are read again from where Loki has stored them."},
	{.name = "guard", .kind = ARG_BLOCK, .offset = offsetof(struct write_args, guard), .sub = guard_spec, .sub_size = sizeof(struct guard_args),
		.doc = "Limits that are kept before anything is sent."},
	{.name = "dead_letter", .kind = ARG_BLOCK, .offset = offsetof(struct write_args, dead_letter), .sub = dead_letter_spec,
		.sub_size = sizeof(struct dead_letter_args),
		.doc = "Keeps what is refused as JSON lines in files under the storage path, COMPONENT/dead-letters, for `longship replay`."},
	{0},
};

struct tenant_outlets { /* of one endpoint in one lane */
	struct outlet *usual;  /* of the endpoint's own tenant; made when first used */
	struct map by_tenant;  /* the others */
};

struct write_lane {
	struct tenant_outlets *endpoints;
	struct outlet_scratch scratch;
	struct guard_lane guard;
};

struct write_state {
	struct component *component;
	const struct write_args *args;
	struct endpoint **endpoints;
	size_t n_endpoints;
	struct write_lane *lanes;
	unsigned n_lanes;
	struct dead_letters *dead_letters; /* NULL: not configured */
	struct guard *guard;               /* the same */
	struct spool *spool;               /* the same */
};

/* An endpoint without a name is known by all its settings, as Alloy's hash of them. */
static bool
same_endpoint(const struct endpoint_args *a, const struct endpoint_args *b)
{
	return str_eq(a->name, b->name) && (a->name.len > 0 || args_equal(endpoint_spec, a, b));
}

static bool
check(const void *ptr, struct src_pos at, struct diags *diags)
{
	const struct write_args *args = ptr;
	const struct endpoint_args *endpoints = args->endpoints.items;

	if (args->endpoints.n == 0) {
		diag_error(diags, at, "at least one endpoint config must be provided");
		return false;
	}
	for (size_t i = 0; i < args->endpoints.n; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!same_endpoint(&endpoints[i], &endpoints[k]))
				continue;
			diag_error(diags, endpoints[i].pos, "duplicate endpoint configs are not allowed, found duplicate for name: %.*s",
				STR_FMT(endpoints[i].name));
			return false;
		}
	}
	return true;
}

static void
take_down(struct write_state *w)
{
	for (unsigned i = 0; i < w->n_lanes; i++) {
		for (size_t k = 0; k < w->n_endpoints; k++) {
			struct tenant_outlets *t = &w->lanes[i].endpoints[k];

			outlet_free(t->usual);
			for (size_t j = 0; j < map_len(&t->by_tenant); j++)
				outlet_free(map_value(&t->by_tenant, j));
			map_done(&t->by_tenant);
		}
		mem_free(w->lanes[i].endpoints);
		outlet_scratch_done(&w->lanes[i].scratch);
		guard_lane_done(&w->lanes[i].guard);
	}
	for (size_t k = 0; k < w->n_endpoints; k++)
		endpoint_free(w->endpoints[k]);
	dead_letters_unref(w->dead_letters);
	guard_free(w->guard);
	w->guard = NULL;
	w->dead_letters = NULL;
	mem_free(w->lanes);
	mem_free(w->endpoints);
	w->lanes = NULL;
	w->endpoints = NULL;
	w->n_lanes = 0;
	w->n_endpoints = 0;
}

static struct dead_letters *
open_dead_letters(struct component *c, const struct dead_letter_args *args)
{
	struct dead_letters *d;
	struct arena *arena;

	if (args == NULL || c->runtime->storage_path == NULL)
		return NULL;
	arena = arena_new(0);
	d = dead_letters_new(c->runtime->metrics, c->id, arena_printf(arena, "%s/%s/dead-letters", c->runtime->storage_path, c->id).s,
		(uint64_t)args->max_size_bytes, args->sync);
	arena_free(arena);
	return d;
}

static void
build(struct write_state *w, const struct write_args *args)
{
	const struct endpoint_args *endpoints = args->endpoints.items;

	w->args = args;
	w->dead_letters = open_dead_letters(w->component, args->dead_letter);
	w->guard = args->guard != NULL ? guard_new(w->component, args->guard) : NULL;
	w->endpoints = mem_zalloc(args->endpoints.n * sizeof(*w->endpoints));
	for (size_t i = 0; i < args->endpoints.n; i++) {
		w->endpoints[i] = endpoint_new(w->component, &endpoints[i], w->dead_letters);
		w->n_endpoints++;
	}
	w->n_lanes = lanes_count(w->component->runtime->lanes);
	w->lanes = mem_zalloc(w->n_lanes * sizeof(*w->lanes));
	for (unsigned i = 0; i < w->n_lanes; i++)
		w->lanes[i].endpoints = mem_zalloc(w->n_endpoints * sizeof(struct tenant_outlets));
}

/* Also with new arguments. */
static void
open_spool(struct write_state *w)
{
	w->spool = wal_spool(w->component, w->args->wal, w->spool);
	if (w->spool != NULL)
		spool_run(w->spool);
}

static int
start(struct component *c, const void *args)
{
	struct write_state *w = c->state;

	w->component = c;
	build(w, args);
	open_spool(w);
	component_set_health(c, HEALTH_HEALTHY, "started component");
	return 0;
}

static void
update(struct component *c, const void *old_args, const void *args)
{
	struct write_state *w = c->state;

	(void)old_args;
	take_down(w);
	build(w, args);
	open_spool(w);
	component_set_health(c, HEALTH_HEALTHY, "updated component");
}

static void
stop(struct component *c)
{
	struct write_state *w = c->state;

	spool_free(w->spool);
	take_down(w);
}

/* Batches that may wait before what comes is given up; 0: nothing is given up. */
static unsigned
queue_max(const struct endpoint_args *args)
{
	int64_t n;

	if (args->queue == NULL || args->queue->block_on_overflow)
		return 0;
	n = args->queue->capacity_bytes / args->batch_size_bytes;
	return n < 1 ? 1 : n > INT16_MAX ? INT16_MAX : (unsigned)n;
}

static struct outlet_options
outlet_options(const struct write_state *w, const struct endpoint *e)
{
	return (struct outlet_options){
		.batch_bytes = e->args->batch_size_bytes < REQUEST_BYTES_MAX ? (size_t)e->args->batch_size_bytes : REQUEST_BYTES_MAX,
		.batch_wait_ns = e->args->batch_wait_ns,
		.late_ns = e->args->out_of_order_window_ns / 4,
		.streams_max = (uint64_t)w->args->max_streams,
		.external_labels = &w->args->external_labels,
		.host = str_from(e->host),
		.dead_letters = w->dead_letters,
		.queue_max = queue_max(e->args),
	};
}

static struct outlet *
make_outlet(struct write_state *w, struct lane *lane, size_t k, struct str tenant)
{
	struct endpoint *e = w->endpoints[k];
	const struct outlet_options options = outlet_options(w, e);
	struct destination *d = endpoint_destination(e, tenant);

	return d != NULL ? outlet_new(d, lane, &options, &w->lanes[lane_number(lane)].scratch) : NULL;
}

/* What Loki takes as a tenant's name, seen from afar: short, and fit for a header. */
static bool
is_tenant(struct str tenant)
{
	for (size_t i = 0; i < tenant.len; i++) {
		if (tenant.s[i] <= ' ' || tenant.s[i] > '~')
			return false;
	}
	return tenant.len <= TENANT_BYTES_MAX;
}

/* NULL: too many tenants, or no fit name. */
static struct outlet *
find_outlet(struct write_state *w, struct lane *lane, size_t k, const struct labels *labels)
{
	struct tenant_outlets *t = &w->lanes[lane_number(lane)].endpoints[k];
	struct str usual = w->endpoints[k]->args->tenant_id;
	struct outlet *o;

	if (labels->tenant.s == NULL || str_eq(labels->tenant, usual)) {
		if (t->usual == NULL)
			t->usual = make_outlet(w, lane, k, usual);
		return t->usual;
	}
	if (!is_tenant(labels->tenant))
		return NULL;
	o = map_get(&t->by_tenant, labels->tenant);
	if (o == NULL) {
		o = make_outlet(w, lane, k, labels->tenant);
		if (o != NULL)
			(void)map_set(&t->by_tenant, labels->tenant, o);
	}
	return o;
}

/* Adds entries [i, end), but for those that a lagging destination's reader will bring. False: all are. */
static bool
add_entries(struct outlet *o, const struct batch *b, size_t i, size_t end)
{
	struct destination *d = outlet_destination(o);
	bool added = false;

	if (lag_is_plain(d, b)) {
		outlet_add_run(o, b, i, end);
		return true;
	}
	for (; i < end; i++) {
		if (lag_diverts(outlet_queue(o), b, i))
			continue;
		outlet_add_run(o, b, i, i + 1);
		added = true;
	}
	return added;
}

static void
refuse_tenant(const struct write_state *w, size_t k, const struct batch *b, size_t i, size_t end)
{
	struct outlet_options options = outlet_options(w, w->endpoints[k]);

	options.tenant = b->labels[i]->tenant;
	for (; i < end; i++)
		outlet_refuse(&options, b, i, is_tenant(options.tenant) ? "tenant_limit" : "invalid_tenant");
}

static void
refuse_guarded(const struct write_state *w, size_t k, const struct batch *b, size_t i, const char *reason)
{
	struct outlet_options options = outlet_options(w, w->endpoints[k]);

	options.tenant = b->labels[i]->tenant.s != NULL ? b->labels[i]->tenant : w->endpoints[k]->args->tenant_id;
	outlet_refuse(&options, b, i, reason);
}

/* Entries from i on with the same labels that are not rejected. */
static size_t
find_end(const struct batch *b, size_t i, const char *const *rejected)
{
	size_t end = i + 1;

	while (end < b->n && b->labels[end] == b->labels[i] && (rejected == NULL || rejected[end] == NULL))
		end++;
	return end;
}

/* rejected: reasons by entry, or NULL. */
static void
write_to(struct write_state *w, struct lane *lane, size_t k, const struct batch *b, const char *const *rejected)
{
	for (size_t i = 0, end; i < b->n; i = end) {
		struct outlet *o;

		end = i + 1;
		if (rejected != NULL && rejected[i] != NULL) {
			if (!lag_reads(b))
				refuse_guarded(w, k, b, i, rejected[i]);
			continue;
		}
		end = find_end(b, i, rejected);
		o = find_outlet(w, lane, k, b->labels[i]);
		if (o == NULL) {
			if (!lag_reads(b))
				refuse_tenant(w, k, b, i, end);
			continue;
		}
		if (add_entries(o, b, i, end) && outlet_pressure(o) != NULL)
			lane_set_pressure(lane, outlet_pressure(o));
	}
}

static void
consume(struct component *c, struct batch *b)
{
	struct write_state *w = c->state;
	struct lane *lane = lane_current();
	const char *const *rejected = NULL;

	assert(lane != NULL);
	if (w->spool != NULL && spool_put(w->spool, b))
		return;
	if (w->guard != NULL)
		rejected = guard_apply(w->guard, &w->lanes[lane_number(lane)].guard, b);
	for (size_t k = 0; k < w->n_endpoints; k++)
		write_to(w, lane, k, b, rejected);
	if (w->dead_letters != NULL)
		dead_letters_commit(w->dead_letters);
}

const struct component_type loki_write = {
	.name = "loki.write",
	.flags = COMPONENT_CONSUMES,
	.args = write_spec,
	.args_size = sizeof(struct write_args),
	.state_size = sizeof(struct write_state),
	.doc = "Sends entries to Loki.",
	.check = check,
	.start = start,
	.update = update,
	.consume = consume,
	.stop = stop,
};
