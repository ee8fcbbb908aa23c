"""The pages that are made from the core's tables."""

from __future__ import annotations

import pytest

from acd.core.model import SeatState
from acd.core.shapes import LEAVES, MOVES, Shape
from api.shapes.cells import EXCLUDED, Robot, Scene, Step, after, cells
from tools import shapes_guide


@pytest.mark.parametrize("name", ["shapes.md", "seat-states.md"])
def test_the_page_is_current(name: str) -> None:
    path = shapes_guide.GUIDE / name
    assert path.read_text(encoding="utf-8") == shapes_guide.pages()[path], (
        "run `python -m tools.shapes_guide` and commit what it writes"
    )


def test_every_row_of_the_tables_is_on_the_page() -> None:
    page = shapes_guide.shapes_page()
    moved = shapes_guide.moves()
    left = shapes_guide.leaves()
    assert all(f"| `{shape}` |" in page for shape in Shape)
    assert sum(line.count("`") // 2 for line in moved.splitlines()) == len(MOVES) + 7 + 2 * 2  # rows, ring another one
    cells_of_leaves = [cell for line in left.splitlines()[2:] for cell in line.strip("| ").split(" | ")[1:]]
    assert sum(cell != "–" for cell in cells_of_leaves) == len(LEAVES)
    assert all(reason in page for reason in EXCLUDED.values())
    assert all(f"`{state}`" in shapes_guide.seats_page() for state in SeatState)


def test_each_kind_of_cell_is_drawn() -> None:
    kinds = {cell.kind for cell in shapes_guide.drawn()}
    assert kinds == {cell.kind for cell in cells()}


def test_a_diagram_names_everybody_who_acts_in_it() -> None:
    for cell in cells():
        lines = shapes_guide.diagram(cell).splitlines()
        named = {line.split()[1] for line in lines if "participant" in line}
        acting = {word for line in lines if "->>" in line for word in line.split(":")[0].replace("->>", " ").split()}
        assert acting <= named, cell.id
        assert sum(line.startswith("    Note over R,") for line in lines) == len(cell.steps), cell.id


def test_who_hears_whom_is_told_in_words() -> None:
    scene = Scene()
    for step in (Step.CALL, Step.CONSULT_SEAT, Step.ANSWER, Step.COACH):
        scene = after(scene, step)
    assert shapes_guide.heard(scene) == (
        "customer hears agent · agent hears customer and colleague · colleague hears customer and agent"
    )
    assert shapes_guide.heard(Scene(Shape.HELD, Robot.CUSTOMER, Robot.AMY)) == (
        "customer hears music · agent hears nobody"
    )
    assert shapes_guide.heard(Scene()) == "it is over"
