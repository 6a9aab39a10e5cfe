"""Where tiles stand: every line runs down, and nothing lies on anything else."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from graphnas.ir.arrangement import Arrangement, Tile, arrange
from graphnas.ir.markup import plain


def tile(name: str, *reads: str, width: float = 40, height: float = 20) -> Tile:
    """A tile that gives one value, in its middle."""
    return Tile(width, height, plain(name), tuple((value, width / 2) for value in reads), {name: width / 2})


@st.composite
def networks(draw: st.DrawFn) -> list[Tile]:
    """Tiles of all sizes, each of which reads any that stand before it, or the value `x`."""
    tiles: list[Tile] = []
    for place in range(draw(st.integers(1, 12))):
        known = ["x", *(str(earlier) for earlier in range(place))]
        reads = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
        size = draw(st.sampled_from([(20, 20), (100, 20), (60, 90)]))
        tiles.append(tile(str(place), *reads, width=size[0], height=size[1]))
    return tiles


def boxes(tiles: list[Tile], arranged: Arrangement) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each tile."""
    return [(x, y, x + one.width, y + one.height) for one, (x, y) in zip(tiles, arranged.corners, strict=True)]


@given(networks())
def test_tiles_stand_below_what_they_read_and_apart(tiles: list[Tile]) -> None:
    placed = boxes(tiles, arranged := arrange(tiles, ["x"], [str(len(tiles) - 1)]))
    for reader, one in zip(placed, tiles, strict=True):
        for value, _ in one.reads:
            assert value == "x" or placed[int(value)][3] < reader[1]
    for place, (left, top, right, bottom) in enumerate(placed):
        assert left >= 0
        assert right <= arranged.width
        assert bottom <= arranged.height
        for other in placed[:place]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top


@given(networks())
def test_lines_pass_beside_tiles(tiles: list[Tile]) -> None:
    arranged = arrange(tiles, ["x"], [str(len(tiles) - 1)])
    for x, y, length in re.findall(r"M(\d+) (\d+)v(\d+)", arranged.lines):
        for left, top, right, bottom in boxes(tiles, arranged):
            assert not (left <= int(x) <= right and top < int(y) + int(length) and int(y) < bottom)


def test_chain_is_straight_beside_a_line_that_passes_it_by() -> None:
    chain = [tile("a", "x", width=90), tile("b", "a"), tile("c", "b", width=60), tile("sum", "c", "x")]
    (a, b, c, _) = arrange(chain, ["x"], ["sum"]).corners
    assert a[0] + 45 == b[0] + 20 == c[0] + 30


def test_arms_stand_in_the_order_of_the_options() -> None:
    arms = [tile(name, "x") for name in "dcba"]
    chooser = Tile(80, 20, plain("choose"), tuple((name, 10 + 20 * place) for place, name in enumerate("abcd")))
    corners = arrange([*arms, chooser], ["x"], []).corners
    assert [corner[0] for corner in corners[:4]] == sorted((corner[0] for corner in corners[:4]), reverse=True)


def test_what_needs_nothing_stands_right_above_its_reader() -> None:
    tiles = [tile("a", "x"), tile("b", "a"), tile("weight"), tile("linear", "b", "weight")]
    corners = arrange(tiles, ["x"], ["linear"]).corners
    assert corners[2][1] == corners[1][1]
