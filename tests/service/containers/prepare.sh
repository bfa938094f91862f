#!/usr/bin/env bash
# Fetches what the image tests need, without touching this machine: podman, installed into overlays on /usr, /etc and
# /var that only a private mount namespace sees, and a Debian root with this machine's Python below /usr/local, which
# stands in for the base images of deploy/docker/Dockerfile. About 900 MB and two minutes, once.
# Usage: prepare.sh FOLDER PYTHON_PREFIX
set -euo pipefail
here=$(dirname "$(realpath "$0")")
folder=$(realpath -m "$1")/podman
python=$2
mkdir -p "$folder"
cd "$folder"
if [ ! -e base/.complete ]; then
    rm -rf base
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    debootstrap --variant=minbase --include=ca-certificates,libssl3,libsqlite3-0,libffi8,zlib1g,liblzma5,libbz2-1.0,libreadline8,libncursesw6,libuuid1,gcc,libc6-dev \
        "$release" base "$mirror"
    touch base/.complete
fi
if [ ! -e base/usr/local/.complete ]; then
    tar -C "$python" --exclude=test --exclude='*.a' --exclude=__pycache__ --exclude='site-packages/*' -cf - . |
        tar -C base/usr/local -xf -
    cp -r "$python"/lib/python3.11/site-packages/pip* base/usr/local/lib/python3.11/site-packages/
    ln -sf python3.11 base/usr/local/bin/python
    ln -sf python3.11 base/usr/local/bin/python3
    chroot base ldconfig
    chroot base /usr/local/bin/python -c 'import ssl, sqlite3, ctypes, lzma, bz2'
    touch base/usr/local/.complete
fi
exec unshare -m "$here/apart.sh" "$folder" sh -euc '
    command -v runc >/dev/null || {
        apt-get -q update
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
            podman runc containernetworking-plugins conmon catatonit
    }
    podman image exists docker.io/library/python:3.11 ||
        tar -C base --exclude="./proc/*" --exclude="./sys/*" -cf - . | podman import - docker.io/library/python:3.11
    podman tag docker.io/library/python:3.11 docker.io/library/python:3.11-slim
'
