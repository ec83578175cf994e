"""Names that become folders, and folders that are not ours: nothing is written or removed outside its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import command

from hydra_plugins.quartet_ray_sweeper._journal import Journal, delete_sweep
from quartet.data import Source, prepare
from quartet.data.preparing.store import MANIFEST
from quartet.types import QuartetError, check_name
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.project import REPOSITORY
from quartet_app.config.resolved import save_config
from quartet_app.config.table.resolve import write_table
from quartet_app.data.prepared import ensure
from quartet_app.data.table import remove_stale
from quartet_app.provenance.repeat import new_folder
from quartet_app.provenance.run_record import RunRecord
from quartet_app.run.run_folder import Run
from quartet_app.table.make import make_table

Small = Callable[..., list[str]]
NO_NAMES = (
    "", ".", "..", "../x", "../../x", "/tmp/x", "a/b", "a/", "\\\\server", "a\\b", "-rf", "--help", ".hidden", " ",
    " a", "a ", "a\nb", "a\tb", "a\x00b", "a\x1b[2J", "a\u202eb", "a\u2028b", "\udc80", "~/x", "x" * 101, "ü" * 60,
)  # fmt: skip
NAMES = ("a", "digits_2", "fashion-mnist", "größe", "my data", "100%20", "a?b", "v1.5", "x" * 100)


class Numbers(Source):
    KIND, LICENCE, ORIGIN = "series", "none", "a test"

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        (staging / "x.npy").write_bytes(b"numbers")
        return {}


def make(root: Path, name: str = "set", **recipe: Any) -> Path:
    return prepare(name=name, source=Numbers(), recipe=recipe, root=root, downloads=root / "downloads")


@pytest.fixture
def photos(here: Path) -> Iterator[Path]:
    """Somebody's folder, which must be whole in the end."""
    folder = here / "photos"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "1.png").write_bytes(b"a cat")
    (folder / MANIFEST).write_text('{"name": "a web page", "icons": []}')
    yield folder
    assert (folder / "cat" / "1.png").read_bytes() == b"a cat"
    assert (folder / MANIFEST).exists()


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_a_name_is_one_plain_word(name: str) -> None:
    with pytest.raises(QuartetError, match=r"^data\.name: given .*, which .*; it names a folder: give") as refusal:
        check_name(name, "data.name")
    assert str(refusal.value).isprintable()


def test_other_names_are_taken_as_they_are() -> None:
    assert [check_name(name, "data.name") for name in NAMES] == list(NAMES)


@pytest.mark.parametrize("key", ["data.name", "experiment"])
def test_every_name_of_a_configuration_is_checked(key: str, small: Small, here: Path) -> None:
    config = compose(small("mnist1d_cnn"))
    node, last = (config["data"], "name") if key == "data.name" else (config, "experiment")
    for name in NO_NAMES:
        node[last] = name
        with pytest.raises(QuartetError, match=f"^{key}: given"):
            check(config)
    if key == "data.name":
        with pytest.raises(QuartetError, match=f"^{key}: given"):
            ensure(config["data"])  # where nothing else has checked it, as in `quartet prepare`
    assert not list(here.iterdir())


def test_an_unset_variable_of_the_shell_deletes_nothing(small: Small, here: Path, photos: Path) -> None:
    kept = [make(here / "data"), make(here / "runs" / "data" / "0123abcd")]
    for name in ("", "../../../photos", str(photos), "."):
        done = command("train", *small("mnist1d_cnn", f"data.name={name}"), cwd=here, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("data.name: given")
        assert len(done.stderr.strip().splitlines()) == 1
    assert all((folder / MANIFEST).exists() for folder in kept)


def test_a_folder_that_we_have_not_made_is_kept(here: Path, photos: Path) -> None:
    with pytest.raises(QuartetError, match=r"photos: is there already, and holds no manifest\.json of a prepared data"):
        make(here, "photos")
    (here / "a_file").write_text("a text")
    with pytest.raises(QuartetError, match="a_file: is there already"):
        make(here, "a_file")
    (here / "empty").mkdir()
    assert (make(here, "empty") / "x.npy").exists()


@pytest.mark.parametrize("name", [".set.staging", ".set.old"])
def test_what_lies_in_our_way_is_kept_too(name: str, here: Path, photos: Path) -> None:
    make(here, value=1)
    shutil.copytree(photos, here / name)
    with pytest.raises(QuartetError, match=f"{name}: is there already"):
        make(here, value=2)
    assert (here / name / "cat" / "1.png").exists()


@pytest.mark.parametrize("at", ["set", ".set.staging", ".set.old"])
def test_a_link_leads_no_removal_outside(at: str, here: Path) -> None:
    elsewhere = make(here / "elsewhere")
    if at != "set":
        make(here / "data", value=1)
    (here / "data").mkdir(exist_ok=True)
    (here / "data" / at).symlink_to(elsewhere)
    folder = make(here / "data", value=2)
    assert not folder.is_symlink()
    assert (elsewhere / "x.npy").exists(), "the link's target was removed"
    assert sorted(path.name for path in (here / "data").iterdir() if path.suffix != ".lock") == ["set"]
    (here / "data" / "linked").symlink_to(elsewhere)
    remove_stale(names={"set"}, experiments=set())
    assert not (here / "data" / "linked").exists()
    assert (elsewhere / "x.npy").exists()


def test_a_set_that_is_being_prepared_is_not_stale(here: Path) -> None:
    made = make(here / "data")
    made.rename(here / "data" / ".set.staging")
    remove_stale(names=set(), experiments=set())
    assert (here / "data" / ".set.staging" / MANIFEST).exists()


def test_composing_deletes_its_own_files_alone(small: Small, here: Path) -> None:
    save_config({"a": 1}, here / "build" / "mine.yaml")
    save_config({"a": 1}, here / "build" / "cnn.yaml", header=["Written by the stage `compose` from conf/ …"])
    (here / "params.yaml").write_text("experiments: [mnist1d_rnn]\nseeds: [0]\nprofile: laptop\n")
    write_table(here / "params.yaml", here / "build")
    assert sorted(path.name for path in (here / "build").glob("*.yaml")) == ["mine.yaml", "mnist1d_rnn.yaml"]


@pytest.mark.parametrize("trial", ["sweep/../photos", "sweep/..", "sweep/link", "sweep/link/cat", "sweep", "photos"])
def test_a_sweep_s_journal_names_no_other_folder_to_delete(trial: str, here: Path, photos: Path) -> None:
    journal = Journal(here / "sweep")
    (here / "sweep").mkdir()
    (here / "sweep" / "link").symlink_to(photos)
    (here / "sweep" / "notes.txt").write_text("mine")
    journal.start(0, values={}, overrides=[], folder=f"{here}/{trial}")
    delete_sweep(here / "sweep")
    assert (here / "sweep" / "notes.txt").exists()


def test_a_run_takes_no_folder_that_holds_somebody_s_before(small: Small, here: Path) -> None:
    (here / "place" / "before").mkdir(parents=True)
    (here / "place" / "before" / "1.png").write_bytes(b"a cat")
    config = compose(small("mnist1d_cnn"))
    with pytest.raises(QuartetError, match="before: is there already"):
        Run(config, ensure(config["data"]), place=here / "place").open()
    assert (here / "place" / "before" / "1.png").exists()


@pytest.mark.parametrize("experiment", ["../../x", "/tmp/x", "a/b", ".."])
def test_a_repeat_stays_in_its_folder(experiment: str, here: Path) -> None:
    (here / "theirs").mkdir()
    facts = {"experiment": experiment, "seed": 0, "fingerprint": "0" * 64}
    (here / "theirs" / "run.json").write_text(json.dumps(facts))
    with pytest.raises(QuartetError, match="experiment: given"):
        new_folder(RunRecord("", here / "theirs"))
    assert [path.name for path in here.iterdir()] == ["theirs"]


@pytest.mark.parametrize("name", [".git/x", "-x", "a/.b", "src", "conf", "pipelines"])
def test_a_table_is_a_folder_of_its_own(name: str) -> None:
    before = sorted((REPOSITORY / name.split("/")[0]).glob("*")) if (REPOSITORY / name.split("/")[0]).exists() else []
    with pytest.raises(QuartetError):
        make_table(REPOSITORY / name, ["cnn"], [])
    assert not (REPOSITORY / name / "dvc.yaml").exists()
    assert before == (sorted((REPOSITORY / name.split("/")[0]).glob("*")) if before else [])
