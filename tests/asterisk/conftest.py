"""Fixtures of the tests that need a real Asterisk; without one they fail (see asterisk_root), never skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cti.asterisk import AsteriskProcess
from tests.support.asterisk import running_asterisk

MakeAsterisk = Callable[..., AsteriskProcess]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder bears the mark `asterisk`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asterisk)


@pytest.fixture
def make_asterisk(asterisk_root: Path) -> Iterator[MakeAsterisk]:
    """Boots an Asterisk with changed settings: make_asterisk(entries=("81",)). All end with the test."""
    with ExitStack() as stack:

        def make(**changes: Any) -> AsteriskProcess:
            return stack.enter_context(running_asterisk(asterisk_root, **changes))

        yield make


@pytest.fixture(scope="module")
def asterisk(asterisk_root: Path) -> Iterator[AsteriskProcess]:
    """One Asterisk for the whole module, with default settings on random ports; box.settings tells them."""
    with running_asterisk(asterisk_root) as box:
        yield box
