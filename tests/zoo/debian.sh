# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by what makes Debian roots.

# Where this machine's apt finds Debian itself (not its security updates, not
# another vendor's packages): asked of apt, which knows both kinds of source files.
# Empty if its configuration names no such place.
mirror_find() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$3 == "main" && $4 ~ /^https?:/ {
			if ($1 == "Debian" && $2 == "Debian") { print $4; found = 1; exit }
			if ($1 == "" && $4 ~ /\/debian\/?$/ && !guess) guess = $4
		} END { if (!found && guess) print guess }'
}

# Say why no root can be made here, or nothing.
root_obstacle() {
	if [ "$(uname -m)" != x86_64 ]; then
		echo "the roots are made on x86-64 only"
	elif [ "$(id -u)" != 0 ]; then
		echo "that needs root"
	elif ! command -v debootstrap >/dev/null; then
		echo "that needs debootstrap (make setup installs it)"
	elif ! command -v apt-get >/dev/null; then
		echo "that needs a machine with apt"
	elif ! unshare --mount true 2>/dev/null; then
		echo "that needs mount namespaces, which are not permitted here"
	elif [ -z "$(mirror_find)" ]; then
		echo "apt's configuration names no Debian mirror"
	fi
}

# A smallest Debian in DIR, with this machine's way to the network and nothing
# started by installing it.  debootstrap's mounts are made in a namespace of its own.
root_bootstrap() { # SUITE DIR [DEBOOTSTRAP OPTION...]
	suite=$1 dir=$2
	shift 2
	proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
	how=private
	unshare --mount --propagation private true 2>/dev/null || how=unchanged
	env ${proxy:+"http_proxy=$proxy"} unshare --mount --propagation $how \
		debootstrap --variant=minbase "$@" "$suite" "$dir" "$(mirror_find)" || return 1
	apt-config dump --no-empty 2>/dev/null |
		grep -iE '^Acquire::https?::(Proxy|[^ ]*::Proxy) ' >"$dir/etc/apt/apt.conf.d/90proxy" || :
	printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
}
