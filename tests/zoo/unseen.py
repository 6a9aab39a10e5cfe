"""Networks that no list here holds, drawn by a seed among those that can be compared: what nobody looked at before."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import inspect
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tests.zoo import of_timm, of_transformers
from tests.zoo.comparing import PLAIN, check
from tests.zoo.model import Inputs, Model, image, noise, words
from tests.zoo.processes import Limits, run
from tests.zoo.shrinking import shrink

LARGEST = 100_000_000  # parameters
LIMITS = Limits(cpu_s=60, wall_s=300)
OF_TIMM, OF_MORE = 60, 15
SIZES = (64, 96, 160, 224, 256)  # of images
Make = Callable[[int], Tensor]
Candidate = tuple[Model, ...]  # a network with inputs of which the first that it takes are its own


def drawn(seed: int, folder: Path, workers: int) -> tuple[Model, ...]:
    """Networks of timm and of transformers that depend on the seed alone.

    Args:
        seed: of the draw.
        folder: for what the processes print, and for what was drawn, since to draw takes as long as to compare.
        workers: how many run at once.
    """
    found: list[Model] = []
    for library, candidates, count in (("timm", _of_timm(), OF_TIMM), ("transformers", _of_transformers(), OF_MORE)):
        file = folder / f"drawn_{_fingerprint(library, candidates)}_{seed}.json"
        if not file.exists():
            names = sorted(candidates)
            random.Random(seed).shuffle(names)
            chosen = _first(candidates, names, count, folder, workers)
            file.write_text(json.dumps(chosen, indent=1), encoding="utf-8")
        found += [candidates[name]()[which] for name, which in json.loads(file.read_text(encoding="utf-8")).items()]
    return tuple(found)


def _fingerprint(library: str, candidates: Iterable[str]) -> str:
    """Of all that a draw depends on but for its seed."""
    folder = Path(__file__).parent
    sources = [(folder / name).read_text(encoding="utf-8") for name in ("unseen.py", "shrinking.py", "model.py")]
    version = importlib.metadata.version(library)
    return hashlib.sha256("\n".join([library, version, *sorted(candidates), *sources]).encode()).hexdigest()[:12]


def _first(
    candidates: Mapping[str, Callable[[], Candidate]], names: list[str], count: int, folder: Path, workers: int
) -> dict[str, int]:
    """The first networks in the order of their names that can be compared, and which of its inputs each takes."""
    found: dict[str, int] = {}
    while names and len(found) < count:
        some, names = names[: count - len(found)], names[count - len(found) :]
        jobs = {name: functools.partial(_plain, candidates[name]) for name in some}
        answers = dict(run(jobs, folder, workers, LIMITS))
        found |= {name: answers[name]["which"] for name in some if answers[name]["outcome"] == PLAIN}
    return found


def _plain(candidate: Callable[[], Candidate]) -> dict[str, Any]:
    """Which of its inputs a network takes, and whether it can be compared on them."""
    answer: dict[str, Any] = {"outcome": "failed", "reason": "no inputs"}
    for which, model in enumerate(candidate()):
        try:
            answer = {**check(model, LARGEST), "which": which}
            if answer["outcome"] in (PLAIN, "large"):
                return answer
        except Exception as error:  # whatever a network raises that is given what it does not take
            answer = {"outcome": "failed", "reason": f"{type(error).__name__}: {error}"}
    return answer


# ---------------------------------------------------------------- timm
def _of_timm() -> dict[str, Callable[[], Candidate]]:
    held = {model.name for model in of_timm.MODELS}
    names = importlib.import_module("timm").list_models()
    return {f"timm/{name}": functools.partial(_timm, name) for name in names if f"timm/{name}" not in held}


def _timm(name: str) -> Candidate:
    timm = importlib.import_module("timm")
    own = timm.get_pretrained_cfg(name).input_size[-1]
    sizes = sorted({own, *(size for size in SIZES if size < own)})
    return tuple(Model(f"timm/{name}", lambda: timm.create_model(name), image("x", 3, size, size)) for size in sizes)


# ---------------------------------------------------------------- transformers
def _of_transformers() -> dict[str, Callable[[], Candidate]]:
    """One model of every folder of the library from which no list takes one."""
    library = importlib.import_module("transformers")
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    held = {_folder(getattr(library, model.name.split("/")[1].split()[0])) for model in of_transformers.MODELS}
    found: dict[str, Callable[[], Candidate]] = {}
    for kind in sorted(auto.MODEL_MAPPING_NAMES):
        names = auto.MODEL_MAPPING_NAMES[kind]
        network = getattr(library, names if isinstance(names, str) else names[0], None)
        if network is not None and _folder(network) not in held:
            held.add(_folder(network))
            found[f"transformers/{network.__name__}"] = functools.partial(_transformer, network)
    return found


def _folder(network: type) -> str:
    return network.__module__.rpartition(".")[0]


def _transformer(kind: Any) -> Candidate:
    def make() -> nn.Module:
        network: nn.Module = kind(shrink(kind.config_class))
        return network

    return tuple(Model(f"transformers/{kind.__name__}", make, inputs) for inputs in _inputs(kind))


def _inputs(kind: Any) -> Iterator[Inputs]:
    """What a network may take, by what it says of itself: the least first."""
    taken, main = inspect.signature(kind.forward).parameters, kind.main_input_name
    settings = vars(shrink(kind.config_class))
    texts: dict[str, Make] = {"input_ids": lambda batch: words(batch, of_transformers.LENGTH)}
    if "attention_mask" in taken:
        texts["attention_mask"] = of_transformers.padded
    answer: dict[str, Make] = {"decoder_input_ids": lambda batch: words(batch, 5)}
    answer = answer if "decoder_input_ids" in taken else {}
    if main == "input_ids":
        yield _together(texts | answer)
    shapes = _shapes(main if main != "input_ids" else "pixel_values", settings)
    for shape in shapes:
        given: dict[str, Make] = {main if main != "input_ids" else "pixel_values": _noisy(shape)}
        if main != "input_ids":
            yield _together(given | answer)
        if {"input_ids", "pixel_values"} <= taken.keys():
            yield _together(texts | given)


def _shapes(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    """Shapes without the batch, by the name of the input."""
    channels, bins = settings.get("num_channels", 3), settings.get("num_mel_bins", 80)
    match name:
        case "pixel_values":
            yield from ((channels, size, size) for size in (32, *SIZES))
        case "pixel_values_videos":
            yield from ((settings.get("num_frames", 4), channels, size, size) for size in (32, *SIZES))
        case "input_values":
            yield from ((2000,), (settings.get("max_length", 40), bins), (1, 2000))
        case "input_features":
            yield from ((40, bins), (bins, 2 * settings.get("max_source_positions", 20)))


def _noisy(shape: tuple[int, ...]) -> Make:
    return lambda batch: noise(batch, *shape)


def _together(makes: Mapping[str, Make]) -> Inputs:
    return lambda batch: {name: make(batch) for name, make in makes.items()}
