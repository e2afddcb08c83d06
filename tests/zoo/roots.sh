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
roots=${ARCHERFISH_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/archerfish/roots}
refresh=
[ "${1:-}" != --refresh ] || { refresh=yes; shift; }
[ $# -gt 0 ] || set -- trixie sid

# Part of each root's stamp: a root made from another recipe is made anew.
recipe=1

say() { printf 'zoo: %s\n' "$*" >&2; }
skip() { say "$*"; exit 77; }

ready() { # SUITE
	[ "$(cat "$roots/$1/.archerfish-zoo" 2>/dev/null)" = "recipe $recipe" ]
}

# Where this machine's apt finds Debian itself (not its security updates, not
# another vendor's packages): asked of apt, which knows both kinds of source files.
mirror_find() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$3 == "main" && $4 ~ /^https?:/ {
			if ($1 == "Debian" && $2 == "Debian") { print $4; found = 1; exit }
			if ($1 == "" && $4 ~ /\/debian\/?$/ && !guess) guess = $4
		} END { if (!found && guess) print guess }'
}

# What apt needs for the network here must hold inside the root as well.
proxy_copy() { # ROOT
	apt-config dump --no-empty 2>/dev/null |
		grep -iE '^Acquire::https?::(Proxy|[^ ]*::Proxy) ' >"$1/etc/apt/apt.conf.d/90zoo-proxy" || :
}

# Runs where its mounts are its own: see the unshare below.
root_make() { # SUITE MIRROR DIR
	suite=$1 mirror=$2 dir=$3
	http_proxy=${http_proxy:-$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")}
	[ -z "$http_proxy" ] || export http_proxy
	debootstrap --variant=minbase "$suite" "$dir" "$mirror" >>"$dir.log" 2>&1 || return 1
	proxy_copy "$dir"
	printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
	printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' \
		>"$dir/etc/dpkg/dpkg.cfg.d/zoo"
	# shellcheck disable=SC2016 # the inner shell expands it
	# Every CPython of 3.11 and later that the suite holds, with its threading.
	"$here/enter.sh" "$dir" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		# A mirror that lags holds a signed list past its date: fine for tests.
		apt-get -q -o Acquire::Check-Valid-Until=false update
		pythons=$(apt-cache pkgnames python3. | grep -E "^python3\.1[1-9]$" | sort -V)
		apt-get -q -y --no-install-recommends install gdb gdbserver $pythons
		apt-get clean
		rm -rf /var/lib/apt/lists/*
	' >>"$dir.log" 2>&1 || return 1
	echo "recipe $recipe" >"$dir/.archerfish-zoo"
}

if [ "${1:-}" = --make ]; then
	shift
	root_make "$@"
	exit
fi

missing=
for suite; do
	{ ready "$suite" && [ -z "$refresh" ]; } || missing="$missing $suite"
done
[ -n "$missing" ] || exit 0

[ "$(uname -m)" = x86_64 ] || skip "the roots are made on x86-64 only"
[ "$(id -u)" = 0 ] || skip "making$missing needs root (run tests/zoo/roots.sh once as root)"
command -v debootstrap >/dev/null || skip "making$missing needs debootstrap (make setup installs it)"
command -v apt-get >/dev/null || skip "making$missing needs a machine with apt"
unshare --mount true 2>/dev/null || skip "making$missing needs mount namespaces, which are not permitted here"
mirror=$(mirror_find)
[ -n "$mirror" ] || skip "apt's configuration names no Debian mirror to make$missing from"

mkdir -p "$roots"
exec 9>"$roots/.lock"
if ! flock -n 9; then
	say "waiting for another run that is making roots"
	flock 9
fi
how=private
unshare --mount --propagation private true 2>/dev/null || how=unchanged

status=0
for suite in $missing; do
	# Another run may have made it while this one waited.
	{ ready "$suite" && [ -z "$refresh" ]; } && continue
	say "making the $suite root in $roots (once; about two minutes, 400 MB)"
	rm -rf "$roots/.$suite.partial" "$roots/.$suite.partial.log"
	if unshare --mount --propagation $how "$here/roots.sh" --make \
		"$suite" "$mirror" "$roots/.$suite.partial" 9>&-; then
		rm -rf "${roots:?}/$suite"
		mv "$roots/.$suite.partial" "$roots/$suite"
		rm -f "$roots/.$suite.partial.log"
	else
		say "could not make the $suite root; the end of $roots/.$suite.partial.log:"
		tail -n 5 "$roots/.$suite.partial.log" >&2 || :
		status=77
	fi
done
exit $status
