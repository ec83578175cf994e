"""Say where a table trains under other conditions than those under which a sweep found its settings.

conf/tuned/ belongs to the project, not to a table: settings that were found with another budget or size are taken all
the same, since they may well be better than none, but not in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from quartet_app.config.options import option_file
from quartet_app.config.resolved import Config
from quartet_app.config.table.axes import MISSING, Point, lookup

# What decides which settings are best beside those that a sweep varies: length, size and data.
KEYS = ("budget", "profile", "data.name", "data.loading.limit_train", "match.parameters", "match.flops")
HEAD = "found with"  # begins the comment that holds the conditions, as JSON


def conditions(config: Config) -> dict[str, Any]:
    """Return the conditions of a run that decide which of its settings are best, by key."""
    return {key: value for key in KEYS if (value := lookup(config, key)) is not MISSING}


def notes(points: Sequence[Point], configs: Mapping[str, Config], overrides: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each experiment with a run under other conditions than those of its tuned file.

    `configs`: of the points, by name. `overrides`: of the experiments, by name. A file without conditions, as sweeps
    wrote it before, says nothing.
    """
    lines: dict[str, str] = {}
    for point in points:
        chosen = next((one.partition("=")[2] for one in overrides[point.experiment] if one.startswith("tuned=")), None)
        then, now = found_with(chosen) if chosen else {}, conditions(configs[point.name])
        changed = [key for key in now if key in then and then[key] != now[key]]
        if changed:
            listed = ", ".join(f"{key} {_text(then[key])}, here {_text(now[key])}" for key in changed)
            said = f"{point.experiment}: tuned={chosen} was found with {listed}; ~tuned leaves it out"
            lines.setdefault(point.experiment, said)
    return list(lines.values())


def found_with(name: str) -> dict[str, Any]:
    """Return the conditions under which a file of conf/tuned/ was found; {} where it does not say."""
    path = option_file("tuned", name)
    found = re.search(rf"^# {HEAD} (\{{.*\}})$", path.read_text(encoding="utf-8"), re.MULTILINE) if path else None
    try:
        return dict(json.loads(found[1])) if found else {}
    except ValueError:
        return {}


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
