#!/usr/bin/env bash
# Run by apart.sh: builds the image from deploy/docker/Dockerfile as it stands, runs it read-only beside a target, attaches
# to a container from outside, by name, short and long id, and tries a pod with one process namespace. What was seen goes
# to OUT, a file each. Usage: inside.sh SOURCE OUT SOAK
set -uo pipefail
source=$1 out=$2 soak=$3
options=(--network host --user 10001:10001)
beside=(--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -v "$out/soak.toml:/etc/soak/soak.toml:ro")
guest=(-e PORT=8123 -e LEAK=200000 -v "$source/tests/targets:/t:ro")
base=docker.io/library/python:3.11-slim
mounts=(-v /etc/ssl/certs:/etc/ssl/certs:ro)
# What pip is set up with here: its configuration, and the folders of packages that it names.
[ -e /etc/pip.conf ] && mounts+=(-v /etc/pip.conf:/etc/pip.conf:ro)
for place in $(grep -oE '/[^ :=]+' /etc/pip.conf 2>/dev/null | grep -vE '^//' | cut -d/ -f1-3 | sort -u); do
    [ -d "$place" ] && [ "$place" != /etc/ssl ] && mounts+=(-v "$place:$place:ro")
done

config() {
    printf '[target]\nname = "boxed"\n%s\nurl = "http://127.0.0.1:8123"\n' "$1"
    printf '[load]\ncycle = "5s"\ncycles = 6\nquiet = "2s"\nlow = 2\nhigh = 20\n'
    printf '[[scenario]]\nname = "work"\npath = "/work"\n[limits]\npeak = "1GB"\n'
    printf '[schedule]\nevery = "10m"\n[web]\nlisten = "127.0.0.1:8766"\n'
}

clear() {
    podman pod rm -f -a -t 1
    podman rm -f -i -t 1 soak # first: what shares the processes of another keeps that from being removed
    podman rm -f -a -t 1
    podman volume rm -f soak-state
} >/dev/null 2>&1

run_beside() { # arguments: how the two share their processes
    podman run -d --name soak "${options[@]}" "${beside[@]}" "$@" -v soak-state:/var/lib/soak localhost/soak >/dev/null
    for _ in $(seq 150); do
        podman exec soak soak report --format json >"$out/report.json" 2>/dev/null &&
            grep -q '"status": "completed"' "$out/report.json" && break
        sleep 2
    done
}

trap clear EXIT
clear
podman build --format docker --pull-never --isolation=chroot --network host "${mounts[@]}" \
    -f "$source/deploy/docker/Dockerfile" -t soak "$source" >"$out/build.log" 2>&1 || exit 1

config 'port = 8123' >"$out/soak.toml"
chmod 755 "$out" && chmod 644 "$out/soak.toml"
podman run -d --name target "${options[@]}" "${guest[@]}" "$base" python /t/guest.py >/dev/null
run_beside --pid container:target
cp "$out/report.json" "$out/beside.json"
podman exec soak id -u >"$out/uid"
podman exec soak sh -c 'touch /x /opt/soak/x; touch /var/lib/soak/x && echo state' >"$out/written" 2>/dev/null
podman healthcheck run soak >/dev/null 2>&1
echo $? >"$out/health"
podman inspect soak --format '{{json .Config.Healthcheck.Test}}' >"$out/healthcheck"
podman stop -t 60 soak >/dev/null 2>&1
podman inspect soak --format '{{.State.ExitCode}}' >"$out/stopped"

podman inspect target --format '{{.State.Pid}}' >"$out/pid"
id=$(podman inspect target --format '{{.Id}}')
for how in target "${id:0:12}" "$id"; do
    mkdir -p "$out/from-outside/${#how}" && cd "$out/from-outside/${#how}" || exit 1
    config "container = \"$how\"" >soak.toml
    "$soak" -q run --cycles 2 --json report.json >/dev/null 2>stderr
done
podman exec target true && echo yes >"$out/lives"

clear
podman pod create --name pod --share pid,net --network host >/dev/null 2>"$out/pod.log" &&
    podman run -d --pod pod --name target --user 10001:10001 "${guest[@]}" "$base" python /t/guest.py >/dev/null 2>>"$out/pod.log" &&
    podman run -d --pod pod --name soak --user 10001:10001 "${beside[@]}" localhost/soak >/dev/null 2>>"$out/pod.log" ||
    exit 1
for _ in $(seq 150); do
    podman exec soak soak report --format json >"$out/pod.json" 2>>"$out/pod.log" &&
        grep -q '"status": "completed"' "$out/pod.json" && break
    sleep 2
done
exit 0
