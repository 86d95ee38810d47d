/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Characters beyond ASCII: letter case, white space, what is printable. The tables are those of the C library
 * (locale C.UTF-8, never the process' own), corrected where Go's unicode package answers differently. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

/* Rune by rune, as Go's strings.ToUpper/ToLower; a byte that is not UTF-8 becomes U+FFFD. */
struct str unicode_upper(struct arena *, struct str);
struct str unicode_lower(struct arena *, struct str);
uint32_t unicode_rune_upper(uint32_t rune);
uint32_t unicode_rune_lower(uint32_t rune);
/* As unicode.ToTitle: upper case, but for the digraphs that have a form of their own. */
uint32_t unicode_rune_title(uint32_t rune);
/* Categories as the C library has them. A decimal digit is no letter. */
bool unicode_is_letter(uint32_t rune);
bool unicode_is_upper(uint32_t rune);
bool unicode_is_lower(uint32_t rune);
bool unicode_is_punct(uint32_t rune);
/* Unicode's White_Space. */
bool unicode_is_space(uint32_t rune);
/* As Go's unicode.IsDigit: the category Nd. */
bool unicode_is_digit(uint32_t rune);
/* As Go's strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space. */
bool unicode_is_print(uint32_t rune);
/* Without white space at both ends. Borrows. */
struct str unicode_trim_space(struct str);
