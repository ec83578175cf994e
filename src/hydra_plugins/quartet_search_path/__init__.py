"""Search the user's own `conf/` before the shipped `conf/`, by Hydra's search path plugin.

This takes effect only where the shipped `conf/` is composed and QUARTET_CONF names a folder. Other Hydra applications
are unchanged.
"""

import os
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

SHIPPED = Path(__file__).resolve().parents[3] / "conf"
VARIABLE = "QUARTET_CONF"


class QuartetSearchPath(SearchPathPlugin):
    """Search the user's own `conf/` first."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Prepend the folder of QUARTET_CONF where the primary folder is the shipped `conf/`."""
        own = os.environ.get(VARIABLE)
        main = next((element.path for element in search_path.get_path() if element.provider == "main"), None)
        if own and main == f"file://{SHIPPED}":
            search_path.prepend(provider="project", path=f"file://{own}")
