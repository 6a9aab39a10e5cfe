"""Long lines, broken where people would break them."""

from __future__ import annotations

import pytest

from graphnas.codegen.wrapping import wrapped

# A long line, and what becomes of it within 40 columns.
LINES = {
    "a call": (
        "    x = conv2d(weight, bias, stride=2, padding=1)",
        ["    x = conv2d(", "        weight, bias, stride=2,", "        padding=1", "    )"],
    ),
    "a sum": (
        "    x = self.edges['2_0'](inputs) + self.edges['2_1'](inputs_1)",
        ["    x = (", "        self.edges['2_0'](inputs)", "        + self.edges['2_1'](inputs_1)", "    )"],
    ),
    "a sum that fits into one line": (
        "joined = self.first(inputs) + self.second(ab)",
        ["joined = (", "    self.first(inputs) + self.second(ab)", ")"],
    ),
    "a sum that is returned": (
        "return self.first(one) - self.second(two) + self.third(three)",
        ["return (", "    self.first(one) - self.second(two)", "    + self.third(three)", ")"],
    ),
    "no sum but in a string and in brackets": (
        "value = self['one + two'](a + b) * self.two(c)",
        ["value = (", "    self['one + two'](a + b) * self.two(c)", ")"],
    ),
    "no statement with a value": (
        "# how this came about is a long story",
        ["# how this came about is a long story"],
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_line_is_broken(name: str) -> None:
    line, expected = LINES[name]
    assert wrapped(line, 40) == expected
