# SPDX-License-Identifier: Apache-2.0
# Inside: a machine that ships. The first boot ends with a power cut from outside, the second one with what is left.
. /ci/inside.sh
app=/var/log/app

# Prepared lines, about 2,000 a second, to FILE: as programs write them.
write_slowly() {
	local n=0 line
	while IFS= read -r line; do
		printf '%s\n' "$line"
		n=$((n + 1))
		[ $((n % 20)) != 0 ] || sleep 0.01
	done <"$1" >>"$2"
}

if [ ! -e /var/lib/first ]; then
	touch /var/lib/first
	mkdir -p $app
	dpkg -i /ci/first.deb
	sed -i 's|^LOKI_URL=$|LOKI_URL=http://127.0.0.1:3100/loki/api/v1/push|' /etc/default/longship
	! longship help run | grep -q storage.sync || sed -i 's/^CUSTOM_ARGS=.*/CUSTOM_ARGS=--storage.sync=request/' /etc/default/longship
	sync
	: >$app/synced.log
	: >$app/unsynced.log
	prove "first boot: it starts" systemctl start longship
	write_slowly /ci/synced.1 $app/synced.log &
	write_slowly /ci/unsynced.1 $app/unsynced.log &
	while sleep 0.3; do sync $app/synced.log; done &
	running() { [ "$(metric longship_entries_acknowledged_total)" -gt 20000 ]; }
	prove "first boot: it ships" until_true 60 running
	echo POWER-CUT-NOW
	sleep 60
	echo "FAIL: not cut"
	exit 1
fi

prove "second boot: it came up by itself" until_true 20 systemctl -q is-active longship
# Where the cut left half a line, the next one begins on its own.
for file in $app/*.log; do [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"; done
write_slowly /ci/synced.2 $app/synced.log &
write_slowly /ci/unsynced.2 $app/unsynced.log &
wait %1 %2
prove "second boot: all is shipped" until_true 60 settled
rm -rf /ci/disk
cp -r $app /ci/disk
journalctl -u longship -b -o cat --no-pager >/ci/second.log
curl -fsS http://127.0.0.1:12345/metrics >/ci/second.metrics
