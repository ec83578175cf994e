"""make, with a real environment in a small project: its Makefile is ours, its package needs no other and no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "toy"
version = "1"
"""
BACKEND = """\
import os, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "toy-1.dist-info/"
    files = {
        "toy.pth": os.getcwd(),
        info + "METADATA": "Metadata-Version: 2.1\\nName: toy\\nVersion: 1\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: toy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        info + "entry_points.txt": "[console_scripts]\\ntoy = toy:main\\n",
        info + "RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(folder, "toy-1-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "toy-1-py3-none-any.whl"
"""
SAID = ".venv was made for another folder, or its Python is gone: making it anew"


def project(folder: Path) -> Path:
    """A project with our Makefile, whose command `toy` prints where its code lies."""
    folder.mkdir()
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    texts = {"pyproject.toml": PROJECT, "backend.py": BACKEND, "constraints.txt": "",
             "toy.py": "def main():\n    print(__file__)\n"}  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def installed(folder: Path) -> str:
    """Run `make`, for .venv alone, and the program that it installs. Returns what make said."""
    env = {**os.environ, "PIP_NO_INDEX": "1"}
    words = ["make", f"PYTHON={sys.executable}", ".venv/installed"]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    toy = subprocess.run([folder / ".venv/bin/toy"], capture_output=True, text=True, timeout=60, check=True)
    assert toy.stdout.strip() == str(folder / "toy.py")
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["project", "the project of jörg's"])
def test_an_environment_of_another_folder_is_made_anew(name: str, tmp_path: Path) -> None:
    there = project(tmp_path / name)
    assert SAID not in installed(there)
    assert "installing" not in installed(there), "what is here works: make leaves it alone"
    copy = shutil.copytree(there, tmp_path / f"{name} copied", symlinks=True)
    assert installed(copy).splitlines()[0] == SAID
    assert "installing" not in installed(copy)
    renamed = there.rename(tmp_path / f"{name} renamed")
    assert installed(renamed).splitlines()[0] == SAID
    link = tmp_path / "link"
    link.symlink_to(renamed)
    said = subprocess.run(["make", ".venv/installed"], cwd=link, capture_output=True, text=True, timeout=60)
    assert SAID not in said.stdout
    (renamed / ".venv" / "bin" / Path(os.readlink(renamed / ".venv" / "bin" / "python")).name).unlink()
    (renamed / ".venv" / "bin" / "python").unlink()
    (renamed / ".venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    assert installed(renamed).splitlines()[0] == SAID, "its interpreter is gone"
