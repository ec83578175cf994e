"""The axes of a table: the points that it trains, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from quartet.types import QuartetError
from quartet_app.config.resolved import load_config
from quartet_app.config.table.axes import plain, typed_axes
from quartet_app.config.table.params import points, read_params
from quartet_app.config.table.resolve import write_table


def params(folder: Path, **content: object) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump({"experiments": ["cnn"], "seeds": [0], "profile": "laptop", **content}))
    return path


def names(path: Path) -> list[str]:
    return [point.name for point in points(read_params(path), path.name)]


def test_without_axes_the_experiments_are_the_points(tmp_path: Path) -> None:
    assert names(params(tmp_path, experiments=["cnn", "gan"])) == ["cnn", "gan"]


def test_axes_cross_and_a_value_that_is_there_anyway_adds_nothing_to_the_name(tmp_path: Path) -> None:
    default = load_config(write_table(params(tmp_path), tmp_path / "build")[0])["optimizer"]["lr"]
    axes = {"net.width": [8, 16], "optimizer.lr": [default, 0.5]}
    found = names(params(tmp_path, axes=axes))
    assert found == ["cnn+width-8", "cnn+width-8+lr-0.5", "cnn", "cnn+lr-0.5"]
    written = {path.name for path in write_table(tmp_path / "params.yaml", tmp_path / "build")}
    assert written == {f"{name}.yaml" for name in found}
    config = load_config(tmp_path / "build" / "cnn+width-8+lr-0.5.yaml")
    assert (config["optimizer"]["lr"], config["net"]["width"]) == (0.5, 8)
    assert config["experiment"] == "cnn+width-8+lr-0.5"


def test_a_point_that_two_tables_share_is_one_configuration(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_table(params(tmp_path / "a"), tmp_path / "a" / "build")
    default = load_config(tmp_path / "a" / "build" / "cnn.yaml")
    write_table(params(tmp_path / "b", axes={"net.width": [default["net"]["width"], 9]}), tmp_path / "b" / "build")
    assert load_config(tmp_path / "b" / "build" / "cnn.yaml") == default


def test_rules_leave_points_out(tmp_path: Path) -> None:
    path = params(
        tmp_path,
        experiments=["mnist1d_cnn", "mnist1d_rnn"],
        axes={"data.loading.limit_train": ["10%", None], "optimizer.lr": [0.5, 0.25]},
        unless=[
            {"experiment": "*_rnn", "data.loading.limit_train": "10%"},
            {"optimizer.lr": [0.25], "experiment": "*_cnn"},
        ],
    )
    assert names(path) == ["mnist1d_cnn+limit_train-10pc+lr-0.5", "mnist1d_cnn+lr-0.5", "mnist1d_rnn+lr-0.5",
                           "mnist1d_rnn+lr-0.25"]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"axes": ["net.width"]}, "axes: given .* needs a mapping"),
        ({"axes": {"net.width": [8]}}, "axes.net.width: given .* two or more"),
        ({"axes": {"net.width": [8, 8]}}, "two or more different"),
        ({"axes": {"seed": [0, 1]}}, "a table has seeds of its own"),
        ({"axes": {"net.widht": [8, 9]}}, r"axes \(net.widht=8; leave it out by unless\).*widht"),
        ({"axes": {"net.width": [8, -1]}}, "net.width: given -1"),
        ({"axes": {"net.width": [8, 9]}, "unless": [{"net.depth": 3}]}, "unless: given"),
        ({"axes": {"net.width": [8, 9]}, "unless": [{"experiment": "cnn"}]}, "unless: leaves nothing of cnn"),
        ({"experiments": ["mnist1d_cnn"], "axes": {"net.width": [8, 9]}}, "match.parameters sets the width"),
        ({"axes": {"optimizer.lr": [0.5, "0.5"]}}, "have one name"),
    ],
)
def test_mistakes_are_refused_with_their_key(tmp_path: Path, content: dict[str, object], says: str) -> None:
    with pytest.raises(QuartetError, match=says):
        write_table(params(tmp_path, **content), tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_a_graph_that_does_not_know_the_axes_is_refused(tmp_path: Path) -> None:
    path = params(tmp_path, axes={"net.width": [8, 9]})
    (tmp_path / "dvc.yaml").write_text("stages: {train: {matrix: {experiment: '${experiments}'}}}")
    with pytest.raises(QuartetError, match=r"changed since dvc.yaml was written"):
        write_table(path, tmp_path / "build")
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": {"matrix": {"experiment": names(path)}}}}))
    write_table(path, tmp_path / "build")


def test_axes_of_the_command_line() -> None:
    assert typed_axes(["net.pool=average,stride", "a=[1,2],[3]", "b=10%,null,'x y'"]) == {
        "net.pool": ["average", "stride"],
        "a": [[1, 2], [3]],
        "b": ["10%", None, "x y"],
    }
    for word in ("net.pool=average", "net.pool", "net.pool=", "=1,2"):
        with pytest.raises(QuartetError, match=r"--axis .* needs KEY=VALUE,VALUE"):
            typed_axes([word])


@pytest.mark.parametrize(
    ("value", "text"), [("10%", "10pc"), ([1, 2], "1_2"), (None, "null"), ("../x", "x"), ("", "none")]
)
def test_values_become_parts_of_file_names(value: object, text: str) -> None:
    assert plain(value) == text
