/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Files that may be generations of a path although the store knows none with their identity: by the names that rotation gives, by content (copies, compressed
 * ones) and by age. Control thread.
 */
struct search;

/* Adds to what the search has found: files with rotated names; those that hold a known generation say so. */
void unseen_find(struct search *);
/* What the store does not know has to be of the right age. */
void unseen_leave_out_strangers(struct search *);
/* And no copy of what the path's file holds now, perhaps not whole yet: that is read from the file. */
void unseen_leave_out_copies_of_current(struct search *);
