/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "longship/base/check.h"
#include "longship/base/limits.h"
#include "longship/base/mem.h"
#include "longship/codec/template.h"

/* What Go 1.26's text/template says with sprig 3.3 and Alloy's functions, over the data below, at 2023-11-14T22:13:20.123456789Z. */
#define FAILS ((const char *)1)	  /* an error of execution */
#define REFUSED ((const char *)2) /* does not parse */

static const struct {
	const char *text, *want;
} cases[] = {
	{"{{ .Value }}", "Hello, World 42"},
	{"{{ .Value | ToUpper }} x {{ .missing }}", "HELLO, WORLD 42 x <no value>"},
	{"{{ . }}", "map[Entry:an entry line \"q\" <tag> Value:Hello, World 42 bad:a\377b\303 camel:HTTPServerName2xx csv:a,b,,c empty: f:3.75 json:{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21} level:WARN n:17 neg:-5 path:/a/b/../c/file.tar.gz snake:some_snake-case text sp:  \t pad \n ts:2024-05-06T07:08:09Z uni:\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260 url:https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x ver:v1.2.3-beta.1+b5]"},
	{"{{ range $k, $v := . }}{{ $k }}={{ $v | quote }};{{ end }}", "Entry=\"an entry line \\\"q\\\" <tag>\";Value=\"Hello, World 42\";bad=\"a\\xffb\\xc3\";camel=\"HTTPServerName2xx\";csv=\"a,b,,c\";empty=\"\";f=\"3.75\";json=\"{\\\"a\\\":{\\\"b\\\":[1,2.5,\\\"x\\\",null,true]},\\\"k\\\":\\\"v\\\",\\\"n\\\":1e21}\";level=\"WARN\";n=\"17\";neg=\"-5\";path=\"/a/b/../c/file.tar.gz\";snake=\"some_snake-case text\";sp=\"  \\t pad \\n\";ts=\"2024-05-06T07:08:09Z\";uni=\"\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260\";url=\"https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x\";ver=\"v1.2.3-beta.1+b5\";"},
	{"{{ len . }}", "18"},
	{"{{ index . \"n\" }}", "17"},
	{"{{ get . \"zz\" }}", ""},
	{"{{ hasKey . \"n\" }}", "true"},
	{"{{ keys . | sortAlpha }}", "[Entry Value bad camel csv empty f json level n neg path snake sp ts uni url ver]"},
	{"{{ set . \"q\" 7 }}{{ .q }} {{ $.q }} {{ typeOf .q }}", "map[Entry:an entry line \"q\" <tag> Value:Hello, World 42 bad:a\377b\303 camel:HTTPServerName2xx csv:a,b,,c empty: f:3.75 json:{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21} level:WARN n:17 neg:-5 path:/a/b/../c/file.tar.gz q:7 snake:some_snake-case text sp:  \t pad \n ts:2024-05-06T07:08:09Z uni:\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260 url:https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x ver:v1.2.3-beta.1+b5]7 7 int"},
	{"{{- /* c */ -}} x {{/* c */}} y", "x  y"},
	{"{{ if and .n (gt (int .n) 10) }}big{{ else if .n }}small{{ else }}none{{ end }}", "big"},
	{"{{ define \"a\" }}[{{ . }}{{ block \"b\" . }}B{{ . }}{{ end }}]{{ end }}{{ template \"a\" .n }}{{ template \"b\" \"z\" }}", "[17B17]Bz"},
	{"{{ template \"nope\" . }}", FAILS},
	{"{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}", "01201"},
	{"{{ range list 1 2 3 4 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 4 }}{{ break }}{{ end }}{{ . }}{{ else }}e{{ end }}", "13"},
	{"{{ break }}", REFUSED},
	{"{{ with .missing }}a{{ else with .n }}b{{ . }}{{ else }}c{{ end }}", "b17"},
	{"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32"},
	{"{{ $x }}", REFUSED},
	{"{{ 'a' }}", "97"},
	{"{{ '\303\274' }}", "252"},
	{"{{ '\\n' }}", "10"},
	{"{{ 0x1F }}", "31"},
	{"{{ 1e3 }}", "1000"},
	{"{{ 1_000 }}", "1000"},
	{"{{ 0b11 }}", "3"},
	{"{{ .5 }}", "0.5"},
	{"{{ 1. }}", "1"},
	{"{{ 0o17 }}", "15"},
	{"{{ 017 }}", "15"},
	{"{{ 0x1p4 }}", "16"},
	{"{{ +3 }}", "3"},
	{"{{ -0 }}", "0"},
	{"{{ 99999999999999999999 }}", REFUSED},
	{"{{ 18446744073709551615 }}", FAILS},
	{"{{ 08 }}", REFUSED},
	{"{{ \"a\\x41\\u00e9\\101\\n\" }} {{ `raw \\n` }}", "aA\303\251A\n raw \\n"},
	{"{{ \"\\q\" }}", REFUSED},
	{"{{ \"unterminated }}", REFUSED},
	{"{{ ( .n }}", REFUSED},
	{"{{ .n ) }}", REFUSED},
	{"{{ .n | }}", "17"},
	{"{{ | .n }}", REFUSED},
	{"{{ }}", REFUSED},
	{"{{ nil }}", FAILS},
	{"{{ 1 | 2 }}", REFUSED},
	{"{{ .n 1 }}", FAILS},
	{"{{ nosuch .n }}", REFUSED},
	{"{{{.Value}}}", REFUSED},
	{"{{ if }}x{{ end }}", REFUSED},
	{"{{ if .n }}x", REFUSED},
	{"{{ end }}", REFUSED},
	{"{{ else }}", REFUSED},
	{"{{ .a.b.c }} {{ .n.x }}", FAILS},
	{"{{ (fromJson .json).a.b }} {{ (index (fromJson .json).a.b 1) }} {{ (fromJson .json).n }} {{ (fromJson .json).zz.y }}", "[1 2.5 x <nil> true] 2.5 1e+21 <no value>"},
	{"{{ $j := fromJson .json }}{{ range $j.a.b }}{{ . }}|{{ end }}{{ $j.k }}{{ $j.zz }}", "1|2.5|x|<no value>|true|v<no value>"},
	{"{{ toJson (fromJson .json) }} {{ toPrettyJson (dict \"a\" (list 1 \"<b>\" nil (dict)) \"b\" (list)) }} {{ toRawJson \"<&>\" }} {{ toJson \"<&>\" }}", "{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e+21} {\n  \"a\": [\n    1,\n    \"\\u003cb\\u003e\",\n    null,\n    {}\n  ],\n  \"b\": []\n} \"<&>\" \"\\u003c\\u0026\\u003e\""},
	{"{{ toJson 1.5 }}", "1.5"},
	{"{{ toJson 1e21 }}", "1e+21"},
	{"{{ toJson 1e-7 }}", "1e-7"},
	{"{{ toJson 100000.0 }}", "100000"},
	{"{{ toJson (divf 1 3) }}", "0.3333333333333333"},
	{"{{ toJson now }}", "\"2023-11-14T22:13:20.123456789Z\""},
	{"{{ toJson .bad }}", "\"a\\ufffdb\\ufffd\""},
	{"{{ mustFromJson \"{\" }}", FAILS},
	{"{{ fromJson \"{\" }}", "<no value>"},
	{"{{ print 1 2 \"a\" 3 4 nil nil }} {{ println 1 \"a\" }}{{ printf \"%v %d %s %T %T %T\" .n 3 \"x\" (list) (dict) (int64 3) }}", "1 2a3 4 <nil> <nil> 1 a\n17 3 x []interface {} map[string]interface {} int64"},
	{"{{ printf \"%s\" nil }} {{ printf \"%d\" \"x\" }} {{ printf \"%!\" }} {{ printf \"%v\" . }}", "%!s(<nil>) %!d(string=x) %!!(MISSING) map[Entry:an entry line \"q\" <tag> Value:Hello, World 42 bad:a\377b\303 camel:HTTPServerName2xx csv:a,b,,c empty: f:3.75 json:{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21} level:WARN n:17 neg:-5 path:/a/b/../c/file.tar.gz snake:some_snake-case text sp:  \t pad \n ts:2024-05-06T07:08:09Z uni:\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260 url:https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x ver:v1.2.3-beta.1+b5]"},
	{"{{ html \"<a href='x'>&\\\"\" }} {{ js \"it's \\\"<x>\\\" \303\251 \\n=\" }} {{ urlquery \"a b&c=\303\251\" }} {{ html nil 1 2 }}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34; it\\'s \\\"\\u003Cx\\u003E\\\" \303\251 \\u000A\\u003D a+b%26c%3D%C3%A9 &lt;no value&gt;1 2"},
	{"{{ html .missing }} {{ .missing | html }}", "&lt;no value&gt; &lt;no value&gt;"},
	{"{{ eq .n \"17\" \"x\" }}", "true"},
	{"{{ ne 1 2 }}", "true"},
	{"{{ lt 1 2 }}", "true"},
	{"{{ lt \"a\" \"b\" }}", "true"},
	{"{{ ge 2.5 2.5 }}", "true"},
	{"{{ eq 1 1.0 }}", FAILS},
	{"{{ eq (index \"abc\" 0) 97 }} {{ index \"abc\" 1 }} {{ lt 1 \"a\" }}", FAILS},
	{"{{ eq (list 1) (list 1) }}", FAILS},
	{"{{ eq nil nil }} {{ eq .missing nil }} {{ eq .missing \"a\" }}", "true true false"},
	{"{{ not .empty }} {{ and 1 0 2 }} {{ or 0 \"\" \"x\" }} {{ and }} ", FAILS},
	{"{{ len \"\303\251\" }} {{ len 3 }}", FAILS},
	{"{{ now | date \"2006-01-02 15:04:05\" }}", "2023-11-14 22:13:20"},
	{"{{ now }}", "2023-11-14 22:13:20.123456789 +0000 UTC"},
	{"{{ now | unixEpoch }}", "1700000000"},
	{"{{ htmlDate now }}", "2023-11-14"},
	{"{{ dateInZone \"15:04 MST\" now \"Europe/Berlin\" }}", "23:13 CET"},
	{"{{ dateInZone \"15:04 MST\" 0 \"Nope/Zone\" }}", "00:00 UTC"},
	{"{{ now | dateModify \"-1.5h\" | date \"15:04:05\" }} {{ mustDateModify \"x\" now }}", FAILS},
	{"{{ toDate \"2006-01-02\" \"2024-02-29\" | date \"Jan _2\" }} {{ toDate \"2006-01-02\" \"bad\" }} {{ (toDate \"2006-01-02T15:04:05Z07:00\" .ts) | unixEpoch }}", "Feb 29 0001-01-01 00:00:00 +0000 UTC 1714979289"},
	{"{{ duration \"95\" }}", "1m35s"},
	{"{{ duration 95 }}", "0s"},
	{"{{ duration (int64 3661) }}", "1h1m1s"},
	{"{{ durationRound \"2h10m5s\" }}", "2h"},
	{"{{ durationRound \"72h\" }}", "3d"},
	{"{{ durationRound \"2400h\" }}", "3mo"},
	{"{{ now.Unix }} {{ (now).Format \"2006\" }} {{ now.UTC.Year }}", "1700000000 2023 2023"},
	{"{{ regexReplaceAll \"(\\\\w+), (\\\\w+)\" .Value \"${2} $1\" }}", "World Hello 42"},
	{"{{ regexReplaceAllLiteral \"o\" .Value \"$1\" }}", "Hell$1, W$1rld 42"},
	{"{{ regexFind \"[0-9]+\" .Value }}", "42"},
	{"{{ regexFindAll \"o\" .Value -1 }}", "[o o]"},
	{"{{ regexFindAll \"z\" .Value -1 | toJson }}", "null"},
	{"{{ regexSplit \",\" .csv -1 }}", "[a b  c]"},
	{"{{ regexSplit \"\" \"abc\" -1 }}", "[a b c]"},
	{"{{ regexSplit \"b*\" \"abbbc\" 2 }}", "[a c]"},
	{"{{ regexReplaceAll \"(\" .Value \"x\" }}", FAILS},
	{"{{ regexMatch \"(\" .Value }} {{ mustRegexMatch \"(\" .Value }}", FAILS},
	{"{{ regexReplaceAll \"x*\" \"abc\" \"-\" }} {{ regexReplaceAll \"\" \"a\303\251\" \"-\" }} {{ regexQuoteMeta \"a.b*c[d]\" }}", "-a-b-c- -a-\303\251- a\\.b\\*c\\[d\\]"},
	{"{{ Hash \"salt\" .n }}", "bcb1e322023809b1584decde56485271d7c4bb68fdd9e1c3cd2566e2440eb791"},
	{"{{ Sha2Hash \"salt\" .n }}", "8f732f87457510d9afc66edce74224f228c9608ce90bf7e64a1dfc7010f87ea5"},
	{"{{ sha1sum .n }}", "0716d9708d321ffb6a00818614779e779925365c"},
	{"{{ sha512sum .n }}", "dc2de67eb248dcdc50c63aabd1bca8335ad01106dd8ff720590077c161f558a7b61db3c56b3a32997597a3db98fd191c3e9e7fdf555aac1525f0b5342cac4088"},
	{"{{ adler32sum .Value }}", "688456911"},
	{"{{ sha256sum \"\" }}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"{{ b64enc .Value }}", "SGVsbG8sIFdvcmxkIDQy"},
	{"{{ b64dec \"aGk=\" }}", "hi"},
	{"{{ b64dec \"%%\" }}", "illegal base64 data at input byte 0"},
	{"{{ b32enc .Value }}", "JBSWY3DPFQQFO33SNRSCANBS"},
	{"{{ b32dec \"NBUQ====\" }}", "hi"},
	{"{{ b32dec \"1\" }}", "illegal base32 data at input byte 0"},
	{"{{ b32dec \"NBUQ\" }}", "illegal base32 data at input byte 0"},
	{"{{ b32dec \"NBUQ===\" }}", "illegal base32 data at input byte 7"},
	{"{{ b32dec \"NBUQ=A==\" }}", "illegal base32 data at input byte 4"},
	{"{{ b32dec \"NB\" }}", "illegal base32 data at input byte 0"},
	{"{{ b32dec \"N=======\" }}", "illegal base32 data at input byte 1"},
	{"{{ b32dec \"NBUQ====NBUQ====\" }}", "illegal base32 data at input byte 4"},
	{"{{ b32dec \"NBUQNBUQA\" }}", "illegal base32 data at input byte 8"},
	{"{{ b32dec \"nbuq====\" }}", "illegal base32 data at input byte 0"},
	{"{{ b32dec \"NB=Q====\" }}", "illegal base32 data at input byte 2"},
	{"{{ b32dec \"=BUQ====\" }}", "illegal base32 data at input byte 0"},
	{"{{ snakecase \"FirstName\" }}", "first_name"},
	{"{{ snakecase \"HTTPServer\" }}", "http_server"},
	{"{{ snakecase \"GO PATH\" }}", "go_path"},
	{"{{ snakecase \"http2xx\" }}", "http_2xx"},
	{"{{ snakecase \"HTTP20xOK\" }}", "http_20x_ok"},
	{"{{ snakecase \"Duration2m3s\" }}", "duration_2m3s"},
	{"{{ snakecase \"Bld4Floor3rd\" }}", "bld4_floor_3rd"},
	{"{{ snakecase \"\" }}", ""},
	{"{{ snakecase \"a.b,c!D\" }}", "a.b,c!d"},
	{"{{ snakecase \"\305\275lut\303\275K\305\257\305\210\" }}", "\305\276lut\303\275_k\305\257\305\210"},
	{"{{ snakecase \"__x__\" }}", "__x__"},
	{"{{ snakecase \"A\" }}", "a"},
	{"{{ snakecase \"a1\" }}", "a1"},
	{"{{ snakecase \"1a\" }}", "1a"},
	{"{{ snakecase \"A1B2\" }}", "a1_b2"},
	{"{{ camelcase \"some_words\" }}", "SomeWords"},
	{"{{ camelcase \"http_server\" }}", "HttpServer"},
	{"{{ camelcase \"_complex__case_\" }}", "_Complex_Case_"},
	{"{{ camelcase \"GOLANG_IS_GREAT\" }}", "GolangIsGreat"},
	{"{{ camelcase \"a\" }}", "A"},
	{"{{ camelcase \"\" }}", ""},
	{"{{ camelcase \"_\" }}", "__"},
	{"{{ camelcase \"some words-here\" }}", "SomeWordsHere"},
	{"{{ camelcase \"fooBar\" }}", "FooBar"},
	{"{{ kebabcase \"FirstName\" }}", "first-name"},
	{"{{ kebabcase \"HTTPServer\" }}", "http-server"},
	{"{{ kebabcase .camel }}", "http-server-name-2xx"},
	{"{{ kebabcase .snake }}", "some-snake-case-text"},
	{"{{ snakecase .Value }}", "hello,_world_42"},
	{"{{ snakecase .uni }}", "\305\276lu\305\245ou\304\215k\303\275_k\305\257\305\210_\307\206_\303\237_i"},
	{"{{ snakecase .bad }}", "a\377b\303"},
	{"{{ urlParse .url | toJson }} {{ (urlParse .url).hostname }} {{ urlJoin (urlParse .url) }} {{ urlJoin (dict \"scheme\" \"http\" \"host\" \"h:1\" \"path\" \"/a b\" \"query\" \"q\" \"fragment\" \"f g\" \"userinfo\" \"u:p\") }}", "{\"fragment\":\"frag x\",\"host\":\"example.com:8080\",\"hostname\":\"example.com\",\"opaque\":\"\",\"path\":\"/p/a/th\",\"query\":\"q=1\\u0026r=2\",\"scheme\":\"https\",\"userinfo\":\"user:pa%20ss\"} example.com https://user:pa%20ss@example.com:8080/p/a/th?q=1&r=2#frag%20x http://u:p@h:1/a%20b?q#f%20g"},
	{"{{ urlParse \"mailto:x@y\" | toJson }}", "{\"fragment\":\"\",\"host\":\"\",\"hostname\":\"\",\"opaque\":\"x@y\",\"path\":\"\",\"query\":\"\",\"scheme\":\"mailto\",\"userinfo\":\"\"}"},
	{"{{ urlParse \"//h/p\" | toJson }}", "{\"fragment\":\"\",\"host\":\"h\",\"hostname\":\"h\",\"opaque\":\"\",\"path\":\"/p\",\"query\":\"\",\"scheme\":\"\",\"userinfo\":\"\"}"},
	{"{{ urlParse \"a/b?c#d\" | toJson }}", "{\"fragment\":\"d\",\"host\":\"\",\"hostname\":\"\",\"opaque\":\"\",\"path\":\"a/b\",\"query\":\"c\",\"scheme\":\"\",\"userinfo\":\"\"}"},
	{"{{ urlParse \"\" | toJson }}", "{\"fragment\":\"\",\"host\":\"\",\"hostname\":\"\",\"opaque\":\"\",\"path\":\"\",\"query\":\"\",\"scheme\":\"\",\"userinfo\":\"\"}"},
	{"{{ urlParse \"http://[::1]:80/x\" | toJson }}", "{\"fragment\":\"\",\"host\":\"[::1]:80\",\"hostname\":\"::1\",\"opaque\":\"\",\"path\":\"/x\",\"query\":\"\",\"scheme\":\"http\",\"userinfo\":\"\"}"},
	{"{{ urlParse \"http://a b/\" }}", FAILS},
	{"{{ urlParse \":x\" }}", FAILS},
	{"{{ urlParse \"http://h:x/\" }}", FAILS},
	{"{{ urlParse \"%zz\" }}", FAILS},
	{"{{ urlParse \"a:b:c\" | toJson }} {{ urlParse \"/a%20b?x=%zz\" | toJson }} {{ urlParse \"http://h?x\" | toJson }} {{ urlParse \"http://h/?\" | toJson }}", "{\"fragment\":\"\",\"host\":\"\",\"hostname\":\"\",\"opaque\":\"b:c\",\"path\":\"\",\"query\":\"\",\"scheme\":\"a\",\"userinfo\":\"\"} {\"fragment\":\"\",\"host\":\"\",\"hostname\":\"\",\"opaque\":\"\",\"path\":\"/a b\",\"query\":\"x=%zz\",\"scheme\":\"\",\"userinfo\":\"\"} {\"fragment\":\"\",\"host\":\"h\",\"hostname\":\"h\",\"opaque\":\"\",\"path\":\"\",\"query\":\"x\",\"scheme\":\"http\",\"userinfo\":\"\"} {\"fragment\":\"\",\"host\":\"h\",\"hostname\":\"h\",\"opaque\":\"\",\"path\":\"/\",\"query\":\"\",\"scheme\":\"http\",\"userinfo\":\"\"}"},
	{"{{ list 1 2 3 | join \"-\" }}", "1-2-3"},
	{"{{ list 1 nil \"a\" | toStrings | toJson }}", "[\"1\",\"a\"]"},
	{"{{ join \",\" .n }}", "17"},
	{"{{ join \",\" nil }}", ""},
	{"{{ split \",\" .csv }}", "map[_0:a _1:b _2: _3:c]"},
	{"{{ (split \",\" .csv)._0 }}", "a"},
	{"{{ splitn \",\" 2 .csv }}", "map[_0:a _1:b,,c]"},
	{"{{ splitList \"\" \"a\303\251\" }}", "[a \303\251]"},
	{"{{ splitList \",\" \"\" | toJson }}", "[\"\"]"},
	{"{{ split \"\" \"\" | toJson }}", "{}"},
	{"{{ splitn \",\" 0 .csv | toJson }}", "{}"},
	{"{{ chunk 2 (list 1 2 3) | toJson }} {{ typeOf (chunk 2 (list 1)) }} {{ chunk 3 (list 1 2 3) | toJson }} {{ uniq (list 1 1 2 \"a\" \"a\") }} {{ without (list 1 2 3) 2 }} {{ has 2 (list 1 2) }} {{ reverse (list 1 2) }} {{ concat (list 1) (list 2) }} {{ slice (list 1 2 3) 1 2 }} {{ initial (list 1 2) }} {{ rest (list) | toJson }} {{ compact (list 0 1 \"\" \"a\") }} {{ first (list) }} {{ last .n }}", FAILS},
	{"{{ merge (dict \"a\" 1 \"b\" (dict \"c\" 1)) (dict \"a\" 2 \"b\" (dict \"d\" 2)) | toJson }}", "{\"a\":1,\"b\":{\"c\":1,\"d\":2}}"},
	{"{{ mergeOverwrite (dict \"a\" 1 \"b\" (dict \"c\" 1)) (dict \"a\" 2 \"b\" (dict \"d\" 2)) | toJson }}", "{\"a\":2,\"b\":{\"c\":1,\"d\":2}}"},
	{"{{ dig \"a\" \"b\" \"def\" (dict \"a\" (dict \"b\" 3)) }}", "3"},
	{"{{ dig \"a\" \"x\" \"def\" (dict \"a\" (dict \"b\" 3)) }}", "def"},
	{"{{ pluck \"a\" (dict \"a\" 1) (dict \"a\" 2) }}", "[1 2]"},
	{"{{ omit (dict \"a\" 1 \"b\" 2) \"a\" }}", "map[b:2]"},
	{"{{ pick (dict \"a\" 1 \"b\" 2) \"a\" \"z\" }}", "map[a:1]"},
	{"{{ values (dict \"a\" 1) }}", "[1]"},
	{"{{ dict \"a\" }}", "map[a:]"},
	{"{{ unset (dict \"a\" 1) \"a\" }}", "map[]"},
	{"{{ add \"3\" 4 \"x\" }}", "7"},
	{"{{ add 1.9 }}", "1"},
	{"{{ add \"12.34\" }}", "12"},
	{"{{ int \"0x1f\" }}", "31"},
	{"{{ int \"010\" }}", "8"},
	{"{{ int64 \"1_000\" }}", "1000"},
	{"{{ float64 \"1e3\" }}", "1000"},
	{"{{ div 7 2 }}", "3"},
	{"{{ div 1 0 }}", FAILS},
	{"{{ mod -7 3 }}", "-1"},
	{"{{ atoi \"12a\" }}", "0"},
	{"{{ atoi \"99999999999999999999\" }}", "9223372036854775807"},
	{"{{ toDecimal \"777\" }}", "511"},
	{"{{ toDecimal 17 }}", "15"},
	{"{{ round 3.14159 2 }}", "3.14"},
	{"{{ round 2.5 0 }}", "3"},
	{"{{ round -2.5 0 }}", "-3"},
	{"{{ round 2.6 0 0.7 }}", "2"},
	{"{{ addf 0.1 0.2 }}", "0.3"},
	{"{{ mulf 1.1 1.1 }}", "1.21"},
	{"{{ divf 1 3 }}", "0.3333333333333333"},
	{"{{ divf 10 4 2 }}", "1.25"},
	{"{{ subf 1 0.9 }}", "0.1"},
	{"{{ add1f 0.1 }}", "1.1"},
	{"{{ maxf 1 2.5 }}", "2.5"},
	{"{{ ceil 1.1 }}", "2"},
	{"{{ floor -1.1 }}", "-2"},
	{"{{ max 1 5 3 }}", "5"},
	{"{{ min }}", FAILS},
	{"{{ seq 5 }}", "1 2 3 4 5"},
	{"{{ seq 2 5 }}", "2 3 4 5"},
	{"{{ seq 0 2 10 }}", "0 2 4 6 8 10"},
	{"{{ seq 5 1 }}", "5 4 3 2 1"},
	{"{{ seq 0 }}", "1 0"},
	{"{{ until 3 }}", "[0 1 2]"},
	{"{{ untilStep 10 0 -3 }}", "[10 7 4 1]"},
	{"{{ untilStep 0 10 0 }}", "[]"},
	{"{{ seq }}", ""},
	{"{{ seq 5 -2 0 }}", "5 3 1"},
	{"{{ seq -3 }}", "1 0 -1 -2 -3"},
	{"{{ substr 0 5 .Value }}", "Hello"},
	{"{{ substr -1 3 .Value }}", "Hel"},
	{"{{ substr 3 -1 .Value }}", "lo, World 42"},
	{"{{ trunc -2 .Value }}", "42"},
	{"{{ abbrev 8 .Value }}", "Hello..."},
	{"{{ abbrevboth 5 10 .Value }}", "..., Wo..."},
	{"{{ wrap 5 .Value }}", "Hello,\nWorld\n42"},
	{"{{ wrapWith 3 \"|\" .Value }}", "Hel|lo,|Wor|ld|42"},
	{"{{ indent 2 \"a\nb\" }}", REFUSED},
	{"{{ nindent 2 \"a\" }}", "\n  a"},
	{"{{ title \"hello wOrld o'neil\" }}", "Hello WOrld O'Neil"},
	{"{{ untitle \"Hello World\" }}", "hello world"},
	{"{{ swapcase .Value }}", "hELLO, wORLD 42"},
	{"{{ initials \"Foo Bar \303\251\" }}", "FB\303\203"},
	{"{{ nospace .sp }}", "pad"},
	{"{{ plural \"one\" \"many\" 1 }}", "one"},
	{"{{ cat 1 nil \"a\" }}", "1 a"},
	{"{{ quote 1 nil \"a\\\"\" }}", "\"1\" \"a\\\"\""},
	{"{{ squote \"a\" 1 }}", "'a' '1'"},
	{"{{ repeat 3 \"ab\" }}", "ababab"},
	{"{{ repeat -1 \"a\" }}", FAILS},
	{"{{ Replace .Value \"o\" \"0\" 1 }}", "Hell0, World 42"},
	{"{{ Replace \"abc\" \"\" \"-\" -1 }}", "-a-b-c-"},
	{"{{ Replace \"abc\" \"\" \"-\" 2 }}", "-a-bc"},
	{"{{ Replace \"\" \"\" \"-\" -1 }}", "-"},
	{"{{ Replace .Value \"zz\" \"y\" -1 }}", "Hello, World 42"},
	{"{{ replace \"\" \"-\" \"\303\251\" }}", "-\303\251-"},
	{"{{ Trim \"  xxabcxx \" \" x\" }}", "abc"},
	{"{{ TrimLeft \"\303\251a\" \"\303\251\" }}", "a"},
	{"{{ typeOf .n }}", "string"},
	{"{{ typeOf . }}", "map[string]interface {}"},
	{"{{ typeOf 1 }}", "int"},
	{"{{ typeOf (int64 1) }}", "int64"},
	{"{{ typeOf 1.0 }}", "float64"},
	{"{{ typeOf nil }}", "<nil>"},
	{"{{ kindOf (list) }}", "slice"},
	{"{{ kindOf now }}", "struct"},
	{"{{ typeOf now }}", "time.Time"},
	{"{{ typeIs \"string\" .n }}", "true"},
	{"{{ kindIs \"map\" . }}", "true"},
	{"{{ typeIsLike \"x\" 1 }}", "false"},
	{"{{ deepEqual (list 1) (list 1) }}", "true"},
	{"{{ typeOf (splitList \",\" \"a\") }}", "[]string"},
	{"{{ kindOf nil }}", "invalid"},
	{"{{ default \"d\" .missing }}", "d"},
	{"{{ default \"d\" \"\" }}", "d"},
	{"{{ default \"d\" 0 }}", "d"},
	{"{{ \"\" | default \"x\" }}", "x"},
	{"{{ empty nil }}", "true"},
	{"{{ coalesce 0 \"\" \"z\" }}", "z"},
	{"{{ coalesce }}", "<no value>"},
	{"{{ all 1 0 }}", "false"},
	{"{{ any 0 1 }}", "true"},
	{"{{ all }}", "true"},
	{"{{ ternary \"y\" \"n\" true }}", "y"},
	{"{{ fail \"x\" }}", FAILS},
	{"{{ base .path }}", "file.tar.gz"},
	{"{{ dir .path }}", "/a/c"},
	{"{{ clean .path }}", "/a/c/file.tar.gz"},
	{"{{ ext .path }}", ".gz"},
	{"{{ isAbs .path }}", "true"},
	{"{{ clean \"\" }}", "."},
	{"{{ clean \"../../a\" }}", "../../a"},
	{"{{ clean \"/../a//b/./c/..\" }}", "/a/b"},
	{"{{ dir \"a\" }}", "."},
	{"{{ dir \"/a\" }}", "/"},
	{"{{ base \"/\" }}", "/"},
	{"{{ base \"\" }}", "."},
	{"{{ ext \"a\" }}", ""},
	{"{{ osBase .path }}", "file.tar.gz"},
	{"{{ clean \"a/../..\" }}", ".."},
	{"{{ clean \"./../a\" }}", "../a"},
	{"{{ upper .uni }}", "\305\275LU\305\244OU\304\214K\303\235 K\305\256\305\207 \307\204 \303\237 \304\260"},
	{"{{ lower .uni }}", "\305\276lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 i"},
	{"{{ title .uni }}", "\305\275lu\305\245ou\304\215k\303\275 K\305\257\305\210 \307\205 \303\237 \304\260"},
	{"{{ swapcase .uni }}", "\305\276LU\305\244OU\304\214K\303\235 K\305\256\305\207 \307\205 \303\237 i"},
	{"{{ upper .bad }}", "A\357\277\275B\357\277\275"},
	{"{{ trim .bad }}", "a\377b\303"},
	{"{{ len .bad }}", "4"},
	{"{{ quote .bad }}", "\"a\\xffb\\xc3\""},
	{"{{ printf \"%q\" .bad }}", "\"a\\xffb\\xc3\""},
	{"{{ title .bad }}", "A\357\277\275b\357\277\275"},
	{"{{ ToUpper .missing }}", FAILS},
	{"{{ .missing | default \"x\" | ToUpper }}", "X"},
	{"{{ ToUpper 3 }}", FAILS},
	{"{{ trunc \"a\" \"b\" }}", FAILS},
	{"{{ index (list 1) 5 }}", FAILS},
	{"{{ index . 5 }}", FAILS},
	{"{{ range .n }}{{ end }}", FAILS},
	{"{{ range nil }}{{ end }}", FAILS},
	{"{{ range $k, $v := dict \"b\" 1 \"a\" 2 }}{{ $k }}{{ $v }}{{ end }}", "a2b1"},
	{"{{ range $i, $v := list }}{{ else }}empty{{ end }}", "empty"},
	{"{{ with $x := .n }}{{ $x }}{{ . }}{{ end }}{{ $x := 2 }}{{ $x }}", "17172"},
	{"{{ $x, $y := 1 }}", REFUSED},
	{"{{ $x = 1 }}", FAILS},
	{"{{ range $x, $y, $z := . }}{{ end }}", REFUSED},
	{"{{ define \"x\" }}{{ end }}{{ define \"x\" }}a{{ end }}{{ template \"x\" }}", "a"},
	{"{{ define \"x\" }}b{{ end }}{{ define \"x\" }}a{{ end }}{{ template \"x\" }}", REFUSED},
	{"{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}", REFUSED},
	{"{{ template \"pipeline_template\" . }}", FAILS},
	{"{{ 1 -}}  x  {{- 2 }}", "1x2"},
	{"{{-1}} {{- 1 -}} {{ -1}} {{1-}}", REFUSED},
	{"{{ \"a\" \"b\" }}", FAILS},
	{"{{ .n.m }} ", FAILS},
	{"{{ \"x\".y }}", REFUSED},
	{"{{ (print \"a\").y }}", FAILS},
	{"{{ printf \"%s\" (print 1 | print 2) }}", "21"},
	{"{{ true }} {{ false | not }} {{ not }}", FAILS},
	{"{{ slice \"abc\" 1 2 }}", FAILS},
	{"{{ hello }} {{ (dict \"a\" (dict \"b\" 5)).a.b }} {{ $.n }} {{ $ | typeOf }}", "Hello! 5 17 map[string]interface {}"},
	{"{{ $d := dict }}{{ $_ := set $d \"a\" 1 }}{{ $_ = set $d \"b\" $d.a }}{{ $d }}", "map[a:1 b:1]"},
	{"{{ .Value | printf \"%s-%s\" \"a\" }} {{ .n | int | add 3 }} {{ list \"b\" \"a\" | sortAlpha | join \",\" }}", "a-Hello, World 42 20 a,b"},
	{"{{ print now }}", "2023-11-14 22:13:20.123456789 +0000 UTC"},
	{"{{ now | quote }}", "\"2023-11-14 22:13:20.123456789 +0000 UTC\""},
	{"{{ now | toString }}", "2023-11-14 22:13:20.123456789 +0000 UTC"},
	{"{{ printf \"%v %s %q\" now now now }}", "2023-11-14 22:13:20.123456789 +0000 UTC 2023-11-14 22:13:20.123456789 +0000 UTC \"2023-11-14 22:13:20.123456789 +0000 UTC\""},
	{"{{ print 1 now 2 }}", "1 2023-11-14 22:13:20.123456789 +0000 UTC 2"},
	{"{{ (now).Format \"2006-01\" }} {{ now.UnixNano }} {{ now.Hour 1 }}", FAILS},
	{"{{ $t := now }}{{ $t.Format \"15\" }} {{ \"15:04\" | $t.Format }} {{ $t.Minute }} {{ $t.Nope }}", FAILS},
	{"{{ merge (dict \"a\" nil) (dict \"a\" 1 \"b\" nil \"c\" (list)) | toJson }} {{ mergeOverwrite (dict \"a\" 1 \"b\" (list 1)) (dict \"a\" nil \"b\" (list)) | toJson }}", "{\"a\":1,\"c\":[]} {\"a\":null,\"b\":[]}"},
	{"{{ $x := toStrings (sortAlpha (list \"b\" \"a\" \"\" nil)) | dict \"\" (contains .Entry \" \") .level }}", ""},
	{"a{{-  range $e := 3 }}{{ . }};{{ end }}{{ omit (dict \"10\" (list \"abc\" (dict) \"string\")) (snakecase .f) }}", "a0;1;2;map[10:[abc map[] string]]"},
	{"{{ range 3 }}{{ if . }}{{ continue }}{{ end }}n{{ else }}none{{ end }}{{-  len (initial (list)) }}", "n0"},
	{"{{ range $e := (initial (until -2)) }}{{ $e = append (list 1 2 3) $.n }}{{ $e }}{{ duration 0x10 }}{{ end }}", "[1 2 3 17]0s"},
	{"{{ lt .n .level }}{ }", "true{ }"},
	{"{{ .level }}", "WARN"},
	{"{{ unset (dict .f (lt .json \"\")) (quote (hasPrefix \"string\" .f))  -}}{{ lower (replace \"a,b,c\" \"a,b,c\" .n) }}", "map[3.75:false]17"},
	{"{{ dict .camel \"\" }}{ }text ", "map[HTTPServerName2xx:]{ }text "},
	{"{{-  or \"k\" nil  -}}{{ .camel }}", "kHTTPServerName2xx"},
	{"{{ kindOf .neg | omit (mergeOverwrite (unset . \"k\") (split .ts .url))  -}}", FAILS},
	{"{{-  .bad }}{ }", "a\377b\303{ }"},
	{"{{ .uni }}", "\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260"},
	{"{{-  .snake | hasSuffix \"\303\251\\tx\"  -}}", "false"},
	{"{{-  $x := .url }}", ""},
	{"{{ .sp  -}}a", "  \t pad \na"},
	{"{{ $x := mustRegexMatch \"x*\" \"\303\251\\tx\"  -}}{{-  $y := typeIs \"\303\251\\tx\" (Trim \"a,b,c\" \"\\u00fcber Ma\303\237\")  -}}{{ print (split .Value .uni) .n }}", "map[_0:\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260]17"},
	{"{{ deepCopy (pick (mergeOverwrite . (dict \"a\" (dict \"x\" 1) \"k\" \"\")) \"\" .neg) }}{{ $y := deepCopy (dict .missing 1_000) | mustToJson }}", "map[]"},
	{"{{-  .Value | isAbs  -}}a x\n", "falsea x\n"},
	{"{{ gt .f \"a,b,c\" | sortAlpha }}a", "[false]a"},
	{"{ }{{ len (list 1e3 (gt \"\" .url) 2) }}", "{ }3"},
	{"  \n\t", "  \n\t"},
	{"{{-  .csv }}{{-  b64enc \"k\" }}", "a,b,,caw=="},
	{"{{ $x := toPrettyJson \" \" }}{{ add .url (regexSplit \"(a)(b)?\" (title \"a,b,c\") 2) }}", "0"},
	{"{{ .f }}  \n\t", "3.75  \n\t"},
	{"{{-  camelcase \"\" | regexReplaceAll \"l+\" (TrimRight (cat .snake .Entry true) .f) | toDecimal }}{{ divf (biggest (sortAlpha (list \"b\" \"a\" \"\" nil)) \"\303\251\\tx\" (Replace .bad \"UTC\" $.n -1)) \"3.7\" }}", "00"},
	{"{{ define \"T\" }}<{{ .n }}>{{ end }}{{ .uni }}{{ template \"T\" . }}", "\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260<17>"},
	{"{{-  fromJson \"\303\251\\tx\"  -}}", "<no value>"},
	{"{{ $.Value }}  \n\t", "Hello, World 42  \n\t"},
	{"{{ dateInZone \"2006-01-02\" (toDate \"2006-01-02\" \"2024-02-29\") .n }}{{ $y := .url }}", "2024-02-29"},
	{"{{-  .url }}{{ $y := initials (toRawJson 1)  -}}{ }", "https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x{ }"},
	{"{{-  with regexQuoteMeta (untitle \"\") }}{{ . }}{{-  end  -}}{{-  range $e := (deepCopy (dict)) }}{{ . }};{{ end }}", ""},
	{"{{-  dict .ts (dict .path (list)) }}", "map[2024-05-06T07:08:09Z:map[/a/b/../c/file.tar.gz:[]]]"},
	{"{{ rest (initial (uniq (list \"b\" \"a\" \"\" nil))) | toPrettyJson }}", "[\n  \"a\",\n  \"\"\n]"},
	{"{{ define \"T\" }}<{{ $ }}>{{ end }}{{ last (append (uniq (list 1 \"1\" 2.5 true)) 0x10) }}{{ template \"T\" (list 1 2) }}", "16<[1 2]>"},
	{"%", "%"},
	{"{{ $y := .level }}{{ .Value }}", "Hello, World 42"},
	{"  \n\t{{ max (uniq (without (list) (splitList \",\" .csv))) .csv }}", "  \n\t0"},
	{"{{ $y := sha1sum .level | adler32sum  -}}", ""},
	{"a{{ with dict \",\" (uniq (list 1 2 3))  -}}{{ . }}{{-  else  -}}{{ .csv }}{{ TrimRight .ts $.n | dict \"WARN\" (round .Entry 2) \"a b  c d\"  -}}{{ end }}text ", "amap[,:[1 2 3]]text "},
	{"{{-  $.Value }}", "Hello, World 42"},
	{"{{-  ceil .neg | durationRound | toRawJson }}", "\"0s\""},
	{"{{-  with .json }}{{ . }}{{ else }} x\n{{-  .Value | and $.n }}{{-  minf (list) .Value }}{{ end }}{{-  splitn $.n -3 .Entry }}", "{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21}map[_0:an entry line \"q\" <tag>]"},
	{" x\n  \n\t", " x\n  \n\t"},
	{"{{ squote 0x10 }}", "'16'"},
	{" x\n", " x\n"},
	{"text ", "text "},
	{"{{ range $e := (regexFindAll \"(?i)w\" (quote nil) -1) }}{{ if . }}{{ continue }}{{ end }}n{{ end }}{ }", "{ }"},
	{"{{ .camel }}", "HTTPServerName2xx"},
	{"text {{ maxf .camel (float64 .empty) }}", "text 0"},
	{"{{ $.Value }} x\n", "Hello, World 42 x\n"},
	{"{{ with ceil .missing }}{{ .a }}{{ end  -}}", ""},
	{"{{ initials|.neg }}{{ $.Value | regexSplit \"\" \"UTC\" | title  -}}", FAILS},
	{"{{ .sp }}", "  \t pad \n"},
	{"{{-  $y := .bad }}", ""},
	{"{{-  if nindent 1 \" \" | ext }}{{ pluck .url (mergeOverwrite (splitn \"a,b,c\" 0 \"10\") (dict `raw` (dict \"a\" 1 \"b\" \"two\"))) (dict (regexFind \"x*\" \"a,b,c\") (len (dict))) }}%{{ end  -}}%{{-  splitn .ts -1 .Value }}", "%map[_0:Hello, World 42]"},
	{" x\n{{ b32enc (ToLower .camel) | regexFind \"(?i)w\" }}{{ b32dec $.n  -}}", " x\nWillegal base32 data at input byte 0"},
	{"{{-  $.n }}{{ if empty (dict .empty (dict \"a\" (dict \"x\" 1) \"k\" \"\")) }}{{ with .Entry  -}}{{ .a }}{{ end }}a{{ end  -}}", "17"},
	{"{{-  mulf \"a b  c d\" .ts }}{{-  if .level }}{{-  $y := b32dec .url }}{{ .n }} x\n{{ end }}{{ range $e := (deepCopy (fromJson .json))  -}}{{ . }};{{ end  -}}", "017 x\nmap[b:[1 2.5 x <nil> true]];v;1e+21;"},
	{"{{ empty 0x10 | uniq }}text ", FAILS},
	{"{{ int (splitList (print true (dict \"a\" (dict \"x\" 1) \"k\" \"\")) \" \")  -}}text ", "0text "},
	{"{{ .empty }}{{ trunc 2 .level }}", "WA"},
	{"{{-  $.Value }}{{ urlParse \"a b  c d\" }}", "Hello, World 42map[fragment: host: hostname: opaque: path:a b  c d query: scheme: userinfo:]"},
	{"{{-  seq 5 }}", "1 2 3 4 5"},
	{"{{-  $x := pluck $.n (urlParse \"abc\") (mergeOverwrite (dict) (fromJson .json))  -}}", ""},
	{"{{ .f | subf 0x10 }}{{ .path }}", "12.25/a/b/../c/file.tar.gz"},
	{"a{{-  $.n | eq .empty  -}}", "afalse"},
	{"{{-  pluck \"string\" (merge (deepCopy (dict)) (dict \"0x1f\" (until 4))) (dict .json (dict .snake (dict)))  -}}{{ dict .csv (append (prepend (splitList \",\" .csv) `raw`) .n) }}", "[]map[a,b,,c:[raw a b  c 17]]"},
	{"%{{ if maxf .neg .url }}{{ mustToJson (uniq (until -2)) }}{{ regexMatch \"(\" $.n | slice (append (toStrings (list 1 2 3)) (hasSuffix .n .path))  -}}{{-  end  -}}", "%"},
	{"{{ floor \"UTC\" }}{{ .ts  -}}", "02024-05-06T07:08:09Z"},
	{"{{ with .Value }}{{ . }}{{ end  -}}", "Hello, World 42"},
	{"%text ", "%text "},
	{"{{ rest (reverse (rest (list 1 \"1\" 2.5 true))) }}", "[2.5 1]"},
	{"{{ range $i, $e := (concat (without (splitList \",\" .csv) .snake) (tuple (until 4) .Value)) }}{{ if . }}{{ continue }}{{ end }}n{{ else  -}}none{{ end  -}}{{-  abbrevboth 10 1 (b64dec (nindent 2 .level))  -}}", "nillegal base64 data at input byte 1"},
	{" x\n x\n", " x\n x\n"},
	{"{{ .sp | regexMatch \"(a)(b)?\"  -}}", "true"},
	{"a", "a"},
	{"{{-  .json  -}} x\n", "{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21}x\n"},
	{"{{ regexFind `\\d+` \"UTC\"  -}}", ""},
	{"{{ define \"T\" }}<{{ . }}>{{ end }}{{ with .missing  -}}{{ .a }}{{ end  -}}{{-  $x := upper .Entry  -}}{{ template \"T\" .Value }}", "<Hello, World 42>"},
	{"atext ", "atext "},
	{"{{ b32dec \"abc\" }}{{-  print \"Europe/Berlin\" (hasSuffix \"a b  c d\" .url) }}", "illegal base32 data at input byte 0Europe/Berlinfalse"},
	{"{{ abbrevboth 1 -1 .uni | sha1sum | ext }}", ""},
	{"{{ .path }}{{ $x := b32dec (TrimLeft .Entry \"Europe/Berlin\") }}", "/a/b/../c/file.tar.gz"},
	{"{{ .json }}", "{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21}"},
	{"{{ define \"T\" }}<{{ . }}>{{ end }}{{-  range $e := 3 }}{{ if . }}{{ continue }}{{ end }}n{{ end }}{{ floor (uniq (concat (list \"b\" \"a\" \"\" nil) (list 1 2 3))) }}{{ template \"T\" .Value }}", "n0<Hello, World 42>"},
	{"%{{ hasPrefix .path \"Europe/Berlin\"  -}}", "%false"},
	{"{{ $x := regexFin|All \"\" (without (list) -7) 5  -}}{{ floor $x | html | seq 5 3  -}}", REFUSED},
	{"{{-  .ts | sha1sum }}a", "e99c003133fcda5f475f6b04e8ec3e9a6004b0bfa"},
	{"{{ toDecimal \"17\" }}", "15"},
	{"{{ dict .snake (splitn \"0x1f\" 0 .bad) | add1f }}", "1"},
	{"{{ .ts }}", "2024-05-06T07:08:09Z"},
	{"{{ round `raw` 2 }}text ", "0text "},
	{"{{ define \"T\" }}<{{ . }}>{{ end }}{{ title .empty  -}}{{ .ts }}{{-  $x := unset (merge (dict \"a\" 1 \"b\" \"two\") .) (TrimSpace .f) }}{{ template \"T\"  }}", "2024-05-06T07:08:09Z<<no value>>"},
	{"%{{ range $i, $e := (reverse (splitList .path .sp)) }}{{ if . }}{{ continue }}{{ end }}n{{ end  -}}", "%"},
	{"{{ $x := set (split \"a\" .json) \"WARN\" 'a' | upper | adler32sum  -}} x\ntext ", FAILS},
	{"{{ print \"\303\251\\tx\" (int 1) | dict \"3.7\"  -}}", "map[3.7:\303\251\tx1]"},
	{"{{ chunk 1 (concat (uniq (list \"b\" \"a\" \"\" nil)) (sortAlpha (list 1 2 3))) }}", "[[b] [a] [] [<nil>] [1] [2] [3]]"},
	{"{{ ext .bad  -}}", ""},
	{"{{ $y := .Value }}", ""},
	{"{{-  clean .path | regexQuoteMeta  -}}{ }", "/a/c/file\\.tar\\.gz{ }"},
	{"{{ if dateInZone \"2006-01-02T15:04:05Z07:00\" (dateModify \"-26h\" now) .Value | println \"17\" }}{{ mustToJson \"3.7\" }}a{{ end  -}}a{{ abbrevboth 10 -1 .snake | fromJson }}", "\"3.7\"aa<no value>"},
	{"{{ .neg | plural $.Value \"\\u00fcber Ma\303\237\" | regexFind \"x*\" }}", FAILS},
	{"{{-  if .empty  -}}a{{ else }}%{{-  end }}{{-  range $i, $e := (splitn \"10\" 2 .url) }}{{ if . }}{{ continue }}{{ end }}n{{ else }}none{{ end  -}}", "%"},
	{"{{ merge (dict .uni (contains \"\\u00fcber Ma\303\237\" .snake)) (merge (merge (dict \"a\" (dict \"x\" 1) \"k\" \"\") (dict \"a\" (dict \"x\" 1) \"k\" \"\")) (pick . \"a b  c d\" \"Europe/Berlin\")) }}", "map[a:map[x:1] k: \305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260:false]"},
	{"{{ .path  -}}{{ date \"Jan _2 Mon 3PM\" 1700000000  -}}", "/a/b/../c/file.tar.gzNov 14 Tue 10PM"},
	{"{{ range $i, $e := (dict \"a b  c d\" (list)) }}{{ . }};{{-  else  -}}none{{ end }}", "[];"},
	{"  \n\t{{-  splitn \"abc\" 5 (repeat 2 .ts)  -}}", "map[_0:2024-05-06T07:08:09Z2024-05-06T07:08:09Z]"},
	{"{{ range $e := (dict .csv (until 4)) }}{{ . }};{{ else }}none{{ end  -}}", "[0 1 2 3];"},
	{"{{-  range $e := (pick (dict \"a\" 1 \"b\" \"two\") \"_0\" .empty)  -}}{{ . }}{{ if eq . 2 }}{{ break }}{{ end }}{{-  else }}none{{ end }}", "none"},
	{"{{ .f }}{{ .url }}{{ range (append (toStrings (list 1 \"1\" 2.5 true)) 0) }}{{ if . }}{{ continue }}{{ end }}n{{-  end }}", "3.75https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20xn"},
	{"{{ with dict .csv (splitList .Value \"WARN\") }}{{ range $e := (split (Trim \",\" \"k\") \" \") }}{{ . }};{{-  else  -}}none{{ end }}{{ else  -}}{{ get (dict \"_0\" .uni) \"a\" | regexFind \"x*\"  -}}{{ kindOf \"Europe/Berlin\"  -}}{{ end }}", " ;"},
	{"{{-  sub (slice (prepend (until 4) $.Value) 1) 2.5 | cat (or .path (ne false \"17\")) \"10\" }}", "/a/b/../c/file.tar.gz 10 -2"},
	{"{{ prepend (untilStep -2 5 1) (compact (untilStep -4 0 1))  -}}", "[[-4 -3 -2 -1] -2 -1 0 1 2 3 4]"},
	{"{{ .missing }}{{ uniq (toStrings (uniq (list 1 \"1\" 2.5 true)))  -}}", "<no value>[1 2.5 true]"},
	{"{{ swapcase $.n | upper }}%{{-  .neg  -}}", "17%-5"},
	{"{{ and .snake .csv | dict .url }}{{ trimPrefix (toString 1_000) (regexReplaceAll \"l+\" .level .url) }} x\n", "map[https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x:a,b,,c]WARN x\n"},
	{"{{-  mulf (squote (empty false)) \"WARN\" }}", "0"},
	{"{(}", "{(}"},
	{" x\n{{ atoi (camelcase \"_0\") }}", " x\n0"},
	{"{{-  ne (regexReplaceAll \"x*\" \"$1x${0}\" (print true \" \"))  -}}", FAILS},
	{"{{ .url | any (prepend (regexFindAll `\\d+` .snake 7) \"UTC\") }}{{-  $x := TrimRight .Entry .sp  -}}{{ join .level (until 5) }}", "true0WARN1WARN2WARN3WARN4"},
	{"{{-  b32dec .Entry }}text {{ clean .missing }}", FAILS},
	{"{{ define \"T\" }}<{{ $ }}>{{ end }}{{ unset (dict .sp (regexSplit \"\" \"string\" -3)) (sha512sum .f)  -}}{{ template \"T\" .Value }}", "map[  \t pad \n:[s t r i n g]]<Hello, World 42>"},
	{"{{ .f }}{{-  toRawJson .url }}", "3.75\"https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x\""},
	{"a{{ if regexFind \"[a-z]+\" .sp }}{{ $x := .json }}{{ with Trim (toJson \"\") .json }}{{ . }}{{-  else }}{{ typeOf \"17\" }}{{ end }}{{ else if .missing }}{{ with list .sp \"17\" .ts }}%{{-  end }}{{ else }} x\na{{ end }}", "astring"},
	{"{{-  range (add1 (split $.n .ts)) }}{{ if . }}{{ continue }}{{ end }}n{{-  else  -}}none{{ end }}{{ range $i, $e := (urlParse \"$1x${0}\") }}{{ if . }}{{ continue }}{{ end }}n{{ end }}", "nnnnnnnn"},
	{"{{-  index (prepend (tuple \",\" $.n) (len \"a b  c d\")) 0  -}}{{ unixEpoch 0 | addf \"17\" }}", FAILS},
	{"{{ sha512sum \"\\u00fcber Ma\303\237\"  -}}", "bb2bf490dd75879923f8a889d52b511e5a89e300ffb51ab29bf50920b0255cf4628ab90a57b19ee53c83f8750fd2b2ea87e0a30faf1c24fdbf17d57ccbb72787"},
	{"{ }{{-  trimSuffix (regexQuoteMeta .uni) \"a b  c d\" }}", "{ }a b  c d"},
	{"{{ .n | indent 2 }}{{ .Value  -}}", "  17Hello, World 42"},
	{"{{ seq 5 2 -4  -}}", ""},
	{"{{ .uni  -}}{{ .path }}{{-  html -3 | trimall .level }}", "\305\275lu\305\245ou\304\215k\303\275 k\305\257\305\210 \307\206 \303\237 \304\260/a/b/../c/file.tar.gz-3"},
	{"{{-  regexSplit \"\" .uni 0 }}a", "[]a"},
	{"{{ trimall (wrap -1 (last (splitList \",\" .csv))) .url }}a  \n\t", "https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20xa  \n\t"},
	{"{{ define \"T\" }}<{{ . }}>{{ end }}%{{ template \"T\"  }}", "%<<no value>>"},
	{"{{-  .Entry }}{{-  .neg }}", "an entry line \"q\" <tag>-5"},
	{"{{ title (trimPrefix .bad .snake) }}{{-  uniq (concat (append (list) 1_000) (toStrings (list 1 \"1\" 2.5 true))) }}", "Some_snake-Case Text[1000 1 2.5 true]"},
	{"{{ replace $.n .bad (kebabcase \"k\") }}{{-  $x := replace .json \"1h30m\" \"abc\" | trunc 10  -}}a", "ka"},
	{"text {{-  .json }}", "text{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21}"},
	{"{{ kebabcase (swapcase \"a\") }}{{ if trunc 3 \"1h30m\" }}{{-  $x := .n  -}}{{-  end  -}}", "a"},
	{"  \n\t{{ len (regexSplit `\\d+` (html .camel) 10) | seq 2 3 }}", "  \n\t2"},
	{"{{ concat (untilStep 0 (list $.Value \"x\" \"\") -4) (splitList \"a,b,c\" .json) | reverse }}", FAILS},
	{"  \n\t{{ quote 0x10 }}", "  \n\t\"16\""},
	{"{{ .uni | dict (adler32sum \"0x1f\") | durationRound }}{{-  if .empty | snakecase | mul \"\" }}{{ mergeOverwrite (omit (urlParse) \"WARN\") (set (unset (fromJson .json) .ts) \",\" (urlParse $.n)) | b64dec }}{{ end }}", "0s"},
	{"{{ .n }}{{ seq 0 }}", "171 0"},
	{"{{ Trim \"a,b,c\" \" \"  -}}{{-  .csv }}", "a,b,ca,b,,c"},
	{"text {{-  set (omit (urlParse .Value) .url) .ts (default (merge (fromJson .json) (dict \"a\" (dict \"x\" 1) \"k\" \"\")) .bad) }}", "textmap[2024-05-06T07:08:09Z:a\377b\303 fragment: host: hostname: opaque: path:Hello, World 42 query: scheme: userinfo:]"},
	{"{{ ne .n .path }}", "true"},
	{"{{-  abbrev 2 .path }}{{ .url }}", "/a/b/../c/file.tar.gzhttps://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x"},
	{"{{ until 1  -}}", "[0]"},
};

static const struct {
	const char *name;
	struct str value;
} values[] = {
	{"Value", STR("Hello, World 42")},
	{"Entry", STR("an entry line \"q\" <tag>")},
	{"level", STR("WARN")},
	{"n", STR("17")},
	{"f", STR("3.75")},
	{"empty", STR("")},
	{"uni", STR("Žluťoučký kůň ǆ ß İ")},
	{"bad", STR("a\xff"
		    "b\xc3")},
	{"json", STR("{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"k\":\"v\",\"n\":1e21}")},
	{"url", STR("https://user:pa%20ss@example.com:8080/p/a%2Fth?q=1&r=2#frag%20x")},
	{"neg", STR("-5")},
	{"path", STR("/a/b/../c/file.tar.gz")},
	{"csv", STR("a,b,,c")},
	{"ts", STR("2024-05-06T07:08:09Z")},
	{"ver", STR("v1.2.3-beta.1+b5")},
	{"camel", STR("HTTPServerName2xx")},
	{"snake", STR("some_snake-case text")},
	{"sp", STR("  \t pad \n")},
};

static bool
get(void *ptr, size_t number, struct str *ret)
{
	const struct template *const *t = ptr;

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		if (str_is(template_name(*t, number), values[i].name)) {
			*ret = values[i].value;
			return true;
		}
	}
	return false;
}

static void
each(void *ptr, void (*add)(void *to, struct str name, struct str value), void *to)
{
	(void)ptr;
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		add(to, str_from(values[i].name), values[i].value);
}

struct rig {
	struct arena *arena;
	const struct template *template;
	struct template_data data;
	struct template_run *run;
};

static struct rig *
rig_new(const char *text, struct str *ret_error)
{
	struct rig *rig = mem_new(struct rig);

	rig->arena = arena_new(0);
	rig->template = template_compile(rig->arena, str_from(text), ret_error);
	rig->data = (struct template_data){.get = get, .each = each, .ptr = &rig->template, .now_ns = 1700000000123456789};
	rig->run = template_run_new();
	return rig;
}

static void
rig_free(struct rig *rig)
{
	template_run_free(rig->run);
	arena_free(rig->arena);
	mem_free(rig);
}

static void
expect(const char *text, const char *want)
{
	struct str error = STR_EMPTY, out = STR_EMPTY;
	struct rig *rig = rig_new(text, &error);

	if (rig->template == NULL) {
		if (want != REFUSED)
			fail_msg("%s: %.*s", text, STR_FMT(error));
	} else if (want == REFUSED) {
		fail_msg("%s: compiles", text);
	} else {
		/* Twice: an execution leaves nothing behind. */
		for (int i = 0; i < 2; i++) {
			bool ok = template_execute(rig->run, rig->template, &rig->data, &out);

			if (ok != (want != FAILS) || (ok && !str_is(out, want)))
				fail_msg("%s: %.*s, want %s", text, ok ? (int)out.len : (int)template_error(rig->run).len,
					ok ? out.s : template_error(rig->run).s, want == FAILS ? "a failure" : want);
		}
	}
	rig_free(rig);
}

static void
test_template__says_what_go_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(cases[i].text, cases[i].want);
}

static void
expect_refused(const char *text, const char *want)
{
	struct str error = STR_EMPTY;
	struct rig *rig = rig_new(text, &error);

	assert_null(rig->template);
	if (str_find(error, str_from(want)) < 0)
		fail_msg("%s: %.*s, want %s", text, STR_FMT(error), want);
	rig_free(rig);
}

static void
test_template__parse_errors_are_in_gos_words(void **state)
{
	(void)state;
	expect_refused("{{ .", "template: pipeline_template:1: unclosed action");
	expect_refused("a\n{{ if .n }}x", "template: pipeline_template:2: unexpected EOF");
	expect_refused("{{{.Value}}}", "template: pipeline_template:1: unexpected \"{\" in command");
	expect_refused("{{ nosuch }}", "function \"nosuch\" not defined");
	expect_refused("{{ $x }}", "undefined variable \"$x\"");
	expect_refused("{{ 1 | 2 }}", "non executable command in pipeline stage 2");
	expect_refused("{{ break }}", "{{break}} outside {{range}}");
	expect_refused("{{ \"a }}", "unterminated quoted string");
}

static void
test_template__what_is_not_pure_is_refused(void **state)
{
	static const char *const random[] = {"randAlphaNum 5", "randAlpha 5", "randAscii 5", "randNumeric 5", "randInt 1 5", "randBytes 5",
		"uuidv4", "shuffle .n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(random); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "{{ %s }}", random[i]);
		expect_refused(text, "is not available: its result is random");
	}
	expect_refused("{{ env \"HOME\" }}", "templates do not read the environment");
	expect_refused("{{ expandenv \"$HOME\" }}", "templates do not read the environment");
	expect_refused("{{ getHostByName \"x\" }}", "templates do not use the network");
	expect_refused("{{ genPrivateKey \"rsa\" }}", "is not available: it makes keys");
}

static void
test_template__executions_are_bounded(void **state)
{
	(void)state;
	expect("{{ range 100000000000 }}{{ end }}", FAILS);
	expect("{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}", FAILS);
	expect("{{ repeat 1000000000 \"abcdefgh\" }}", FAILS);
	expect("{{ $x := \"aaaaaaaa\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}", FAILS);
	expect("{{ $x := list 1 }}{{ range 60 }}{{ $x = concat $x $x }}{{ end }}", FAILS);
	expect("{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}", FAILS);
	expect("{{ range until 100000 }}0123456789abcdef{{ end }}", FAILS);
	expect("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ $d }}", FAILS);
	expect("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ toJson $d }}", FAILS);
	expect("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ deepCopy $d }}", FAILS);
	expect("{{ $x := list }}{{ range 1000000 }}{{ $x = list $x }}{{ end }}{{ $x }}", FAILS);
	expect("{{ printf \"%1000000d%1000000d\" 1 1 }}", FAILS);
	expect("{{ indent 1000000000 .n }}", FAILS);
	expect("{{ untilStep 0 9223372036854775807 1 }}", FAILS);
	expect("{{ seq 1 9223372036854775806 }}", FAILS);
}

static void
test_template__nesting_is_bounded(void **state)
{
	struct str error;
	struct rig *rig;
	char *text = mem_alloc(200000);

	(void)state;
	memset(text, '(', 100000);
	memcpy(text, "{{", 2);
	text[100000] = '\0';
	rig = rig_new(text, &error);
	assert_null(rig->template);
	rig_free(rig);
	text[0] = '\0';
	for (size_t i = 0; i < 10000; i++)
		memcpy(text + i * 11, "{{ if .n }}", 12);
	rig = rig_new(text, &error);
	assert_null(rig->template);
	rig_free(rig);
	mem_free(text);
}

/* What a line brings as an expression is compiled once, and not kept without end. */
static void
test_template__expressions_of_lines(void **state)
{
	struct str error, out;
	struct rig *rig = rig_new("{{ range until 300 }}{{ if regexMatch (print \"^\" . \"$\") \"123\" }}{{ . }}{{ end }}{{ end }}", &error);

	(void)state;
	assert_true(template_execute(rig->run, rig->template, &rig->data, &out));
	assert_true(str_is(out, "123"));
	rig_free(rig);
}

static void
test_template__names(void **state)
{
	struct str error;
	struct rig *rig = rig_new("{{ .a }}{{ .b.c }}{{ $.a }}", &error);

	(void)state;
	assert_int_equal(template_names(rig->template), 3);
	assert_true(str_is(template_name(rig->template, 0), "a"));
	assert_true(str_is(template_name(rig->template, 1), "b"));
	rig_free(rig);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template__says_what_go_says),
		cmocka_unit_test(test_template__parse_errors_are_in_gos_words),
		cmocka_unit_test(test_template__what_is_not_pure_is_refused),
		cmocka_unit_test(test_template__executions_are_bounded),
		cmocka_unit_test(test_template__nesting_is_bounded),
		cmocka_unit_test(test_template__expressions_of_lines),
		cmocka_unit_test(test_template__names),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
