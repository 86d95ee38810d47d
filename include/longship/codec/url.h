/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Escaping of the query part of an URL as Go's url.QueryEscape and QueryUnescape. Any thread. */
#include <stdbool.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

/* Space becomes '+', all but A-Z a-z 0-9 - _ . ~ becomes %XX. */
struct str url_query_escape(struct arena *, struct str);
/* False: *ret_bad is the part of the text that is not a valid escape ("%", "%zz"). */
bool url_query_unescape(struct arena *, struct str, struct str *ret, struct str *ret_bad);
