#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# machine.sh BUILD VERSION: a machine that installs the .deb, ships to a Loki beside it, upgrades, purges; and one whose
# power is cut while it ships. RECEIVER=loki for a real Loki.
. "$(dirname "$0")/lib.sh"
build=$(cd "$1" && pwd) version=$2
begin=$SECONDS
package=$("${MAKE:-make}" --no-print-directory deb | tail -n 1)
[ -s "$package" ] || { echo "0 passed, 1 failed"; exit 1; }
echo "# $package ($((SECONDS - begin)) s)"

machine_begin "$package"
receiver_begin
share=$work/share
mkdir -p "$share"
cp "$here"/{inside,life,cut}.sh "$share/"
cp "$package" "$share/first.deb"
# The same program under the next version.
dpkg-deb -R "$package" "$work/next"
sed -i "s/^Version: .*/&+next1/" "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$share/second.deb" >/dev/null
echo "$version+next1" >"$share/second.version"

generate() { python3 "$support/oracle.py" generate --run "r$$" --stream "$1" --count "$2" "$share/$3" 2>/dev/null; }
generate life 4000 lines
generate syncedone 100000 synced.1
generate unsyncedone 100000 unsynced.1
generate syncedtwo 3000 synced.2
generate unsyncedtwo 3000 unsynced.2

echo "# the life of a package"
begin=$SECONDS
boot "$root" life.sh
tally
prove "4,000 lines arrived once, in order, over kill, upgrade, rotation, removal" in_netns python3 "$support/oracle.py" \
	check --loki "$LOKI" --selector '{filename=~"/var/log/app/.*"}' --run "r$$" --stream life --count 4000
prove "the journal arrived, too, once" test "$(in_netns python3 "$support/probe.py" lines "$LOKI" fake \
	'{job="systemd-journal"}' | grep -cx 'through the journal')" = 1
echo "# $((SECONDS - begin)) s"

echo "# a power cut"
begin=$SECONDS
mkdir -p "$work/disk"
truncate -s 2G "$work/image"
# The same disk in both boots: files are known by the number of their device, too.
mke2fs -q -t ext4 -F -d "$root" "$work/image" && disk=$(losetup -f --show "$work/image") && mount "$disk" "$work/disk" || exit 1
mounted=$work/disk
mkdir -p "$work/disk/var/log/journal" "$work/disk/ci"
sync -f "$work/disk"
VOLATILE=no BACKGROUND=1 boot "$work/disk" cut.sh
disown "$machine_pid" # or bash prints what it was when it is killed
for _ in $(seq 1200); do grep -q POWER-CUT-NOW "$share/out.log" && break; sleep 0.05; done
# What was not written down does not reach the disk any more; then nobody is left.
python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$work/disk"
# shellcheck disable=SC2046
kill -9 $(machine_processes) 2>/dev/null
boot_end
tally
umount "$work/disk"
mounted=
# A copy: while any other mount namespace holds the old mount, its dead file system would be mounted again.
cp --sparse=always "$work/image" "$work/image.after"
losetup -d "$disk"
for _ in $(seq 200); do losetup "$disk" >/dev/null 2>&1 || break; sleep 0.1; done
losetup "$disk" "$work/image.after" || exit 1
mount "$disk" "$work/disk" || exit 1
mounted=$work/disk
VOLATILE=no boot "$work/disk" cut.sh
tally
grep -h 'level=warn' "$share/second.log" | sed 's/^/      /' | cut -c 1-220
sed -n 's/^\(longship_entries_resent_total\|longship_.*rewound.*\)/      \1/p' "$share/second.metrics"
# The store reaches the disk once a second: of what was sent since, the times that the lines got are forgotten with the
# power, and they get others. --storage.sync=request closes that window where there is such a flag.
twice=3000
! "$build/longship" help run | grep -q storage.sync || twice=0
for file in synced unsynced; do
	found=$(in_netns python3 "$here/proof.py" "$LOKI" "{filename=\"/var/log/app/$file.log\"}" $twice "$share/disk/$file.log")
	status=$?
	prove "$file: what is on the disk is in Loki: $(head -n 1 <<<"$found")" test $status = 0
done
echo "# $((SECONDS - begin)) s"
