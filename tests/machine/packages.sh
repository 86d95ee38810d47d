#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# packages.sh BUILD VERSION: lint both packages; what the .rpm needs and holds; its life under rpm and dnf on a machine.
. "$(dirname "$0")/lib.sh"
build=$(cd "$1" && pwd) version=$2
"${MAKE:-make}" --no-print-directory deb rpm >/dev/null || { echo "0 passed, 1 failed"; exit 1; }
deb=$build/longship_${version}_$(dpkg --print-architecture).deb
rpm=$build/longship-$version-1.$(uname -m).rpm
machine_begin "$deb"
share=$work/share
mkdir -p "$share"

echo "# the packages as files"
prove "lintian finds no error" lintian --allow-root --fail-on error "$deb"
prove "rpmlint finds no error" rpmlint -c "$here/../../packaging/rpm/rpmlint.toml" "$rpm" "$build/longship-$version-1.src.rpm"
requires=$(rpm -qpR "$rpm")
prove "the .rpm needs libcurl.so.4 by its plain name" grep -qx 'libcurl.so.4()(64bit)' <<<"$requires"
prove "and no version that only Debian's libraries have" test -z "$(grep -E 'CURL_|Debian' <<<"$requires")"
newest=$(grep -oE 'GLIBC_[0-9.]+' <<<"$requires" | sort -uV | tail -n 1)
prove "and a glibc that RHEL 9 has ($newest)" test "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.34
mkdir "$work/empty"
prove "the .rpm unpacks into an empty root" rpm --root "$work/empty" --force-debian -i --nodeps --noscripts "$rpm"
prove "and is what it says" rpm --root "$work/empty" -V --nodeps longship
prove "its unit is for this path and file" grep -q '^EnvironmentFile=-/etc/sysconfig/longship' \
	"$work/empty/usr/lib/systemd/system/longship.service"
prove "the .src.rpm has the spec and the sources" test "$(rpm -qpl "$build/longship-$version-1.src.rpm" | wc -l)" = 2

echo "# the .rpm on a machine"
root_make rpm "systemd,systemd-sysv,dbus,iproute2,procps,curl,passwd,rpm,dnf,libcurl4,$(dpkg-deb -f "$deb" Depends |
	tr ',' '\n' | sed 's/^ *//; s/[ |].*//' | grep -v curl | paste -sd,)" || exit 1
receiver_begin
{
	printf 'Name: fedora-stub\nVersion: 1\nRelease: 1\nSummary: stub\nLicense: MIT\nBuildArch: noarch\n'
	grep -vE '^(rpmlib|config)\(' <<<"$requires" | sort -u | sed 's/ .*//; s/^/Provides: /'
	printf '%%description\nstub\n%%files\n'
} >"$work/stub.spec"
rpmbuild --quiet --define "_topdir $work/rpm" -bb "$work/stub.spec" && cp "$work"/rpm/RPMS/noarch/*.rpm "$share/fedora-stub.rpm"
# The same program under the next release.
sed 's/^Release:.*/Release: 2/' "$here/../../packaging/rpm/longship.spec" >"$work/next.spec"
rpmbuild --quiet -bb --nodeps --define "_topdir $work/rpm" --define "longship_version $version" \
	--define "_sourcedir $build/rpm/top/SOURCES" --define "longship_build $build/rpm/build" \
	--define "longship_ldflags -L$build/rpm/stub" --define "debug_package %{nil}" \
	"$work/next.spec" >"$work/next.log" 2>&1 || tail -n 5 "$work/next.log"
cp "$work"/rpm/RPMS/*/longship-*-2.*.rpm "$share/next.rpm"
cp "$rpm" "$here"/{inside,rpm}.sh "$share/"
boot "$root" rpm.sh
tally
