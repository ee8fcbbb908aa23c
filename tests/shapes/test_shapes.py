"""One cell of each kind of the matrix of shapes, on a real Asterisk with real phones. `make proof` plays all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from acd.core.shapes import LEAVES, MOVES
from api.shapes.cells import EXCLUDED, PATHS, Cell, cells, one_of_each
from tests.shapes.rig import Rig, rigs

pytestmark = [pytest.mark.asterisk, pytest.mark.softphone]
LEAST = 40


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_stage(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rigs(tmp_path_factory.mktemp("shapes"), 1, str(asterisk_root)) as (ready,):
        yield ready


def test_the_matrix_is_whole() -> None:
    """Every leaving and every move of the core's tables is a cell; what is left out has its reason."""
    found = cells()
    names = {(cell.kind, cell.name) for cell in found}
    steps = [cell.steps for cell in found]
    assert len(found) >= LEAST
    assert len(set(steps)) == len(steps)
    assert len(names) == len(found)
    assert {shape for shape, _ in LEAVES} - set(PATHS) == {"dialling"}  # its cells are those of "outbound"
    assert len([cell for cell in found if cell.kind.startswith("move")]) <= len(MOVES)
    assert all(EXCLUDED.values())


@pytest.mark.feature("V7", "V8", "V9", "V10")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("cell", one_of_each(), ids=lambda cell: cell.kind)
async def test_each_kind_of_shape(on_stage: Rig, cell: Cell) -> None:
    row = await on_stage.judge(cell)
    assert row.good, {name: found for name, found in row.problems.items() if found}
