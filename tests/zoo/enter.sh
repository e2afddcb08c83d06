#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Run a command inside a root made by roots.sh:
#
#	tests/zoo/enter.sh ROOT COMMAND [ARG...]
#
# /proc and /dev are mounted in a mount namespace of this command alone, so they
# vanish with it, however it ends.  Every step is an exec: the command keeps this
# script's process id, which a caller needs to attach to it.  Networks and process
# ids are the machine's own, so a debugger inside reaches a server outside.
#
# ZOO_BIND=DIR[:DIR...]	directories of the machine to show inside, under the same path
# ZOO_CWD=DIR		where to run it (default /)
set -eu

if [ $# -lt 2 ]; then
	echo "usage: $0 ROOT COMMAND [ARG...]" >&2
	exit 2
fi

if [ "$1" != --inside ]; then
	if [ ! -x "$1/bin/sh" ]; then
		echo "$0: $1 is not a root (tests/zoo/roots.sh makes them)" >&2
		exit 2
	fi
	# Inside a plain chroot "/" is no mount point and its propagation can't be
	# changed; what is mounted there is then private to that chroot anyway.
	how=private
	unshare --mount --propagation private true 2>/dev/null || how=unchanged
	exec unshare --mount --propagation $how "$0" --inside "$@"
fi

shift
root=$(cd "$1" && pwd -P)
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
(
	IFS=:
	for dir in ${ZOO_BIND:-}; do
		mkdir -p "$root$dir"
		mount --bind "$dir" "$root$dir"
	done
)
cwd=${ZOO_CWD:-/}
unset ZOO_BIND ZOO_CWD LD_LIBRARY_PATH
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Like a container's, its root becomes that of the whole mount namespace: with a
# bare chroot, /proc/PID/exe and the maps name files by the outer path.
cd "$root"
if pivot_root . . 2>/dev/null; then
	umount -l .
	cd "$cwd"
	exec "$@"
fi
# Not permitted where "/" is itself no mount point; a chroot is the next best.
# shellcheck disable=SC2016 # expanded by the inner shell
exec chroot . /bin/sh -c 'cd "$0" && exec "$@"' "$cwd" "$@"
