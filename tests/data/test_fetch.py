"""Getting files: the right one from the first place that has it, or a sentence that names them all."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.places import Address, DebianPackage, Folder, Place, PyPIPackage, open_deb
from quartet.types import QuartetError

CONTENT = b"what was asked for\n" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9"  # nobody listens at the discard port


class Server(BaseHTTPRequestHandler):
    """/whole, /whole.gz, /short (says more than it sends), /other."""

    def do_GET(self) -> None:
        bodies = {"/whole": CONTENT, "/whole.gz": gzip.compress(CONTENT), "/short": CONTENT[:100], "/other": b"other"}
        if self.path not in bodies:
            self.send_error(404)
            return
        body = bodies[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if self.path == "/short" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "set" / "file"


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.parametrize("path", ["/whole", "/whole.gz"])
def test_a_file_is_fetched_unpacked_and_kept(server: str, path: str, target: Path) -> None:
    fetch(target, digests=[DIGEST], places=[Address(server + path)])
    assert target.read_bytes() == CONTENT
    assert fetch(target, digests=[DIGEST], places=[]) == target
    assert left(target) == ["file"]


def test_the_next_place_serves_when_one_has_another_file(server: str, target: Path, tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(gzip.compress(CONTENT))
    places: list[Place] = [
        Address(f"{server}/other"),
        Address(f"{server}/short"),
        Address(f"{server}/none"),
        Folder(tmp_path),
    ]
    assert fetch(target, digests=[DIGEST], places=places).read_bytes() == CONTENT


def test_a_broken_download_is_fetched_anew(server: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT[:-1])
    assert fetch(target, digests=[DIGEST], places=[Address(f"{server}/whole")]).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/other", "wrong content, SHA-256 d9298"), ("/short", "truncated: 100 of 19000"), ("/no", "Not Found")],
)
def test_a_wrong_file_is_named_and_not_kept(server: str, path: str, reason: str, target: Path) -> None:
    with pytest.raises(QuartetError, match=f"file cannot be fetched.*{path}: {reason}"):
        fetch(target, digests=[DIGEST], places=[Address(server + path)])
    assert left(target) == []


def test_a_truncated_archive_of_a_mirror_is_named(tmp_path: Path, target: Path) -> None:
    (tmp_path / "file.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(QuartetError, match=r"mirror .*: truncated or damaged"):
        fetch(target, digests=[DIGEST], places=[Folder(tmp_path)])
    assert left(target) == []


def test_a_truncated_package_is_told_from_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "short.deb").write_bytes(b"!<arch>\ndata.tar.xz     0           0     0     100644  400       `\nabc")
    with pytest.raises(ValueError, match="ends early"):
        open_deb(tmp_path / "short.deb")


def test_without_a_network_the_error_names_every_place(
    target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{NOWHERE}/simple")
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get there
    package = PyPIPackage("some==1", DIGEST)
    places: list[Place] = [Folder(tmp_path / "mirror"), Address(NOWHERE), DebianPackage("some-data"), package]
    with pytest.raises(QuartetError) as error:
        fetch(target, digests=[DIGEST], places=places)
    for words in (
        "no such folder",
        "refused",
        "Debian package some-data: there is no apt-get",
        "PyPI package some==1: pip:",
    ):
        assert words in str(error.value)
    assert "QUARTET_MIRROR" in str(error.value)
    assert str(error.value).count("\n") == 1
    assert left(target) == []


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get here")
def test_without_a_network_apt_gives_up(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    with pytest.raises(QuartetError, match="Debian package no-such-data: apt-get: E: "):
        fetch(target, digests=[DIGEST], places=[DebianPackage("no-such-data")])
    assert left(target) == []


def test_mirrors_come_from_the_option_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTET_MIRROR", "/b")
    assert mirrors("/a", "set") == [Path("/a/set"), Path("/b/set")]
    monkeypatch.delenv("QUARTET_MIRROR")
    assert mirrors(None, "set") == []


def test_a_full_disk_is_said_in_words_and_leaves_nothing(tmp_path: Path, target: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    script = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from quartet.data.preparing.fetch import fetch; from quartet.data.preparing.places import Folder\n"
        "fetch(Path(sys.argv[2]), digests=[sys.argv[3]], places=[Folder(Path(sys.argv[1]))])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(target), DIGEST]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "no room on the disk" in result.stderr
    assert left(target) == []
