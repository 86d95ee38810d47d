/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Base64 as Go's encoding/base64 does it: padding is written and required, CR and LF in the input are
 * skipped, unused trailing bits are not checked. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

enum base64_alphabet { BASE64_STANDARD, BASE64_URL };

struct str base64_encode(struct arena *, struct str bytes, enum base64_alphabet);
/* False: the text is not base64; *ret_offset is the byte that Go names in its message. */
bool base64_decode(struct arena *, struct str text, enum base64_alphabet, struct str *ret, size_t *ret_offset);
