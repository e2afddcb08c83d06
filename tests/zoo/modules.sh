#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fetch Debian's package of the module greenlet for this machine's own Debian and for
# each root that roots.sh made, and unpack it in the cache:
#
#	tests/zoo/modules.sh		~/.cache/archerfish/modules/{host,trixie,sid}
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
