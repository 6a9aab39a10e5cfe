"""The word `LayerChoice`: one of several modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from graphnas.nn.parts import check_modules
from graphnas.tracing.choosing import Word, choose


class LayerChoice(Word):
    """One of several modules, which are given the same and give the same shape.

    Args:
        candidates: option → module; of a list the options are the numbers from 0 on. The first runs before any search.
        label: of the decision; by default the path of this module. The same label elsewhere is the same decision.

    Raises:
        TypeError: a candidate is no module.
        ValueError: there are none.
    """

    def __init__(self, candidates: Mapping[str, nn.Module] | Sequence[nn.Module], label: str | None = None) -> None:
        named = dict(candidates) if isinstance(candidates, Mapping) else dict(enumerate(candidates))
        check_modules("LayerChoice", named)
        super().__init__(tuple(named), label=label)
        for option, module in named.items():
            self.add_module(str(option), module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the chosen module gives."""
        return choose(self, tuple(self.children()), *args, **kwargs)

    def __getitem__(self, option: str | int) -> nn.Module:
        return self._modules[str(option)]  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return self.children()
