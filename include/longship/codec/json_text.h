/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON as text: strings out of their escapes and back, values in compact form. The input of
 * json_text_unescape and json_text_compact is a piece of text that json_extract has validated.
 */
#include <stdbool.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/str.h"

/* Without the quotes; without escapes it is the input itself. A surrogate that has no partner becomes U+FFFD, other bytes stay as they are. */
struct str json_text_unescape(struct arena *, struct str inner);
/*
 * A value decoded and encoded again by jsoniter's default settings: no white space, numbers as shortest
 * float64, strings with HTML escapes, of repeated keys the last. jsoniter's order of keys is random; here they stay as
 * written.
 */
struct str json_text_compact(struct arena *, struct str value);
/* A string as jsoniter writes it by default, with its quotes: < > & escaped, too. False: the buffer is full. */
bool json_text_quote(struct buf *, struct str);
/* A number as jsoniter writes it: Go's shortest float64, 'f', or 'e' below 1e-6 and from 1e21 on. */
bool json_text_number(struct buf *, double);
/* The value of a number's text as Go's ParseFloat gives it; false when it is no JSON number or out of range. */
bool json_text_parse_number(struct str, double *ret);
