/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the store knows of the paths of follows that begin; made for all of them at once, since it may have to read the whole store. Control thread.
 */
#include <stdbool.h>

#include "longship/base/map.h"

struct follow;
struct follow_shared;
struct known_list;

struct past {
	struct follow_shared *shared;
	struct map paths;    /* path → struct known_list */
	struct map listings; /* directory → struct listing */
	bool some;	     /* the store has entries of them */
};

void past_init(struct past *, struct follow_shared *);
/* This follow will be asked for. Before past_load. */
void past_want(struct past *, const struct follow *);
void past_load(struct past *);
/* NULL: it was not asked for. */
struct known_list *past_of(struct past *, const struct follow *);
void past_done(struct past *);
