/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What of a journal is wanted, read off a component's matches and relabel rules: so that the reader passes over the rest
 * where libsystemd's index can, and hands on only the fields that rules look at. Written as request frames of
 * os/journal_wire.h. Never leaves out what the rules would keep: they still decide.
 */
#include "longship/base/buf.h"
#include "longship/flow/relabel.h"
#include "longship/lang/args.h"

/* "FIELD=value FIELD2=value2 + FIELD=value3". NULL, or what is wrong with it (a text in the arena). */
const char *selection_check_matches(struct arena *, struct str matches);
/* Appends the frames for matches, for a keep rule on a journal field, for the fields and for longship's own lines. rules may be NULL. */
bool selection_write(struct buf *request, struct str matches, const struct relabel *rules, const struct str_map *labels);
