/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers that a seed decides, and the two settings of each of these programs: PROGRAM [SEED [ROUNDS]]. */
#include <stdint.h>
#include <stdlib.h>

struct dice {
	uint64_t state;
};

/* splitmix64 */
static inline uint64_t
dice_next(struct dice *d)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 … n - 1 */
static inline unsigned
dice_below(struct dice *d, unsigned n)
{
	return (unsigned)(dice_next(d) % n);
}

static inline uint64_t
number_argument(int argc, char **argv, int i, uint64_t otherwise)
{
	return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}
