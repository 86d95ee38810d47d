#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: loki
. "$(dirname "$0")/../support/lib.sh"
scenario "longship check asks a real Loki: it accepts, wants a tenant, is asked at the wrong path; nothing is stored"
receiver
# config URL-PATH [ENDPOINT ARGUMENTS]
config() {
	cat >"$work/check.alloy" <<-END
		loki.source.file "f" {
			targets    = [{"__path__" = "$work/logs/a.log", "job" = "check"}]
			forward_to = [loki.write.w.receiver]
		}
		loki.write "w" {
			endpoint {
				url = "$LOKI$1"
				${2:-}
			}
		}
	END
}
# check STATUS TEXT: the exit status, and a line that matches
check() {
	"$LONGSHIP" check --storage.path="$work/store" --server.http.listen-addr=127.0.0.1:0 "$work/check.alloy" >"$work/out.txt" 2>&1 </dev/null
	is $? "$1" && grep -q -- "$2" "$work/out.txt" || { cat "$work/out.txt"; return 1; }
}
lines "$work/logs/a.log" a 0 10
config /loki/api/v1/push "tenant_id = \"$tenant\""
prove "Loki accepts" check 0 '^ok .*pushes are accepted'
prove "nothing fails" is "$(grep -c ^FAIL "$work/out.txt")" 0
prove "nothing was stored" stored_is 0 '{job=~".+"}'
config /loki/api/v1/push
prove "a Loki with tenants is asked without one" check 1 '^FAIL .* mend: '
config /loki/api/push "tenant_id = \"$tenant\""
prove "the wrong path" check 1 '^FAIL .*path of the url.* mend: .*/loki/api/v1/push'
