/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Hashes: XXH3 (fast, not for secrets), MD5 (relabel's hashmod, RFC 1321), SHA-1, SHA-256 and SHA-512 (FIPS 180-4), SHA3-256 (FIPS 202), Adler-32 (RFC 1950), CRC-32C. */
#include <stddef.h>
#include <stdint.h>

#include "longship/base/str.h"

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);
static inline uint64_t
hash_str(struct str s)
{
	return hash_bytes(s.s, s.len, 0);
}
void hash_md5(struct str s, uint8_t out[16]);
void hash_sha256(struct str s, uint8_t out[32]);
void hash_sha1(struct str s, uint8_t out[20]);
void hash_sha512(struct str s, uint8_t out[64]);
void hash_sha3_256(struct str s, uint8_t out[32]);
uint32_t hash_adler32(struct str s);
