"""Which storages have been written to, and who therefore has to run after whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from graphnas.tracing.identity import storage, written_part
from graphnas.tracing.record import Step, Value


class Writes:
    """The steps that have written to each storage, in order."""

    def __init__(self) -> None:
        self._steps: dict[int, list[Step]] = {}

    def __bool__(self) -> bool:
        return bool(self._steps)

    def add(self, step: Step, tensor: Tensor) -> None:
        """A step wrote to a tensor."""
        self._steps.setdefault(storage(tensor), []).append(step)

    def version(self, content: Any) -> int:
        """How often the storage of a value has been written to; 0 of one that has none."""
        held = written_part(content) if self._steps else None
        return 0 if held is None else len(self._steps.get(storage(held), ()))

    def unseen(self, values: Iterable[Value]) -> tuple[Step, ...]:
        """The writes to what values hold that came after these were made: their results do not reach the reader."""
        found: dict[Step, None] = {}
        with torch._C.DisableTorchFunction():
            for value in values:
                held = written_part(value.content)
                if held is not None:
                    steps = self._steps.get(storage(held))
                    if steps is not None:
                        found.update(dict.fromkeys(steps[value.version :]))
        return tuple(found)
