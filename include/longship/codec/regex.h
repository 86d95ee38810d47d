/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Regular expressions in exactly Go's RE2 syntax (golang.org/s/re2syntax), run on PCRE2 with JIT.
 * What RE2 refuses is refused here at its byte offset with Go's words; what PCRE2 means differently is
 * translated: `$` without (?m) matches only at the very end, \s has no VT, \z, \C, \Q…\E, (?P<n>), \pN,
 * (?U), (?i) folding, repeats ≤ 1,000; leftmost-first matching as Go's regexp. Subjects that are not UTF-8
 * match as in Go: a bad byte is one character U+FFFD of width 1. What exceeds PCRE2's match limit
 * (REGEX_MATCH_LIMIT), and loops over what can be empty, run on a machine like Go's own; its work is bounded,
 * too: beyond that it is REGEX_LIMIT, never a hang. A group name may repeat, as in Go: the first that matched counts.
 * A regex is immutable and may be shared by threads; match state (struct regex_match) is per thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/str.h"

struct regex;

enum regex_result { REGEX_NO = 0, REGEX_YES = 1, REGEX_LIMIT = -1 };

enum { REGEX_ANCHORED = 1 /* as ^(?s:…)$: relabel rules */, REGEX_FULL = 2 /* as ^(?:…)$: LogQL =~ */ };

/* Compiles into the arena (freed with it by arena_defer). On failure NULL, with the message in Go's words
 * ("error parsing regexp: missing closing ): `(a`") and the byte offset of the fault. */
struct regex *regex_compile(struct arena *, struct str pattern, unsigned flags, struct str *ret_error, size_t *ret_offset);

size_t regex_groups(const struct regex *); /* capture groups, without group 0 */
/* Name of group i (1-based), or empty. */
struct str regex_group_name(const struct regex *, size_t i);

/* Captures of one match: group i spans [at[2i], at[2i+1]); SIZE_MAX when it took no part. Reusable, one thread. */
struct regex_match {
	size_t *at;
	size_t n; /* groups + 1 after a match */
	size_t cap;
	void *data; /* PCRE2 match data, owned */
};
void regex_match_done(struct regex_match *);
/* First match at or after `from`. from > 0 with the subject of the last call goes on in it: its bytes must be the same. */
enum regex_result regex_match(const struct regex *, struct str subject, size_t from, struct regex_match *);
/* Only whether it matches. */
enum regex_result regex_test(const struct regex *, struct str subject);
/* Group's text in the subject; empty when it took no part. */
static inline struct str
regex_group(const struct regex_match *m, struct str subject, size_t i)
{
	if (i >= m->n || m->at[2 * i] == SIZE_MAX)
		return STR_EMPTY;
	return (struct str){subject.s + m->at[2 * i], m->at[2 * i + 1] - m->at[2 * i]};
}
/* Go's Regexp.Expand: $1, ${name}, $$; appended to out. */
struct buf;
bool regex_expand(const struct regex *, struct str replacement, struct str subject, const struct regex_match *, struct buf *out);
/* Go's ReplaceAllString. false when the limit was hit (out is then unspecified). */
bool regex_replace_all(const struct regex *, struct str subject, struct str replacement, struct buf *out);
