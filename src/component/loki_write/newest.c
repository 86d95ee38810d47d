/* SPDX-License-Identifier: Apache-2.0 */
#include "newest.h"

#include "longship/base/mem.h"

void
newest_done(struct newest *n)
{
	mem_free(n->places);
	n->places = NULL;
}

static struct newest_place *
place_of(const struct newest *n, uint64_t stream)
{
	return &n->places[(stream ^ stream >> 32) % NEWEST_PLACES];
}

int64_t
newest_get(const struct newest *n, uint64_t stream)
{
	const struct newest_place *place;

	if (n->places == NULL)
		return NEWEST_UNKNOWN;
	place = place_of(n, stream);
	return place->stream == stream && place->ns != 0 ? place->ns : NEWEST_UNKNOWN;
}

void
newest_set(struct newest *n, uint64_t stream, int64_t ns)
{
	if (n->places == NULL)
		n->places = mem_zalloc(NEWEST_PLACES * sizeof(*n->places));
	*place_of(n, stream) = (struct newest_place){stream, ns};
}
