/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the graph share. A graph_node is a component for as long as its id stays configured; a
 * load_node is one block of one load. Texts, arguments and exports are counted, because arguments may borrow
 * from all three.
 */
#include <pthread.h>

#include "longship/base/map.h"
#include "longship/base/vec.h"
#include "longship/flow/graph.h"
#include "longship/flow/metric.h"
#include "longship/lang/ast.h"
#include "longship/lang/references.h"
#include "longship/lang/source.h"

struct loop_timer;

struct graph_text { /* sources and trees of one load */
	size_t refs;
	struct arena *arena;
	struct source source;
};

struct graph_exports { /* one snapshot of a component's exports */
	size_t refs;
	struct arena *arena;
	struct value object;
};

struct graph_args { /* one generation of a component's arguments */
	struct arena *arena;
	void *args;
	struct graph_text *text;
	struct graph_exports **seen; /* of the node's deps, in their order */
	size_t n_seen;
};

struct graph_node {
	struct component component;
	struct graph *graph;
	char *id, *label;
	struct graph_text *text; /* of block; NULL until applied */
	const struct block *block;
	struct graph_args *args; /* NULL before the first evaluation has succeeded */
	const struct source *source; /* of arguments that only a load has */
	struct graph_exports *exports;
	struct graph_node **deps, **users; /* direct, in graph->nodes */
	size_t n_deps, n_users;
	bool running;	     /* start has succeeded, stop was not called */
	bool exported;	     /* has set an export since its start */
	bool dirty;	     /* something it refers to has changed */
	int64_t dirty_ns;    /* since when (monotonic) */
	char fail_text[256]; /* of component_fail */
	pthread_mutex_t health_lock;
	struct graph_health run, eval, own; /* under health_lock */
};

struct graph {
	struct runtime *runtime;
	struct graph_options options;
	struct graph_node **nodes; /* in order of dependency */
	size_t n_nodes;
	struct map ids; /* id → graph_node */
	bool applying;	/* exports are looked at when their users' turn comes */
	bool update_posted;
	bool parked; /* the lanes stand still */
	struct loop_timer *retry_timer;
	struct graph_metrics *metrics; /* NULL without a registry */
};

struct load_node {
	const struct component_type *type; /* NULL: not in the catalog (pruned) */
	struct str id;
	const struct block *block; /* as written, or without what was pruned */
	struct reference_list references;
	size_t *deps; /* indices into load->nodes, without repeats */
	size_t n_deps;
	bool self_reference;
	bool pruned;
	bool failed;		 /* has an error */
	bool uncertain;		 /* its exports, or what it refers to, change with the start */
	struct graph_node *node; /* the running one, or a new one that apply puts into the graph */
	bool is_new;
	struct graph_args *args;      /* NULL: failed, or to be evaluated by apply */
	const struct load_node *user; /* while that node's deps are gathered */
	/* Tarjan's numbers. */
	size_t index, low;
	bool on_stack;
};

struct graph_load {
	struct graph *graph;
	enum graph_load_mode mode;
	struct graph_text *text;
	struct diags diags;
	bool parsed, applied;
	char hash[65];
	struct load_node *nodes; /* in order of the text */
	size_t n_nodes, cap;
	struct map ids;	  /* id → load_node, pruned ones, too */
	struct map scope; /* id → graph_node, for evaluation */
	size_t *order;	  /* indices into nodes: what is referred to first */
	size_t n_order;
};

/* graph_text.c: counted memory. */
struct graph_text *graph_text_new(void);
struct graph_text *graph_text_ref(struct graph_text *);
void graph_text_unref(struct graph_text *);
struct graph_exports *graph_exports_zero(const struct component_type *, struct component *);
/* The same with one field replaced by a copy of the value. */
struct graph_exports *graph_exports_with(const struct graph_exports *, struct str name, const struct value *);
struct graph_exports *graph_exports_ref(struct graph_exports *);
void graph_exports_unref(struct graph_exports *);
void graph_args_free(struct graph_args *);

/* graph_names.c: what a block's name may be. */
const struct component_type *graph_names_type(const struct graph *, struct str name);
/* The message for a name that is not in the catalog. */
struct str graph_names_unknown(const struct graph *, struct arena *, struct str name);
/* Whether Alloy has it. */
bool graph_names_known(const struct graph *, struct str name);
/* Where a reference leads: the node whose id is the shortest prefix, or NULL. */
struct load_node *graph_names_resolve(struct graph_load *, const struct reference *);
void graph_names_check_references(struct graph_load *);

/* graph_unsupported.c: settings that a component's table does not have, or refuses. */
void graph_unsupported_check(struct graph_load *);

/* graph_prune.c: leaves out what only serves what is left out. */
void graph_prune(struct graph_load *);

/* graph_order.c: the edges, cycles, and an order in which everything follows what it refers to. */
void graph_order_edges(struct graph_load *);
void graph_order_edges_of(struct graph_load *, struct load_node *);
bool graph_order(struct graph_load *);

/* graph_eval.c: a block's arguments. deps gives the snapshots to remember. NULL: errors in diags. */
struct graph_args *graph_eval_args(struct graph_text *, const struct component_type *, const struct block *,
	const struct map *scope, struct graph_node *const *deps, size_t n_deps, struct diags *);
/* All blocks of a load; `statically`: only what needs no values (names or cycles are at fault). */
void graph_eval_load(struct graph_load *, bool statically);

/* graph.c */
struct graph_node *graph_node_new(struct graph *, const struct component_type *, struct str id, struct str label);
void graph_node_free(struct graph_node *);
/* The start of a component with its arguments; the health says how it went. */
bool graph_node_start(struct graph_node *);
void graph_node_stop(struct graph_node *);
void graph_node_update(struct graph_node *, struct graph_args *);
/* Stops the lanes once before something that they run through changes. */
void graph_park(struct graph *, const struct graph_node *);
void graph_resume(struct graph *);

/* graph_update.c: what exports change. */
void graph_update_exported(struct graph_node *);
void graph_update_turn(struct graph *);
void graph_update_retry(struct graph *);

/* graph_health.c */
enum graph_health_part { GRAPH_HEALTH_RUN, GRAPH_HEALTH_EVAL, GRAPH_HEALTH_OWN };
void graph_health_set(struct graph_node *, enum graph_health_part, enum component_health, const char *message);

/* graph_json.c: whether entries flow along an edge. */
bool graph_json_flows(const struct graph_node *from, const struct graph_node *to);

/* graph_metrics.c: Alloy's alloy_component_* families. All take NULL. */
struct graph_metrics *graph_metrics_new(struct graph *);
void graph_metrics_free(struct graph_metrics *);
/* After the edges have changed. */
void graph_metrics_connections(struct graph_metrics *);
void graph_metrics_evaluating(struct graph_metrics *, bool);
/* One evaluation that an export has caused. */
void graph_metrics_evaluated(struct graph_metrics *, const char *id, int64_t waited_ns, int64_t took_ns);
