"""Run Hydra's own test suites for sweepers and launchers, with real Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

from hydra_plugins.quartet_ray_sweeper import ray_running
from hydra_plugins.quartet_ray_sweeper.sweeper import RaySweeper


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    with ray_running(address=None, dashboard=False):
        yield


def test_hydra_finds_the_sweeper() -> None:
    assert RaySweeper.__name__ in [plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)]


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", ["hydra/sweeper=ray"])])
class TestLauncherSuite(LauncherTestSuite):
    pass


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("basic", ["hydra/sweeper=ray", "hydra.sweeper.max_batch_size=2"])]
)
class TestBatchedSweeperSuite(BatchedSweeperTestSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/sweeper=ray", "hydra.sweeper.resume=false"])]
)
class TestIntegrationSuite(IntegrationTestSuite):
    pass
