"""The peers, installed by the benchmark itself into a cache; and nginx as the target of all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("SOAK_BENCH_CACHE", Path.home() / ".cache/soak-bench"))
PACKAGES = ("wrk", "nginx", "nginx-common", "libluajit-5.1-2", "libluajit-5.1-common")
NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ return 200 'ok'; }} }}
  server {{ listen 127.0.0.1:{tls_port} ssl backlog=2048; ssl_certificate {folder}/cert.pem;
           ssl_certificate_key {folder}/key.pem; location / {{ return 200 'ok'; }} }}
}}
"""


def locust() -> Path | None:
    """The Locust executable; None when it cannot be installed."""
    home = CACHE / "locust"
    if not (home / ".done").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            subprocess.run([home / "bin/pip", "install", "-q", "locust"], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        (home / ".done").touch()
    return home / "bin/locust"


def unpacked(program: str) -> Path | None:
    """`wrk` or `nginx`: what is installed, else unpacked from the distribution's packages into the cache."""
    found = shutil.which(program)
    if found:
        return Path(found)
    root = CACHE / "debian"
    if not (root / ".done").exists():
        root.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=root, check=False, stdout=subprocess.DEVNULL)
        for package in root.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=False)
        (root / ".done").touch()
    return next((path for path in root.glob(f"usr/*bin/{program}") if path.is_file()), None)


def environment() -> dict[str, str]:
    """Where unpacked programs find their libraries."""
    return {**os.environ, "LD_LIBRARY_PATH": str(CACHE / "debian/usr/lib/x86_64-linux-gnu")}


@contextmanager
def nginx(folder: Path, port: int, tls_port: int) -> Iterator[Path]:
    """nginx with one worker that answers `ok`, plain and with TLS; gives the certificate to trust."""
    program = unpacked("nginx")
    if program is None:
        raise SystemExit("nginx could not be unpacked: is this a Debian with its package lists (apt-get update)?")
    certificate = folder / "cert.pem"
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
    command: list[str | Path] = [program, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    server = subprocess.Popen(command, env=environment())
    try:
        time.sleep(1.0)
        if server.poll() is not None:
            raise SystemExit("nginx did not start")
        yield certificate
    finally:
        server.terminate()
        server.wait(10)
