/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <stdio.h>
#include <string.h>

#include "longship/os/sdjournal_files.h"

/*
 * One journald gives its entries numbers without holes, through all of its files: between two places there are as many entries as
 * their numbers say, unless matches leave some out. So what was vacuumed or damaged before it was read is known to the entry.
 *
 * With matches, what is there now is compared with what was looked at, whenever files have come or gone: entries that are missing
 * behind it are counted, whether they would have matched or not.
 */
#define INCOMPLETE_MAX 3 /* then it is a part of a journal, whose numbers say nothing */

void
reader_anchor(struct reader *r, const struct sdjournal_place *place)
{
	r->anchored = true;
	r->anchor = *place;
	r->since_anchor = r->accounted = 0;
}

static bool
same_id(const struct sdjournal_place *a, const struct sdjournal_place *b)
{
	return memcmp(a->seqnum_id, b->seqnum_id, sizeof(a->seqnum_id)) == 0;
}

/* Files of users may have an id of their own, and the numbers of the same journald. */
static bool
is_removal(struct reader *r, const struct sdjournal_place *now)
{
	return r->suspect && (same_id(&r->anchor, now) || sdjournal_complete(&r->options));
}

static bool
is_damage(struct reader *r)
{
	bool complete = r->incomplete < INCOMPLETE_MAX && sdjournal_complete(&r->options);

	r->incomplete += !complete;
	return complete;
}

static uint64_t
count_missing(const struct reader *r, const struct sdjournal_place *now)
{
	uint64_t passed = now->seqnum - r->anchor.seqnum;

	return passed > r->since_anchor ? passed - r->since_anchor : 0;
}

bool
reader_misses(const struct reader *r, const struct sdjournal_place *now)
{
	return r->anchored && now->seqnum >= r->anchor.seqnum && count_missing(r, now) > r->accounted;
}

void
reader_count_lost(struct reader *r, const struct sdjournal_place *now, struct journal_end *end)
{
	bool damaged = r->suspect_damage;
	uint64_t missing;

	if (r->matches.len > 0) {
		end->lost = r->gap.lost;
		end->lost_from = r->gap.lost_from;
		end->lost_to = r->gap.lost_to;
		r->gap = (struct journal_end){0};
	} else if (!r->anchored || now->seqnum < r->anchor.seqnum) {
		reader_anchor(r, now);
	} else {
		missing = count_missing(r, now);
		if (missing > r->accounted && (is_removal(r, now) || (!r->suspect && (damaged = is_damage(r))))) {
			end->lost = missing - r->accounted;
			end->lost_from = now->seqnum > end->lost ? now->seqnum - end->lost - 1 : 0;
			end->lost_to = now->seqnum;
			end->damaged = damaged;
		}
		r->accounted = missing;
	}
	r->suspect = r->suspect_damage = false;
}

void
reader_has_scanned(struct reader *r, const char *cursor)
{
	if (r->matches.len > 0)
		(void)snprintf(r->scanned, sizeof(r->scanned), "%s", cursor);
}

void
reader_look_for_gap(struct reader *r)
{
	struct sdjournal_place last, next;
	struct sdjournal *j;

	if (r->matches.len == 0 || !sdjournal_cursor_place(str_from(r->scanned), &last) || sdjournal_open(&r->options, &j) < 0)
		return;
	if (sdjournal_seek_cursor(j, r->scanned) == 0 && sdjournal_next(j) > 0 && sdjournal_here(j, &next) &&
		next.seqnum > last.seqnum + 1 && sdjournal_complete(&r->options)) {
		r->gap = (struct journal_end){
			.lost = r->gap.lost + next.seqnum - last.seqnum - 1, .lost_from = last.seqnum, .lost_to = next.seqnum};
		if (sdjournal_cursor(j, r->scanned) < 0)
			r->scanned[0] = '\0';
	}
	sdjournal_close(j);
}
