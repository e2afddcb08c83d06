#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Install what is missing to build, demonstrate or check archerfish:
#
#	tools/setup.sh [build|demo|check]	(default: build)
#	tools/setup.sh --missing [LEVEL]	only say what is missing; status 1 if anything is
#
# Each level includes the one before it.  Nothing missing: says nothing, does
# nothing.  On Debian and its relatives the missing packages are installed with
# apt-get (through sudo only if not root); elsewhere they are named.
set -eu

# level  how to see it is there   apt  dnf  apk  pacman  what for
# (a dash: that system has no such package, or its own base holds it)
needs() {
	cat <<-'END'
	build  run:make                make              make                   make             make           to build
	build  compiler                gcc               gcc                    gcc              gcc            to compile
	build  header:stdio.h          libc6-dev         glibc-devel            musl-dev         glibc          the C library's headers
	build  run:pkg-config          pkg-config        pkgconf-pkg-config     pkgconf          pkgconf        to find libraries
	build  library:libelf          libelf-dev        elfutils-libelf-devel  elfutils-dev     elfutils       to read executables and libraries of the target
	demo   header:Zydis/Zydis.h    libzydis-dev      zydis-devel            zydis-dev        zydis          to decode instructions of code without unwind tables
	demo   run:gdb                 gdb               gdb                    gdb              gdb            the debugger the demo connects
	demo   library:libzstd         libzstd-dev       libzstd-devel          zstd-dev         zstd           to read compressed cores
	demo   library:liblz4          liblz4-dev        lz4-devel              lz4-dev          lz4            to read compressed cores
	demo   library:liblzma         liblzma-dev       xz-devel               xz-dev           xz             to read compressed cores
	demo   library:zlib            zlib1g-dev        zlib-devel             zlib-dev         zlib           to read compressed cores
	demo   run:python3             python3           python3                python3          python         the program the demo debugs
	check  library:criterion       libcriterion-dev  criterion-devel        criterion-dev    -              unit tests
	check  run:gdbserver           gdbserver         gdb-gdbserver          gdb              gdb            the server archerfish is compared with
	check  run:lldb                lldb              lldb                   lldb             lldb           the other debugger archerfish is tried with
	check  run:gdb-multiarch       gdb-multiarch     gdb                    gdb-multiarch    -              the debugger of other architectures' cores
	check  run:zstd                zstd              zstd                   zstd             zstd           to compress cores
	check  run:lz4                 lz4               lz4                    lz4              lz4            to compress cores
	check  run:clang               clang             clang                  clang            clang          to build the fuzzers
	check  fuzzer                  libclang-rt-dev   compiler-rt            compiler-rt      compiler-rt    the fuzzers' runtime
	check  run:clang-format        clang-format      clang-tools-extra      clang-extra-tools clang         to check the layout of the source
	check  run:clang-tidy          clang-tidy        clang-tools-extra      clang-extra-tools clang         to check the source
	check  run:debootstrap         debootstrap       debootstrap            debootstrap      debootstrap    to make the roots that hold other interpreters and gdbs
	check  run:xmllint             libxml2-utils     libxml2                 libxml2-utils    libxml2        to hold documents against their DTDs
	END
}

# shellcheck disable=SC2086 # CC may be words, such as "ccache gcc"
present() { # PROBE
	cc=${CC:-cc}
	case $1 in
	compiler) command -v "${cc%% *}" >/dev/null 2>&1 ;;
	run:*) command -v "${1#run:}" >/dev/null 2>&1 ;;
	library:*) pkg-config --exists "${1#library:}" 2>/dev/null ;;
	header:*) echo "#include <${1#header:}>" | $cc -E - >/dev/null 2>&1 ;;
	fuzzer) [ -e "$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null)" ] ||
		[ -e "$(clang --print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer.a" ] ||
		[ -e "$(clang --print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer-$(uname -m).a" ] ;;
	esac
}

included() { # LEVEL of a row
	case $level/$1 in
	build/build | demo/build | demo/demo | check/*) return 0 ;;
	*) return 1 ;;
	esac
}

family() {
	for tool in apt-get dnf apk pacman; do
		command -v $tool >/dev/null 2>&1 && { echo $tool; return; }
	done
	echo none
}

# One line per missing thing: "package what for".
missing() {
	needs | while read -r row probe apt dnf apk pacman what; do
		included "$row" || continue
		present "$probe" && continue
		case $family in
		dnf) package=$dnf ;;
		apk) package=$apk ;;
		pacman) package=$pacman ;;
		*) package=$apt ;;
		esac
		[ "$package" != - ] || package=${probe#*:}
		echo "$package $what"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		echo "setup: not root, and there is no sudo; as root run: $*" >&2
		return 1
	fi
}

# The lists first: a fresh system has none, an old one stale ones.  One broken
# source among several must not end it: the install says what can't be had.
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >"$log" 2>&1 || :
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install "$@" >>"$log" 2>&1 </dev/null
}

only_say=
[ "${1:-}" != --missing ] || { only_say=yes; shift; }
level=${1:-build}
case $level in
build | demo | check) ;;
*)
	echo "usage: $0 [--missing] [build|demo|check]" >&2
	exit 2
	;;
esac

family=$(family)
lacks=$(missing)
[ -n "$lacks" ] || exit 0

echo "$lacks" | while read -r package what; do
	printf 'setup: missing: %-18s %s\n' "$package" "($what)"
done >&2
packages=$(echo "$lacks" | cut -d' ' -f1 | sort -u | tr '\n' ' ')

if [ -n "$only_say" ]; then
	echo "setup: 'make setup' installs ${packages% }" >&2
	exit 1
fi

case $family in
apt-get) ;;
dnf) how='dnf install' ;;
apk) how='apk add' ;;
pacman) how='pacman -S' ;;
*) how='your package manager; the names are Debian'\''s:' ;;
esac
if [ "$family" != apt-get ]; then
	echo "setup: this system has no apt-get; install them yourself: $how ${packages% }" >&2
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "setup: installing with apt-get: ${packages% }" >&2
# The list is split into packages on purpose.
# shellcheck disable=SC2086
if ! apt_install $packages; then
	echo "setup: apt-get failed:" >&2
	tail -n 15 "$log" >&2
	exit 1
fi
lacks=$(missing)
if [ -n "$lacks" ]; then
	echo "setup: installed, yet still missing: $lacks" >&2
	exit 1
fi
