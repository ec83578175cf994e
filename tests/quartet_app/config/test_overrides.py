"""Overrides as a person types them: paths of any characters, and what to type instead of what cannot be read."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from quartet.types import QuartetError
from quartet_app.config.composing import compose
from quartet_app.config.overrides import as_value, literal_paths, quoted, unquoted
from quartet_app.config.resolved import load_config, override_config, save_config
from quartet_app.config.table.axes import Point
from quartet_app.config.table.params import read_params
from quartet_app.data.origin import origin

NAMES = [
    "photos", "Photos (1)", "jörg", "x=y", "a,b", "it's", "[q]", "{z}", 'say "hi"', "2024", "1e5", "null and void",
    "so#x", "100%", "a&b;c", "back\\slash", "ends\\", "choice(a,b)", "$HOME", "日本 語", "*", " spaced ", "a'b\\'c",
    "!", "true",
]  # fmt: skip


def value(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


def test_any_text_can_be_quoted() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(500):
        text = "".join(draw.choices("ab1.e'\"\\ ,()[]{}=$~#%?ü日\t:-+|@*;&!<>^`/", k=draw.randint(1, 7)))
        for written in (quoted(text), as_value(text)):
            found = value(f"key={written}")
            assert (found, type(found)) == (text, str), written
            assert unquoted(written) == text


@pytest.mark.parametrize("above", ["", "./", "/"])
def test_a_path_that_exists_is_taken_literally(above: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = compose(["experiment=own_images", "data.source.folder=x"])
    for name in NAMES:
        (tmp_path / name).mkdir()
        typed = f"{tmp_path}/{name}" if above == "/" else f"{above}{name}"
        for key in ("data.source.folder", "++data.source.folder", "out"):
            (override,) = literal_paths([f"{key}={typed}"])
            assert value(override) == typed
            assert literal_paths([override]) == [override], "a second look changes nothing"
        save_config(override_config(config, literal_paths([f"data.source.folder={typed}"])), Path("c.yaml"))
        assert load_config(Path("c.yaml"))["data"]["source"]["folder"] == typed


def test_a_name_that_begins_with_the_sign_of_home_is_taken_literally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~x").mkdir()
    for typed in ("~x", "./~x"):
        found = value(literal_paths([f"data.source.folder={typed}"])[0])
        assert Path(str(found)).expanduser().samefile(tmp_path / "~x")


@pytest.mark.parametrize("typed", ["~/photos", "~", "~/Photos (1)"])
def test_the_home_folder_is_known(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("photos", "Photos (1)"):
        (tmp_path / name).mkdir()
    assert value(literal_paths([f"data.source.folder={typed}"])[0]) == typed


def test_what_is_written_in_hydras_own_way_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = ["data.source.folder='a b'", 'data.source.file="a b"', "data.source.mirror=null", "net.width=3,4",
               "out=a,b", "data.source.folder=choice(a,b)", "data.source.folder=${out}", "~tuned"]  # fmt: skip
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert literal_paths(written) == written
    for name in ("a (1)", "b (2)"):
        (tmp_path / name).mkdir()
    (swept,) = literal_paths(["data.source.folder=a (1),b (2)"])
    assert swept == "data.source.folder='a (1)','b (2)'"
    assert OverridesParser.create().parse_override(swept).is_sweep_override()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("data.source.folder=/no/Photos (1)", "there is no /no/Photos (1)"),
        ("data.source.folder=~/no/such", "there is no ~/no/such"),
        ("data.source.folder=/no/jörg", "there is no /no/jörg"),
        ("data.source.folder=/no/a,b", "there is no /no/a,b"),
        ("data.source.folder=[x](y", "there is no [x](y"),
        ("data.source.folder=", "data.source.folder: given nothing"),
        ("data.source.folder=~nobody9/x", "~nobody9/x: no home folder is known"),
        ("data.source.folder=a${b}", "make a link"),
    ],
)
def test_a_path_that_cannot_be_is_named(typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a${b}").mkdir()
    with pytest.raises(QuartetError) as refused:
        origin(compose(["experiment=own_images", *literal_paths([typed])])["data"])
    assert said in str(refused.value)


def test_a_path_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    typed = b"data.source.folder=" + os.fsencode(tmp_path) + b"/f\xfcr"
    (tmp_path / os.fsdecode(b"f\xfcr")).mkdir()
    with pytest.raises(QuartetError, match="is not UTF-8; make a link"):
        literal_paths([os.fsdecode(typed)])


@pytest.mark.parametrize(
    "override", ["data.name=jörg", "data.name=it's (1)", 'data.name=say "hi"', "data.name=a=b", "data.name=$x (1)"]
)
def test_what_to_type_is_said_and_can_be_typed(override: str) -> None:
    with pytest.raises(QuartetError, match="cannot be read as key=value; type ") as refused:
        compose(["experiment=own_images", "data.source.folder=x", override])
    typed = str(refused.value).partition("; type ")[2]
    assert len(shlex.split(typed)) == 1
    given = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, text=True, check=True).stdout
    config = compose(["experiment=own_images", "data.source.folder=x", given])
    assert f"data.name={config['data']['name']}" == override


def test_params_yaml_takes_paths_literally_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Photos (1)").mkdir()
    listed = "overrides: {own_images: ['data.source.folder=Photos (1)']}"
    (tmp_path / "params.yaml").write_text(f"experiments: [own_images]\nseeds: [0]\nprofile: laptop\n{listed}\n")
    table = read_params(tmp_path / "params.yaml")
    assert compose(table.overrides_for("own_images"))["data"]["source"]["folder"] == "Photos (1)"


@pytest.mark.parametrize(
    "given",
    ["10%", "größe", "1e5", "1_000", "true", "null", "0.5", "", 0.5, 3, True, None, [1, "1"], ["größe", "it's", [2.5]],
     {"a": "1", "b": [None, "x y"]}],
)  # fmt: skip
def test_any_value_of_an_axis_is_read_as_it_is(given: object) -> None:
    (override,) = Point("a", "a", {"key": given}).overrides
    assert repr(value(override)) == repr(given)


@pytest.mark.parametrize("mistake", ["folder", "closed"])
def test_a_file_that_cannot_be_read_is_not_said_to_be_unwritable(mistake: str, tmp_path: Path) -> None:
    path = tmp_path / "cnn.yaml"
    if mistake == "folder":
        path.mkdir()
    else:
        path.write_text("a: 1")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("root may read anything")
    with pytest.raises(QuartetError, match=r"cnn\.yaml: cannot be read \(") as refused:
        load_config(path)
    assert str(refused.value).count("cnn.yaml") == 1
    assert str(refused.value).count("\n") == 1
