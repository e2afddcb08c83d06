#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds of CPython that no distribution's python3 is: free-threaded, with
# --with-pydebug, static, with musl, and the interpreter in an executable that is
# position independent or not, with no library of it and stripped.
#
#	tests/zoo/build-python.sh [--list] [NAME...]	(default: all that can be had)
#
# They come to lie in $ARCHERFISH_BUILDS, else ${XDG_CACHE_HOME:-~/.cache}/archerfish/
# builds, and are made once.  Debug builds are unpacked from Debian's packages, the
# others compiled from Debian's source packages: two to ten minutes each on two cores,
# 400 MB.  The mirror and its keys are those this machine's apt uses; nothing of the
# system is changed.
#
# Exit status: 0 all are ready; 77 some can't be made here, each with the reason.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/zoo/debian.sh
. "$here/debian.sh"
builds=${ARCHERFISH_BUILDS:-${XDG_CACHE_HOME:-$HOME/.cache}/archerfish/builds}

# NAME SUITE PACKAGE KIND
table='
3.13t		trixie	python3.13	free-threaded
3.14t		sid	python3.14	free-threaded
3.15t		sid	python3.15	free-threaded
3.13-pie	trixie	python3.13	pie
3.13-no-pie	trixie	python3.13	no-pie
3.13-static	trixie	python3.13	static
3.13-musl	trixie	python3.13	musl
3.13td		trixie	python3.13	free-threaded-pydebug
3.11d		bookworm python3.11	pydebug
3.13d		trixie	python3.13	pydebug
3.14d		sid	python3.14	pydebug
3.15d		sid	python3.15	pydebug
pypy		sid	pypy3		pypy
'

say() { printf 'zoo: %s\n' "$*" >&2; }
rows() { echo "$table" | awk 'NF == 4'; }

# An apt of our own, which knows one suite: "apt_in SUITE apt-get ..."
apt_in() { # SUITE COMMAND...
	dir=$builds/apt/$1
	if [ ! -e "$dir/ready" ]; then
		mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
		: >"$dir/status"
		keys=/usr/share/keyrings/debian-archive-keyring.gpg
		for type in deb deb-src; do
			echo "$type [signed-by=$keys] $(mirror_find) $1 main"
		done >"$dir/sources.list"
		cat >"$dir/apt.conf" <<-END
			Dir::Etc::sourcelist "$dir/sources.list";
			Dir::Etc::sourceparts "/dev/null";
			Dir::State "$dir/state";
			Dir::State::status "$dir/status";
			Dir::Cache "$dir/cache";
			Acquire::Check-Valid-Until "false";
			APT::Sandbox::User "root";
		END
		APT_CONFIG=$dir/apt.conf apt-get -q update
		: >"$dir/ready"
	fi
	shift
	APT_CONFIG=$dir/apt.conf "$@"
}

# The unpacked source of PACKAGE, in $builds/src/PACKAGE-SUITE.
get_source() { # SUITE PACKAGE
	[ -x "$builds/src/$2-$1/configure" ] && return
	mkdir -p "$builds/src/download"
	(
		cd "$builds/src/download"
		apt_in "$1" apt-get -q source --download-only "$2"
		rm -rf "../$2-$1"
		dpkg-source --no-check -x "$2"_*.dsc "../$2-$1"
	)
	rm -rf "$builds/src/download"
}

get_musl() { # -> $builds/musl/musl-gcc
	[ -x "$builds/musl/musl-gcc" ] && return
	mkdir -p "$builds/musl"
	(
		cd "$builds/musl"
		apt_in trixie apt-get -q download musl musl-dev musl-tools
		for deb in *.deb; do
			dpkg -x "$deb" .
		done
		rm -f ./*.deb
		sed -i "s#/usr/\(include\|lib\)/x86_64-linux-musl#$PWD&#g" \
			usr/lib/x86_64-linux-musl/musl-gcc.specs
		# The kernel's headers are the machine's own, under musl's.
		for dir in linux asm-generic; do
			ln -s "/usr/include/$dir" usr/include/x86_64-linux-musl/
		done
		ln -s /usr/include/x86_64-linux-gnu/asm usr/include/x86_64-linux-musl/
		cat >musl-gcc <<-END
			#!/bin/sh
			# configure compares what the compiler says with what it makes.
			[ "\$*" != --print-multiarch ] || exec echo x86_64-linux-musl
			exec gcc "\$@" -specs $PWD/usr/lib/x86_64-linux-musl/musl-gcc.specs
		END
		chmod 755 musl-gcc
	)
}

# What the tests do without, and what needs libraries that may not be there.
unwanted='_tkinter _ssl _hashlib _sqlite3 _curses _curses_panel readline _dbm _gdbm _lzma _bz2
	nis _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw pyexpat
	_elementtree _lsprof _uuid _crypt ossaudiodev xxlimited xxlimited_35 _zstd'

compile() { # DIR SUITE PACKAGE KIND
	get_source "$2" "$3"
	mkdir -p "$1"
	cd "$1"
	export CFLAGS='-O1 -g' CC=gcc LDFLAGS='' MODULE_BUILDTYPE=shared
	set -- "../src/$3-$2/configure" "$4" -q --without-ensurepip --disable-test-modules
	configure=$1 kind=$2 link=
	shift 2
	case $kind in
	free-threaded) set -- "$@" --disable-gil ;;
	free-threaded-pydebug) set -- "$@" --disable-gil --with-pydebug ;;
	pie) CFLAGS="$CFLAGS -fPIE" link='-Xlinker -export-dynamic -pie' ;; # not the modules
	no-pie) CC='gcc -fno-pie -no-pie' ;;
	static) ;;
	musl)
		get_musl
		CC=$builds/musl/musl-gcc
		;;
	esac
	case $kind in
	static | musl)
		export MODULE_BUILDTYPE=static LDFLAGS='-static -no-pie'
		CFLAGS="$CFLAGS -fno-pie" link=' '
		unwanted="$unwanted _ctypes zlib binascii"
		;;
	esac
	"$configure" "$@"
	{
		echo '*disabled*'
		# shellcheck disable=SC2086 # words
		printf '%s\n' $unwanted
	} >Modules/Setup.local
	nice -n 15 make -j2 ${link:+"LINKFORSHARED=$link"}
	case $kind in
	pie | no-pie) strip python ;;
	esac
	./python -c 'import threading, time'
}

# What packages hold, without their debug information.  Of Debian's debug builds that is
# an interpreter and its extension modules; the library's Python files are those of the
# suite's root or of this machine.
unpack() { # DIR SUITE PACKAGE...
	mkdir -p "$1"
	cd "$1"
	suite=$2
	shift 2
	apt_in "$suite" apt-get -q download "$@"
	for deb in *.deb; do
		dpkg --fsys-tarfile "$deb" | tar -x --exclude './usr/lib/debug' --exclude './usr/share'
	done
	rm -f ./*.deb
}

# In a shell of its own, which ends at the first command that fails.
make_inside() { # DIR NAME SUITE PACKAGE KIND
	case $5 in
	pydebug) unpack "$1" "$3" "$4-dbg" "lib$4-dbg" ;;
	pypy) unpack "$1" "$3" "$4" "$4-lib" ;;
	*) compile "$1" "$3" "$4" "$5" ;;
	esac
}

make_one() { # NAME SUITE PACKAGE KIND
	part=$builds/$1.partial
	rm -rf "$part"
	"$here/build-python.sh" --inside "$part" "$@" >"$builds/$1.log" 2>&1 || return 1
	echo "$2 $4" >"$part/.archerfish-build"
	rm -rf "${builds:?}/$1"
	mv "$part" "$builds/$1"
	rm -f "$builds/$1.log"
}

case ${1:-} in
--list)
	rows
	exit 0
	;;
--inside)
	shift
	make_inside "$@"
	exit 0
	;;
esac
mkdir -p "$builds"
exec 9>"$builds/.lock"
flock 9
status=0
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(rows | awk '{ print $1 }')
for name; do
	[ ! -e "$builds/$name/.archerfish-build" ] || continue
	row=$(rows | awk -v n="$name" '$1 == n')
	if [ -z "$row" ]; then
		say "no such build: $name"
		exit 2
	fi
	say "making $name (once)"
	# shellcheck disable=SC2086 # the row's words
	if ! make_one $row; then
		say "could not make $name; the end of $builds/$name.log:"
		tail -n 4 "$builds/$name.log" >&2
		status=77
	fi
done
exit $status
