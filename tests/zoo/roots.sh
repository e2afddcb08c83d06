#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Real parts for the tests: small Debian roots with the interpreters and
# debuggers this machine's own suite lacks, stripped as users meet them.
#
#	tests/zoo/roots.sh [--refresh] [SUITE...]	(default: trixie sid)
#
# The roots live outside the checkout, in $ARCHERFISH_ROOTS, else
# ${XDG_CACHE_HOME:-~/.cache}/archerfish/roots, and are made once: a second run
# finds them ready and says nothing.  A root is made under another name and
# renamed when whole, so an interrupted run leaves nothing half made in its place.
# The mirror, its proxy and its keys are those this machine's apt uses.
#
# Exit status: 0 every root is ready; 77 some can't be made here, with the reason
# on stderr (tests that need one skip with it); else a failure.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/zoo/debian.sh
. "$here/debian.sh"
roots=${ARCHERFISH_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/archerfish/roots}
refresh=
[ "${1:-}" != --refresh ] || { refresh=yes; shift; }
[ $# -gt 0 ] || set -- trixie sid

# Part of each root's stamp: a root made from another recipe is made anew.
recipe=1
# Added to a root that is there, without making it anew.
lldb_recipe=1
# The same of Node.
node_recipe=1

say() { printf 'zoo: %s\n' "$*" >&2; }

ready() { # SUITE
	[ "$(cat "$roots/$1/.archerfish-zoo" 2>/dev/null)" = "recipe $recipe" ]
}

root_make() { # SUITE DIR
	root_bootstrap "$1" "$2" || return 1
	printf 'path-exclude=/usr/share/%s/*\n' doc man locale >"$2/etc/dpkg/dpkg.cfg.d/zoo"
	# Every CPython of 3.11 and later that the suite holds, with its library.
	# A mirror that lags holds a signed list past its date: fine for tests.
	# shellcheck disable=SC2016 # the inner shell expands it
	"$here/enter.sh" "$2" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q -o Acquire::Check-Valid-Until=false update
		pythons=$(apt-cache pkgnames python3. | grep -E "^python3\.1[1-9]$" | sort -V)
		apt-get -q -y --no-install-recommends install gdb gdbserver $pythons
		apt-get clean
		rm -rf /var/lib/apt/lists/*
	' || return 1
	echo "recipe $recipe" >"$2/.archerfish-zoo"
}

has_lldb() { # SUITE
	[ "$(cat "$roots/$1/.archerfish-lldb" 2>/dev/null)" = "recipe $lldb_recipe" ]
}

# Of the suites' several lldbs an old one and the newest: 19 where there is one that
# old as the suite's own, else the last.  A root without lldb is a root all the same.
lldb_add() { # SUITE DIR
	# shellcheck disable=SC2016 # the inner shell expands it
	"$here/enter.sh" "$2" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q -o Acquire::Check-Valid-Until=false update
		lldb=$(apt-cache pkgnames lldb- | grep -E "^lldb-[1-9][0-9]$" | sort -V | tail -n 1)
		[ "$0" != trixie ] || lldb=lldb-19
		apt-get -q -y --no-install-recommends install "$lldb"
		apt-get clean
		rm -rf /var/lib/apt/lists/*
	' "$1" || return 1
	echo "recipe $lldb_recipe" >"$2/.archerfish-lldb"
}

has_node() { # SUITE
	[ "$(cat "$roots/$1/.archerfish-node" 2>/dev/null)" = "recipe $node_recipe" ]
}

# Node as Debian builds it: V8 in a library of its own, stripped.
node_add() { # SUITE DIR
	"$here/enter.sh" "$2" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q -o Acquire::Check-Valid-Until=false update
		apt-get -q -y --no-install-recommends install nodejs
		apt-get clean
		rm -rf /var/lib/apt/lists/*
	' || return 1
	echo "recipe $node_recipe" >"$2/.archerfish-node"
}

# What a root that is there lacks; a root without it is a root all the same.
parts_add() { # SUITE DIR LOG
	if ! has_lldb "$1"; then
		say "adding lldb to the $1 root (once; 60 MB to fetch)"
		lldb_add "$1" "$2" >>"$3" 2>&1 9>&- ||
			say "could not add lldb to the $1 root; its tests are skipped: see $3"
	fi
	if ! has_node "$1"; then
		say "adding Node to the $1 root (once; 30 MB to fetch)"
		node_add "$1" "$2" >>"$3" 2>&1 9>&- ||
			say "could not add Node to the $1 root; its tests are skipped: see $3"
	fi
}

missing=
for suite; do
	{ ready "$suite" && has_lldb "$suite" && has_node "$suite" && [ -z "$refresh" ]; } || missing="$missing $suite"
done
[ -n "$missing" ] || exit 0

obstacle=$(root_obstacle)
if [ -n "$obstacle" ]; then
	say "can't make the Debian root(s)$missing: $obstacle"
	exit 77
fi

mkdir -p "$roots"
exec 9>"$roots/.lock"
if ! flock -n 9; then
	say "waiting for another run that is making roots"
	flock 9
fi

status=0
for suite in $missing; do
	# Another run may have made it while this one waited.
	if ready "$suite" && [ -z "$refresh" ]; then
		parts_add "$suite" "$roots/$suite" "$roots/.$suite.parts.log"
		continue
	fi
	part=$roots/.$suite.partial
	say "making the $suite root in $roots (once; a minute or two, 600 MB)"
	rm -rf "$part" "$part.log"
	if root_make "$suite" "$part" >"$part.log" 2>&1 9>&-; then
		parts_add "$suite" "$part" "$part.log"
		rm -rf "${roots:?}/$suite"
		mv "$part" "$roots/$suite"
		rm -f "$part.log"
	else
		say "could not make the $suite root; the end of $part.log:"
		tail -n 5 "$part.log" >&2 || :
		status=77
	fi
done
exit $status
