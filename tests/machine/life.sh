# SPDX-License-Identifier: Apache-2.0
# Inside: the life of a .deb on a machine, from its installation to its purge, with the unit as it comes.
. /ci/inside.sh
app=/var/log/app
mkdir -p $app
chmod 0700 $app

# Lines FROM..TO of the prepared ones, to a log that only root may read.
say() { sed -n "$1,$2p" /ci/lines >>$app/app.log; chmod 0600 $app/app.log; }

install=$(dpkg -i /ci/first.deb 2>&1)
prove "installed" dpkg -s longship
prove "the installation says what to do" grep -q 'write LOKI_URL into /etc/default/longship' <<<"$install"
prove "enabled" is "$(systemctl is-enabled longship)" enabled
prove "skipped without LOKI_URL, not failed" is "$(systemctl show -P Result longship)" exec-condition
prove "the journal names the file to edit" journal_has "LOKI_URL is not set: write it into /etc/default/longship"
prove "no unit failed" is "$(systemctl list-units --failed -q --no-legend | grep -c longship)" 0
prove "a user of its own" is "$(stat -c %U /etc/default/longship):$(id -nG longship | tr ' ' ,)" root:longship,adm,systemd-journal
prove "the environment file is not for everybody" is "$(stat -c %a /etc/default/longship)" 640

say 1 500
sed -i 's|^LOKI_URL=$|LOKI_URL=http://127.0.0.1:3100/loki/api/v1/push|' /etc/default/longship
prove "starts" systemctl start longship
prove "ready means ready" curl -fsS http://127.0.0.1:12345/-/ready
prove "systemd-analyze verify has nothing to say" is "$(systemd-analyze verify --man=no longship.service 2>&1)" ""
exposure=$(systemd-analyze security --no-pager longship.service | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
prove "exposure $exposure is at most 1.7" awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 1.7) }'
prove "one capability" is "$(sed -n 's/^Cap\(Eff\|Bnd\|Amb\):\t//p' /proc/"$(main_pid)"/status | sort -u)" 0000000000000004
prove "all threads are filtered" is "$(sed -n 's/^Seccomp:\t//p' /proc/"$(main_pid)"/task/*/status | sort -u)" 2
prove "its own walls stand, too" not journal_has "the sandbox is not complete"
prove "the watchdog watches" is "$(systemctl show -P WatchdogUSec longship)" 1min
prove "what was there is shipped, though only root may read it" until_true 20 settled

logger -t machine-test "through the journal"
pid=$(main_pid)
say 501 1000
kill -9 "$pid"
say 1001 1500
restarted() { [ "$(systemctl is-active longship)" = active ] && [ "$(main_pid)" != "$pid" ]; }
prove "killed, it comes back" until_true 20 restarted
prove "and ships what was written meanwhile" until_true 20 settled

# A configuration with a regular expression: its machine code shows in the map of the process.
machine_code() { grep -qE ' rwxp .* 00:00 0 *$' "/proc/$(main_pid)/maps"; }
cp /etc/longship/config.alloy /root/config.before
sed 's/forward_to = \[loki.write.default.receiver\]/forward_to = [loki.process.app.receiver]/' /root/config.before \
	>/etc/longship/config.alloy
cat >>/etc/longship/config.alloy <<'END'

loki.process "app" {
	forward_to = [loki.write.default.receiver]

	stage.regex {
		expression = "run=(?P<run>[a-z0-9]+) stream=(?P<by_regex>[a-z]+) "
	}

	stage.labels {
		values = {
			by_regex = null,
		}
	}
}
END
pid=$(main_pid)
prove "reload" systemctl reload longship
reloaded() { journal_has "config reloaded"; }
prove "the new configuration runs" until_true 10 reloaded
prove "in the same process" is "$(main_pid)" "$pid"
prove "PCRE2's JIT works inside the unit" until_true 10 machine_code
say 1501 2000
prove "and ships" until_true 20 settled
echo 'loki.write "default" {' >>/etc/longship/config.alloy
systemctl reload longship
refused() { journal_has "failed to reload config"; }
prove "a bad configuration is refused with a word" until_true 10 refused
prove "and the old one goes on" is "$(systemctl is-active longship):$(main_pid)" "active:$pid"
sed -i '$d' /etc/longship/config.alloy

# What the test above would say if it were not so.
mkdir -p /run/systemd/system/longship.service.d
printf '[Service]\nMemoryDenyWriteExecute=yes\n' >/run/systemd/system/longship.service.d/mdwe.conf
systemctl daemon-reload
systemctl restart longship
prove "MemoryDenyWriteExecute would switch the JIT off" not machine_code
rm -r /run/systemd/system/longship.service.d
systemctl daemon-reload
systemctl restart longship

# To the next version, under way.
pid=$(main_pid)
say 2001 2500
prove "upgrade, the edited files kept without a question" dpkg -i --force-confdef --force-confold /ci/second.deb
say 2501 3000
prove "the new version runs" is "$(dpkg-query -f '${Version}' -W longship):$(systemctl is-active longship)" "$(cat /ci/second.version):active"
prove "as a new process" is "$([ "$(main_pid)" != "$pid" ] && echo new)" new
prove "LOKI_URL and the configuration are still there" grep -q by_regex /etc/longship/config.alloy
prove "and ships" until_true 20 settled
systemctl disable -q longship
dpkg -i --force-confold /ci/second.deb >/dev/null 2>&1
prove "who disabled it finds it disabled after an upgrade" is "$(systemctl is-enabled longship)" disabled
systemctl enable -q longship
systemctl restart longship

# The engine's log of a day: rotated while it runs.
printf '%s/*.log {\n\trotate 3\n\tcreate\n}\n' $app >/etc/logrotate.d/app
logrotate -f /etc/logrotate.d/app
say 3001 3500
prove "a rotated log is followed" until_true 20 settled
# Another program cannot be started, nor a file be written elsewhere, by what this process has become.
prove "the system is read-only to it" is "$(nsenter -t "$(main_pid)" -m sh -c 'touch /etc/x 2>&1' | grep -c 'Read-only')" 1

prove "stops" systemctl stop longship
prove "cleanly" is "$(systemctl show -P Result longship):$(systemctl show -P ExecMainStatus longship)" success:0
prove "removed" dpkg -r longship
prove "positions and configuration stay" test -s /var/lib/longship/positions.db -a -s /etc/longship/config.alloy
say 3501 4000
prove "installed again" dpkg -i /ci/second.deb
prove "it runs" is "$(systemctl is-active longship)" active
prove "and ships what was written meanwhile" until_true 20 settled
prove "purged" dpkg -P longship
prove "nothing is left" is "$(find /etc /var/lib /usr /lib -path '*longship*' ! -path '/usr/share/doc*' ! -path '/var/lib/dpkg/*' 2>/dev/null)" ""
