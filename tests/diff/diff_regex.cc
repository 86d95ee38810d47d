// SPDX-License-Identifier: Apache-2.0
//
// Our regular expressions (Go's syntax on PCRE2) against RE2: random patterns and subjects; the groups of the first match must
// be the same. Left out is where RE2 itself differs from Go: loops over what can be empty, bytes that are no UTF-8, names twice,
// \B within a character.
#include <re2/re2.h>

#include <cstdio>
#include <string>
#include <vector>

extern "C" {
#include "longship/codec/regex.h"
#include "random.h"
}

namespace {

// A pattern and whether it can match nothing.
struct Pattern {
	std::string text;
	bool empty;
};

const char *const kAtoms[] = {"a", "b", "c", "x", ".", "\\d", "\\w", "\\s", "\\S", "\\W", "\\D", "[ab]", "[^a]", "[a-c0-3]", "[^\\d\\s]",
			      "[[:alpha:]]", "[[:^space:]]", "\\.", "\\x61", "\xc3\xa9", "[\xc3\xa9\xe4\xb8\x96]", "\\x{4e16}", "k", "\\pL",
			      "\\p{Greek}", "\\PN", "-", "\"", "=", "(?:ab)", "(?i:k)", "(?i:Ab)", "(?s:.)"};
const char *const kAsserts[] = {"^", "$", "\\b", "\\B", "\\A", "\\z", "(?m:^)", "(?m:$)"};

Pattern Alternation(dice *d, unsigned depth);

Pattern
Atom(dice *d, unsigned depth)
{
	unsigned kind = dice_below(d, depth < 4 ? 12 : 8);

	if (kind < 7)
		return {kAtoms[dice_below(d, sizeof(kAtoms) / sizeof(kAtoms[0]))], false};
	if (kind == 7)
		return {kAsserts[dice_below(d, sizeof(kAsserts) / sizeof(kAsserts[0]))], true};
	Pattern inner = Alternation(d, depth + 1);
	static const char *const open[] = {"(", "(", "(?:", "(?i:", "(?s:", "(?U:"};
	return {open[dice_below(d, 6)] + inner.text + ")", inner.empty};
}

Pattern
Repeat(dice *d, unsigned depth)
{
	static const char *const marks[] = {"*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,3}?", "{2,}"};
	Pattern p = Atom(d, depth);

	if (dice_below(d, 3) > 0 || p.empty)
		return p;
	unsigned mark = dice_below(d, 10);
	return {p.text + marks[mark], mark == 0 || mark == 2 || mark == 3 || mark == 5 || mark == 7};
}

Pattern
Concatenation(dice *d, unsigned depth)
{
	Pattern all = {"", true};

	for (unsigned n = 1 + dice_below(d, 4); n > 0; n--) {
		Pattern p = Repeat(d, depth);

		all.text += p.text;
		all.empty = all.empty && p.empty;
	}
	return all;
}

Pattern
Alternation(dice *d, unsigned depth)
{
	Pattern all = Concatenation(d, depth);

	while (dice_below(d, 4) == 0) {
		Pattern p = dice_below(d, 8) == 0 ? Pattern{"", true} : Concatenation(d, depth);

		all.text += "|" + p.text;
		all.empty = all.empty || p.empty;
	}
	return all;
}

std::string
Subject(dice *d, bool ascii)
{
	static const char *const pieces[] = {"a", "b", "c", "x", "ab", "abc", "0", "17", " ", "\n", "\t", ".", "-", "\"", "=", "k", "K", "_",
					     /* no ASCII: */ "\xc3\xa9", "\xe4\xb8\x96", "\xe2\x84\xaa", "\xce\xb1", "\xcb\x99"};
	std::string s;

	for (unsigned n = dice_below(d, 14); n > 0; n--)
		s += pieces[dice_below(d, ascii ? 18 : 23)];
	return s;
}

// One character more or less: most such patterns are none.
void
Damage(dice *d, std::string *pattern)
{
	static const char bytes[] = "()[]{}*+?|\\^$-:,0129PpUisz<>aQE";
	size_t at = dice_below(d, static_cast<unsigned>(pattern->size()) + 1);

	if (at < pattern->size() && (static_cast<unsigned char>((*pattern)[at]) < 0x80) && dice_below(d, 2) == 0)
		pattern->erase(at, 1);
	else if (at == pattern->size() || (static_cast<unsigned char>((*pattern)[at]) & 0xc0) != 0x80)
		pattern->insert(at, 1, bytes[dice_below(d, sizeof(bytes) - 1)]);
}

struct Counts {
	unsigned matched = 0, unmatched = 0, refused = 0, wrong = 0;
};

// "0-3 -1--1 …"
std::string
Theirs(const RE2 &re, const std::string &subject)
{
	std::vector<re2::StringPiece> groups(1 + static_cast<size_t>(re.NumberOfCapturingGroups()));
	std::string out;

	if (!re.Match(subject, 0, subject.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size())))
		return "no";
	for (const re2::StringPiece &g : groups) {
		long at = g.data() == nullptr ? -1 : static_cast<long>(g.data() - subject.data());

		out += std::to_string(at) + "-" + std::to_string(at < 0 ? -1 : at + static_cast<long>(g.size())) + " ";
	}
	return out;
}

std::string
Ours(const regex *re, const std::string &subject, struct regex_match *m)
{
	regex_result result = regex_match(re, str{subject.data(), subject.size()}, 0, m);
	std::string out;

	if (result != REGEX_YES)
		return result == REGEX_NO ? "no" : "limit";
	for (size_t i = 0; i < m->n; i++)
		out += std::to_string(static_cast<long>(m->at[2 * i])) + "-" + std::to_string(static_cast<long>(m->at[2 * i + 1])) + " ";
	return out;
}

void
Round(dice *d, Counts *counts)
{
	std::string pattern = Alternation(d, 0).text;
	bool damaged = dice_below(d, 4) == 0;
	if (damaged)
		Damage(d, &pattern);
	RE2::Options options;
	options.set_log_errors(false);
	RE2 theirs(pattern, options);
	arena *memory = arena_new(0);
	str error = {nullptr, 0};
	size_t offset = 0;
	const regex *ours = regex_compile(memory, str{pattern.data(), pattern.size()}, 0, &error, &offset);

	/* Go reads names of classes more freely since 1.25. */
	bool names = damaged && (pattern.find("\\p") != std::string::npos || pattern.find("\\P") != std::string::npos);
	if (theirs.ok() != (ours != nullptr) && !names) {
		counts->wrong++;
		std::printf("%s takes %s\n", theirs.ok() ? "RE2" : "ours", pattern.c_str());
	}
	counts->refused += ours == nullptr;
	/* Damage can make loops over what can be empty. */
	if (!damaged && theirs.ok() && ours != nullptr) {
		struct regex_match match = {};
		bool ascii = pattern.find("\\B") != std::string::npos;
		for (int i = 0; i < 8; i++) {
			std::string subject = Subject(d, ascii), want = Theirs(theirs, subject), got = Ours(ours, subject, &match);

			(want == "no" ? counts->unmatched : counts->matched)++;
			if (want == got)
				continue;
			counts->wrong++;
			std::printf("/%s/ on \"%s\": RE2 %s, ours %s\n", pattern.c_str(), subject.c_str(), want.c_str(), got.c_str());
		}
		regex_match_done(&match);
	}
	arena_free(memory);
}

} // namespace

int
main(int argc, char **argv)
{
	uint64_t seed = number_argument(argc, argv, 1, 1), rounds = number_argument(argc, argv, 2, 4000);
	Counts counts;

	for (uint64_t round = 0; round < rounds && counts.wrong < 10; round++) {
		dice d = {seed * UINT64_C(1000003) + round};

		Round(&d, &counts);
	}
	std::printf("regex: seed %llu, %u matches, %u without, %u patterns that both refuse, %u differ\n", static_cast<unsigned long long>(seed),
		    counts.matched, counts.unmatched, counts.refused, counts.wrong);
	return counts.wrong > 0 || counts.matched == 0;
}
