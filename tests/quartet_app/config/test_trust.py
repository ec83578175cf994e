"""Run folders, models and data from somebody else: nothing that they name is imported but parts of a run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import command

from quartet.types import QuartetError
from quartet_app.config.composing import compose, config_of
from quartet_app.config.options import options
from quartet_app.config.resolved import load_config, save_config
from quartet_app.config.trust import check_file, may_import, remember_named
from quartet_app.data.prepared import ensure
from quartet_app.data.table import prepare_table
from quartet_app.predict.predictor import net_of
from quartet_app.provenance.find_run import find_run
from quartet_app.provenance.lineage import in_mlflow
from quartet_app.provenance.repeat import code_mismatch, new_folder, repeat, repeat_config
from quartet_app.provenance.send import send
from quartet_app.run.evaluate import evaluate
from quartet_app.run.results import load_run

Small = Callable[..., list[str]]
MARK = "it-ran"
SHELL = "torch.utils.collect_env.run"  # Hydra itself lets it be called; it refuses some others, as subprocess.run
TOUCH = {"_target_": SHELL, "command": f"touch {MARK}"}
# Other packages, names that a module of ours has only imported, functions of ours that run what they are given,
# methods, what lies beside the run in the project's folder, and what is no name at all.
HOSTILE = [
    "torch.utils.collect_env.run", "os.system", "subprocess.run", "builtins.eval", "builtins.exec", "runpy.run_path",
    "torch.load", "torch.hub.load", "numpy.load", "pydoc.pipepager", "hydra.utils.instantiate", "ray.init",
    "quartet_app.commands.ui.subprocess.run", "quartet.nets.frozen.Path", "quartet.nets.frozen.load",
    "quartet.nets.cnn.nn.Module", "torch.optim.optimizer.functools.partial", "torch.optim.Optimizer.load_state_dict",
    "quartet_app.commands.ui.main", "quartet_app.run.train.train", "quartet_app.table.table_runs.run_and_print",
    "quartet_app.run.environment.environment", "quartet_app.provenance.repeat.repeat", "quartet_app.files.write_text",
    "quartet.data.preparing.store.remove", "quartet.data.preparing.places.open_deb", "quartet.nets.CNN.classifier",
    "quartet.tracking.model_store.ModelStore", "quartet_app.sweep.observer.SweepTracker", "runs.theirs.evil.Net",
    "hydra_plugins.quartet_ray_sweeper.sweeper.RaySweeper", "quartet.nets.cnn", "CNN", "quartet..nets.CNN", "", " ",
    "quartet.nets.CNN ", "os.system\nquartet.nets.CNN", None, 3, True, ["os.system"], {"_target_": "os.system"},
]  # fmt: skip
PLACES = (
    "net", "task", "method", "optimizer", "schedule", "tracking", "data.source", "data.loading",
    "data.loading.augment", "task.anything.deep", "extra",
)  # fmt: skip


@pytest.fixture(scope="module")
def config(small: Small) -> dict[str, Any]:
    """The configuration of a tiny run; not to be changed."""
    return compose(small("mnist1d_cnn"))


@pytest.fixture
def folder(config: dict[str, Any], here: Path) -> Path:
    """A run's folder of somebody else, whole enough for every command to read its configuration."""
    made = here / "runs" / "theirs"
    save_config(config, made / "config.yaml")
    facts = {"experiment": "mnist1d_cnn", "seed": 0, "data_digest": "0" * 64, "config_hash": "0" * 64, "devices": 1}
    facts |= {"fingerprint": "0" * 64, "mlflow_run_id": "", "monitor": "val/accuracy", "metrics": {}}
    (made / "run.json").write_text(json.dumps(facts))
    (made / "model.safetensors").write_bytes(b"")
    (made / "evaluate").mkdir()
    (made / "evaluate" / "metrics.json").write_text("{}")
    return made


def plant(folder: Path, place: str, what: Any) -> None:
    """Put `what` into the run's configuration at a dotted key."""
    node = config = yaml.safe_load((folder / "config.yaml").read_text())
    *above, last = place.split(".")
    for part in above:
        node[part] = node[part] if isinstance(node.get(part), dict) else {}
        node = node[part]
    node[last] = what
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def as_run(folder: Path) -> None:
    repeat(find_run(str(folder)), anyway=True, as_json=False)


READERS: dict[str, Callable[[Path], Any]] = {
    "evaluate": lambda folder: evaluate(folder, out=folder / "out"),
    "compare": lambda folder: load_run(folder, folder / "evaluate"),
    "repeat": as_run,
    "train": lambda folder: config_of([str(folder / "config.yaml")]),
}


@pytest.mark.parametrize("target", HOSTILE, ids=str)
def test_only_parts_of_a_run_are_imported(target: Any) -> None:
    before = set(sys.modules)
    assert not may_import(target)
    assert not may_import(target, "net")
    assert set(sys.modules) == before, "it was imported to be looked at"


@pytest.mark.parametrize("name", [name for name in options("experiment") if "own_" not in name])
def test_every_part_that_is_shipped_may_be_named(name: str) -> None:
    check_file(compose([f"experiment={name}", "launcher=ray"]), Path("config.yaml"))


def test_a_part_is_taken_in_its_own_place_alone(folder: Path) -> None:
    as_it_was = (folder / "config.yaml").read_text()
    misplaced = {"task": "quartet.nets.CNN", "tracking": "quartet.tasks.Classify", "net": "torch.optim.SGD"}
    for place, target in misplaced.items():
        plant(folder, place, {"_target_": target})
        with pytest.raises(QuartetError, match=rf"config\.yaml: {place}\._target_: given '{target}', which a file"):
            evaluate(folder, out=folder / "out")
        (folder / "config.yaml").write_text(as_it_was)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_a_run_folder_names_no_code(reader: str, place: str, folder: Path) -> None:
    for extra in ({}, {"_partial_": True}, {"_args_": [["touch", MARK]]}):
        plant(folder, place, {**TOUCH, **extra})
        with pytest.raises(QuartetError, match=rf"{place}\._target_: given '{SHELL}', which a file may not name"):
            READERS[reader](folder)
    assert not Path(MARK).exists()


def test_a_launcher_names_no_code_and_no_cluster(folder: Path) -> None:
    plant(folder, "launcher", TOUCH)
    for reader in ("repeat", "train"):
        with pytest.raises(QuartetError, match=r"launcher\._target_"):
            READERS[reader](folder)
    cluster = {"_target_": "quartet_app.run.workers.ray_train.Cluster", "cpus": 1, "gpus": None, "retries": 0}
    plant(folder, "launcher", {**cluster, "address": "203.0.113.1:6379"})
    with pytest.raises(
        QuartetError, match=r"the run joins the Ray cluster at 203\.0\.113\.1:6379, which can run any code"
    ):
        repeat(find_run(str(folder)), anyway=False, as_json=False)


def test_the_command_refuses_in_a_line(folder: Path, here: Path) -> None:
    plant(folder, "task", TOUCH)
    for words in (("evaluate", str(folder)), ("compare", str(folder)), ("trace", "--repeat", str(folder))):
        done = command(*words, cwd=here, check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert f"task._target_: given '{SHELL}', which a file may not name" in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2
    assert not (here / MARK).exists()


@pytest.mark.parametrize("reader", READERS)
def test_the_environment_stays_out_of_results(reader: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    for place, text in (("experiment", "${oc.env:TOKEN}"), ("net.width", "a ${oc.decode:${oc.env:TOKEN}}")):
        plant(folder, place, text)
        with pytest.raises(QuartetError, match=r"\{oc\.\w+:.*a resolved file holds plain values") as refusal:
            READERS[reader](folder)
        assert "secret" not in str(refusal.value)
        plant(folder, place, "x")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("key", ["data.name", "experiment"])
def test_a_run_folder_names_no_other_place(reader: str, key: str, folder: Path) -> None:
    for name in ("../../x", "/tmp/x", "", ".."):
        plant(folder, key, name)
        with pytest.raises(QuartetError, match=rf"{key}: given '{name}', which"):
            READERS[reader](folder)


@pytest.mark.parametrize("reader", ["evaluate", "compare"])
def test_a_run_folder_names_no_server_for_results_and_passwords(
    reader: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = {"_target_": "quartet.tracking.MLflow", "experiment": "x", "system_metrics": False, "model": False}
    for uri in ("http://203.0.113.1:5000", "https://user:word@evil.invalid/", "postgresql://evil.invalid/db"):
        plant(folder, "tracking", {**tracking, "uri": uri})
        with pytest.raises(QuartetError, match=r"tracking\.uri: given .*, a server that your own conf/ does not name"):
            READERS[reader](folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.rstrip("/"))
        check_file(yaml.safe_load((folder / "config.yaml").read_text()), folder)
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for local in ("sqlite:///mlflow.db", "http://127.0.0.1:5000", None):
        plant(folder, "tracking", {**tracking, "uri": local})
        check_file(yaml.safe_load((folder / "config.yaml").read_text()), folder)
    remember_named({"tracking": {"uri": "http://lab.invalid:5000"}})  # as a person typed it on a command line
    plant(folder, "tracking.uri", "http://lab.invalid:5000")
    check_file(yaml.safe_load((folder / "config.yaml").read_text()), folder)


def test_tracing_asks_no_server_that_a_folder_names(folder: Path) -> None:
    (folder / "state.json").write_text(
        json.dumps({"tracking_uri": "http://203.0.113.1:5000", "mlflow_run_id": "0" * 32})
    )
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "mlflow_run_id": "0" * 32}))
    assert "a server that your own conf/ does not name" in in_mlflow(find_run(str(folder)))["not_asked"]


def test_what_is_sent_later_goes_to_no_server_that_a_folder_names(folder: Path) -> None:
    """state.json names the store, by which the curves would go elsewhere, with this machine's password."""
    (folder / "state.json").write_text(
        json.dumps({"tracking_uri": "http://203.0.113.1:5000", "mlflow_run_id": "0" * 32})
    )
    with pytest.raises(
        QuartetError, match=r"state\.json: tracking_uri: given .*, a server that your own conf/ does not"
    ):
        send(find_run(str(folder)))


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", "0/../../../elsewhere"), ("seed", "../x"), ("fingerprint", "/../../../x"), ("experiment", "../x")],
)
def test_a_repeat_makes_no_folder_that_a_run_names(folder: Path, here: Path, key: str, value: str) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, key: value}))
    with pytest.raises(QuartetError, match=r"which has a slash|begins with a dot"):
        new_folder(find_run(str(folder)))
    assert [path.name for path in here.iterdir()] == ["runs"]
    assert [path.name for path in (here / "runs").iterdir()] == ["theirs"]


@pytest.mark.parametrize("commit", ["$(touch it-ran)", "abc; touch it-ran", "--upload-pack=x", "HEAD", "0" * 70])
def test_no_command_to_paste_holds_what_a_run_names_as_its_commit(folder: Path, commit: str) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "git_commit": commit, "code_digest": "0" * 64}))
    said = code_mismatch(find_run(str(folder)))
    assert said.endswith("the run's commit is not known")
    assert commit not in said


def test_a_table_s_recipes_name_no_code(here: Path) -> None:
    save_config({"name": "x", "source": TOUCH}, here / "build" / "data" / "cnn.yaml")
    with pytest.raises(QuartetError, match=rf"data\.source\._target_: given '{SHELL}'"):
        prepare_table()
    assert not Path(MARK).exists()


@pytest.mark.parametrize("target", [target for target in HOSTILE if isinstance(target, str)], ids=str)
def test_a_model_names_no_code(target: str) -> None:
    with pytest.raises(QuartetError, match="no such net"):
        net_of({"_target_": target, "args": ["touch", MARK]})


def test_prepared_data_names_no_code(config: dict[str, Any], here: Path) -> None:
    (here / "evil.py").write_text(f"open('{MARK}', 'w')\nclass Kind: ...\n")
    folder = ensure(config["data"])
    manifest = json.loads((folder / "manifest.json").read_text())
    for kind in ("evil.Kind", "antigravity", None, 3):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "kind": kind}))
        with pytest.raises(QuartetError, match=r"manifest\.json: kind: given .*which your own conf/ does not name"):
            ensure(config["data"])
    assert not Path(MARK).exists()


# A person's project, with code of their own and an installed function that they name in full.
OWN = "class Net: ...\n\ndef shell(command): ...\n\nfrom subprocess import Popen\n"


@pytest.fixture
def project(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (here / "conf" / "net").mkdir(parents=True)
    (here / "hers.py").write_text(OWN)
    (here / "not_named.py").write_text(OWN)
    (here / "conf" / "net" / "hers.yaml").write_text("_target_: hers.Net\nwidth: 3\n")
    (here / "conf" / "net" / "flow.yaml").write_text("# _target_: os.system\nother: {_target_: zlib.adler32}\n")
    monkeypatch.syspath_prepend(here)
    return here


def test_what_the_project_s_own_conf_names_is_its_own(project: Path) -> None:
    for target, allowed in {
        "hers.Net": True, "hers.shell": False, "hers.Popen": False, "not_named.Net": False, "zlib.adler32": True,
        "zlib.crc32": False, "os.system": False, "torch.utils.collect_env.run": False,
    }.items():  # fmt: skip
        assert may_import(target) == allowed, target
    (project / "params.yaml").write_text("overrides:\n  cnn: ['+net={_target_: not_named.Net}', net._target_=a.B]\n")
    assert may_import("not_named.Net")
    assert may_import("a.B")


def test_what_a_person_typed_is_known_to_the_project_later(config: dict[str, Any], here: Path) -> None:
    remember_named(config)
    assert not (here / "runs").exists(), "nothing to remember of shipped parts"
    typed = {**config, "net": {"_target_": "typed.Net"}}
    remember_named(typed)
    remember_named(typed)
    assert (here / "runs" / "own_targets.txt").read_text() == "typed.Net\n"
    assert may_import("typed.Net")


def test_own_repeats_keep_their_cluster(folder: Path) -> None:
    assert repeat_config(find_run(str(folder)))["launcher"] == load_config(folder / "config.yaml")["launcher"]


def test_a_run_of_somebody_in_a_project_runs_no_file_of_its_own(folder: Path, here: Path) -> None:
    (folder / "evil.py").write_text(f"open('{here / MARK}', 'w')\nclass Net: ...\n")
    (here / "conf" / "net").mkdir(parents=True)  # the folder is a project: it can be imported from
    shutil.copyfile(Path(os.environ["QUARTET_SHIPPED_CONF"]) / "net" / "cnn.yaml", here / "conf" / "net" / "cnn.yaml")
    plant(folder, "net", {"_target_": "runs.theirs.evil.Net"})
    done = command("evaluate", str(folder), cwd=here, check=False)
    assert done.returncode == 2
    assert "net._target_" in done.stderr
    assert not (here / MARK).exists()
