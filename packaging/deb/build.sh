#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh BUILD VERSION: make BUILD/longship_VERSION_ARCH.deb from the work tree as it is.
#
# DEB_HOST_ARCH  another machine than this one, by Debian's cross compiler (crossbuild-essential-ARCH and the
#                libraries of that architecture are needed)
# DEB_BUILD_OPTIONS  nocheck by default: `make check` is where the tests run
set -euo pipefail
build=$1 version=$2
cd "$(dirname "$0")/../.."
arch=${DEB_HOST_ARCH:-$(dpkg --print-architecture)}
mkdir -p "$build"
build=$(cd "$build" && pwd)
work=$build/deb-$arch
tree=$work/longship-$version
maintainer="longship maintainers <longship@packages.debian.org>"

rm -rf "$tree"
mkdir -p "$tree"
if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z | tar -c --null --ignore-failed-read -T - | tar -x -C "$tree"
else
	tar -c --exclude="./$(basename "$build")" . | tar -x -C "$tree"
fi
mkdir "$tree/debian"
cp -R packaging/deb/. "$tree/debian/"
rm "$tree/debian/build.sh"
sed -i "s|@MAINTAINER@|$maintainer|" "$tree/debian/control" "$tree/debian/changelog"
first=$(sed -n '1s/^longship (\(.*\)).*/\1/p' "$tree/debian/changelog")
if [ "$first" != "$version" ]; then
	{
		printf 'longship (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n' "$version"
		printf ' -- %s  %s\n\n' "$maintainer" "$(date -Ru -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")"
		cat "$tree/debian/changelog"
	} >"$tree/debian/changelog.new"
	mv "$tree/debian/changelog.new" "$tree/debian/changelog"
fi

cd "$tree"
# The objects are kept outside the tree, for the next package.
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS BUILD="$work/build" DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck} parallel=2" \
	dpkg-buildpackage -b -us -uc -a "$arch" >"$work/log" 2>&1 || {
	tail -n 40 "$work/log" >&2
	exit 1
}
mv "$work"/longship*_"$version"_"$arch".deb "$build/"
echo "$build/longship_${version}_$arch.deb"
