"""The regions of a run in which torch computes in another mode: without gradients, or without autocast."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from graphnas.ir.attributes import DEVICE_TYPE
from graphnas.ir.node import ENTER_AUTOCAST, ENTER_GRAD_MODE, EXIT_AUTOCAST, EXIT_GRAD_MODE, Arg, Call
from graphnas.tracing.record import Step, Value
from graphnas.tracing.sizes import expression

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Regions:
    """The regions that are open.

    Args:
        recorder: what to write to.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._devices: dict[torch.autocast, Arg] = {}  # what those were made for that are for no fixed kind of device
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

    def make_autocast(self, context: torch.autocast, kind: Any) -> None:
        """An autocast is made for a kind of device; one of `x.device.type` remains so."""
        match expression(kind):
            case Value(step=Step(op=Call(target=target), args=(device,))) if target == DEVICE_TYPE:
                self._devices[context] = device

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
        device = self._devices.get(context, context.device)
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
