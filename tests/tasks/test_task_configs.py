from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest
import yaml

import quartet.tasks
from quartet.nets import CNN
from quartet_app.config.project import CONF


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / "task" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", ["classify", "language", "translate", "generate"])
def test_a_configuration_says_all_that_a_task_asks(name: str) -> None:
    written = read(name)
    task = getattr(quartet.tasks, written.pop("_target_").removeprefix("quartet.tasks."))
    assert set(written) == set(inspect.signature(task.__init__).parameters) - {"self"}
    assert name == task.ROLE
    assert task.MODE in ("min", "max")


@pytest.mark.parametrize("name", ["classify", "language", "translate"])
def test_a_configuration_makes_the_task(name: str) -> None:
    written = read(name)
    getattr(quartet.tasks, written.pop("_target_").removeprefix("quartet.tasks."))(**written)


def test_the_judge_is_described_in_full() -> None:
    judge = read("generate")["judge"]
    assert set(judge["net"]) - {"_target_"} == {field.name for field in fields(CNN)}
