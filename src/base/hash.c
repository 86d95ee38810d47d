/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/hash.h"

#include <nettle/md5.h>
#include <nettle/sha2.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
hash_bytes(const void *data, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, len, seed);
}

void
hash_md5(struct str s, uint8_t out[16])
{
	struct md5_ctx ctx;

	md5_init(&ctx);
	md5_update(&ctx, s.len, (const uint8_t *)s.s);
	md5_digest(&ctx, 16, out);
}

void
hash_sha256(struct str s, uint8_t out[32])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, s.len, (const uint8_t *)s.s);
	sha256_digest(&ctx, 32, out);
}
