"""A whole Ringside on a real Asterisk with real SIP phones.

`center` is one running system that the tests of this folder share: each has queues and seats of its own. Tests that
kill or stop something start a system of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.scenes import ENTRIES, MENU, QUEUES, SEATS
from tests.support.floor import Floor, floor
from tests.support.system import System


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder bears the marks `asterisk` and `softphone`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asterisk)
            item.add_marker(pytest.mark.softphone)


@pytest.fixture(scope="package")
def center(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Up for all of this folder, with the scenes' directory."""
    system = System(tmp_path_factory.mktemp("center"), asterisk_root=str(asterisk_root))
    system.configure(QUEUES, SEATS, ENTRIES, menus=(MENU,))
    with system.running():
        yield system


@pytest_asyncio.fixture
async def open_floor(center: System, tmp_path: Path) -> AsyncIterator[Floor]:
    """Phones at the shared system. Afterwards nothing is left open, nothing needed repair, all seats are signed out."""
    repairs = dict(center.state.repairs)
    async with floor(center, tmp_path) as here:
        yield here
        await here.leave()
        await here.empty()
    assert center.state.repairs == repairs
