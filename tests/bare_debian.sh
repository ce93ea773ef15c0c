#!/usr/bin/env bash
# Proves the README's promise on a bare Debian root: `make run` (once) and `make test`, each twice.
#
#   sudo tests/bare_debian.sh [--only run|test] [FOLDER]
#
# Needs root, mmdebstrap (or debootstrap) and some 4 GB in FOLDER (default: a new temporary one,
# deleted at the end). The root gets python3, python3-venv, make and ca-certificates and nothing
# else; it sees this machine's certificate authorities, name resolution, and pip's settings.
set -euo pipefail

only=""
if [ "${1:-}" = "--only" ]; then only=$2; shift 2; fi
source_tree=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$(mktemp -d)}
keep=${1:+yes}
root=$work/root
mkdir -p "$work"
packages=python3,python3-venv,make,ca-certificates

cleanup() {
    for mounted in dev/pts dev/shm dev proc; do
        mountpoint -q "$root/$mounted" && umount "$root/$mounted"
    done
    [ -n "$keep" ] || rm -rf "$work"
}
trap cleanup EXIT

if [ ! -x "$root/usr/bin/make" ]; then
    if command -v mmdebstrap > /dev/null; then
        mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$root"
    else
        debootstrap --variant=minbase --include="$packages" bookworm "$root"
    fi
fi

rm -rf "$root/kontor"
mkdir -p "$root/kontor" "$root/dev/shm" "$root/dev/pts"
(cd "$source_tree" && tar --exclude=.venv --exclude=.kontor --exclude=.git -cf - .) \
    | tar -C "$root/kontor" -xf -
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts"

inside() {
    # An empty environment but for what leads package clients to their registries.
    settings=$(env | grep -E '^(PIP_(INDEX|CERT|DEFAULT|EXTRA)|UV_|SSL_CERT_FILE|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)' || true)
    mapfile -t variables <<< "$settings"
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true \
        "${variables[@]:-NOTHING=}" sh -c "cd /kontor && $1"
}

# What may be left running is found by its root: a process of this chroot has it as its own.
left_running() {
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/root" 2> /dev/null)" = "$root" ]; then
            state=$(awk '/^State/ {print $2}' "$process/status" 2> /dev/null)
            [ "$state" = Z ] || tr '\0' ' ' < "$process/cmdline"
        fi
    done
}

measured() {
    echo "== $1"
    started=$(date +%s)
    inside "$2"
    echo "== $1: $(($(date +%s) - started)) s"
    left=$(left_running)
    if [ -n "$left" ]; then
        echo "left running: $left"
        exit 1
    fi
}

if [ "$only" != test ]; then
    measured "make run, from nothing" "make run ARGS=--once"
    measured "make run, second start" "make run ARGS=--once"
fi
if [ "$only" != run ]; then
    measured "make test, first" "make test"
    measured "make test, second" "make test"
fi
echo "== all as promised"
