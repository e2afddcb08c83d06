#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fetch Debian's package of the module greenlet for this machine's own Debian and for
# each root that roots.sh made, and unpack it in the cache:
#
#	tests/zoo/modules.sh		~/.cache/archerfish/modules/{host,trixie,sid}
#
# For pyenv's 3.6 to 3.10 it is built, from Debian's source package or a folder that has
# greenlet's sources, of 1.1 or 2.0 ($GREENLET_SOURCE): modules/VERSION in the cache.
# A mirror without it is asked once (modules/no-source remembers).
#
# Nothing is installed.  Needs apt; what is there already is left as it is.
set -eu

here=$(dirname "$0")
. "$here/debian.sh"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/archerfish
mirror=$(mirror_find)
[ -n "$mirror" ] || { echo "$0: apt's configuration names no Debian mirror" >&2; exit 1; }

# apt-get with lists and a cache of its own, for one suite.
fetch() { # SUITE DIR
	work=$(mktemp -d)
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
	echo "deb $mirror $1 main" >"$work/sources.list"
	set -- "$2" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
		-o Dir::State::status=/dev/null -o APT::Sandbox::User=root
	to=$1
	shift
	apt-get -q "$@" update >/dev/null
	(cd "$work/debs" && apt-get -q "$@" download python3-greenlet >/dev/null)
	mkdir -p "$to.new"
	for deb in "$work"/debs/*.deb; do
		dpkg -x "$deb" "$to.new"
	done
	mv "$to.new" "$to"
	rm -rf "$work"
}

mkdir -p "$cache/modules"
for suite in host trixie sid; do
	[ ! -d "$cache/modules/$suite" ] || continue
	name=$suite
	[ "$suite" != host ] || name=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$name" ] || continue
	fetch "$name" "$cache/modules/$suite" || echo "$0: no python3-greenlet of $name" >&2
done

# Debian 12's greenlet is the last that 3.6 can load.
get_source() { # DIR
	to=$1
	work=$(mktemp -d)
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	echo "deb-src $mirror bookworm main" >"$work/sources.list"
	(
		cd "$work"
		set -- -o Dir::Etc::sourcelist="$work/sources.list" \
			-o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" \
			-o Dir::Cache="$work/cache" -o APT::Sandbox::User=root
		apt-get -q "$@" update >/dev/null &&
			apt-get -q "$@" source --download-only python-greenlet >/dev/null 2>&1 &&
			dpkg-source --no-check -x python-greenlet_*.dsc "$to" >/dev/null
	)
	status=$?
	rm -rf "$work"
	return $status
}

build() { # PYTHON DIR
	work=$(mktemp -d)
	cp -r "$source/." "$work"
	(cd "$work" && "$1" setup.py -q build --build-lib="$2.new" >/dev/null 2>&1) &&
		mv "$2.new" "$2"
	rm -rf "$work"
}

source=${GREENLET_SOURCE:-}
for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.[6-9].*/bin/python3 \
	"${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3; do
	version=$(basename "$(dirname "$(dirname "$python")")")
	if [ ! -x "$python" ] || [ -d "$cache/modules/$version" ]; then
		continue
	fi
	if [ -z "$source" ] && [ ! -e "$cache/modules/no-source" ]; then
		source=$(mktemp -d)/greenlet
		get_source "$source" 2>/dev/null || : >"$cache/modules/no-source"
	fi
	if [ -f "$source/setup.py" ]; then
		build "$python" "$cache/modules/$version" ||
			echo "$0: greenlet cannot be built for $version" >&2
	fi
done
