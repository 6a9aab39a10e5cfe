"""The word `Repeat`: blocks one after the other, of which the last may be left out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from torch import nn

from graphnas.nn.parts import check_modules, itself
from graphnas.tracing.choosing import Word, choose


class Repeat(Word):
    """Blocks one after the other, of which the last may be left out: how many run is the decision.

    All of them run before any search. From block `least` on each gives what it is given: the shape stays.

    Args:
        blocks: modules in order; or with `depth` what makes block number i, from 0 on.
        depth: (least, most) blocks that run, both included; of a list of blocks by default (1, all).
        label: of the decision; by default the path of this module. The same label elsewhere is the same decision.

    Raises:
        TypeError: a block is no module, a function has no `depth` to go by, or `depth` is not two ints.
        ValueError: `depth` does not suit the blocks.
    """

    container: ClassVar[str] = "torch.nn.ModuleList"
    chained: ClassVar[bool] = True
    remedy: ClassVar[str] = (
        "The blocks do not chain: one that may be left out keeps the shape. Put the others before the Repeat, or raise "
        "the least depth."
    )

    def __init__(
        self,
        blocks: Sequence[nn.Module] | Callable[[int], nn.Module],
        depth: tuple[int, int] | None = None,
        label: str | None = None,
    ) -> None:
        if not isinstance(blocks, Sequence | nn.ModuleList | nn.Sequential):
            if depth is None or not callable(blocks) or isinstance(blocks, nn.Module):
                raise TypeError(
                    f"Repeat is given a list of blocks, or a function of their number and depth=, not {blocks!r:.100}"
                )
            _, most = _bounds(depth)
            blocks = [blocks(number) for number in range(most)]
        made = list(blocks)
        check_modules("Repeat", dict(enumerate(made)))
        least, most = (1, len(made)) if depth is None else _bounds(depth)
        if not 0 <= least <= most == len(made):
            raise ValueError(f"depth is (least, most) with most the number of blocks, {len(made)}, but got {depth!r}")
        depths = range(most, least - 1, -1)
        super().__init__(depths, label=label)
        self.depths = tuple(depths)
        for number, block in enumerate(made):
            self.add_module(str(number), block)

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """What the last block that runs gives.

        Args:
            x: what the first block is given; each further one is given what the one before it gives.
            *args: what all blocks are given besides.
            **kwargs: by name.
        """
        found = [x]
        for number, block in enumerate(self):
            try:
                found.append(block(found[-1], *args, **kwargs))
            except RuntimeError as error:
                if number == 0:
                    raise
                raise ValueError(
                    f"block {number} of a Repeat cannot take what block {number - 1} gives: {error}"
                ) from error
        return choose(self, [functools.partial(itself, found[depth]) for depth in self.depths])

    def __getitem__(self, number: int) -> nn.Module:
        return self._modules[str(number)]  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]  # `children()` gives a module once


def _bounds(depth: tuple[int, int]) -> tuple[int, int]:
    if isinstance(depth, Sequence) and [type(number) for number in depth] == [int, int]:
        return depth[0], depth[1]
    raise TypeError(f"depth is (least, most), as in depth=(1, 3), and all between are options, but is {depth!r}")
