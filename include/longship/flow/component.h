/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A component of the graph. A component's file exports one const struct component_type; the catalog
 * (src/app/catalog.c) lists them. check, start, update, stop, export: control thread. consume: lane threads,
 * several at once, never while the component is being updated or stopped (the graph sees to that: it parks
 * the lanes first, see flow/lane.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/flow/batch.h"
#include "longship/lang/args.h"
#include "longship/lang/diag.h"
#include "longship/lang/value.h"

#define COMPONENT_MAGIC 0x10c0c0deu

struct component;
struct map; /* base/map.h */
struct runtime; /* flow/runtime.h: loop, lanes, store, sender, metrics */

enum component_health { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_EXITED };

enum { /* component_type.flags */
	COMPONENT_CONSUMES = 1, /* has a receiver: exports "receiver" of capsule LogsReceiver, made by the graph */
	COMPONENT_FORWARDS = 2, /* has forward_to */
	COMPONENT_SOURCE = 4,   /* makes entries: its update and stop run while lanes work; it parks them itself where its streams need it */
	COMPONENT_BLOCK = 8,    /* a config block (logging, http, livedebugging): no label, once */
};

/* The capsule that forward_to takes; ptr is a struct component *. */
extern const struct capsule_type capsule_logs_receiver;
/* Relabel rules ("rules" exports): ptr is a const struct relabel * (flow/relabel.h). */
extern const struct capsule_type capsule_relabel_rules;

struct component_type {
	const char *name; /* "loki.source.file" */
	unsigned flags;
	const struct arg_spec *args;
	size_t args_size;
	size_t state_size; /* zeroed state, component->state */
	const char *const *exports; /* names, NULL-terminated; may be NULL. Before start they are zero values of export_kinds */
	const char *doc; /* one sentence */
	/* May fail with diagnostics; no side effects, no log. May be NULL. */
	bool (*check)(const void *args, struct src_pos at, struct diags *);
	/* 0 or -errno with the reason in component_fail. Exports are set with component_export. */
	int (*start)(struct component *, const void *args);
	/* New arguments, already checked. Must not fail. Old arguments are valid until it returns. */
	void (*update)(struct component *, const void *old_args, const void *args);
	/* Takes the batch in place; must not keep it. Only with COMPONENT_CONSUMES. */
	void (*consume)(struct component *, struct batch *);
	/* Outside of lanes, where time is virtual: it is that late, and (end) nothing more comes. For those that hold entries; may be NULL. */
	void (*time)(struct component *, int64_t now_ns, bool end);
	/* Also for half-started ones. */
	void (*stop)(struct component *);
	/* Value of an export before start, for references; may be NULL (then null). */
	struct value (*zero_export)(struct arena *, const char *name);
	/* Optional, for sources with positions that a user may change (flow/placed.h); lanes are parked. release lets go of the
	 * streams of these paths (keys of the map); the store is changed; reopen opens them as the store now says. */
	void (*release)(struct component *, const struct map *paths);
	void (*reopen)(struct component *);
	/* Optional debug information: appends a JSON value for the component API. */
	void (*debug)(struct component *, struct buf *json);
};

struct component {
	unsigned magic;
	const struct component_type *type;
	const char *id;    /* "loki.write.default" */
	const char *label; /* "default"; "" for config blocks */
	void *state;       /* of type->state_size */
	const void *args;  /* decoded, of the current generation */
	struct runtime *runtime;
	struct graph_node *node; /* the graph's own */
};

/* Sets an export (control thread). Dependants are evaluated again from the loop, batched. The value is copied deep. */
void component_export(struct component *, const char *name, const struct value *);
/* Message as shown by the component API; any thread. */
void component_set_health(struct component *, enum component_health, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* For start: the reason of a failure; returns err so that one can `return component_fail(c, -EINVAL, "…")`. */
int component_fail(struct component *, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The text that positions in its arguments are of; NULL: nobody knows. */
struct source;
const struct source *component_source(const struct component *);
/* What it said last; "" when nothing. */
const char *component_fail_text(const struct component *);

/* Hands a batch to receivers (components of capsules): clones for all but the last, so that each may write in place.
 * With none the entries are dropped as "no_receiver". Lane thread. */
void component_forward(const struct ptr_list *receivers, struct batch *);
