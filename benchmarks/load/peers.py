"""The peers, installed by the benchmark itself into a cache; and nginx as the target of all of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from benchmarks.peer_environments import CACHE, PINNED, installed
from benchmarks.ports import wait_for
from benchmarks.quick import LeftOut, leaving_out

FETCH_S = 120.0  # for the packages, all of them
PACKAGES = ("wrk", "nginx", "nginx-common", "libluajit-5.1-2", "libluajit-5.1-common")
NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ return 200 'ok'; }}
           location = /served {{ stub_status; }} }}
  server {{ listen 127.0.0.1:{tls_port} ssl backlog=2048; ssl_certificate {folder}/cert.pem;
           ssl_certificate_key {folder}/key.pem; location / {{ return 200 'ok'; }} }}
}}
"""


def locust() -> Path:
    """The Locust executable. LeftOut when it cannot be installed."""
    return installed("locust") / "locust"


def versions() -> str:
    """Of the peers, as they tell them; of those alone that are there."""
    told = list(PINNED["locust"])
    for program in filter(None, map(unpacked, ("nginx", "wrk"))):
        done = subprocess.run([program, "-v"], env=environment(), capture_output=True, text=True, check=False)
        told += re.findall(r"nginx/\S+|^wrk \S+", done.stdout + done.stderr)
    return ", ".join(told)


@cache
def unpacked(program: str) -> Path | None:
    """`wrk` or `nginx`: what is installed, else unpacked from the distribution's packages into the cache.

    None when it cannot be had, or does not find its libraries here.
    """
    found = shutil.which(program)
    if found:
        return Path(found)
    root = CACHE / "debian"
    if not (root / ".done").exists() and shutil.which("apt-get") and shutil.which("dpkg"):
        root.mkdir(parents=True, exist_ok=True)
        get = ["apt-get", "download", "-q", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", *PACKAGES]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(get, cwd=root, check=False, stdout=subprocess.DEVNULL, timeout=FETCH_S)
        for package in root.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=False)
        if any(root.glob("*.deb")):
            (root / ".done").touch()
    return next((path for path in root.glob(f"usr/*bin/{program}") if path.is_file() and _starts(path)), None)


def _starts(program: Path) -> bool:
    """Not 126 or 127, with which it ends when it is for another machine or misses a library."""
    try:
        return subprocess.run([program, "-v"], env=environment(), capture_output=True, check=False).returncode < 126
    except OSError:
        return False


def environment() -> dict[str, str]:
    """Where unpacked programs find their libraries."""
    return {**os.environ, "LD_LIBRARY_PATH": str(CACHE / "debian/usr/lib/x86_64-linux-gnu")}


@contextmanager
def nginx(folder: Path, port: int, tls_port: int) -> Iterator[Path]:
    """nginx with one worker that answers `ok`, plain and with TLS; gives the certificate to trust.

    In quick mode, where it cannot be had, a server of ours, without TLS.
    """
    certificate = folder / "cert.pem"
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.load.stalling", str(port), "0"]
    with leaving_out("nginx and TLS"):
        command = _nginx(folder, port, tls_port, certificate)
    server = subprocess.Popen(command, env=environment())
    try:
        wait_for(port, server)
        yield certificate
    finally:
        server.terminate()
        server.wait()


def _nginx(folder: Path, port: int, tls_port: int, certificate: Path) -> list[str | Path]:
    """Its command, when its configuration and certificate are written. LeftOut where it cannot be had."""
    program = unpacked("nginx")
    if program is None:
        raise LeftOut("nginx cannot be unpacked: is this a Debian with its package lists (apt-get update)?")
    if shutil.which("openssl") is None:
        raise LeftOut("there is no openssl to make a certificate with")
    make: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names: list[str | Path] = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-out",
        certificate,
        "-keyout",
        folder / "key.pem",
    ]
    subprocess.run([*make, *names], check=True, capture_output=True)
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, port=port, tls_port=tls_port))
    return [program, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
