#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "longship check: each fault is found, with the command that mends it; no secret is told, nothing is stored"
receiver
port=$(free_port)
# config PATTERN [further endpoint arguments]
config() {
	cat >"$work/check.alloy" <<-END
		local.file_match "m" { path_targets = [{"__path__" = "$1"}] }
		loki.source.file "f" {
			targets    = local.file_match.m.targets
			forward_to = [loki.write.w.receiver]
		}
		$(write_block w "${2:-}")
	END
}
# check STATUS TEXT [FLAGS...]: the exit status, and a line that matches
check() {
	local status=$1 text=$2
	shift 2
	"$LONGSHIP" check --storage.path="$work/store" --server.http.listen-addr="127.0.0.1:$port" "$@" "$work/check.alloy" \
		>"$work/out.txt" 2>&1 </dev/null
	is $? "$status" && grep -q -- "$text" "$work/out.txt" || { cat "$work/out.txt"; return 1; }
}
# answers STATUS: what the fake Loki says to the next push
answers() { faults "{\"times\": -1, \"refuse\": $1}"; }

lines "$work/logs/a.log" a 0 10
config "$work/logs/*.log"
prove "all is well: 0" check 0 '^ok .*pushes are accepted'
prove "the files are found" grep -q '^ok .*1 files' "$work/out.txt"
prove "nothing fails" is "$(grep -c ^FAIL "$work/out.txt")" 0
prove "nothing was made" test ! -e "$work/store"
prove "nothing was stored" stored_is 0 '{job=~".+"}'

config "$work/logs/*.none"
prove "a pattern without files is a warning" check 0 '^warn .*nothing matches .* mend: '
config "$work/logs/*.log"
for status in 401 403; do
	answers $status
	prove "$status: the credentials" check 1 '^FAIL .*credentials.* mend: '
	no_faults
done
answers 404
prove "404: the path" check 1 '^FAIL .*path of the url.* mend: .*/loki/api/v1/push'
no_faults
answers 503
prove "503: Loki is not well" check 1 '^FAIL .*answers 503'
prove "--offline asks nobody" check 0 '^ok .*storage' --offline
no_faults

good=$LOKI
LOKI=http://who:url-s3cr3t@127.0.0.1:$(free_port)
config "$work/logs/*.log" 'bearer_token = "s3cr3t-pass"'
prove "nobody listens" check 1 '^FAIL .*no connection .* mend: '
prove "no secret is told" is "$(grep -c s3cr3t "$work/out.txt")" 0
LOKI=http://no-such-host.invalid
config "$work/logs/*.log"
prove "a name that does not resolve" check 1 '^FAIL .*does not resolve.* mend: getent'
LOKI=${good/http:/https:}
config "$work/logs/*.log"
prove "no TLS on the other side" check 1 '^FAIL .*TLS fails.* mend: openssl'
LOKI=$good
config "$work/logs/*.log"

if [ "$(id -u)" != 0 ]; then
	chmod 000 "$work/logs/a.log"
	prove "a file that cannot be read" check 1 '^FAIL .*cannot read .*a.log.* mend: setfacl'
	chmod 644 "$work/logs/a.log"
	chmod 000 "$work/logs"
	prove "a directory that cannot be entered" check 1 '^FAIL .*cannot enter .*logs.* mend: setfacl'
	chmod 755 "$work/logs"
elif getent passwd nobody >/dev/null; then
	chmod 755 "$work"
	chmod 600 "$work/logs/a.log"
	prove "a file that another user cannot read" check 1 '^FAIL .*nobody cannot .* mend: ' --user=nobody
	chmod 644 "$work/logs/a.log"
fi

ship_start ship "$work/check.alloy"
prove "the storage path of another instance names its pid" check 1 "^FAIL .*in use by .*pid ${ship_pid[ship]} .* mend: " \
	--storage.path="$work/ship"
prove "a taken address" check 1 '^FAIL .*cannot listen.* mend: ss' --server.http.listen-addr="${ship_url[ship]#http://}"
ship_stop ship

echo 'loki.write "w" { endpoint { ulr = "http://x/" } }' >"$work/check.alloy"
prove "a configuration that is at fault" check 1 '^FAIL .*configuration'
prove "no path is 2" is "$("$LONGSHIP" check >/dev/null 2>&1; echo $?)" 2
prove "an unknown flag is 2" check 2 'unknown flag' --no-such-flag
prove "--help is 0" check 0 'usage: longship check' --help
