from __future__ import annotations

import re

from running import ROOT

from quartet_app.config.project import CONF

README = (ROOT / "README.md").read_text()


def test_the_file_map_names_every_file_and_no_other() -> None:
    block = README[README.index("## The files") :].split("```")[1]
    named = {line.split()[0] for line in block.strip().splitlines()}
    sources = [*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "src").rglob("*.py")]
    real = {path.relative_to(ROOT).as_posix() for path in sources if path.name != "__init__.py"}
    assert {name for name in named if name.endswith(".py")} == real
    assert all((ROOT / name).exists() for name in named)


def test_what_it_shows_exists() -> None:
    for target in re.findall(r"!?\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_commands_name_experiments_that_exist() -> None:
    known = CONF / "experiment"
    for name in set(re.findall(r"experiment=(\w+)", README)):
        line = name.rpartition("_")[0]
        assert (known / f"{name}.yaml").exists() or (known / "grid" / f"{line}.yaml").exists(), name
