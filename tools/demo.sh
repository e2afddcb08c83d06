#!/bin/sh
# SPDX-License-Identifier: MIT
#
# From a hung Python program to its stack, in stock gdb:
#
#	tools/demo.sh ARCHERFISH	(make demo sets up, builds and runs this)
#
# Starts five dining philosophers who deadlock, serves them with archerfish, and
# asks an ordinary gdb, with no file of ours on its side, what hangs where.  Fails
# if gdb does not show it.  Ends all it started.
set -eu

stub=$1
here=$(cd "$(dirname "$0")/.." && pwd)
program=$here/tests/inferiors/philosophers.py
work=$(mktemp -d)
: >"$work/program"
: >"$work/server"
pid=
server=

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || :
	wait 2>/dev/null || :
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

title() { printf '\n=== %s\n' "$*"; }
command_line() { printf '$ %s\n' "$*"; }
fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# Wait until FILE has a line like PATTERN while PID lives.
await() { # FILE PATTERN PID
	tries=0
	until grep -q "$2" "$1"; do
		kill -0 "$3" 2>/dev/null || return 1
		tries=$((tries + 1))
		[ $tries -lt 200 ] || return 1
		sleep 0.05
	done
}

# What is served must be one of the versions archerfish knows: the newest here.
interpreter() {
	for name in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do
		"$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 15))' \
			2>/dev/null && { command -v "$name"; return; }
	done
	fail "no python3 of version 3.11 to 3.15 here"
}

# The first of these ports that nobody has, gdb's customary one before others.
serve() { # PID
	for port in 2345 2346 2347 2348 2349 0; do
		"$stub" --attach ":$port" "$1" >"$work/server" 2>&1 &
		server=$!
		if await "$work/server" 'Listening on port' $server; then
			port=$(sed -n 's/.*Listening on port \([0-9]*\).*/\1/p' "$work/server" | head -n 1)
			return
		fi
		wait $server || :
		server=
		grep -q 'Address already in use' "$work/server" || break
		echo "(port $port is taken: trying another)"
	done
	cat "$work/server" >&2
	fail "archerfish does not serve the program"
}

found=
expect() { # WHAT COUNT PATTERN
	count=$(grep -c "$3" "$work/gdb" || :)
	[ "$count" -ge "$2" ] || fail "gdb did not show $1 (/$3/: $count of $2)"
	found="$found
  $1"
}

python=$(interpreter)
title "A Python program hangs: five philosophers, each with one fork in hand"
command_line "$python tests/inferiors/philosophers.py &"
"$python" -B "$program" >"$work/program" 2>&1 &
pid=$!
await "$work/program" deadlocked $pid || {
	cat "$work/program" >&2
	fail "the program did not start"
}

title "archerfish serves it"
serve $pid
command_line "archerfish --attach :$port $pid &"
cat "$work/server"

# gdb takes :PORT as localhost, which the barest systems can't resolve.
host=
getent hosts localhost >/dev/null 2>&1 || host=127.0.0.1

title "Stock gdb asks, in batch mode, with nothing of ours on its side"
printf '%s\n' "$ gdb -batch -nx -ex 'target remote $host:$port' -ex 'info threads' \\" \
	"      -ex 'thread 2' -ex 'monitor py-bt' -ex 'monitor py-threads' -ex detach"
env -u DEBUGINFOD_URLS gdb -batch -nx -ex "target remote $host:$port" \
	-ex 'echo \n(gdb) info threads\n' -ex 'info threads' \
	-ex 'echo \n(gdb) thread 2\n' -ex 'thread 2' \
	-ex 'echo \n(gdb) monitor py-bt\n' -ex 'monitor py-bt' \
	-ex 'echo \n(gdb) monitor py-threads\n' -ex 'monitor py-threads' \
	-ex 'echo \n(gdb) detach\n' -ex detach >"$work/gdb" 2>&1 </dev/null || :
# Left out: the files of the program that gdb fetches through archerfish.
grep -v -e '^Reading ' -e '^warning: File transfers' "$work/gdb"

line=$(grep -n 'with right:' "$program" | cut -d: -f1)
title "Line $line of philosophers.py, where all five wait for the fork on their right"
sed -n "$((line - 3)),$((line + 1))p" "$program"

expect "five threads and the Python function each is in" 5 "^  [0-9].*Thread .*(dine (philosophers.py:$line))"
expect "the main thread, waiting for them" 1 'Thread .*(threading.py:[0-9]'
expect "a whole Python stack, from the waiting line" 1 "philosophers.py\", line $line, in dine"
expect "... down to where the thread began" 1 'File ".*threading.py", line [0-9]*, in _bootstrap$'
expect "the line each philosopher waits at" 5 "^[ *] [0-9]* .* dine (philosophers.py:$line)$"
kill -0 $pid 2>/dev/null || fail "the program did not survive it"
title "demo: passed. gdb showed:$found"
