# SPDX-License-Identifier: Apache-2.0
# Inside a Debian with rpm and dnf: the life of an .rpm. A stub package provides what Fedora's packages would.
. /ci/inside.sh
cd /ci || exit 1
R="rpm --force-debian"
first=$(echo longship-*-1.*.rpm) second=next.rpm
prove "without what it requires it is refused" not $R -i "$first"
prove "the stub" $R -i fedora-stub.rpm
prove "installed" $R -U "$first"
prove "a user of its own" is "$(id -nG longship | tr ' ' ,)" longship,adm,systemd-journal
prove "its program runs with this libcurl.so.4, too" longship version
systemctl enable -q longship
systemctl start longship
prove "skipped without LOKI_URL, not failed" is "$(systemctl show -P Result longship)" exec-condition
prove "the journal names the file to edit" journal_has "LOKI_URL is not set: write it into /etc/sysconfig/longship"
sed -i 's|^LOKI_URL=$|LOKI_URL=http://127.0.0.1:3100/loki/api/v1/push|' /etc/sysconfig/longship
echo one >/var/log/rpm-test.log
prove "starts" systemctl start longship
prove "ships" until_true 20 settled
pid=$(main_pid)
prove "upgrade" $R -U "$second"
prove "the new version runs as a new process" is "$(systemctl is-active longship):$([ "$(main_pid)" != "$pid" ] && echo new)" active:new
prove "the edited environment file is kept" grep -q ^LOKI_URL=http /etc/sysconfig/longship
prove "nothing but it differs from the package" is "$(rpm -V longship | awk '{ print $NF }')" /etc/sysconfig/longship
prove "erased" $R -e longship
prove "it has stopped" is "$(systemctl is-active longship)" inactive
prove "positions stay, and what was edited" test -s /var/lib/longship/positions.db -a -e /etc/sysconfig/longship.rpmsave
prove "dnf installs" dnf -q -y --releasever=1 --disablerepo='*' install "./$first"
prove "dnf upgrades" dnf -q -y --releasever=1 --disablerepo='*' upgrade ./$second
prove "dnf removes" dnf -q -y --releasever=1 --disablerepo='*' remove longship
prove "nothing is left of the program" is "$(ls /usr/bin/longship /usr/lib/systemd/system/longship.service 2>/dev/null)" ""
