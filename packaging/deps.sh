#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, or says which command does.
#
#   deps.sh GROUP...      build check fuzz bench ci deb rpm machine container
#
# Nothing is done where nothing is missing. Otherwise it installs as root or by sudo; with NO_INSTALL=1, or where
# neither is at hand, it prints the command and fails.
set -eu

# Package and what shows that it is there: pc:NAME by pkg-config, bin:NAME on the PATH, inc:FILE in the include path.
# Any libcurl does. The GnuTLS one is asked for because libmicrohttpd brings GnuTLS anyway: one TLS library in memory.
table() {
	cat <<-'END'
		build build-essential bin:cc
		build pkg-config bin:pkg-config
		build libsystemd-dev pc:libsystemd
		build libcurl4-gnutls-dev pc:libcurl
		build libsnappy-dev inc:snappy-c.h
		build libpcre2-dev pc:libpcre2-8
		build libmicrohttpd-dev pc:libmicrohttpd
		build libgnutls28-dev pc:gnutls
		build libyaml-dev pc:yaml-0.1
		build nettle-dev pc:nettle
		build libjansson-dev pc:jansson
		build libxxhash-dev pc:libxxhash
		build zlib1g-dev pc:zlib
		build libbz2-dev inc:bzlib.h
		build libzstd-dev pc:libzstd
		build libmaxminddb-dev pc:libmaxminddb
		check libcmocka-dev pc:cmocka
		check libre2-dev pc:re2
		check python3 bin:python3
		check curl bin:curl
		check procps bin:ps
		check bzip2 bin:bzip2
		check zstd bin:zstd
		check openssl bin:openssl
		check util-linux bin:flock
		check logrotate file:/usr/sbin/logrotate
		fuzz clang-14 bin:clang-14
		fuzz libclang-rt-14-dev clang:14
		bench valgrind bin:valgrind
		bench systemd-journal-remote file:/lib/systemd/systemd-journal-remote
		deb debhelper bin:dh
		deb lintian bin:lintian
		rpm rpm bin:rpmbuild
		rpm rpmlint bin:rpmlint
		container docker.io bin:dockerd
		machine systemd-container bin:systemd-nspawn
		machine debootstrap bin:debootstrap
		machine e2fsprogs bin:mke2fs
		machine iproute2 bin:ip
		ci ca-certificates file:/etc/ssl/certs/ca-certificates.crt
		ci git bin:git
	END
}

there() {
	case $1 in
	pc:*) "${PKG_CONFIG:-pkg-config}" --exists "${1#pc:}" 2>/dev/null ;;
	bin:*) command -v "${1#bin:}" >/dev/null 2>&1 ;;
	inc:*) echo "#include <${1#inc:}>" | ${CC:-cc} -E -o /dev/null - 2>/dev/null ;;
	file:*) [ -e "${1#file:}" ] ;;
	clang:*) ls /usr/lib/llvm-"${1#clang:}"/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 ;;
	esac
}

[ $# -gt 0 ] || { echo "usage: deps.sh GROUP..." >&2; exit 2; }
groups=" $* "
missing=$(table | while read -r group package probe; do
	case $groups in *" $group "*) there "$probe" || printf ' %s' "$package" ;; esac
done)
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
refuse() {
	echo "missing:$missing" >&2
	echo "$1, so install them yourself (Debian 12 names):" >&2
	echo "    sudo $install" >&2
	exit 1
}

[ "${NO_INSTALL:-0}" != 1 ] || refuse "NO_INSTALL=1"
command -v apt-get >/dev/null 2>&1 || refuse "There is no apt-get here"
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	sudo=sudo
else
	refuse "Neither root nor sudo is at hand"
fi

echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt() { ${sudo:+sudo DEBIAN_FRONTEND=noninteractive} apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"; }
# shellcheck disable=SC2086
apt install -qq -y --no-install-recommends $missing >/dev/null 2>&1 || {
	apt update -qq
	apt install -qq -y --no-install-recommends $missing
}
