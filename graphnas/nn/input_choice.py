"""The word `InputChoice`: some of several tensors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from graphnas.ir.choice import Option
from graphnas.nn.parts import itself
from graphnas.tracing.choosing import Word, choose


class InputChoice(Word):
    """Some of several tensors, joined where there is more than one.

    Args:
        candidates: how many tensors there are to choose among, or what they are called in an architecture.
        take: how many are chosen; None for any number of them. Before any search the first ones are, of None the first.
        merge: how they are joined: "sum", "mean", or "concat" along dimension 1.
        label: of the decision; by default the path of this module. The same label elsewhere is the same decision.

    Raises:
        ValueError: no candidates, or more to be taken than there are.
    """

    def __init__(
        self,
        candidates: int | Sequence[Option],
        take: int | None = 1,
        merge: str = "sum",
        label: str | None = None,
    ) -> None:
        super().__init__(range(candidates) if isinstance(candidates, int) else candidates, take, merge, label)

    def forward(self, *tensors: Any) -> Any:
        """The chosen tensors, joined.

        Args:
            *tensors: as many as there are candidates, or one list of them.

        Raises:
            ValueError: there are more or fewer.
        """
        given: Sequence[Tensor] = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
        if len(given) != len(self.choice.options):
            raise ValueError(
                f"{' '.join(filter(None, ('InputChoice', self.label)))} chooses among {len(self.choice.options)} "
                f"tensors, but got {len(given)}"
            )
        return choose(self, [functools.partial(itself, tensor) for tensor in given])
