/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Base32 (RFC 4648, standard alphabet, padded) as Go's encoding/base32: CR and LF in the input are skipped. Any thread. */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

struct str base32_encode(struct arena *, struct str bytes);
/* False: the text is not base32; *ret_offset is the byte that Go names in its message. */
bool base32_decode(struct arena *, struct str text, struct str *ret, size_t *ret_offset);
