#!/bin/sh
# SPDX-License-Identifier: MIT
#
# CPython's test of gdb for an interpreter of Debian's, which has it in a package of
# its own:
#
#	tests/gdbcases/suite.sh ROOT X.Y	(a root of tests/zoo/roots.sh)
#
# Prints the folder that holds test_gdb/; made once, beside the roots.  Exit status 77
# if it can't be had.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$1 version=$2
made=$(dirname "$root")/suites/$version
if [ ! -d "$made/test_gdb" ]; then
	new=$(mktemp -d)
	trap 'rm -rf "$new"' EXIT
	chmod 755 "$new"
	mkdir -p "$new/lists/partial" "$made"
	ZOO_BIND=$new ZOO_CWD=$new "$here/../zoo/enter.sh" "$root" sh -ec '
		apt="apt-get -q -o Dir::State::lists=$PWD/lists"
		$apt -o Acquire::Check-Valid-Until=false update
		$apt download "$1"
		dpkg-deb -x "$1"_*.deb x
	' sh "libpython$version-testsuite" >"$new/log" 2>&1 || {
		tail -n 3 "$new/log" >&2
		exit 77
	}
	cp -r "$new/x/usr/lib/python$version/test/test_gdb" "$made/"
fi
echo "$made"
