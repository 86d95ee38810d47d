/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/hash.h"

#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>

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

void
hash_sha1(struct str s, uint8_t out[20])
{
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, s.len, (const uint8_t *)s.s);
	sha1_digest(&ctx, 20, out);
}

void
hash_sha512(struct str s, uint8_t out[64])
{
	struct sha512_ctx ctx;

	sha512_init(&ctx);
	sha512_update(&ctx, s.len, (const uint8_t *)s.s);
	sha512_digest(&ctx, 64, out);
}

void
hash_sha3_256(struct str s, uint8_t out[32])
{
	struct sha3_256_ctx ctx;

	sha3_256_init(&ctx);
	sha3_256_update(&ctx, s.len, (const uint8_t *)s.s);
	sha3_256_digest(&ctx, 32, out);
}

uint32_t
hash_adler32(struct str s)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < s.len; i++) {
		a = (a + (unsigned char)s.s[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}
