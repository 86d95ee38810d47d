#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "loki.write over TLS with a login and headers: an unknown certificate or a wrong password loses nothing, no secret is told"
port=$(free_port)
LOKI=https://127.0.0.1:$port
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=longship-test -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null || skip "openssl makes no certificate here"

# The fake Loki behind TLS, which wants a login.
python3 - "$support" "$port" "$work" >>"$work/fakeloki.log" 2>&1 <<'END' &
import base64, ssl, sys
sys.path.insert(0, sys.argv[1])
import fakeloki
want = "Basic " + base64.b64encode(b"shipper:s3cr3t-pass").decode()
push = fakeloki.Handler.push

def checked(self):
    if self.headers.get("Authorization") != want:
        self.read_body()
        return self.answer(401, b"no\n")
    return push(self)

fakeloki.Handler.POST = {**fakeloki.Handler.POST, "/loki/api/v1/push": checked}
server = fakeloki.start(["--auth", "--port", sys.argv[2]])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3] + "/cert.pem", sys.argv[3] + "/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
END
fake_pid=$!
ask() { curl -fsS --cacert "$work/cert.pem" "$@"; }
wait_for 20 "the fake Loki listens" ask "$LOKI/ready"

config() {
	cat <<-END
		loki.source.file "f" {
			targets    = [{"__path__" = "$work/logs/a.log", "job" = "tls"}]
			forward_to = [loki.write.w.receiver]
		}
		$(write_block w "headers = {\"X-Test-Header\" = \"seen\"}
				basic_auth {
					username = \"shipper\"
					password = \"$1\"
				}
				$2")
	END
}
status() { [ "$(metric ship loki_write_request_duration_seconds_count status_code="$1")" -ge 1 ]; }

lines "$work/logs/a.log" a 0 1000
config s3cr3t-pass '' >"$work/ship.alloy"
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "a certificate that nobody vouches for is refused" status -1
prove "and it is told" grep -aqi 'certificate' "$work/ship.log"
prove "no line is given up" metric_is 0 ship longship_entries_rejected_total

config wr0ng-pass "tls_config { ca_file = \"$work/cert.pem\" }" >"$work/ship.alloy"
prove "a reload brings the certificate" is "$(reload ship)" 200
wait_for "$DEADLINE" "a wrong password is answered 401" status 401
prove "no line is given up for it" metric_is 0 ship longship_entries_rejected_total

config s3cr3t-pass "tls_config { ca_file = \"$work/cert.pem\" }" >"$work/ship.alloy"
prove "a reload brings the password" is "$(reload ship)" 200
wait_for "$DEADLINE" "all lines are acknowledged" metric_is 1000 ship longship_entries_acknowledged_total
ask "$LOKI/_stats?pushes=1" >"$work/stats.json"
prove "1000 lines came over TLS with the login, once" python3 -c 'import json, sys
n = sum(p["entries"] for p in json.load(open(sys.argv[1]))["log"] if p["status"] == 204)
print(n); sys.exit(n != 1000)' "$work/stats.json"
prove "and with the header" grep -qi 'x-test-header' "$work/stats.json"
curl -fsS "${ship_url[ship]}/metrics" >"$work/told.txt"
for page in / /api/v0/web/components /api/v0/web/components/loki.write.w; do curl -sS "${ship_url[ship]}$page" >>"$work/told.txt"; done
cat "$work/ship.log" >>"$work/told.txt"
prove "no password in log, metrics, status page or component API" is "$(grep -ac 's3cr3t-pass\|wr0ng-pass' "$work/told.txt")" 0
watched ship
ship_stop ship
