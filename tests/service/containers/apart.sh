#!/usr/bin/env bash
# Run in a private mount namespace (unshare -m): what is installed below FOLDER/ns is laid over /usr, /etc and /var, and
# `podman` keeps its images and containers in FOLDER. Usage: apart.sh FOLDER COMMAND...
set -euo pipefail
folder=$1
shift
mount --make-rprivate /
for name in usr etc var; do
    mkdir -p "$folder/ns/$name" "$folder/ns/$name.work"
    mount -t overlay overlay -o "lowerdir=/$name,upperdir=$folder/ns/$name,workdir=$folder/ns/$name.work" "/$name"
done
umount /sys/fs/cgroup/unified 2>/dev/null || true # of a hybrid hierarchy: the runtime would take it for version 2
mkdir -p "$folder/bin" "$folder/runtime"
cat >"$folder/bin/podman" <<END
#!/bin/sh
exec /usr/bin/podman --root $folder/storage --runroot $folder/runroot --storage-driver overlay \\
    --cgroup-manager cgroupfs --runtime runc "\$@"
END
chmod +x "$folder/bin/podman"
# The pause container of a pod, too, would ask for more than this machine may allow.
printf '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]\n' >"$folder/containers.conf"
export PATH=$folder/bin:$PATH XDG_RUNTIME_DIR=$folder/runtime CONTAINERS_CONF=$folder/containers.conf
cd "$folder"
exec "$@"
