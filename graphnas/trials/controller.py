"""The loop of a search: propose, start, collect, tell. It is the only writer of the store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graphnas.errors import GraphNASError, TrialError
from graphnas.strategies.strategy import Strategy
from graphnas.trials import attempt, child, data, judging, randomness
from graphnas.trials.evaluation import Reference
from graphnas.trials.executor import Executor, Outcome, Task
from graphnas.trials.interrupts import Interrupts
from graphnas.trials.problem import Problem
from graphnas.trials.processes import kill_left_over
from graphnas.trials.store import Store
from graphnas.trials.trial import Record, Trial

PAUSE_S = 0.02  # between two looks at the running trials
CRASHES = 1  # how often a trial that died by a signal is started again


@dataclass
class Controller:
    """Runs trials until there are enough.

    Trial n is proposed when the trials up to n - lag were told, in their order, and no later one: so the sequence does
    not depend on how long trials take, and asking and telling again what is stored leads to the same point.

    Attributes:
        problem, strategy, seed, lag: of the study.
        store: of the study, writable.
        executor: what runs trials.
        evaluate: where a worker finds the function; None where the executor has it.
        weights: what children inherit, or None.
        devices: shared out among the running trials.
        on_trial: are told of every trial that ends.
        interrupts: whether to stop.
    """

    problem: Problem
    strategy: Strategy
    seed: int
    lag: int
    store: Store
    executor: Executor
    evaluate: Reference | None
    weights: Mapping[str, Any] | None
    devices: Sequence[str]
    on_trial: Sequence[Callable[[Record], None]]
    interrupts: Interrupts
    _asked: int = 0
    _told: int = 0
    _exhausted: bool = False
    _running: dict[int, str] = field(default_factory=dict)

    def run(self, trials: int) -> None:
        """Goes on until `trials` trials have ended, nothing is left to propose, or somebody wants to stop."""
        try:
            self._recover()
            while True:
                self.interrupts.obey()
                self._propose(trials)
                self._start(trials)
                ended = self._collect()
                if not self._running and (self.interrupts.wanted or self._is_done(trials)):
                    break
                if not ended:
                    time.sleep(PAUSE_S)
        except BaseException as error:
            self._cancel(isinstance(error, KeyboardInterrupt | SystemExit))
            raise
        if not self.interrupts.wanted:
            self._tell(self._asked)

    def _is_done(self, trials: int) -> bool:
        waiting = [item for item in self.store.attempts("queued") if item.number <= trials]
        return not waiting and (self._exhausted or self._asked >= trials)

    def _cancel(self, requeue: bool) -> None:
        for number in list(self._running):
            self.executor.cancel(number)
            if requeue:
                self.store.requeue(number, crashed=False)
        self._running.clear()

    def _recover(self) -> None:
        """What ran when an earlier controller died is taken if it left a result, else started again."""
        for item in self.store.attempts("running"):
            directory = self.store.attempt_directory(item.number, item.attempt)
            kill_left_over(item.pid, item.started, directory)
            if attempt.result(directory) is None:
                self.store.requeue(item.number, crashed=False)
            else:
                self._end(item.number, directory, Outcome("", False, 0.0))

    # ------------------------------------------------------------ the strategy
    def _propose(self, trials: int) -> None:
        while self._asked < trials and not self._exhausted and not self.interrupts.wanted:
            number = self._asked + 1
            if not self._tell(number - self.lag):
                return
            proposed = self.strategy.ask()
            stored = self.store.record(number)
            if proposed is None and stored is None:
                self._exhausted = True
                return
            arch, parameters = ({}, {}) if proposed is None else self.problem.split(proposed)
            key = data.key_of(arch, parameters)
            if stored is None:
                seed = randomness.trial_seed(self.seed, key)
                self.store.propose(number, key, data.to_json(arch), data.to_json(parameters), seed)
            elif proposed is None or key != data.key_of(stored.arch, stored.parameters):
                raise TrialError(
                    f"the strategy proposes {proposed} as trial {number}, but the study has {dict(stored.arch)} there\n"
                    f"  at {self.store.directory}. A strategy must repeat itself when it is told the same; "
                    "was it, or graphnas, changed? Give another directory."
                )
            self._asked = number
            self._answer_repeats()

    def _tell(self, until: int) -> bool:
        """Tells the strategy what became of the trials up to one, in order; whether all of them have ended."""
        while self._told < until:
            record = self.store.record(self._told + 1)
            if record is None or not record.ended:
                return False
            proposed = self.problem.joined(record.arch, record.parameters)
            self.strategy.tell(proposed, record.metrics if record.state == "complete" else None)
            self._told += 1
        return True

    def _answer_repeats(self) -> None:
        for number, first in self.store.answered():
            answer = self.store.record(first)
            if answer is not None:
                self._publish(replace(answer, number=number, same_as=first, duration_s=None), [])

    # ------------------------------------------------------------ trials
    def _start(self, trials: int) -> None:
        if self.interrupts.wanted:
            return
        for item in self.store.attempts("queued"):
            self.interrupts.obey()
            if item.number > trials or self.executor.capacity() < 1:
                return
            record = self.store.record(item.number)
            if record is not None:
                self._submit(record, self.store.attempt_directory(item.number, item.attempt + 1))

    def _submit(self, record: Record, directory: Path) -> None:
        number = record.number
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = child.write(self.problem.space, record.arch, directory.resolve(), self.weights)
        except GraphNASError as error:
            message = f"its network cannot be written: {error}"
            self._publish(replace(record, state="failed", error=message, duration_s=0.0), [])
            return
        except OSError as error:
            raise TrialError(
                f"the file of trial {number} cannot be written: {error}\n  at {directory}. "
                "Nothing that was stored is lost; the same call continues once it can be written."
            ) from error
        device = self._device()
        trial = Trial(number, record.arch, record.parameters, file, record.seed, device, directory.resolve())
        self.store.start(number)
        self._running[number] = device
        try:
            handle = self.executor.submit(Task(trial, self.evaluate, self.problem.answers))
        except OSError as error:
            self._again(number)
            raise TrialError(
                f"trial {number} cannot be started: {error}\n  at {directory}. "
                "Nothing that was stored is lost; the same call continues once it can be."
            ) from error
        self.store.place(number, handle.pid, handle.started)

    def _again(self, number: int) -> None:
        """Puts back a trial of whose attempt nothing is left."""
        self._running.pop(number, None)
        self.store.requeue(number, crashed=False)

    def _device(self) -> str:
        used = Counter(self._running.values())
        return min(self.devices, key=lambda device: used[device])

    def _collect(self) -> bool:
        ended = self.executor.poll()
        for number, outcome in ended:
            del self._running[number]
            item = self.store.attempt(number)
            directory = self.store.attempt_directory(number, item.attempt)
            left = attempt.result(directory)
            if outcome.unwritten and left is None:
                self._again(number)
                raise TrialError(
                    f"the result of trial {number} cannot be written\n  at {directory}. "
                    "The trial is tried again by the same call, once there is room."
                )
            if outcome.crashed and item.crashes < CRASHES and left is None:
                self.store.requeue(number, crashed=True)
            else:
                self._end(number, directory, outcome)
        self._answer_repeats()
        return bool(ended)

    def _end(self, number: int, directory: Path, outcome: Outcome) -> None:
        record = self.store.record(number)
        if record is not None:
            judged = judging.judge(self.problem, record, directory, outcome)
            self._publish(judged, attempt.reports(directory))

    def _publish(self, record: Record, reports: list[tuple[int, str]]) -> None:
        self.store.end(record, reports)
        stored = self.store.record(record.number)
        for subscriber in self.on_trial:
            subscriber(stored or record)
