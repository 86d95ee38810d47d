#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with: fake
. "$(dirname "$0")/../support/lib.sh"
scenario "logins and certificates that come late, change and do not fit: nothing is lost, nothing needs a reload"
port=$(free_port)
certificate() { # NAME SUBJECT EXTENSIONS...: signed by the CA
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null &&
		openssl x509 -req -days 2 -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
			-extfile <(printf '%s\n' "subjectAltName=DNS:$2") -out "$work/$1.pem" 2>/dev/null
}
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null ||
	skip "openssl makes no certificate here"
certificate server loki.test && certificate one client-one && certificate two client-two || skip "openssl signs no certificate here"

# A fake Loki that wants what is in $work/want: an Authorization header. /token gives tokens for two requests each. $work/peers gets
# the client certificates that it sees.
server() { # tls|plain
	python3 - "$support" "$port" "$work" "$1" >>"$work/fakeloki.log" 2>&1 <<'END' &
import base64, json, ssl, sys, time, urllib.parse
sys.path.insert(0, sys.argv[1])
work = sys.argv[3]
import fakeloki
push, tokens = fakeloki.Handler.push, {}

def checked(self):
    if hasattr(self.connection, "getpeercert"):
        with open(work + "/peers", "a") as f:
            f.write(str(dict(pair[0] for pair in self.connection.getpeercert()["subject"])["commonName"]) + "\n")
    got = self.headers.get("Authorization", "")
    try:
        want = open(work + "/want").read()
    except OSError:
        want = ""
    if want == "token":
        left = tokens.get(got, 0)
        tokens[got] = left - 1
        ok = left > 0
    else:
        ok = got == want
    if not ok:
        self.read_body()
        return self.answer(401, b"no\n")
    return push(self)

def token(self):
    form = dict(urllib.parse.parse_qsl(self.read_body().decode()))
    login = self.headers.get("Authorization", "")
    assert form["grant_type"] == "client_credentials" and form["scope"] == "a b" and form["extra"] == "x&y", form
    if login:       # a server that wants the secret in the body
        return self.answer(401, b"{}")
    if form.get("client_secret") != "s3cr3t-client":
        return self.answer(403, b"{}")
    name = "t%d" % len(tokens)
    tokens["Bearer " + name] = 2
    self.answer(200, json.dumps({"access_token": name, "token_type": "bearer", "expires_in": 3600}).encode(), "application/json")

fakeloki.Handler.POST = {**fakeloki.Handler.POST, "/loki/api/v1/push": checked, "/token": token}
server = fakeloki.start(["--auth", "--port", sys.argv[2]])
if sys.argv[4] == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(work + "/server.pem", work + "/server.key")
    context.load_verify_locations(work + "/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
END
	fake_pid=$!
}
config() { # NAME URL SETTINGS
	cat <<-END
		loki.source.file "$1" {
			targets    = [{"__path__" = "$work/logs/$1.log", "job" = "$1"}]
			forward_to = [loki.write.w.receiver]
		}
		loki.write "w" {
			endpoint {
				url                = "$2/loki/api/v1/push"
				tenant_id          = "$tenant"
				batch_wait         = "50ms"
				min_backoff_period = "50ms"
				max_backoff_period = "200ms"
				$3
			}
		}
	END
}
acknowledged() { metric_is "$2" "$1" longship_entries_acknowledged_total; }
LOKI=http://127.0.0.1:$port
server plain
wait_for 20 "the fake Loki listens" curl -fsS "$LOKI/ready"

# ---- a token file
printf 'Bearer first-t0ken' >"$work/want"
lines "$work/logs/a.log" a 0 100
config a "$LOKI" "bearer_token_file = \"$work/token\"" >"$work/ship.alloy"
ship_start ship "$work/ship.alloy"
watch ship
wait_for "$DEADLINE" "a token file that is not there is told" grep -aq "cannot read .*/token.*No such file" "$work/ship.log"
prove "nothing was sent without it" is "$(stats pushes)" 0
printf 'first-t0ken\n' >"$work/token"
wait_for "$DEADLINE" "it is there: all is sent" acknowledged ship 100
printf 'Bearer second-t0ken' >"$work/want"
lines "$work/logs/a.log" a 100 100
wait_for "$DEADLINE" "the token is refused" grep -aq "Loki refuses the request itself" "$work/ship.log"
printf 'second-t0ken\n' >"$work/token.new" && mv "$work/token.new" "$work/token"
wait_for "$DEADLINE" "a new one in the file: all is sent" acknowledged ship 200
prove "nothing was given up" metric_is 0 ship longship_entries_rejected_total

# ---- authorization
printf 'Custom abc' >"$work/want"
config a "$LOKI" 'authorization {
	type        = "Custom"
	credentials = "abc"
}' >"$work/ship.alloy"
prove "a reload brings another scheme" is "$(reload ship)" 200
lines "$work/logs/a.log" a 200 100
wait_for "$DEADLINE" "it is sent" acknowledged ship 300

# ---- OAuth 2.0
printf 'token' >"$work/want"
printf 's3cr3t-client\n' >"$work/secret"
config a "$LOKI" "oauth2 {
	client_id          = \"me\"
	client_secret_file = \"$work/secret\"
	token_url          = \"$LOKI/token\"
	scopes             = [\"a\", \"b\"]
	endpoint_params    = {\"extra\" = \"x&y\"}
}" >"$work/ship.alloy"
prove "a reload brings OAuth 2.0" is "$(reload ship)" 200
for i in 3 4 5 6 7; do
	lines "$work/logs/a.log" a $((i * 100)) 100
	wait_for "$DEADLINE" "tokens are fetched, used, refused and fetched again: $(((i + 1) * 100)) lines" acknowledged ship $(((i + 1) * 100))
done
arrived '{job="a"}' a 800
curl -fsS "${ship_url[ship]}/metrics" >"$work/told.txt"
for page in / /api/v0/web/components/loki.write.w; do curl -sS "${ship_url[ship]}$page" >>"$work/told.txt"; done
cat "$work/ship.log" >>"$work/told.txt"
prove "no secret in log, metrics, status page or component API" is "$(grep -ac 't0ken\|s3cr3t' "$work/told.txt")" 0
watched ship
ship_stop ship
stop_pid "$fake_pid"

# ---- a client certificate, and a server of another name
: >"$work/want"
server tls
wait_for 20 "the fake Loki listens with TLS" curl -fsS --cacert "$work/ca.pem" --cert "$work/one.pem" --key "$work/one.key" \
	--connect-to "loki.test:$port:127.0.0.1:$port" "https://loki.test:$port/ready"
cp "$work/one.pem" "$work/client.pem"
cp "$work/one.key" "$work/client.key"
lines "$work/logs/b.log" b 0 100
config b "https://127.0.0.1:$port" "tls_config {
	ca_pem      = \"$(sed ':a;N;$!ba;s/\n/\\n/g' "$work/ca.pem")\"
	cert_file   = \"$work/client.pem\"
	key_file    = \"$work/client.key\"
	server_name = \"loki.test\"
	min_version = \"TLS13\"
}" >"$work/tls.alloy"
ship_start tls "$work/tls.alloy"
watch tls
wait_for "$DEADLINE" "all is sent with the first certificate" acknowledged tls 100
prove "it is the first" is "$(sort -u "$work/peers")" client-one
cp "$work/two.pem" "$work/client.pem"
sleep 1.1 # files are looked at once a second
lines "$work/logs/b.log" b 100 100
wait_for "$DEADLINE" "half a pair changes nothing" acknowledged tls 200
prove "the first is still used" is "$(sort -u "$work/peers")" client-one
prove "and it is told" grep -aq "do not make a pair" "$work/tls.log"
cp "$work/two.key" "$work/client.key"
sleep 1.1
lines "$work/logs/b.log" b 200 100
wait_for "$DEADLINE" "the whole pair is used" acknowledged tls 300
prove "now it is the second" is "$(tail -n 1 "$work/peers")" client-two
prove "nothing failed" metric_is 0 tls loki_write_batch_retries_total
watched tls
ship_stop tls
