#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# arm64.sh BUILD VERSION: the .deb for arm64, built by Debian's cross compiler in a Debian of its own; the program and the unit tests
# run under qemu-user. What it proves: the code is not tied to this machine's word and byte order of structs, atomics or page size; what
# it does not: timing, and the kernel of such a machine.
. "$(dirname "$0")/lib.sh"
build=$1 version=$2
mkdir -p "$build/arm64"
build=$(cd "$build" && pwd)
[ "$(id -u)" = 0 ] || machine_skip "another root directory can be entered by root only"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/longship-arm64.XXXXXX")
trap machine_end EXIT
trap 'exit 130' INT TERM
libraries=$(sed -n '/^Build-Depends:/,/^[A-Z][a-z-]*:/p' "$here/../../packaging/deb/control" | tr ', ' '\n\n' |
	grep -E '^(lib.*|nettle|zlib1g)-dev$' | grep -v openssl | sed 's/$/:arm64/' | paste -sd ' ')
root_make arm64 ca-certificates "export DEBIAN_FRONTEND=noninteractive
	dpkg --add-architecture arm64 && apt-get update -qq &&
	apt-get install -y --no-install-recommends build-essential git crossbuild-essential-arm64 debhelper pkg-config pkgconf:arm64 qemu-user-static python3 curl zstd bzip2 \
		$libraries libcmocka-dev:arm64 && apt-get clean" || exit 1

# The tree as it is; times are kept, so that make builds what has changed.
mkdir -p "$build/arm64/tree"
(cd "$here/../.." && git ls-files -z | tar -c --null --ignore-failed-read -T - | tar -x -C "$build/arm64/tree")
# inside COMMAND: in the other root, where the tree is /srv/tree
inside() {
	unshare -m --propagation private sh -ec 'mount --bind "$1" "$2/srv"; mount -t proc proc "$2/proc"; mount --rbind /dev "$2/dev"
		exec chroot "$2" sh -ec "cd /srv/tree; $3"' sh "$build/arm64" "$root" "$1"
}
begin=$SECONDS
prove "the .deb is built" inside "DEB_HOST_ARCH=arm64 packaging/deb/build.sh /srv/out $version"
deb=$build/arm64/out/longship_${version}_arm64.deb
prove "for arm64" test "$(dpkg-deb -f "$deb" Architecture)" = arm64
prove "lintian finds no error" lintian --allow-root --fail-on error "$deb"
rm -rf "$build/arm64/installed"
dpkg-deb -x "$deb" "$build/arm64/installed"
prove "the program is one" grep -q 'Machine: *AArch64' <<<"$(readelf -h "$build/arm64/installed/usr/bin/longship")"
qemu="qemu-aarch64-static"
prove "--version" test "$(inside "$qemu /srv/installed/usr/bin/longship --version" | grep -c "$version")" = 1
prove "it validates its own configuration" inside "LOKI_URL=http://127.0.0.1:3100/ $qemu /srv/installed/usr/bin/longship validate /srv/installed/etc/longship/config.alloy"
cp "$deb" "$build/"
echo "# $((SECONDS - begin)) s"
begin=$SECONDS
# test_harden is left out: what qemu-user asks of the kernel is another machine's calls, which its filters cannot know.
units=$(cd "$here/../unit" && for f in test_*.c; do [ "$f" != test_harden.c ] || continue; echo "/srv/unit/tests/unit/${f%.c}"; done | paste -sd ' ')
prove "the unit tests are built" inside "make -s -j2 NO_INSTALL=1 BUILD=/srv/unit CC=aarch64-linux-gnu-gcc PKG_CONFIG=aarch64-linux-gnu-pkg-config $units"
inside "RUNNER=$qemu tests/support/run_units.sh $units" >"$work/units.log" 2>&1
grep -aE '^\[  FAILED  \]|ended with' "$work/units.log" | sort -u | sed 's/^/      /'
prove "the unit tests under qemu-user: $(tail -n 1 "$work/units.log")" grep -qE '^[1-9][0-9]* passed, 0 failed$' <<<"$(tail -n 1 "$work/units.log")"
cp "$work/units.log" "$build/arm64/"
echo "# $((SECONDS - begin)) s"
