"""Which storages have been written to, and who therefore has to run after whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from graphnas.errors import TraceError
from graphnas.tracing.identity import storage, written_part
from graphnas.tracing.record import Step, Value


class Writes:
    """The steps that have written to each storage, in order."""

    def __init__(self) -> None:
        self._steps: dict[int, list[Step]] = {}
        self._hidden: dict[Step, str] = {}  # writes that nobody later may see, and whose they are

    def __bool__(self) -> bool:
        return bool(self._steps)

    def add(self, step: Step, tensor: Tensor) -> None:
        """A step wrote to a tensor."""
        self._steps.setdefault(storage(tensor), []).append(step)

    def share(self, copy: Tensor, tensor: Tensor) -> None:
        """What has been written to a tensor stands in a copy of it as well."""
        steps = self._steps.get(storage(tensor))
        if steps is not None:
            self._steps[storage(copy)] = list(steps)

    def to(self, tensor: Tensor) -> tuple[Step, ...]:
        """The steps that have written to a tensor."""
        return tuple(self._steps.get(storage(tensor), ()))

    def hide(self, steps: Iterable[Step], whose: str) -> None:
        """From now on no step may read what these have written over, since others in their place would not write it."""
        self._hidden.update(dict.fromkeys(steps, whose))

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
        hidden = next((step for step in found if step in self._hidden), None)
        if hidden is not None:
            raise TraceError(
                f"{self._hidden[hidden]} writes into what it is given, which is read later, and its other options do "
                f"not\n  at {hidden.source}. Let it write out of place: inplace=False."
            )
        return tuple(found)
