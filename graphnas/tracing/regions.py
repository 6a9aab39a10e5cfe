"""The regions of a run in which torch computes in another mode: without gradients, or without autocast."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

import torch

from graphnas.ir.node import ENTER_AUTOCAST, ENTER_GRAD_MODE, EXIT_AUTOCAST, EXIT_GRAD_MODE, Arg, Call

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Regions:
    """The regions that are open.

    Args:
        recorder: what to write to.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._open: list[bool | torch.autocast] = []  # what a grad mode was set to; one that changes nothing is none

    @property
    def depth(self) -> int:
        """How many are open."""
        return len(self._open)

    def switch_gradients(self, enabled: bool, frame: FrameType) -> None:
        """`torch._C._set_grad_enabled` is called: a region begins or ends."""
        if enabled == torch.is_grad_enabled():
            return
        if self._open and isinstance(self._open[-1], bool):
            self._recorder.step(Call(EXIT_GRAD_MODE), (self._open.pop(),), {}, "exit_grad_mode", frame)
        else:
            self._open.append(enabled)
            self._recorder.step(Call(ENTER_GRAD_MODE), (enabled,), {}, "enter_grad_mode", frame)

    def enter_autocast(self, context: torch.autocast, frame: FrameType) -> None:
        """An autocast is entered.

        Raises:
            UnrecordableError: one that casts.
        """
        if context._enabled:
            raise self._recorder.refuse(
                "autocast is entered inside the model", "Put `with torch.autocast(...)` around the call of the model."
            )
        self._open.append(context)
        device = self._device(context.device)
        self._recorder.step(Call(ENTER_AUTOCAST), (device,), {}, "enter_autocast", frame)

    def exit_autocast(self, context: torch.autocast, frame: FrameType) -> None:
        """An autocast is left."""
        if self._open and self._open[-1] is context:
            self._open.pop()
            self._recorder.step(Call(EXIT_AUTOCAST), (), {}, "exit_autocast", frame)
        else:
            self.check(-1, "what runs without autocast")

    def check(self, depth: int, what: str) -> None:
        """A module call or region ends: as many regions must be open as when it began."""
        if len(self._open) != depth:
            raise self._recorder.refuse(
                f"{what} leaves gradients switched differently than it found them, or autocast",
                "Write `with torch.no_grad():`.",
            )

    def _device(self, kind: str) -> Arg:
        """The device that a module has read off a tensor, as `autocast(x.device.type)` does; else the name of it."""
        recorder = self._recorder
        devices = (value for value in reversed(recorder.known.values()) if isinstance(value.content, torch.device))
        here = (value for value in devices if any(item is value.step for item in recorder.call.items))
        return next((value for value in here if value.content.type == kind), kind)
