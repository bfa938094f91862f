#!/usr/bin/env bash
# Fetches what the systemd tests boot: systemd-nspawn unpacked (installing it would upgrade this machine's systemd) and a
# Debian root. About 350 MB and a minute, once. Usage: prepare.sh FOLDER [MIRROR]
set -euo pipefail
folder=$1
# The mirror that apt is set up with here.
mirror=${2:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)}
mkdir -p "$folder"
cd "$folder"
if [ ! -x nspawn/usr/bin/systemd-nspawn ]; then
    apt-get -q download systemd-container libsystemd-shared
    for package in ./*.deb; do dpkg -x "$package" nspawn; done
    rm -f ./*.deb
fi
if [ ! -e root/.complete ]; then
    rm -rf root
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,procps,libssl3t64,libsqlite3-0,libffi8,zlib1g,liblzma5,libbz2-1.0 \
        trixie root "$mirror"
    # What the test binds there is started at boot.
    ln -s /etc/systemd/system/soak-test.service root/etc/systemd/system/multi-user.target.wants/
    touch root/.complete
fi
