/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The graph of components: made from a configuration, kept in order of dependency, changed by reloads and by
 * exports. Control thread only (component_set_health and graph_health may be called from any thread).
 *
 * Loading has two phases. graph_load reads, checks, evaluates and decodes everything and touches nothing;
 * graph_apply stops, updates and starts. A load with errors is not applied, so a bad configuration leaves
 * everything as it was.
 *
 *	struct graph *graph = graph_new(&runtime, &options);
 *	struct graph_load *load = graph_load(graph, paths, n, GRAPH_LOAD_RUN);
 *	if (!graph_apply(graph, load))
 *		diags_print(graph_load_diags(load), stderr, true);
 *	graph_load_free(load);
 *	…
 *	graph_free(graph);
 *
 * What a component exports may be known only after its start (the content of a file). A component whose
 * arguments cannot be evaluated with the exports' zero values is evaluated again when what it refers to has
 * started; only then is a failure an error.
 *
 * Lifetimes: text and tree of a load live as long as the load, the graph or any arguments made from them need
 * them (counted); arguments of a component live until its next update has returned; exports until the last
 * arguments made from them are gone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/buf.h"
#include "longship/flow/component.h"
#include "longship/lang/diag.h"

struct graph;
struct graph_load;

struct graph_options {
	const struct component_type *const *types; /* NULL-terminated */
	/* Names that Alloy has, NULL-terminated, may be NULL: tells what longship lacks from what is mistyped. */
	const char *const *known;
	bool skip_unsupported; /* leave out what longship does not know, and what only serves it, with a warning each */
	const char *only;      /* id: of the configuration only this component and what it refers to; NULL: all */
};

enum graph_load_mode {
	GRAPH_LOAD_RUN, /* stops at errors in names and references; the first error of each component, as Alloy does */
	GRAPH_LOAD_VALIDATE, /* all errors of all components */
};

/* The options are copied, what they point to must outlive the graph. runtime may be NULL when nothing is applied. */
struct graph *graph_new(struct runtime *, const struct graph_options *);
/* Stops what runs. NULL is fine. */
void graph_free(struct graph *);
/* Stops all components, those that are referred to after those that refer to them. */
void graph_stop(struct graph *);

/* First phase; never NULL. Paths are files or directories of *.alloy. */
struct graph_load *graph_load(struct graph *, const char *const *paths, size_t n, enum graph_load_mode);
/* The same from one text. */
struct graph_load *graph_load_text(struct graph *, struct str name, struct str text, enum graph_load_mode);
void graph_load_free(struct graph_load *);
/* Errors and warnings; apply adds what it finds. Valid until graph_load_free. */
struct diags *graph_load_diags(struct graph_load *);
/* Whether all texts were read and parsed: what Alloy's alloy_config_last_load_successful says. */
bool graph_load_parsed(const struct graph_load *);
/* SHA-256 over the texts in order, in hexadecimal. */
const char *graph_load_hash(const struct graph_load *);
/* A component of a load, with its decoded arguments, not started; NULL when there is none of that id, or its arguments
 * are at fault. Only before graph_apply, and only of loads into an empty graph. */
struct component *graph_load_component(struct graph_load *, const char *id);
/* The same by number. */
size_t graph_load_len(const struct graph_load *);
struct component *graph_load_at(struct graph_load *, size_t i);

/*
 * Second phase. False: the load has errors. Then nothing was changed, but for errors that only starting could show (a
 * port in use): on a first load all that had started was stopped again; on a reload the failed component is unhealthy
 * and tried again every GRAPH_RETRY_NS, everything else is as configured.
 */
bool graph_apply(struct graph *, struct graph_load *);
#define GRAPH_RETRY_NS INT64_C(10000000000)

/* All components, in order of dependency: what is referred to first. */
size_t graph_len(const struct graph *);
struct component *graph_at(const struct graph *, size_t i);
struct component *graph_find(const struct graph *, const char *id);
/* The value of an export, NULL when there is none of that name. Valid until the component exports again. */
const struct value *graph_export_of(const struct component *, const char *name);
/* Whether the component has set an export since it started. */
bool graph_exported(const struct component *);

struct graph_health {
	enum component_health health;
	char message[256];
	int64_t updated_ns; /* CLOCK_REALTIME */
};
/* The worst of evaluation, run and the component's own. */
void graph_health(const struct component *, struct graph_health *ret);
/* "unknown", "healthy", "unhealthy", "exited". */
const char *graph_health_name(enum component_health);
/* How many components (not config blocks) have this health. */
size_t graph_count(const struct graph *, enum component_health);

/* Alloy's component API: the list, and one component in full (false: unknown id). */
void graph_json_list(const struct graph *, struct buf *);
bool graph_json_component(const struct graph *, const char *id, struct buf *);
