"""Examples run, and the children that they print are networks."""

from __future__ import annotations

import re

import pytest
import torch

from examples import carry_over, rules, words


def _children(printed: str) -> list[torch.nn.Module]:
    found = []
    for text in re.split(r"^(?=# The network)", printed, flags=re.MULTILINE)[1:]:
        namespace: dict[str, object] = {"__name__": "child"}
        exec(compile(text, "child.py", "exec", dont_inherit=True), namespace)
        found.append(namespace["build"]())  # type: ignore[operator]
    return found


def test_rules_explain_themselves_and_give_a_child(capsys: pytest.CaptureFixture[str]) -> None:
    rules.main()
    printed = capsys.readouterr().out
    assert [rule for rule in rules.RULES if f"{type(rule).__name__} looked for" not in printed] == []
    (child,) = _children(printed)
    assert child(torch.zeros(3, 3, 32, 32)).shape == (3, 10)
    multiply_adds, parameters = re.findall(r"([\d,]+) multiply-adds, ([\d,]+) parameters", printed)[0]
    assert int(multiply_adds.replace(",", "")) <= 9_000_000
    assert int(parameters.replace(",", "")) == sum(parameter.numel() for parameter in child.parameters())


def test_words_run_before_any_search_and_give_children(capsys: pytest.CaptureFixture[str]) -> None:
    words.main()
    printed = capsys.readouterr().out
    assert "before any search: (2, 10)" in printed
    first, second = _children(printed)
    assert first(torch.zeros(3, 3, 16, 16)).shape == second(torch.zeros(3, 3, 16, 16)).shape == (3, 10)


def test_an_architecture_carries_over_to_a_larger_network(capsys: pytest.CaptureFixture[str]) -> None:
    carry_over.main()
    assert "9,119,789,245,425,254,400 cells" in capsys.readouterr().out
