#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Cores of another machine: boots Debian 12's kernel for arm64 in qemu, lets programs
# crash there, and brings their cores here:
#
#	tests/zoo/machine.sh DIR	cores in DIR/*.core, the machine's files in DIR/root
#
# Needs root, debootstrap, qemu-system-aarch64, cpio and a compiler for it (Debian:
# qemu-system-arm cpio gcc-aarch64-linux-gnu libc6-dev-arm64-cross).  Takes some minutes.
# Exit status: 77 it can't be done here, with the reason on stderr.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/zoo/debian.sh
. "$here/debian.sh"
inferiors=$here/../inferiors
packages='libc6 libpython3.11-minimal libpython3.11-stdlib python3.11-minimal libexpat1 zlib1g
	libffi8 busybox-static libgcc-s1 libcrypt1'

cannot() {
	echo "zoo: no cores of arm64: $1" >&2
	exit 77
}

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
obstacle=$(root_obstacle)
[ -z "$obstacle" ] || cannot "$obstacle"
for tool in qemu-system-aarch64 cpio aarch64-linux-gnu-gcc; do
	command -v $tool >/dev/null || cannot "there is no $tool"
done
mkdir -p "$1"
dir=$(cd "$1" && pwd)

# The packages' files are all that is wanted: nothing is configured.
proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
env ${proxy:+"http_proxy=$proxy"} unshare --mount debootstrap --foreign --arch=arm64 \
	--variant=minbase --include=python3,busybox-static,linux-image-arm64 \
	bookworm "$dir/packages" "$(mirror_find)" >"$dir/log"
mkdir -p "$dir/root/proc" "$dir/root/dev" "$dir/root/tmp" "$dir/kernel"
cd "$dir/packages/var/cache/apt/archives"
for name in $packages; do
	dpkg -x "$name"_*.deb "$dir/root"
done
dpkg -x linux-image-[0-9]*.deb "$dir/kernel"
cp "$inferiors/must_coredump.py" "$inferiors/philosophers.py" "$inferiors/debuggable.py" "$dir/root"
aarch64-linux-gnu-gcc -g -O1 -o "$dir/root/crash" "$inferiors/crash.c"
# With signed return addresses, as later Debians build all.
aarch64-linux-gnu-gcc -g -O1 -mbranch-protection=standard -o "$dir/root/signed" "$inferiors/crash.c"

# The cores leave through the serial line.
cat >"$dir/root/init" <<'END'
#!/bin/busybox sh
busybox() { /bin/busybox "$@"; }
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs tmp /tmp
ulimit -c unlimited
cd /tmp
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
echo /tmp/core >/proc/sys/kernel/core_pattern
echo 0 >/proc/sys/kernel/core_uses_pid
send() {
	echo "BEGIN $1"
	busybox gzip </tmp/core | busybox base64
	echo "END $1"
	busybox rm -f /tmp/core
}
/crash
send crash
/signed
send signed
/usr/bin/python3.11 /must_coredump.py
send python
/usr/bin/python3.11 /philosophers.py >/tmp/out 2>&1 &
pid=$!
while ! busybox grep -q deadlocked /tmp/out; do
	busybox sleep 1
done
kill -ABRT $pid
wait $pid
send philosophers
busybox poweroff -f
END
chmod 755 "$dir/root/init"
(cd "$dir/root" && find . | cpio -o -H newc 2>/dev/null) | gzip -1 >"$dir/initrd"
timeout 900 qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on -m 1024 -nographic -no-reboot \
	-kernel "$dir"/kernel/boot/vmlinuz-* -initrd "$dir/initrd" \
	-append 'console=ttyAMA0 quiet panic=-1' </dev/null 2>&1 | tr -d '\r' >"$dir/console"
for name in crash signed python philosophers; do
	sed -n "/^BEGIN $name$/,/^END $name$/p" "$dir/console" | sed '1d;$d' | base64 -d |
		gunzip >"$dir/$name.core" || cannot "see $dir/console"
done
