/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Values of literals. */
#include "longship/lang/lex.h"
#include "longship/lang/value.h"

/* The token is one of NUMBER, FLOAT, STRING, BOOL, NULL. False: a number beyond float64. Strings live in the arena. */
bool literal_value(struct arena *, const struct token *, struct value *ret);
/* Decimal text as Go's ParseFloat takes it (also "inf", "1e5"); false on bad text or beyond float64. */
bool literal_parse_float(struct str, double *ret);
