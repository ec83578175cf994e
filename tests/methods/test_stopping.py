from __future__ import annotations

import pytest

from quartet.methods import StoppingRule


@pytest.mark.parametrize(
    ("accuracies", "met"),
    [([0.9, 0.52, 0.5], False), ([0.9, 0.52, 0.5, 0.47], True), ([0.5, 0.5, 0.8], False), ([0.5, 0.5], False)],
)
def test_half_fooled_wants_several_validations_in_a_row(accuracies: list[float], met: bool) -> None:
    assert StoppingRule(rule="half_fooled", tolerance=0.05, patience=3).met(accuracies) == met


def test_none_never_stops() -> None:
    assert not StoppingRule(rule="none", tolerance=0.5, patience=1).met([0.5] * 9)
