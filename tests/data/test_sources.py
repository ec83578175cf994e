"""The published data sets: the same bytes everywhere."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quartet.data import (
    MNIST1D,
    DataModule,
    FashionMNIST,
    LibreOfficeHelp,
    Multi30k,
    Shakespeare,
    Source,
    TinyShakespeare,
    Trec,
    prepare,
)
from quartet.types import QuartetError

MIRROR = Path(os.environ.get("QUARTET_MIRROR") or Path(__file__).resolve().parents[3] / "shared" / "data")


def make(tmp_path: Path, name: str, source: Source, **loading: Any) -> DataModule:
    with contextlib.chdir(tmp_path):  # relative folders, as the pipeline gives them
        prepare(name=name, source=source, recipe={}, root=Path("."), downloads=Path("downloads"))
    return DataModule(folder=tmp_path / name, batch_size=2048, evaluation_batch_size=2048, **loading)


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (MIRROR / name).is_dir(), reason=f"no mirror of {name}: set QUARTET_MIRROR")


@pytest.mark.network
def test_fashion_mnist(tmp_path: Path) -> None:
    data = make(tmp_path, "fashion_mnist", FashionMNIST(validation=5000))
    assert data.digest == "88d25536b5866f27d0a8cc989b7432ee73c965038b3b811ccd321a312aabdc88"
    assert data.examples == {"train": 55_000, "val": 5_000, "test": 10_000}


@pytest.mark.network
def test_mnist1d(tmp_path: Path) -> None:
    data = make(tmp_path, "mnist1d", MNIST1D(validation=400))
    assert data.digest == "d14d821c23587f1ed3a9b01645e467a8f4edf5a364dd5c75852756227497da9e"
    assert data.examples == {"train": 3_600, "val": 400, "test": 1_000}


@pytest.mark.network
def test_shakespeare(tmp_path: Path) -> None:
    data = make(tmp_path, "shakespeare", Shakespeare(tokenizer="subword", vocabulary=1024), context=128)
    assert data.digest == "74fb003cd92ffb18c97723d67e6ebc2d42d92f64ea6b9faf0f53427561350599"
    assert data.characters == {"train": 4_547_014, "val": 252_693, "test": 252_686}


@pytest.mark.network
def test_libreoffice_help(tmp_path: Path) -> None:
    data = make(tmp_path, "libreoffice_help", LibreOfficeHelp(language="de", vocabulary=4000, accept=None))
    assert data.digest == "cb66a7adc52fcb5b9c4e7883bd0470b202c05828a06153f28d6a93e6b8b8e6f5"
    assert data.examples == {"train": 30_115, "val": 1_091, "test": 873}


@pytest.mark.network
def test_libreoffice_help_in_french(tmp_path: Path) -> None:
    data = make(tmp_path, "libreoffice_help", LibreOfficeHelp(language="fr", vocabulary=4000, accept=None))
    assert data.examples["test"] == 874


@needs("tiny_shakespeare")
def test_tiny_shakespeare(tmp_path: Path) -> None:
    source = TinyShakespeare(tokenizer="character", vocabulary=128, mirror=str(MIRROR))
    data = make(tmp_path, "tiny_shakespeare", source, context=64)
    assert data.digest == "75c054f8973cef9aa07ce3c426ee9e22df8a9bd613cc4429d2718b801c69e714"
    assert data.characters["val"] == 111_540


@needs("trec")
def test_trec(tmp_path: Path) -> None:
    source = Trec(tokenizer="subword", vocabulary=4000, longest=64, validation=0.1, seed=0, mirror=str(MIRROR))
    data = make(tmp_path, "trec", source)
    assert data.digest == "164241c64a0a1cf5758a308076455d5a8b628a639b382c071d6cce24c00d1f35"
    assert data.examples == {"train": 4_902, "val": 540, "test": 500}
    known = {
        "What are liver enzymes ?": "description",
        "What fowl grabs the spotlight after the Chinese Year of the Monkey ?": "entity",
        "What does INRI stand for when used on Jesus ' cross ?": "abbreviation",
        "Who was The Pride of the Yankees ?": "human",
        "What is the highest waterfall in the United States ?": "location",
        "When was Ozzy Osbourne born ?": "number",
        "Which city has the oldest relationship as a sister city with Los Angeles ?": "location",
    }
    found: dict[str, str] = {}
    texts: dict[str, list[str]] = {}
    for split in ("train", "val", "test"):
        batch = data.gather(split, np.arange(data.examples[split]))
        texts[split] = data.kind.words(batch) or []
        found.update(zip(texts[split], (data.outputs.names[y] for y in batch["y"].tolist()), strict=True))
    assert {text: found.get(text) for text in known} == known
    assert not {*texts["test"]} & {*texts["train"], *texts["val"]}
    assert not {*texts["val"]} & {*texts["train"]}
    assert "10 questions of train left out: test holds them too" in data.manifest["taken"]


@pytest.mark.slow
@needs("multi30k")
def test_multi30k(tmp_path: Path) -> None:
    data = make(tmp_path, "multi30k", Multi30k(vocabulary=4000, mirror=str(MIRROR)))
    assert data.digest == "9eb9bdcec8d7fd8f36dd04f4f2869318d30b9fb30b4f3dc72fb42b2762a93a19"
    assert data.examples == {"train": 29_000, "val": 1_014, "test": 1_000}


def write_deb(path: Path, pages: dict[str, str], language: str) -> None:
    """A Debian package as deb(5) describes it: an ar archive around a tar."""
    import io
    import tarfile

    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:xz") as tar:
        for name, text in pages.items():
            info = tarfile.TarInfo(f"./usr/share/libreoffice/help/{language}/text/{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    data = inner.getvalue()
    header = f"{'data.tar.xz':<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
    path.write_bytes(b"!<arch>\n" + header + data)


def test_another_release_of_the_help_is_used_when_its_digest_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get there
    folder = tmp_path / "mirror" / "libreoffice_help"
    folder.mkdir(parents=True)
    for package, language, word in (("en-us", "en-US", "Open"), ("de", "de", "Öffne")):
        pages = {
            f"shared/{page}.html": "".join(
                f'<p id="par_id{i}" class="x">{word} <em>file</em> number&nbsp;{page} {i}<br>now</p>\n'
                for i in range(4)
            )
            for page in range(200)
        }
        write_deb(folder / f"libreoffice-help-{package}_9_all.deb", pages, language)
    options: dict[str, Any] = {"language": "de", "vocabulary": 300, "mirror": str(tmp_path / "mirror")}
    accept: list[str] = []
    for _ in range(2):
        with pytest.raises(QuartetError, match=r"another release; .* data\.source\.accept") as error:
            make(tmp_path, "libreoffice_help", LibreOfficeHelp(**options, accept=accept))
        accept.append(str(error.value).partition("SHA-256 ")[2][:64])
    data = make(tmp_path, "libreoffice_help", LibreOfficeHelp(**options, accept=accept))
    assert sum(data.examples.values()) == 800
    source, target = data.references("test")[0]
    assert source.startswith("Open file number ")
    assert source.endswith(" now")
    assert target == source.replace("Open", "Öffne")


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(QuartetError, match=r"data\.source\.validation: 60000 images"):
        FashionMNIST(validation=60_000)
    with pytest.raises(QuartetError, match=r"data\.source\.validation: 0 sequences"):
        MNIST1D(validation=0)
