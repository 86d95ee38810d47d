#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh BUILD VERSION: BUILD/longship-VERSION-1.src.rpm, which builds on Fedora 36, RHEL 9 and later with their own
# libraries, and BUILD/longship-VERSION-1.ARCH.rpm, built here.
#
# Debian gives libcurl symbol versions (CURL_GNUTLS_3, CURL_OPENSSL_4) that no other distribution has. So the binary of
# the .rpm is linked with a stand-in: a libcurl.so.4 that holds the names only, without versions, as Fedora's does.
# A binary linked so runs with any libcurl.so.4. The other libraries have the versions of their authors, or none.
set -euo pipefail
build=$1 version=$2
cd "$(dirname "$0")/../.."
mkdir -p "$build"
build=$(cd "$build" && pwd)
work=$build/rpm
rm -rf "$work/tree" "$work/stub" "$work/top"
mkdir -p "$work/stub" "$work/top/SOURCES"

if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z
else
	find . -path "./$(basename "$build")" -prune -o -type f -print0
fi | tar -c -z --null --ignore-failed-read --transform "s|^\(\./\)\?|longship-$version/|" -T - \
	-f "$work/top/SOURCES/longship-$version.tar.gz"

lib=$(printf 'int main(void) { return 0; }\n' | "${CC:-gcc}" -x c - -Wl,--no-as-needed -lcurl -o "$work/stub/probe" &&
	ldd "$work/stub/probe" | awk '$1 ~ /^libcurl/ { print $3; exit }')
nm -D --defined-only "$lib" | awk '$3 ~ /^curl_/ { sub(/@.*/, "", $3); print "void " $3 "(void);void " $3 "(void){}" }' \
	>"$work/stub/stub.c"
"${CC:-gcc}" -shared -fPIC -Wl,-soname,libcurl.so.4 -o "$work/stub/libcurl.so" "$work/stub/stub.c"

rpmbuild -ba --nodeps --define "_topdir $work/top" --define "longship_version $version" \
	--define "longship_build $work/build" --define "longship_ldflags -L$work/stub" \
	--define "debug_package %{nil}" packaging/rpm/longship.spec >"$work/log" 2>&1 || {
	tail -n 40 "$work/log" >&2
	exit 1
}
cp "$work"/top/RPMS/*/longship-*.rpm "$work"/top/SRPMS/longship-*.rpm "$build/"
echo "$build/longship-$version-1.src.rpm"
ls "$build/longship-$version-1.$(uname -m).rpm"
