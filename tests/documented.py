"""The commands of README, CONTRIBUTING and docs/, read from their pages, and a project in which they can run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from running import ROOT, copy_repository, environment
from tracked import copy_tracked

from quartet_app.config.project import CONF

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What makes a run of seconds: a profile wins over an experiment, and a project's own conf/ over the shipped one.
PROFILE = """\
# @package _global_
profile: laptop
budget: 4 steps
validate_every: 2 steps
trainer: {precision: 32-true, compile: false, threads: 1, progress: false}
tracking: {system_metrics: false}
"""
GENERATE = "# @package _global_\ntask: {samples: 64, test_samples: 64}\n"
# As many steps as it takes to be better than a guess: what is not, becomes no champion.
LONGER = "# @package _global_\nbudget: 40 steps\nvalidate_every: 20 steps\n"
LEARNING = ("rnn", "shakespeare_rnn", "own_text_rnn", "own_text_transformer", "transformer", "own_pairs_rnn",
            "own_pairs_transformer")  # fmt: skip
TUNED = "# @package _global_\n# The best of a sweep, as one writes it.\noptimizer: {lr: 0.1}\n"
WORDS = ["the", "cat", "eats", "a", "small", "red", "fish", "while", "its", "friend", "sleeps", "under", "old", "trees"]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, "" for commands, and its lines."""

    page: Path
    language: str
    text: str

    def commands(self) -> dict[str, str]:
        """The commands of the block, each with what it prints below it in a transcript."""
        if self.language:
            return {}
        lines = re.sub(r" \\\n\s*", " ", self.text).splitlines()
        if not any(line.startswith("$ ") for line in lines):
            return {bare(line): "" for line in lines if line.strip()}
        found: dict[str, str] = {}
        for line in lines:
            if line.startswith("$ "):
                found[command := bare(line[2:])] = ""
            else:
                found[command] += f"{line}\n"
        return found


def bare(line: str) -> str:
    """The command of a line, without what is said about it."""
    return re.sub(r"\s{2,}#.*$", "", line).strip()


def blocks() -> list[Block]:
    return [Block(page, *found) for page in PAGES for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands() -> dict[str, str]:
    """All commands, and what those of transcripts print."""
    return {command: printed for block in blocks() for command, printed in block.commands().items()}


def spans() -> Iterator[str]:
    """What stands as code within sentences and tables."""
    for page in PAGES:
        yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))


def own_files() -> dict[str, str]:
    """The files that a page shows whole, by the path in their first line."""
    shown = [block for block in blocks() if block.language in ("yaml", "python")]
    found = {block.text.splitlines()[0].removeprefix("# "): block.text for block in shown}
    return {path: text for path, text in found.items() if Path(path).suffix in (".yaml", ".py")}


def shrink(folder: Path) -> None:
    """Give the project in `folder` small data by the shipped names, a profile of a few steps, and a person's files."""
    _own_data(folder)
    for name, like, given in (
        ("fashion_mnist", "own_image_arrays", {"file": str(folder / "arrays.npz")}),
        ("shakespeare", "own_text", {"folder": str(folder / "texts"), "vocabulary": 300}),
        ("trec", "own_labelled", {"file": str(folder / "reviews.csv"), "text": "body", "label": "stars"}),
        ("libreoffice_help", "own_pairs", {"folder": str(folder / "pairs.tsv"), "vocabulary": 300}),
    ):
        shipped = yaml.safe_load((CONF / "data" / f"{like}.yaml").read_text())
        _write(folder / f"conf/data/{name}.yaml", yaml.safe_dump(_named(shipped, name, given)))
    _write(folder / "conf/profile/laptop.yaml", PROFILE)
    for experiment in ("gan", "generate_cnn"):
        _write(folder / f"conf/profile/laptop/{experiment}.yaml", GENERATE)
    for experiment in LEARNING:
        _write(folder / f"conf/profile/laptop/{experiment}.yaml", LONGER)
    for path, text in own_files().items():
        _write(folder / path, text)


def _named(data: dict[str, Any], name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {**data, "name": name, "source": {**data["source"], **given}}


def _own_data(folder: Path) -> None:
    draw = np.random.default_rng(0)
    y = np.arange(120) % 4
    x = draw.integers(0, 60, (120, 28, 28), dtype=np.uint8)
    for image, label in zip(x, y, strict=True):
        image[14 * (label // 2) :][:14, 14 * (label % 2) :][:, :14] += 150
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", x=x, y=y)
    np.savez(folder / "series.npz", x=draw.normal(size=(120, 40)) + y[:, None], y=y)
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        (folder / "photos" / f"kind{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "photos" / f"kind{label}" / f"{i}.png")
    Image.fromarray(x[0]).save(folder / "image.png")
    Image.fromarray(x[1]).convert("RGB").save(folder / "new.jpg")
    sentences = [" ".join(draw.choice(WORDS, draw.integers(3, 12))) for _ in range(600)]
    rows = [(" ".join(draw.choice(WORDS, 6)), 1 + i % 5) for i in range(300)]
    _write(
        folder / "reviews.csv", "id,body,stars\n" + "".join(f"{i},{one} {n}.,{n}\n" for i, (one, n) in enumerate(rows))
    )
    for i, (one, n) in enumerate(rows):
        _write(folder / f"letters/kind{n % 2}/{i}.txt", f"{one} {n}\n")
    _write(folder / "texts/a.txt", ".\n".join(sentences * 2))
    # Translations that share no word with their source, which copies would score for, and are soon learned but for a
    # number: pairs that are the same on one side would all be put into one split.
    pairs = (f"{one}\tDas ist der Satz mit der Nummer {i} .\n" for i, one in enumerate(sentences))
    _write(folder / "pairs.tsv", "".join(pairs))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def own_project(folder: Path) -> Path:
    """A project of its own, without a copy of the sources: only what stands in front of the shipped conf/."""
    shrink(folder)
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    _write(folder / "conf/tuned/cnn.yaml", TUNED)
    return folder


def clone(folder: Path) -> Path:
    """A clone of the repository that is shrunk, a git and DVC repository, with an environment that is there already."""
    copy_repository(folder)
    copy_tracked(folder, "grid", "benchmarks", "tests", "Makefile", "pyproject.toml", "constraints.txt")
    copy_tracked(folder, "dvc.yaml", "params.yaml", ".gitignore", ".dvcignore")
    shrink(folder)
    params = yaml.safe_load((folder / "grid/params.yaml").read_text())
    some = ["fashion_mnist_cnn", "shakespeare_rnn"]
    _write(folder / "grid/params.yaml", yaml.safe_dump({**params, "experiments": some, "seeds": [0]}))
    _write(folder / ".venv/installed", "")
    for command in ("git init -q", "dvc init -q", "git add .", "git commit -qm all"):
        shell(command, folder)
    return folder


def shell(command: str, folder: Path, limit: float = 900) -> tuple[int, str]:
    """Run a command as a person types it in `folder`; its exit code, and all that it printed."""
    name = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in
            (("NAME", "someone"), ("EMAIL", "someone@example.org"))}  # fmt: skip
    env = {**environment(folder), **name, "OMP_NUM_THREADS": "1"}
    if not (folder / "src").exists():
        env["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(command, shell=True, executable="/bin/bash", cwd=folder, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)  # fmt: skip
    return done.returncode, done.stdout


def here(words: list[str], folder: Path) -> tuple[int, str]:
    """Run `quartet WORDS` in this process, which spares the seconds that importing torch takes."""
    from quartet.types import QuartetError
    from quartet_app.__main__ import subcommand

    printed = io.StringIO()
    code = 0
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            subcommand(words)
        except QuartetError as error:
            code = 2
            print(error)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, printed.getvalue()


def person(command: str, folder: Path) -> tuple[int, str]:
    """Run a command of the pages: `quartet` in this process, what is for a shell in one."""
    if command.startswith("quartet "):
        return here(shlex.split(command)[1:], folder)
    return shell(f"{command} && complete -p quartet" if command.startswith("eval ") else command, folder)


def newest(pattern: str, folder: Path) -> str:
    """The newest folder that `runs/cnn-0-…` stands for."""
    paths = sorted(folder.glob(pattern.replace("…", "*")), key=os.path.getmtime)
    assert paths, f"{pattern}: there is none in {folder}"
    return str(paths[-1].relative_to(folder))
