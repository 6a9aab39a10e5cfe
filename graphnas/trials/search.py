"""Search a space: run trials of a strategy's proposals until there are enough, and go on where a search ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from graphnas.errors import TrialError
from graphnas.ir import storing
from graphnas.ir.choice import Expr
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import sample
from graphnas.strategies.evolution import RegularizedEvolution
from graphnas.strategies.random import Random
from graphnas.strategies.strategy import Strategy
from graphnas.trials import child, evaluation, identity, lock, progress
from graphnas.trials.controller import Controller
from graphnas.trials.evaluation import Evaluate, Reference
from graphnas.trials.executor import Executor
from graphnas.trials.inline import Inline
from graphnas.trials.interrupts import Interrupts
from graphnas.trials.problem import Problem, problem
from graphnas.trials.processes import Processes
from graphnas.trials.store import Store
from graphnas.trials.study import SPACE, Study
from graphnas.trials.trial import Record
from graphnas.trials.worker import INSIDE

Subscriber = Callable[[Record], None]
_MAXIMIZE_ACCURACY = MappingProxyType({"accuracy": "maximize"})
_NONE: Mapping[str, Any] = MappingProxyType({})


def search(
    space: Graph,
    evaluate: Evaluate | str,
    strategy: Strategy | None = None,
    trials: int = 100,
    workers: int = 2,
    *,
    directory: str | Path,
    weights: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] = _NONE,
    objectives: Mapping[str, str] = _MAXIMIZE_ACCURACY,
    metrics: Mapping[str, Expr] = _NONE,
    constraints: Sequence[Expr] = (),
    seed: int = 0,
    timeout_s: float | None = None,
    device: str | Sequence[str] = "cpu",
    executor: str | Executor = "processes",
    on_trial: Subscriber | Sequence[Subscriber] = (),
    show: bool = True,
) -> Study:
    """Evaluates architectures of a space, each in a process of its own, from its generated file alone.

    The same call again continues to the architectures that an undisturbed search would have tried, whatever ended it.
    Ctrl-C once lets the running trials end and returns; twice, or a signal to end, kills them.

    Args:
        space: a graph with open choices.
        evaluate: `evaluate(trial) -> float | dict[str, float]`, or its name "module:function" or "file.py:function".
        strategy: what proposes; by default `RegularizedEvolution` for one objective and `Random` for several.
        trials: how many there shall be, those of an earlier call among them.
        workers: how many run at once.
        directory: where everything is kept.
        weights: a `state_dict` whose tensors the children inherit, sliced where narrower.
        parameters: training settings by name: a value, or options (a tuple or `Choice`) that are searched along.
        objectives: name of a metric → "maximize" or "minimize".
        metrics: what follows from the architecture alone, so that `evaluate` need not return it.
        constraints: conditions that every proposal satisfies.
        seed: where all randomness comes from.
        timeout_s: a trial that takes longer is killed and failed.
        device: `trial.device`; of several each running trial has another.
        executor: "processes", "inline" (in this process, for what no other can import), or an `Executor`.
        on_trial: is called with every trial that ends.
        show: whether to print progress to the standard error.

    Raises:
        TrialError: the call or the directory is wrong.
        ConstraintError: no architecture satisfies the constraints; found before any trial.
        GraphError, EmitError: a child does not run, or has a tensor of no known start that `weights` lack.
    """
    _check(space, strategy, seed)
    _check_numbers(trials, workers, timeout_s)
    asked = problem(space, parameters, objectives, metrics, constraints)
    asked.derived(sample(asked.joint, seed))  # raises where nothing is feasible, or a metric is no number
    child.check(space, weights)
    chosen = strategy or _default(objectives)
    chosen.start(asked.joint, objectives, seed)
    runner, function = _executor(executor, evaluate, workers, timeout_s)
    subscribers = (on_trial,) if callable(on_trial) else tuple(on_trial)
    run = _Run(asked, chosen, seed, Path(directory), runner, function, weights, _devices(device))
    return run.until(trials, workers, subscribers, show)


@dataclass(frozen=True)
class _Run:
    """A call of `search` that passed its checks."""

    problem: Problem
    strategy: Strategy
    seed: int
    directory: Path
    executor: Executor
    evaluate: Reference | None
    weights: Mapping[str, Any] | None
    devices: tuple[str, ...]

    def until(self, trials: int, workers: int, subscribers: tuple[Subscriber, ...], show: bool) -> Study:
        interrupts = Interrupts()
        with lock.only(self.directory), closing(Store(self.directory, write=True)) as store:
            lag = self._enter(store, workers)
            done = sum(record.ended for record in store.records())
            shown = progress.shown(trials, done) if show else nullcontext(_ignore)
            with interrupts.noticed(), shown as subscriber:
                controller = Controller(
                    problem=self.problem,
                    strategy=self.strategy,
                    seed=self.seed,
                    lag=lag,
                    store=store,
                    executor=self.executor,
                    evaluate=self.evaluate,
                    weights=self.weights,
                    devices=self.devices,
                    on_trial=(subscriber, *subscribers),
                    interrupts=interrupts,
                )
                controller.run(trials)
            store.event("interrupted" if interrupts.wanted else "ended", {"trials": trials})
        study = Study(self.directory)
        study.interrupted = interrupts.wanted
        return study

    def _enter(self, store: Store, workers: int) -> int:
        """Begins the study or makes sure that it is this one; returns its lag."""
        row = identity.row_of(self.problem, self.strategy, self.seed, workers, self.problem.space.name)
        stored = store.study()
        if stored is None:
            storing.save(self.problem.space, self.directory / SPACE)
            store.create(row)
        else:
            identity.check(stored, row, self.directory)
        store.event("began" if stored is None else "continued", {"workers": workers})
        return int((stored or row)["lag"])


def _default(objectives: Mapping[str, str]) -> Strategy:
    return RegularizedEvolution() if len(objectives) == 1 else Random()


def _ignore(record: Record) -> None:
    """Shows nothing."""


def _check(space: Graph, strategy: Strategy | None, seed: int) -> None:
    if os.environ.get(INSIDE):
        raise TrialError(
            "a search begins while a trial imports the file of its evaluate function\n"
            '  at gn.search(...). Put the call below `if __name__ == "__main__":`.'
        )
    if not isinstance(space, Graph):
        raise TrialError(f"this is no space: {space!r:.100}\n  at space=. Give what gn.mutate or gn.load gives.")
    if isinstance(strategy, str | type):
        raise TrialError(f"this is no strategy: {strategy!r:.100}\n  at strategy=. Give one such as gn.Random().")
    if not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise TrialError(f"this is no seed: {seed!r:.100}\n  at seed=. Give an integer of at most 64 bits.")


def _devices(device: str | Sequence[str]) -> tuple[str, ...]:
    if not device or not all(isinstance(item, str) for item in device):
        raise TrialError(f'this is no device: {device!r:.100}\n  at device=. Give "cpu", or ["cuda:0", "cuda:1"].')
    return (device,) if isinstance(device, str) else tuple(device)


def _check_numbers(trials: int, workers: int, timeout_s: float | None) -> None:
    if trials < 1 or workers < 1 or (timeout_s is not None and not timeout_s > 0):
        raise TrialError(
            "trials >= 1, workers >= 1 and timeout_s > 0 must hold, "
            f"but got trials={trials}, workers={workers}, timeout_s={timeout_s}"
        )


def _executor(
    executor: str | Executor, evaluate: Evaluate | str, workers: int, timeout_s: float | None
) -> tuple[Executor, Reference | None]:
    match executor:
        case "processes":
            return Processes(workers, timeout_s), evaluation.reference(evaluate)
        case "inline":
            if timeout_s is not None:
                raise TrialError("a trial in this process cannot be killed\n  at timeout_s=. Leave it out.")
            function = evaluation.resolve(evaluation.reference(evaluate)) if isinstance(evaluate, str) else evaluate
            return Inline(function), None
        case str():
            raise TrialError(f'there is no executor {executor!r}\n  at executor=. Write "processes" or "inline".')
        case _:
            return executor, evaluation.reference(evaluate)
