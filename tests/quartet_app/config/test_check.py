"""The check of a config: it passes what can run and refuses the rest with key, value and remedy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quartet.types import QuartetError
from quartet_app.config.annotations import describe, fits
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.resolved import Config, load_config, override_config
from quartet_app.config.signatures import signature

LIBRARY = """
from __future__ import annotations
from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from toy.modes import Mode

class Base(ABC):
    KIND: ClassVar[str]
    def __init__(self, *, rate: float, extra: int | None = None) -> None: ...

class Child(Base):
    KIND = "toys"
    def __init__(self, *, mode: Mode, **shared: Any) -> None:
        super().__init__(**shared)

@dataclass(frozen=True, kw_only=True)
class Recipe:
    ROLES: ClassVar[tuple[str, ...]] = ("classify",)
    width: int
    tie_embeddings: bool = False

class Open:
    def __init__(self, **anything: Any) -> None: ...

class Bare(ABC):
    pass

def curve(fraction: float, *, floor: float) -> float: ...
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").write_text('from toy.things import Child\nHOMES = {"Recipe": "things"}\n')
    (tmp_path / "toy" / "things.py").write_text(LIBRARY)
    (tmp_path / "toy" / "modes.py").write_text('from typing import Literal\nMode = Literal["fast", "slow"]\n')
    monkeypatch.syspath_prepend(tmp_path)


def value_fits(value: Any, annotation: str) -> bool:
    return fits(value, ast.parse(annotation, mode="eval").body, None)


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [0, -3], [True, 1.0, "1", None, [1]]),
        ("float", [0.5, 1], [True, "1", None]),
        ("bool", [True], [1, "true", None]),
        ("str", ["", "x"], [1, None, True]),
        ("int | None", [1, None], [1.5, "1"]),
        ("Optional[float]", [1.0, None], ["1"]),
        ("Literal['a', 'b', None]", ["a", None], ["c", 1]),
        ("Literal[1, 2]", [1], [True, 3]),
        ("tuple[int, ...]", [[], [1, 2]], [1, [1.5], ["1"]]),
        ("tuple[float, float]", [[0.9, 1]], [[0.9], [0.9, "x"]]),
        ("list[str]", [["a"]], ["a", [1]]),
        ("dict[str, int]", [{"a": 1}], [{"a": "b"}, [1]]),
        ("Sequence[Literal['a']]", [["a"]], [["b"]]),
        ("'int | None'", [None, 1], ["x"]),
        ("Any", [None, 1, "x", {}], []),
        ("Path", ["/tmp"], [1]),
        ("SomeClass", [{"_target_": "x"}], [1, "x", {"shift": 1}]),
    ],
)
def test_values_and_annotations(annotation: str, good: list[Any], bad: list[Any]) -> None:
    assert all(value_fits(value, annotation) for value in good)
    assert not any(value_fits(value, annotation) for value in bad)
    assert describe(ast.parse(annotation, mode="eval").body, None)


@pytest.mark.usefixtures("toy")
def test_signatures_follow_lazy_exports_base_classes_and_type_aliases() -> None:
    child = signature("toy.Child")
    assert child is not None
    assert child.constants["KIND"] == "toys"
    assert not child.open
    assert {name: p.required for name, p in child.parameters.items()} == {"mode": True, "rate": True, "extra": False}
    mode = child.parameters["mode"]
    assert fits("fast", mode.annotation, mode.module)
    assert not fits("brisk", mode.annotation, mode.module)
    assert describe(mode.annotation, mode.module) == "one of fast, slow"
    recipe = signature("toy.Recipe")
    assert recipe is not None
    assert list(recipe.parameters) == ["width", "tie_embeddings"]
    curve, free, bare = (signature(f"toy.things.{name}") for name in ("curve", "Open", "Bare"))
    assert curve is not None
    assert list(curve.parameters) == ["fraction", "floor"]
    assert free is not None
    assert free.open
    assert bare is not None
    assert not bare.parameters
    assert not bare.open
    assert signature("toy.Nothing") is None
    assert signature("nowhere.Nothing") is None
    assert signature("Nothing") is None


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    return {name: compose([f"experiment={name}"]) for name in ("cnn", "gan", "transformer")}


@pytest.mark.parametrize(
    ("experiment", "overrides", "expected"),
    [
        ("cnn", ["net._target_=quartet.nets.CNNN"], "net._target_: there is no quartet.nets.CNNN"),
        ("cnn", ["net=3"], "net: 3 is no choice"),
        ("cnn", ["net=null"], "net: not chosen; add net=<name>, one of cnn"),
        ("cnn", ["trainer.devices=3"], "data.loading.batch_size: a batch of"),
        (
            "gan",
            [
                "trainer.devices=2",
                "trainer.sync_batch_norm=true",
                "method.r1=1",
                "method.discriminator.discriminator_norm=batch",
            ],
            "method.r1: given 1",
        ),
        (
            "cnn",
            ["trainer.devices=2", "data.loading.batch_size=30", "method.accumulate_grad_batches=8"],
            "take 16 or 32",
        ),
        ("transformer", ["trainer.devices=3"], "groups of 8 pairs cannot be shared by 3 devices"),
        ("gan", ["method.stop.rule=never"], "method.stop.rule: given 'never', needs one of none, half_fooled"),
        ("gan", ["method.stop=3"], "method.stop: given 3"),
        ("gan", ["method.discriminator.width=-4"], "method.discriminator.width: given -4"),
        ("gan", ["method.discriminator_optimizer.lr=0"], "method.discriminator_optimizer.lr: given 0"),
        ("gan", ["method.discriminator.dropout=1"], "in [0, 1)"),
        ("transformer", ["net.heads=3"], "net.heads: 3 heads cannot share net.width="),
        ("cnn", ["data.name=4"], "data.name: given 4, needs a text"),
        ("cnn", ["trainer.threads=0"], "trainer.threads: given 0"),
        ("transformer", ["optimizer.betas=[0.9,2]"], "optimizer.betas: given [0.9, 2], needs numbers in [0, 1)"),
        ("cnn", ["budget=0 steps"], "budget='0 steps'"),
        ("cnn", ["schedule.min_lr_ratio=2"], "schedule.min_lr_ratio: given 2"),
        ("cnn", ["tracking={a: 1}"], "tracking"),
    ],
)
def test_refusals_name_key_value_and_remedy(
    configs: dict[str, Config], experiment: str, overrides: list[str], expected: str
) -> None:
    with pytest.raises(QuartetError) as refusal:
        check(override_config(configs[experiment], overrides))
    assert expected in str(refusal.value)
    assert len(str(refusal.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["experiment=cnnn"], ["experiment=cnnn", "did you mean experiment=cnn?"]),
        (["nett=rnn"], ["nett", "did you mean net?"]),
        (["net.width.deep=3"], ["net.width.deep", "net.width holds no keys"]),
        (["+net.widht=3"], ["net.widht", "CNN takes no such key", "did you mean net.width?"]),
        (["+net.width=3"], ["net.width", "leave out the +"]),
        (["~net.widht"], ["~net.widht", "there is no such key to remove"]),
        (["+colour=red"], ["colour", "net, task"]),
        (["net=3"], ["a group is chosen by name"]),
        (["net@method.discriminator=cnn"], ["net@method.discriminator", "did you mean net?"]),
        (["net.width"], ["'net.width'", "key=value"]),
        (["net.width=1.5"], ["net.width: given 1.5, needs a whole number"]),
        (["net.width=0"], ["net.width: given 0, needs a number at least 1"]),
        (["optimizer.lr=-1"], ["optimizer.lr: given -1, needs a number more than 0"]),
        (["optimizer.lr=fast"], ["optimizer.lr: given 'fast', needs a number"]),
        (["experiment=transformer", "optimizer.betas=[0.9]"], ["optimizer.betas: given [0.9]"]),
        (["trainer.precision=8"], ["trainer.precision: given 8, needs one of 32-true, bf16-mixed"]),
        (["trainer.devices=true"], ["trainer.devices: given true, needs a whole number"]),
        (["trainer.devices=0"], ["trainer.devices: given 0"]),
        (["method.grad_clip_norm=tight"], ["method.grad_clip_norm: given 'tight', needs a number or null"]),
        (["method.ema_decay=1.5"], ["method.ema_decay: given 1.5, needs a number in [0, 1)"]),
        (["budget=5"], ["budget=", "a unit"]),
        (["budget=soon"], ["budget='soon'", "epochs"]),
        (["validate_every=3 parsecs"], ["validate_every='3 parsecs'", "samples"]),
        (["seed=null"], ["seed: given null, needs a whole number"]),
        (["budget=${nowhere}"], ["budget", "nowhere"]),
        (["task=generate"], ["task Generate is trained by method=adversarial, given supervised"]),
        (["experiment=gan", "task=classify"], ["task Classify is trained by method=supervised"]),
        (["trainer.accelerator=cpu", "trainer.precision=16-mixed"], ["trainer.precision: 16-mixed needs a GPU"]),
        (["net=mlp", "task=translate", "data=libreoffice_help"], ["net: MLP cannot translate", "transformer"]),
    ],
)
def test_impossible_overrides_are_refused_in_one_line(overrides: list[str], expected: list[str]) -> None:
    experiment = [] if overrides[0].startswith("experiment=") else ["experiment=cnn"]
    with pytest.raises(QuartetError) as refusal:
        check(compose([*experiment, *overrides]))
    assert len(str(refusal.value).splitlines()) == 1
    for text in expected:
        assert text in str(refusal.value)


def test_an_unreadable_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("net:\n  width: [1\nseed: 0\n")
    with pytest.raises(QuartetError, match=r"broken\.yaml.*line 3.*not YAML"):
        load_config(tmp_path / "broken.yaml")


@pytest.mark.parametrize("key", ["seed", "net.width", "trainer.log_every", "data.source", "budget", "task"])
def test_a_missing_key_is_named(configs: dict[str, Config], key: str) -> None:
    config = override_config(configs["cnn"], [])
    *parents, last = key.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    del node[last]
    with pytest.raises(QuartetError, match=f"^{key}: (not|given None)"):
        check(config)


def test_a_net_that_lacks_the_role_of_the_task_is_refused() -> None:
    with pytest.raises(QuartetError, match=r"net: MLP cannot translate.*choose net= one of .*transformer"):
        check(compose(["experiment=transformer", "net=mlp"]))


def test_an_implied_experiment_composes_by_its_name() -> None:
    config = compose(["experiment=generate_mlp", "seed=3"])
    check(config)
    assert (config["experiment"], config["seed"]) == ("generate_mlp", 3)
    nets = config["net"], config["method"]["discriminator"]
    assert [net["_target_"] for net in nets] == ["quartet.nets.MLP"] * 2
    with pytest.raises(QuartetError, match="experiment=generate_none: no such option"):
        compose(["experiment=generate_none"])


def test_a_convolution_that_classifies_needs_no_heads(configs: dict[str, Config]) -> None:
    check(override_config(configs["cnn"], ["net.width=30", "net.heads=4"]))


def test_checking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from quartet_app.config.composing import compose; from quartet_app.config.check import check\n"
        "for name in ('cnn', 'rnn', 'transformer', 'gan'): check(compose([f'experiment={name}']))\n"
        "assert not {'torch', 'numpy', 'mlflow', 'ray', 'pytorch_lightning', 'quartet.nets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
