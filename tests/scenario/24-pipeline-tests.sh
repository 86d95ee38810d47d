#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "a user's own pipeline tests: what is compared, what is reported, exit statuses; inspect by hand"
cd "$work" || exit 1
mkdir conf
cat >conf/app.alloy <<'END'
loki.process "app" {
	forward_to = [loki.write.w.receiver]

	stage.logfmt { mapping = {"level" = "", "n" = "count"} }
	stage.labels { values = {"level" = ""} }
	stage.drop {
		source = "level"
		value  = "debug"
	}
	stage.limit {
		rate  = 1
		burst = 1
		drop  = true
	}
	stage.structured_metadata { values = {"n" = ""} }
}
loki.write "w" { endpoint { url = "http://127.0.0.1:1/" } }
END
# ends STATUS COMMAND...
ends() {
	local status=$1
	shift
	"$@" >out.txt 2>&1 </dev/null
	is $? "$status" || { head -n 20 out.txt; return 1; }
}
cat >conf/app.test.jsonl <<'END'
{"name": "a label and metadata", "component": "loki.process.app", "in": [{"line": "level=warn count=3 msg=é", "labels": {"a": "b"}}], "out": [{"ts": "1970-01-01T00:00:00Z", "line": "level=warn count=3 msg=é", "labels": {"a": "b", "level": "warn"}, "structured_metadata": {"n": "3"}}]}

{"name": "debug is dropped", "component": "loki.process.app", "in": [{"line": "level=debug"}], "out": []}
{"name": "bytes that are no UTF-8", "component": "loki.process.app", "in": [{"line_base64": "/w=="}], "out": [{"line_base64": "/w=="}]}
{"name": "one a second, and each case begins anew", "component": "loki.process.app", "now": "2026-01-02T03:04:05Z", "in": [{"line": "1"}, {"line": "2"}, {"line": "3", "at_ms": 1500}], "out": [{"line": "1", "ts": "2026-01-02T03:04:05Z"}, {"line": "3"}]}
END
prove "the cases beside the configuration pass" ends 0 "$LONGSHIP" test conf/app.alloy
prove "four of them" grep -qx '4 passed, 0 failed' out.txt
prove "a directory is tested by what is in it" ends 0 "$LONGSHIP" test conf
prove "-v names them" ends 0 "$LONGSHIP" test -v conf/app.alloy conf/app.test.jsonl
prove "by name" grep -qx 'ok    debug is dropped' out.txt

cat >bad.jsonl <<'END'
{"name": "wrong in all", "component": "loki.process.app", "in": [{"line": "level=warn count=3", "labels": {"a": "b"}}], "out": [{"ts": "1970-01-01T00:00:01Z", "line": "level=warn count=4", "labels": {"a": "b", "level": "WARN", "x": "y"}, "structured_metadata": {}}, {"line": "more"}]}
{"name": "not compared", "component": "loki.process.app", "in": [{"line": "level=warn", "labels": {"a": "b"}}], "out": [{}]}
END
prove "what differs is 1" ends 1 "$LONGSHIP" test conf/app.alloy bad.jsonl
prove "what is left out is not compared" grep -qx '1 passed, 1 failed' out.txt
cat >want.txt <<'END'
FAIL  wrong in all  (bad.jsonl:1)
  2 entries expected, 1 came
  entry 1
    line
      want "level=warn count=4"
      got  "level=warn count=3"
    ts
      want 1970-01-01T00:00:01Z
      got  1970-01-01T00:00:00Z
    label "level"
      want "WARN"
      got  "warn"
    label "x" is missing, want "y"
    structured metadata "n" is not expected, got "3"
  entry 2 is missing: "more"
1 passed, 1 failed
END
prove "each difference is named" diff want.txt out.txt

# refused STATUS TEXT LINE: a case file of this line is refused with this text.
refused() {
	echo "$3" >one.jsonl
	ends "$1" "$LONGSHIP" test conf/app.alloy one.jsonl && grep -qF -- "$2" out.txt || { cat out.txt; return 1; }
}
prove "no JSON" refused 1 'one.jsonl:1: unexpected end of JSON' '{'
prove "no case" refused 1 'one.jsonl:1: a case is an object with' '{"name": "x"}'
prove "a misspelt field" refused 1 'did you mean "labels"?' '{"name": "x", "component": "loki.process.app", "in": [{"line": "a", "lables": {}}], "out": []}'
prove "a misspelt field of the case" refused 1 'unknown field "inn"' '{"name": "x", "component": "loki.process.app", "in": [], "out": [], "inn": 1}'
prove "a time that is none" refused 1 'entry 1 of "in": "ts" must be RFC 3339' '{"name": "x", "component": "loki.process.app", "in": [{"line": "", "ts": "now"}], "out": []}'
prove "a component that is not there" refused 1 'no component "loki.process.b"' '{"name": "x", "component": "loki.process.b", "in": [], "out": []}'
prove "a component without receivers" refused 1 'loki.write.w forwards no entries' '{"name": "x", "component": "loki.write.w", "in": [], "out": []}'
echo 'loki.process "app" { forward_to = [] stage.jsno { } }' >broken.alloy
prove "a configuration at fault" ends 1 "$LONGSHIP" test broken.alloy conf/app.test.jsonl
prove "is named with its line" grep -q 'broken.alloy:1:' out.txt
prove "no such file of cases is 1" ends 1 "$LONGSHIP" test conf/app.alloy nowhere.jsonl
: >empty.jsonl
prove "no case at all is 1" ends 1 "$LONGSHIP" test conf/app.alloy empty.jsonl
mkdir none && cp conf/app.alloy none
prove "none beside the configuration is usage" ends 2 "$LONGSHIP" test none/app.alloy
prove "no PATH is usage" ends 2 "$LONGSHIP" test
prove "an unknown flag is usage" ends 2 "$LONGSHIP" test --no-such conf/app.alloy
prove "--help is 0" ends 0 "$LONGSHIP" test --help

echo 'level=warn count=3' | "$LONGSHIP" inspect conf/app.alloy loki.process.app >out.txt
cat >want.txt <<'END'
1970-01-01T00:00:00Z {} "level=warn count=3"
  logfmt                 extracted "level" = "warn"
                         extracted "n" = "3"
  labels                 labels {level="warn"}
  structured_metadata    structured metadata {n="3"}
→ 1970-01-01T00:00:00Z {level="warn"} {n="3"} "level=warn count=3"

END
prove "inspect shows what each stage changed" diff want.txt out.txt
if command -v script >/dev/null; then
	on_terminal() { echo 'level=warn' >in.txt; script -qec "$1 '$LONGSHIP' inspect conf/app.alloy loki.process.app <in.txt" /dev/null </dev/null >out.txt; }
	on_terminal "env -u NO_COLOR"
	prove "in colour on a terminal" grep -q $'\033\\[' out.txt
	on_terminal "env NO_COLOR=1"
	plain() { ! grep -q $'\033\\[' out.txt; }
	prove "no colour with NO_COLOR" plain
fi
