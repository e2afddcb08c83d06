#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Try the project as its first user does, on a Debian with only git and make:
#
#	tests/fresh-root.sh [--keep] [--share-roots] [SUITE [COMMAND...]]
#
# Makes the smallest root of SUITE (default bookworm) with git and make, clones
# HEAD of this checkout into it, and runs "make demo" and "make check" in there, or
# the given command.  The root is made anew each time, from a copy kept beside the
# zoo's roots, and removed afterwards; --keep leaves it and says where.
# --share-roots shows it this machine's roots of the zoo instead of having it make
# its own.  Needs root and debootstrap; exit status 77 where it can't be done.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/zoo/debian.sh
. "$top/tests/zoo/debian.sh"
roots=${ARCHERFISH_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/archerfish/roots}
keep='' bind=''
while :; do
	case ${1:-} in
	--keep) keep=yes ;;
	--share-roots) bind=$roots ;;
	*) break ;;
	esac
	shift
done
suite=${1:-bookworm}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- sh -c 'make demo && make check'

obstacle=$(root_obstacle)
if [ -n "$obstacle" ]; then
	echo "fresh-root: can't make a $suite root: $obstacle" >&2
	exit 77
fi

mkdir -p "$roots"
base=$roots/.fresh-$suite
if [ ! -e "$base/.whole" ]; then
	echo "fresh-root: making a $suite root with only git and make" >&2
	rm -rf "$base"
	root_bootstrap "$suite" "$base" --include=git,make >"$base.log" 2>&1 || {
		tail -n 5 "$base.log" >&2
		exit 1
	}
	rm -f "$base.log"
	touch "$base/.whole"
fi

root=$(mktemp -d "$roots/.fresh-$suite.XXXXXX")
finish() {
	if [ -n "$keep" ]; then
		echo "fresh-root: kept $root" >&2
	else
		rm -rf "$root"
	fi
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
cp -a "$base/." "$root"
git clone -q --no-hardlinks "$top" "$root/root/archerfish"

# Nothing of this machine's environment is there for a first user.
env -i ZOO_BIND="$bind" ZOO_CWD=/root/archerfish HOME=/root TERM="${TERM:-dumb}" \
	${bind:+"ARCHERFISH_ROOTS=$bind"} ${CI:+"CI=$CI"} PATH="$PATH" \
	"$top/tests/zoo/enter.sh" "$root" "$@"
