/* SPDX-License-Identifier: Apache-2.0 */
/* The expected results were printed by Go's regexp on generated patterns and subjects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/codec/regex.h"

static const struct {
	unsigned flags;
	const char *pattern, *subject;
	const char *at;       /* offsets of all groups, -1 for none; "N": no match */
	const char *replaced; /* ReplaceAllString(subject, "<$1|${n1}>") */
} matches[] = {
	/* clang-format off */
	/* PCRE2's JIT of before 10.43 misses these (its issue 336). */
	{0, "(?:ab|a)[^x]*b", "abc", "0,2,", "<|>c"},
	{0, "(1|)b*1", "1", "0,1,0,0,", "<|>"},
	{0, "q(ab|a)([^x]*)b", "qabc", "0,3,1,2,2,2,", "<a|>c"},
	{1, "(.){2,}?$", "a\344\270\303\237c", "0,6,5,6,", "<c|>"},
	{0, "[^[:ascii:]]*(.)", "\317\202a\355\240\200", "0,3,2,3,", "<a|><\200|>"},
	{0, ".b*?||1([a-]+(?-i)+)a", "\377\303\251", "0,1,-1,-1,", "<|><|>"},
	{0, ".k(b?b\134n{2,}?)|a{2,}?|(?i:1)?\?\134pZ(?:sc)\134PL", "xaack\360\237k", "1,3,-1,-1,", "x<|>ck\360\237k"},
	{0, "(?<m>K{0}\134wa{2}a{0,2})|.((?s)\134141*?)+", "sxa\377A\303\211", "0,1,-1,-1,1,1,", "<|><|><|><|><|><|>"},
	{0, "(?i-s:x($ka)a.){0}\304\261?(?:\134PL[K]||)[a-c]", "-sb\303c", "2,3,-1,-1,", "-s<|>\303<|>"},
	{0, "(.)", "a\355\240\2001cb", "0,1,0,1,", "<a|><\355|><\240|><\200|><1|><c|><b|>"},
	{2, "c?\?\134Q\134E.?|((?:)ca)+.+?|", "c\377", "0,2,-1,-1,", "<|>"},
	{0, "|\134pZ{2,}?|x(.(?:(a\317\203c?x)?\?b)\134Sa{0,2})(?:)", "\360\237abkc", "0,0,-1,-1,-1,-1,", "<|>\360<|>\237<|>a<|>b<|>k<|>c<|>"},
	{0, "^{1,}(.|a)(\134S*?a)(?-i)|ba?\?s", "x\344\270asb\377\012c", "0,4,0,1,1,4,", "<x|>sb\377\012c"},
	{0, "(\134P{Greek}\134z)\134D*?k\134n|.", "\360\237kab\012b1", "0,1,-1,-1,", "<|><|><|><|><|>\012<|><|>"},
	{0, "||(?i)(?<m>(?U)ak\134.)*?.+", "Kc\012ca\200a", "0,0,-1,-1,", "<|>K<|>c<|>\012<|>c<|>a<|>\200<|>a<|>"},
	{0, "(\134$a|bab|.a){0}a{1,3}?", "Ssbxka\355\240\200", "5,6,-1,-1,", "Ssbxk<|>\355\240\200"},
	{0, "\360\237\230\200{0}1(s\134Q\134E?$([\305\277]{2,}?)*)|a(?U)?\?.", "\305\277\344\270\317\203\011c\377", "0,2,-1,-1,-1,-1,", "<|><|><|><|><|><|><|>"},
	{0, "k\134b|a(?:(?:(?is:.[[:^space:]])\134Q[\134E))(a)", "k.b\303bb", "0,1,-1,-1,", "<|>.b\303bb"},
	{0, "\134z\134pL?|(.{2}\134s?\?)*?\134Q*\134E|ab{1,3}?", "xa\303s\303\237", "6,6,-1,-1,", "xa\303s\303\237<|>"},
	{0, ".a(?P<n1>(?:k+)b)(?is)+?|\134S", "a\360\237ab", "0,1,-1,-1,", "<|><|><|><|><|>"},
	{0, "(?:\134D$(^.)?\?)", "a\360\237bAk\011cx", "8,9,-1,-1,", "a\360\237bAk\011c<|>"},
	{0, "(\317\203|()+?x?|s.{1,2})", "b\012\307\205a\360\237\303a", "0,0,0,0,0,0,", "<|>b<|>\012<|>\307\205<|>a<|>\360<|>\237<|>\303<|>a<|>"},
	{0, "|(a?\?(?-i)\134z{1,3}?)1|\134x61.", "kacxab\355\240\200", "0,0,-1,-1,", "<|>k<|>a<|>c<|>x<|>a<|>b<|>\355<|>\240<|>\200<|>"},
	{0, "|(.b)k?\?|\134w", "\200", "0,0,-1,-1,", "<|>\200<|>"},
	{0, "(?<m>(b|x).)+\134b{1,}", "s\360\237Xsbb", "5,7,5,7,5,6,", "s\360\237Xs<bb|>"},
	{0, "(?:(?im:|aa|)x?\?(=k.))c|b?|b.*", "\355\240\200xxcb[x", "0,0,-1,-1,", "<|>\355<|>\240<|>\200<|>x<|>x<|>c<|>[<|>x<|>"},
	{0, "()x.?\?", "caxa\344\270xb", "2,3,2,2,", "ca<|>a\344\270<|>b"},
	{0, "(kaa|1\134Qa.b\134E1{2,}?a{2}){0}", "k\344\270aska", "0,0,-1,-1,", "<|>k<|>\344<|>\270<|>a<|>s<|>k<|>a<|>"},
	{0, "(?P<n1>cb+kc)*?|\134z|aa+?b", "ca", "0,0,-1,-1,", "<|>c<|>a<|>"},
	{0, "|(?:(a.)*?)", "\012a", "0,0,-1,-1,", "<|>\012<|>a<|>"},
	{0, "(?U:(k|(s.+?\305\277)+?aa\344\270\226))||\134z+?", "cka", "0,0,-1,-1,-1,-1,", "<|>c<k|>a<|>"},
	{0, "(x+\134z{0,2})*", "c\012\307\206xkb", "0,0,-1,-1,", "<|>c<|>\012<|>\307\206<x|>k<|>b<|>"},
	{0, "\134w(?<m>((?:a{1,}a|\134pZ1a+?)\134Q[\134Ex{1,})*?)?\?", "\012a", "1,2,-1,-1,-1,-1,", "\012<|>"},
	{0, "(1)+|1(b)*?[^a-c]k|", "bbSc1s", "0,0,-1,-1,-1,-1,", "<|>b<|>b<|>S<|>c<1|>s<|>"},
	{0, "(((?:)+?))", "", "0,0,0,0,0,0,", "<|>"},
	{0, "\134A|ak{2,}?|(\134Q[\134E(?:.+\134B)?\?)+?aab{0,2}a{2}", "\011baa\012Xc2", "0,0,-1,-1,", "<|>\011baa\012Xc2"},
	{0, "b{0}|(\134S1(?i)){1,2}k|(b.*ac+?)+\134s(b)\134s", "b\307\205\303\251aa", "0,0,-1,-1,-1,-1,-1,-1,", "<|>b<|>\307\205<|>\303\251<|>a<|>a<|>"},
	{0, "a+?\134w[]a]*?(?:)|(1)(?:()+.*)[\134d\134s]k", "9aakb\012C", "1,3,-1,-1,-1,-1,", "9<|>kb\012C"},
	{0, "()*?|$a?|b", "x", "0,0,-1,-1,", "<|>x<|>"},
	{0, "(?sU:a(\134z?-{1,2})ck)*", "a2x[bsx", "0,0,-1,-1,", "<|>a<|>2<|>x<|>[<|>b<|>s<|>x<|>"},
	{0, "ab(?:(.s {0})[\134d\134s])a|(xa\317\203)*", "aa9kb", "0,0,-1,-1,-1,-1,", "<|>a<|>a<|>9<|>k<|>b<|>"},
	{0, "()*.{1,2}", "sxc", "0,2,0,0,", "<|><|>"},
	{0, "(ab{0}\134S*?\134D)*?a*s.", "skbksb", "0,2,-1,-1,", "<|>bk<|>"},
	{0, "((?P<n1>\134141*?b-|(ab)?k\134bs|ka)+)*k*?", "s\042b", "0,0,-1,-1,-1,-1,-1,-1,", "<|>s<|>\042<|>b<|>"},
	{0, "(\134p{Han}(?<m>s(?i-U))k()|)+?", "a", "0,0,0,0,-1,-1,-1,-1,", "<|>a<|>"},
	{0, "ka(?:(K(a[[:word:]]|\134$(?m).){1,2}(?-s:))*k)|", "b", "0,0,-1,-1,-1,-1,", "<|>b<|>"},
	{0, "([^a]s+?(?P<n8>ab(?:1)a+?)?\?)*a+k(?<m>k)*", "a\377akkcaa", "2,5,-1,-1,-1,-1,4,5,", "a\377<|>caa"},
	{0, "(c?k\134pL(?s)*){0,2}\134W?", "bbbaaba\307\206", "0,0,-1,-1,", "<|>b<|>b<|>b<|>a<|>a<|>b<|>a<|>"},
	{0, "\304\260*(\134p{Han}(\303\251()|ac$)*$*?){0,2}", "b.1sxA", "0,0,-1,-1,-1,-1,-1,-1,", "<|>b<|>.<|>1<|>s<|>x<|>A<|>"},
	{0, "(\344\270\226[\134d\134s][\134w-]*)+?1{0}|", "", "0,0,-1,-1,", "<|>"},
	{0, "((?:\304\261{2}\134pL|ak(?:){1,}(?<m>xb*?)){0})+?k", "bxkb", "2,3,2,2,-1,-1,", "bx<|>b"},
	{0, "s{0}(?s)?(?sU:([a\134-z])+)", "a\307\205sa", "0,1,0,1,", "<a|>\307\205s<a|>"},
	{0, "(?:)|bab{1,}(((?:))s?\?)|(a*?)+", "x2\355\240\200Xkkbk", "0,0,-1,-1,-1,-1,-1,-1,", "<|>x<|>2<|>\355<|>\240<|>\200<|>X<|>k<|>k<|>b<|>k<|>"},
	{0, "()(?<m>\134P{Greek}\012x{2})*?", "\307\205as\011b", "0,0,0,0,-1,-1,", "<|>\307\205<|>a<|>s<|>\011<|>b<|>"},
	{0, "(?:.{1,2})|1\134|\134w*?(?P<n5>\134Q\134Eabk)*", "2\012bcx\304\261a", "0,1,-1,-1,", "<|>\012<|><|><|>"},
	{0, "(?<m>bk){0,2}b{1,3}?(a*?[[:word:]]{2,}?)+", "Xbsk", "1,4,-1,-1,2,4,", "X<|>"},
	{0, "x{0}(kk)*", "bcKs2k\012c", "0,0,-1,-1,", "<|>b<|>c<|>K<|>s<|>2<|>k<|>\012<|>c<|>"},
	{0, "[\134pL]{1,3}?ca(^[^[:ascii:]]\134x{e9})*", "xbCcabbc", "0,5,-1,-1,", "<|>bbc"},
	{0, "(?P<n4>1(k))*|\134p{Ll}=*?", "b", "0,0,-1,-1,-1,-1,", "<|>b<|>"},
	{0, "(\042(aa))*?(\134.aa{0,2})*?(?P<n3>)?\?a", "ax", "0,1,-1,-1,-1,-1,-1,-1,-1,-1,", "<|>x"},
	{0, "\134Ab(?:\305\277{1,3}?)+\134w|(cb?1{2,}?1)x*?|\303\251*k", "kc2\012xbx", "0,1,-1,-1,", "<|>c2\012xbx"},
	{0, "([[:graph:]].K*)+", "abbb", "0,4,2,4,", "<bb|>"},
	{0, "(?:1()+ab)?", "scsx", "0,0,-1,-1,", "<|>s<|>c<|>s<|>x<|>"},
	{0, ".(?im:cab.s|ab(?:[[:graph:]]?\?)|a*?){2,}?", "basBbb", "0,1,", "<|><|><|><|><|><|>"},
	{0, "c{0,2}(?i-U){0,2}", "", "0,0,", "<|>"},
	{0, "(?i:a)|x", "\015cbbKcax", "6,7,", "\015cbbKc<|><|>"},
	{0, "((\307\205(?i)))?\?|\134Q*\134E*\134x{e9}\134Q[\134E*?(?:)", "k\304\261b", "0,0,-1,-1,-1,-1,", "<|>k<|>\304\261<|>b<|>"},
	{0, "\134w(?is){1,2}(?s){1,3}?", "*xx", "1,3,", "*<|>"},
	{0, "|a(?i)\134b+?", "", "0,0,", "<|>"},
	{0, "(?<m>b(?i){0,2}a{1,}||()\134D*?b){2}", "\303\211s\355\240\2009c\357\277\275c", "0,0,0,0,-1,-1,", "<|>\303\211<|>s<|>\355<|>\240<|>\200<|>9<|>c<|>\357\277\275<|>c<|>"},
	{0, "\134Q\134Es|kx|\134A{2,}?(?i-U)b", "bab\012kb\307\205", "0,1,", "<|>ab\012kb\307\205"},
	{0, "1{2,}?(?is)?b{0,2}", "cks\015", "0,0,", "<|>c<|>k<|>s<|>\015<|>"},
	{0, "a(?i-U)|", "\344\270kbaksbc", "0,0,", "<|>\344<|>\270<|>k<|>b<|>k<|>s<|>b<|>c<|>"},
	{0, "((?P<n2>(?is:kb){1,}a1c)ab)?\?c?\?", "cbkcaa\344\270\2261", "0,0,-1,-1,-1,-1,", "<|>c<|>b<|>k<|>c<|>a<|>a<|>\344\270\226<|>1<|>"},
	{0, "(?is)|\134Q[\134E?\?b\134Q\134E", "a", "0,0,", "<|>a<|>"},
	{0, "(?:(?im:k{2}(?P<n4>s))||\134Q*\134E\305\277\134Qa.b\134E{1,2})", "abaxa", "0,0,-1,-1,", "<|>a<|>b<|>a<|>x<|>a<|>"},
	{0, "|(?is:$b)(?m:(?:(c)a\134Q[\134E)){2}a\134b", "b*asbc", "0,0,-1,-1,", "<|>b<|>*<|>a<|>s<|>b<|>c<|>"},
	{0, "[^]a](?i-U)+", "xbbab", "0,3,", "<|>a<|>"},
	{0, "a{2}ab{0,2}1|c{0}$(?is)", "babbs", "5,5,", "babbs<|>"},
	{0, " ab(?i-s:)|(x*){0,2}", "k\360\237_aba", "0,0,0,0,", "<|>k<|>\360<|>\237<|>_<|>a<|>b<|>a<|>"},
	{0, "|a+\134$(?i-U)k", "aa", "0,0,", "<|>a<|>a<|>"},
	{0, "(?i:[\134pL]?\134Q[\134E*)", "", "0,0,", "<|>"},
	{0, "(aab{0}1)|k?\?|(?i:(?i:\134W){1,2}k\134t{1,}){0}", "\012ba", "0,0,-1,-1,", "<|>\012<|>b<|>a<|>"},
	{0, "\134p{Ll}", "c\377cc", "0,1,", "<|>\377<|><|>"},
	{0, "(k\134p{^Lu}k)", "b", "N", "b"},
	{0, "b?\134pZ=x", "k\012a\012k", "N", "k\012a\012k"},
	{0, "\134p{^Lu}", "Kk", "1,2,", "K<|>"},
	{0, "bk{1,}\134Q*\134E1|k.+?|\134p{Han}", "", "N", ""},
	{0, "\134|\134p{Lu}a{1,2}(k)", "Xx\303\237", "N", "Xx\303\237"},
	{0, "\134t+?\134pZ|[-a](a)k+?x", "bcbaxc", "N", "bcbaxc"},
	{1, "\134W?\?\134|*?a(\134pN|\134s)", "xk", "N", "xk"},
	{0, "1+1\134p{Han}*?.", "ksab\012", "N", "ksab\012"},
	{0, "ab(?is)\134p{Han}{1,}", "*1bs\357\277\275cs", "N", "*1bs\357\277\275cs"},
	{2, "k{0,2}1|ab\134pL", "kb\303bkbk", "N", "kb\303bkbk"},
	{0, "\134pN{1,2}[^\134x00-\134x{10ffff}]", "bx", "N", "bx"},
	{0, "b?(?:x{0,2})[abc]", "asakacb", "0,1,", "<|>s<|>k<|><|><|>"},
	{1, "\134p{^Lu}\134s1{1,2}", "c", "N", "c"},
	{0, "(?:\134p{Ll}((c{2,}?b|aa${2,}?)a\134s*)a+x)", "\012bSaxX", "N", "\012bSaxX"},
	{0, "()(?:(?:\134Q[\134E)a)?\?", "abb", "0,0,0,0,", "<|>a<|>b<|>b<|>"},
	{0, "k1b|(?i-s:ba{1,})b\134pN|\134B{0,2}\134pN*?(?s:1){1,}", "asxb", "N", "asxb"},
	{0, "(?: (?:\134|(?s)^+?)\134pN)c", "\012k", "N", "\012k"},
	{1, "b\134p{Greek}{1,}\134S+?", "sbka\012\303\251b", "N", "sbka\012\303\251b"},
	{0, "(?:b\134p{Han})(?-i)b", "c\357\277\275ac\015k", "N", "c\357\277\275ac\015k"},
	{0, "\134d.b|.|bcx+", "_kc\360\237\230\200c2xb", "0,1,", "<|><|><|><|><|><|>"},
	{0, "\134S{1,}c{0,2}(?s)s{1,}", "acb\360\237sac", "0,6,", "<|>ac"},
	{0, "k", "\303\211x\377\303\307\205k\012", "7,8,", "\303\211x\377\303\307\205<|>\012"},
	{0, "", "9\377asSCa9", "0,0,", "<|>9<|>\377<|>a<|>s<|>S<|>C<|>a<|>9<|>"},
	{0, "(s+?(ab(\134W{0,2}a?a)?)a|k+?)?b", "b\360\237x", "0,1,-1,-1,-1,-1,-1,-1,", "<|>\360\237x"},
	{0, "(\134ba?(k{2,}?(b*)a){0})?\?", "cb\317\202ba", "0,0,-1,-1,-1,-1,-1,-1,", "<|>c<|>b<|>\317\202<|>b<|>a<|>"},
	{0, "a*?x", "xxxx\200abb", "0,1,", "<|><|><|><|>\200abb"},
	{0, "b{0}", "kccas\012\357\277\275x", "0,0,", "<|>k<|>c<|>c<|>a<|>s<|>\012<|>\357\277\275<|>x<|>"},
	{0, "a", "\012\360\237ska", "5,6,", "\012\360\237sk<|>"},
	{0, "c*?", "bcb=s\307\205", "0,0,", "<|>b<|>c<|>b<|>=<|>s<|>\307\205<|>"},
	{0, "\134B", "a\360\237\230\200\360\237b", "5,5,", "a\360\237\230\200<|>\360<|>\237b"},
	{0, "\304\260*1{0,2}", "xaba\357\277\275\305\277aX", "0,0,", "<|>x<|>a<|>b<|>a<|>\357\277\275<|>\305\277<|>a<|>X<|>"},
	{0, "a{0,2}|\304\261+?\317\202{1,2}\012x{1,2}", "A\360\237b\377", "0,0,", "<|>A<|>\360<|>\237<|>b<|>\377<|>"},
	{0, "(){1,3}?((?-i)s)", "s\360\237\230\200a", "0,1,0,0,0,1,", "<|>\360\237\230\200a"},
	{0, "[^\134x00-\134x{10ffff}]{0}", "\200a", "0,0,", "<|>\200<|>a<|>"},
	{2, "b", "b", "0,1,", "<|>"},
	{1, "^a?\?|b?\?|\134Q*\134E(aab{2,}?){2,}?a{2}", "", "0,0,-1,-1,", "<|>"},
	{2, "\134Q*\134E?\?||", "", "0,0,", "<|>"},
	{1, "(?:\134x{e9}{0}).*?|ab(?P<n5>ka){2}", "bxk", "0,3,-1,-1,", "<|>"},
	{2, "\134P{Greek}", "\304\261", "0,2,", "<|>"},
	{2, "c1{0,2}a(?s)|\134b{1,2}b?\?(?-i)\134D*", "xa=b\317\203\303\251\360\237\230\200", "0,12,", "<|>"},
	{1, "|ak+", "", "0,0,", "<|>"},
	{2, "(?:)*?", "", "0,0,", "<|>"},
	{2, "|aa(abc.c{0,2})\134S|(.*1\134x{e9}{2}\134PL+?)?\?", "", "0,0,-1,-1,-1,-1,", "<|>"},
	{2, "b?\?\134B", "", "0,0,", "<|>"},
	{0, "(?i:a+a)(?m)\134W|(?:[\134n]a-)+?\134P{Greek}|\134s", "", "N", ""},
	{0, "(abxs(?-s:\134B.){1,3}?|ak?\303\237)1+(())[^a-c]{0,2}", "sba2", "N", "sba2"},
	{0, "\134D\134ws||ab\134B?", "Xkcb", "0,0,", "<|>X<|>k<|>c<|>b<|>"},
	{0, "k\134B+", "c\307\206", "N", "c\307\206"},
	{1, "x(?P<n6>a\134z|(?:\134PL\134PL)(b(?m))kk)(?U)", "c9k", "N", "c9k"},
	{0, "^(?m)ba", "c\360\237\230\200", "N", "c\360\237\230\200"},
	{0, "a(?m){2,}?", "bCx", "N", "bCx"},
	{0, "(?:\134d{1,2}(?:1*).*){2,}?$\134B|(?-i:ak{0}c*)|", "b\013Bk=k\011\012", "0,0,", "<|>b<|>\013<|>B<|>k<|>=<|>k<|>\011<|>\012<|>"},
	{0, "(?m) ", "xc\012", "N", "xc\012"},
	{0, "(?P<n4>a\134B?)()K{1,3}?", "akCsbkk", "N", "akCsbkk"},
	{0, "\134|?(?:k?(?m)()){1,2}", "sabx", "0,0,0,0,", "<|>s<|>a<|>b<|>x<|>"},
	{0, "\042(a.{1,2}|\134B)ax", "a\317\202b", "N", "a\317\202b"},
	{0, "abab(?:|b|k(?<m>1\134x{e9}{1,3}?)1x){0,2}", "acb\360\237\012", "N", "acb\360\237\012"},
	{0, "\134tab[^\134x00-\134x{10ffff}]-", "Xa2baxb", "N", "Xa2baxb"},
	{0, "(\134$){0}\134x61", "1sbbc", "N", "1sbbc"},
	{1, "1", "a\305\277x", "N", "a\305\277x"},
	{0, "a{1,3}?[^\134S]c-", "asba\012=a", "N", "asba\012=a"},
	{2, "s.+?ab", "kkb\012", "N", "kkb\012"},
	{0, "(b){1,}", "a", "N", "a"},
	{1, "\134Q[\134E{2}a", "", "N", ""},
	{0, ".a", "a", "N", "a"},
	{0, "a{2,}?\134d{1,3}?", "bb1b", "N", "bb1b"},
	/* clang-format on */
};

static const struct {
	const char *pattern, *error;
} refused[] = {
	/* clang-format off */
	{"(?:\134Qa.b\134E[\303\251-\303\274]()a)\134D{1,3}?[\377]", "error parsing regexp: invalid UTF-8: `\377]`"},
	{"(\134p)ab(s)a", "error parsing regexp: invalid character class range: `\134p)`"},
	{".?|\134p{1,}(ab(?--i)k)K(?s)?\?|bs*", "error parsing regexp: invalid character class range: `\134p{1,}`"},
	{"\134Q*\134E\134p{Foo}b(?P<n5>(k{0}\134pN+?)){1,}", "error parsing regexp: invalid character class range: `\134p{Foo}`"},
	{"1{1,2}x\134wab|\134p{a\134pZ{1,3}?ab|\134|\134ba", "error parsing regexp: invalid character class range: `\134p{a\134pZ{1,3}`"},
	{"\303\237s{1,2}s\134t|\134t\134p{b", "error parsing regexp: invalid character class range: `\134p{b`"},
	{"\134p{{1,3}?a{1,2}x*[^\134W]", "error parsing regexp: invalid character class range: `\134p{{1,3}`"},
	{"^\1341", "error parsing regexp: invalid escape sequence: `\1341`"},
	{"|b(?:k.*)|b(\134Q*\134E+(?U)k)a+\1348", "error parsing regexp: invalid escape sequence: `\1348`"},
	{"\134Cb|\134b\134t{1,2}.|", "error parsing regexp: invalid escape sequence: `\134C`"},
	{"\134Z{2}1k{0,2}ab*?", "error parsing regexp: invalid escape sequence: `\134Z`"},
	{"\134xg", "error parsing regexp: invalid escape sequence: `\134xg`"},
	{"\134x{110000}?\?a{1,2}\304\260", "error parsing regexp: invalid escape sequence: `\134x{110000`"},
	{"a\134x{\134Qa.b\134E|\134p{Lu}b{0,2}a.|ab\360\237\230\200\307\205.", "error parsing regexp: invalid escape sequence: `\134x{\134`"},
	{"((a{1,3}?^*?(b\134_{2}\134|)?\?)\134\303\251)(?i-U)\134Q\134E", "error parsing regexp: invalid escape sequence: `\134\303\251`"},
	{"(?<=a)", "error parsing regexp: invalid named capture: `(?<=a)`"},
	{"1\134x{e9}(?:(?P<n)\303\237|(\134z(?:b))?\134bb", "error parsing regexp: invalid named capture: `(?P<n)\303\237|(\134z(?:b))?\134bb`"},
	{"(?<m>ba\134s)(?:(1ab(ca++))){0}(){0,2}", "error parsing regexp: invalid nested repetition operator: `++`"},
	{"s1a+?*c+", "error parsing regexp: invalid nested repetition operator: `+?*`"},
	{"bx{2}{2}\134B*?|(\134Q[\134E\134W(?m)(?i)?\?)a(?i-U)\303\251", "error parsing regexp: invalid nested repetition operator: `{2}{2}`"},
	{"c?\?(?#c)*^", "error parsing regexp: invalid or unsupported Perl syntax: `(?#`"},
	{"\134|\134d\134A(?'n'a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?'`"},
	{"[a-]+|x|b(?:abb{1,}||1(?-))+?.?\?1", "error parsing regexp: invalid or unsupported Perl syntax: `(?-)`"},
	{"(?:b(?=a)\303\251\134Q\134E{1,})\134S", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
	{"|\134n(?:(?>a)\134p{Ll}a)\134A?|s", "error parsing regexp: invalid or unsupported Perl syntax: `(?>`"},
	{"(?<m>)(?P=", "error parsing regexp: invalid or unsupported Perl syntax: `(?P`"},
	{"(?:ka|={0}s{0,2}(b)|(?i*(?m)a)1a{2}\134z+?", "error parsing regexp: invalid or unsupported Perl syntax: `(?i*`"},
	{"a(?z)\134P{Greek}?\?|\134pL.", "error parsing regexp: invalid or unsupported Perl syntax: `(?z`"},
	{"[\305\277](.\134Q[\134E)+?=(?:(||)cK)*|aa{1001}", "error parsing regexp: invalid repeat count: `{1001}`"},
	{"a{2,1}", "error parsing regexp: invalid repeat count: `{2,1}`"},
	{"(?im:1b\134s)((a{500}){3}){1,3}?k", "error parsing regexp: invalid repeat count: `{3}`"},
	{"\134Q\134E*(b{0}a)((bb(k*?ab{0,2})))1?\?|k.{0}\134Q*\134E", "error parsing regexp: missing argument to repetition operator: `*`"},
	{"(?:(?P<n4>\134Q\134E*?\134Q[\134E{1,}\134Qa.b\134E){1,})kx", "error parsing regexp: missing argument to repetition operator: `*?`"},
	{"(?U)+", "error parsing regexp: missing argument to repetition operator: `+`"},
	{"|ab|b+s(?P<n7>(\134|b\012a)|(?m)+?).", "error parsing regexp: missing argument to repetition operator: `+?`"},
	{"(?is)?", "error parsing regexp: missing argument to repetition operator: `?`"},
	{"a|(?<m>(?s)?\? )|k1(?is)\134PL{1,2}", "error parsing regexp: missing argument to repetition operator: `?\?`"},
	{"\134Q\134E{0,2}(?:(?<m>^b*?){1,}\134Q\134E)ab", "error parsing regexp: missing argument to repetition operator: `{0,2}`"},
	{"ab(?:c{1,3}?a)|(?U){0}", "error parsing regexp: missing argument to repetition operator: `{0}`"},
	{"\134Q\134E{1,2}", "error parsing regexp: missing argument to repetition operator: `{1,2}`"},
	{"(?is){1,3}?\134|?", "error parsing regexp: missing argument to repetition operator: `{1,3}?`"},
	{"(?s){1,}a|a{0,2}a*a", "error parsing regexp: missing argument to repetition operator: `{1,}`"},
	{"\134Q\134E{2,}?.|(?i|s", "error parsing regexp: missing argument to repetition operator: `{2,}?`"},
	{"((?s){2}(?<m>s(?i)x1)*()x*?)s{2,}?", "error parsing regexp: missing argument to repetition operator: `{2}`"},
	{"(?<m>\134141[[:alpha:)?[\134w-]b{1,2}k", "error parsing regexp: missing closing ): `(?<m>\134141[[:alpha:)?[\134w-]b{1,2}k`"},
	{"[a{0}k", "error parsing regexp: missing closing ]: `[a{0}k`"},
	{")", "error parsing regexp: unexpected ): `)`"},
	/* clang-format on */
};

static struct regex *
compiled(struct arena *arena, const char *pattern, unsigned flags)
{
	struct str error;
	size_t offset;
	struct regex *re = regex_compile(arena, str_from(pattern), flags, &error, &offset);

	if (re == NULL)
		fail_msg("%s: %s", pattern, arena_z(arena, error));
	return re;
}

static void
test_regex__matches_and_replaces_as_go(void **state)
{
	struct regex_match m = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(matches); i++) {
		struct arena *arena = arena_new(0);
		struct regex *re = compiled(arena, matches[i].pattern, matches[i].flags);
		struct str subject = str_from(matches[i].subject);
		enum regex_result result = regex_match(re, subject, 0, &m);
		struct buf got;

		buf_init(&got, 4096);
		if (result != REGEX_YES)
			(void)buf_z(&got, "N");
		for (size_t g = 0; g < 2 * m.n; g++)
			(void)buf_printf(&got, "%ld,", m.at[g] == SIZE_MAX ? -1L : (long)m.at[g]);
		if (!str_is(buf_view(&got), matches[i].at))
			fail_msg("%s on %s is %.*s", matches[i].pattern, matches[i].subject, STR_FMT(buf_view(&got)));
		assert_int_equal(regex_test(re, subject), result);
		buf_clear(&got);
		assert_true(regex_replace_all(re, subject, STR("<$1|${n1}>"), &got));
		if (!str_is(buf_view(&got), matches[i].replaced))
			fail_msg("%s on %s gives %.*s", matches[i].pattern, matches[i].subject, STR_FMT(buf_view(&got)));
		buf_done(&got);
		arena_free(arena);
	}
	regex_match_done(&m);
}

static void
test_regex__refuses_with_gos_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct arena *arena = arena_new(0);
		struct str error;
		size_t offset = 0;

		if (regex_compile(arena, str_from(refused[i].pattern), 0, &error, &offset) != NULL)
			fail_msg("%s is accepted", refused[i].pattern);
		assert_string_equal(arena_z(arena, error), refused[i].error);
		assert_true(offset <= strlen(refused[i].pattern));
		arena_free(arena);
	}
}

static void
test_regex__offsets_and_wrapping(void **state)
{
	static const struct {
		const char *pattern, *error;
		unsigned flags;
		size_t offset;
	} cases[] = {
		{"xa**", "error parsing regexp: invalid nested repetition operator: `**`", 0, 2},
		{"ab(c", "error parsing regexp: missing closing ): `ab(c`", 0, 2},
		{"a)", "error parsing regexp: unexpected ): `a)`", 0, 1},
		{"b(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`", REGEX_ANCHORED, 1},
		{"a(", "error parsing regexp: missing closing ): `^(?s:a()$`", REGEX_ANCHORED, 0},
		{"[", "error parsing regexp: missing closing ]: `[)$`", REGEX_FULL, 0},
	};
	struct arena *arena = arena_new(0);
	struct str error;
	size_t offset;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_null(regex_compile(arena, str_from(cases[i].pattern), cases[i].flags, &error, &offset));
		assert_string_equal(arena_z(arena, error), cases[i].error);
		assert_int_equal(offset, cases[i].offset);
	}
	arena_free(arena);
}

static void
test_regex__names_and_expansion(void **state)
{
	struct arena *arena = arena_new(0);
	struct regex *re = compiled(arena, "(?P<who>\\w+)@(?<host>\\w+)(x)?", 0);
	struct regex_match m = {0};
	struct str subject = STR("to bob@h1!");
	struct buf out;

	(void)state;
	assert_int_equal(regex_groups(re), 3);
	assert_true(str_is(regex_group_name(re, 1), "who"));
	assert_int_equal(regex_group_name(re, 3).len, 0);
	assert_int_equal(regex_match(re, subject, 0, &m), REGEX_YES);
	assert_true(str_is(regex_group(&m, subject, 2), "h1"));
	buf_init(&out, 256);
	assert_true(regex_expand(re, STR("$who-${2}-$1x-$$-${-$-$3-$99-${who"), subject, &m, &out));
	assert_true(str_is(buf_view(&out), "bob-h1--$-${-$---${who"));
	buf_done(&out);
	/* Going on where the last match ended. */
	assert_int_equal(regex_match(re, subject, m.at[1], &m), REGEX_NO);
	regex_match_done(&m);
	arena_free(arena);
}

/* Patterns that make backtracking explode are answered by the own machine. */
static void
test_regex__explosions_end(void **state)
{
	static const char *const patterns[] = {"(a+)+$", "(a|aa)+$", "(.*)*x", "(?:a?){30}a{30}b", "^(([a-z])+.)+[A-Z]([a-z])+$"};
	static char text[20000];
	struct arena *arena = arena_new(0);

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '!';
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct regex *re = compiled(arena, patterns[i], 0);
		int64_t start_ns = clock_mono_ns();

		assert_int_equal(regex_test(re, (struct str){text, 2000}), i == 0 || i == 1 ? REGEX_YES : REGEX_NO);
		assert_int_not_equal(regex_test(re, (struct str){text, sizeof(text)}), REGEX_YES);
		assert_true(clock_mono_ns() - start_ns < 20 * NS_PER_S);
	}
	arena_free(arena);
}

#define THREADS 4

static void *
match_often(void *ptr)
{
	const struct regex *re = ptr;
	struct regex_match m = {0};
	struct str subject = STR("xx key=v\303\244lue y");
	bool ok = true;

	for (int i = 0; i < 2000; i++)
		ok &= regex_match(re, subject, 0, &m) == REGEX_YES && str_is(regex_group(&m, subject, 1), "key") && regex_test(re, subject) == REGEX_YES;
	regex_match_done(&m);
	return ok ? ptr : NULL;
}

static void
test_regex__threads_share_a_regex(void **state)
{
	static const char *const patterns[] = {"(\\w+)=(\\S+)", "((?:k|e|y)+|(x*)+z)="};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct regex *re = compiled(arena, patterns[i], 0);
		pthread_t threads[THREADS];
		void *result;

		for (size_t t = 0; t < THREADS; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, match_often, re), 0);
		for (size_t t = 0; t < THREADS; t++) {
			assert_int_equal(pthread_join(threads[t], &result), 0);
			assert_ptr_equal(result, re);
		}
	}
	arena_free(arena);
}

/* A pattern as large as PCRE2 does not take it; nesting up to Go's limit, and beyond. */
static void
test_regex__large_patterns(void **state)
{
	struct arena *arena = arena_new(0);
	char nested[4096] = "";
	struct str error;
	size_t offset;

	(void)state;
	assert_int_equal(regex_test(compiled(arena, "(?:[a-c][a-c][a-c]x|[d-f]y[^z]){800}", 0), STR("abc")), REGEX_NO);
	for (size_t i = 0; i < 990; i++)
		strcat(nested, "(");
	strcat(nested, "a");
	for (size_t i = 0; i < 990; i++)
		strcat(nested, ")");
	assert_int_equal(regex_test(compiled(arena, nested, 0), STR("xa")), REGEX_YES);
	memset(nested, '(', 1100);
	nested[1100] = 'a';
	memset(nested + 1101, ')', 1100);
	nested[2201] = '\0';
	assert_null(regex_compile(arena, str_from(nested), 0, &error, &offset));
	assert_true(str_starts(error, STR("error parsing regexp: expression nests too deeply")));
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regex__matches_and_replaces_as_go),
		cmocka_unit_test(test_regex__refuses_with_gos_words),
		cmocka_unit_test(test_regex__offsets_and_wrapping),
		cmocka_unit_test(test_regex__names_and_expansion),
		cmocka_unit_test(test_regex__explosions_end),
		cmocka_unit_test(test_regex__threads_share_a_regex),
		cmocka_unit_test(test_regex__large_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
