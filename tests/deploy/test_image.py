"""The Dockerfile's steps, taken in order in a folder of their own: the program they make works, and is whole.

No container engine is asked: see ``image_steps.py`` for what that leaves out. Packages are those installed
here already, in the versions of the lock; with ``ALERT_IMAGE=1`` they are installed by hash, as in the image.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from image_steps import Image, instructions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "container" / "Dockerfile").read_text("utf-8")
RECORD = "/var/lib/alerting"
MONITOR = "8461"
WITHIN_S = 30


def test_a_step_nobody_checks_is_told(tmp_path):
    with pytest.raises(AssertionError, match="SHELL"):
        Image(tmp_path, ROOT, complete=False).build('FROM x\nSHELL ["/bin/bash", "-c"]\n')


def test_the_image_is_made_of_what_it_copies_is_healthy_and_writes_its_record_only(tmp_path):
    """One test, since one image is enough."""
    image = Image(tmp_path, ROOT, complete=bool(os.environ.get("ALERT_IMAGE"))).build(TEXT)

    assert said(image, *image.entrypoint, "--version").split()[-1] in (ROOT / "pyproject.toml").read_text()
    assert "serve" in said(image, *image.entrypoint, "--help")
    where = said(image, "python", "-c", "import alerting; print(alerting.__file__)")
    assert where.startswith(f"{image.root}/opt/alerting/")
    assert not (image.root / "src").exists(), "the last stage has what only the first one needs"
    has_its_statements_and_migrations(image)
    its_user_owns_the_record_and_nothing_else(image)

    ports = settle_in(image)
    before = image.files()
    assert "gas-leak" in said(image, *image.entrypoint, "templates", "list")
    is_healthy_while_it_serves(image, ports)
    after = image.files()
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert changed
    assert all(path.startswith(RECORD.lstrip("/")) for path in changed), sorted(changed)


def said(image, *words):
    process = image.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, out
    return out


def has_its_statements_and_migrations(image):
    """The image installs a wheel, not a checkout: what is no Python file must be in it too."""
    [installed] = image.root.glob("opt/alerting/.venv/lib/python*/site-packages/alerting")
    needed = {
        path.relative_to(ROOT / "alerting")
        for pattern in ("*.sql", "*.html")
        for path in (ROOT / "alerting").rglob(pattern)
    }
    assert needed
    assert not {path for path in needed if not (installed / path).exists()}


def its_user_owns_the_record_and_nothing_else(image):
    user, group = image.user.split(":")
    assert f"--uid {user} " in (image.noted / "useradd").read_text()
    [made] = (image.noted / "install").read_text().splitlines()
    assert made.split() == ["-d", "-o", user, "-g", group, "-m", "0700", image.here(RECORD)]
    assert Path(image.here(RECORD)).stat().st_mode & 0o777 == 0o700
    assert image.volumes == [RECORD]
    assert not [text for name, text in instructions(TEXT) if name == "COPY" and "--chown" in text]


def settle_in(image):
    """Put in what a host mounts: the shipped channels.yaml, a list, secrets. Return a free port for each."""
    shipped = (ROOT / "deploy/kustomize/base/channels.yaml").read_text("utf-8")
    ports = {port: free_port() for port in image.ports}
    for port, free in ports.items():
        assert f'"0.0.0.0:{port}"' in shipped
        shipped = shipped.replace(f"0.0.0.0:{port}", f"127.0.0.1:{free}")
    config, secrets = image.root / "etc/alerting", image.root / "run/secrets"
    (config / "channels.yaml").write_text(image.here(shipped))
    (config / "people").mkdir()
    (config / "people" / "people.csv").write_text("id,phone,email\nP1,+14135550100,p1@example.edu\n")
    secrets.mkdir(parents=True)
    for line in shipped.splitlines():
        if "/run/secrets/" in line:
            secret = secrets / line.partition("/run/secrets/")[2].rstrip("} ")
            secret.touch(0o600)
            secret.write_text("not-a-secret")
    return ports


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def is_healthy_while_it_serves(image, ports):
    """Assert that the health check says so, from a while after its start until it is stopped, and only then."""
    health = [word.replace(f":{MONITOR}/", f":{ports[MONITOR]}/") for word in image.health]

    def healthy():
        return image.run(health, stderr=subprocess.DEVNULL).wait(WITHIN_S) == 0

    assert not healthy()
    words = [*image.entrypoint, *image.command]
    server = image.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + WITHIN_S
        while not healthy():
            assert server.poll() is None, server.stdout.read()
            assert time.monotonic() < until, "it does not become healthy"
        server.send_signal(getattr(signal, image.stop_signal))
        out, _ = server.communicate(timeout=WITHIN_S)
    finally:
        server.kill()
        server.communicate()
    assert server.returncode == 0, out
    assert b"Stopped" in out
    assert not healthy()
