"""Write a stand-in for data that is not prepared yet: blank examples.

They have the shape and number that the data's source declares. So a net takes the same memory and the same FLOPs on
them as on the real examples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quartet.data.loading.kinds import kind_class


def stand_in(source: Any, folder: Path) -> bool:
    """Write the stand-in for `source` into `folder`, and return True.

    Returns False where the source does not declare enough, or where its kind of data has no stand-in.
    """
    facts = source.foreseen()
    if not facts:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    more = kind_class(source.KIND).stand_in(folder, facts)
    if more is None:
        return False
    manifest = {"name": folder.name, "kind": source.KIND, "digest": "", **facts, **more}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return True
