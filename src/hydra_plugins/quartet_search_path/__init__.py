"""Search the user's own `conf/` before the shipped `conf/`, by Hydra's search path plugin.

This takes effect only where the shipped `conf/` is composed and QUARTET_CONF names a folder. Other Hydra applications
are unchanged.
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
        """Prepend the folder of QUARTET_CONF where the primary folder is the shipped `conf/`."""
        own = os.environ.get(VARIABLE)
        main = next((element.path or "" for element in search_path.get_path() if element.provider == "main"), "")
        if own and main.removeprefix("file://") == str(SHIPPED):
            search_path.prepend(provider="project", path=f"file://{own}")
