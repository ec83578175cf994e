"""Put a user's own `conf/` in front of the shipped one, in Hydra's own way.

Only where the shipped `conf/` is composed and QUARTET_CONF names a folder: no other Hydra application notices.
"""

import os
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

SHIPPED = Path(os.environ.get("QUARTET_SHIPPED_CONF") or Path(__file__).resolve().parents[3] / "conf").resolve()
VARIABLE = "QUARTET_CONF"


class QuartetSearchPath(SearchPathPlugin):
    """Search the user's own `conf/` first."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        own = os.environ.get(VARIABLE)
        main = next((one.path or "" for one in search_path.get_path() if one.provider == "main"), "")
        if own and main.removeprefix("file://") == str(SHIPPED):
            search_path.prepend(provider="project", path=f"file://{own}")
