"""The word `LayerChoice`: one of several modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from graphnas.nn.parts import check_modules
from graphnas.tracing.choosing import Word, choose


class LayerChoice(Word):
    """One of several modules, which are given the same and give the same shape.

    Args:
        candidates: option → module; of a list the options are the numbers from 0 on. The first runs before any search.
            An option is the name of a submodule as well, so it holds no dot.
        label: of the decision; by default the path of this module. The same label elsewhere is the same decision.

    Raises:
        TypeError: a candidate is no module, or there is no list or mapping of them.
        ValueError: there are none, or an option cannot be the name of a submodule.
    """

    def __init__(
        self,
        candidates: Mapping[str, nn.Module] | Sequence[nn.Module] | nn.ModuleDict | nn.ModuleList,
        label: str | None = None,
    ) -> None:
        if not isinstance(candidates, Iterable):
            raise TypeError(f"LayerChoice is given a list of modules, or a dict of them, not {candidates!r:.100}")
        named: dict[Any, nn.Module] = (
            dict(candidates.items()) if isinstance(candidates, Mapping | nn.ModuleDict) else dict(enumerate(candidates))
        )
        check_modules("LayerChoice", named)
        super().__init__(tuple(named), label=label)
        for option, module in named.items():
            try:
                self.add_module(str(option), module)
            except KeyError as error:
                raise ValueError(
                    f"option {option!r} of LayerChoice cannot be the name of a submodule: {error.args[0]}"
                ) from error

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the chosen module gives."""
        return choose(self, tuple(self), *args, **kwargs)

    def __getitem__(self, option: str | int) -> nn.Module:
        return self._modules[str(option)]  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]  # `children()` gives a module once
