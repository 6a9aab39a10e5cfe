"""What a graph may name exists in torch, and nothing dangerous is among it."""

from __future__ import annotations

import importlib
import inspect
import math
import operator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphnas.ir import targets
from graphnas.ir.attributes import ATTRIBUTES

# Names that newer or older releases of torch lack.
MAY_BE_ABSENT = {"torch.nn.functional.grouped_mm", "torch.Tensor.to_padded_tensor", "torch.float8_e8m0fnu"}
# Classes whose constructors do no more than keep what they are given, or look it up.
RECORDS = {"torch.nn.utils.rnn.PackedSequence", "torch.device", "torch.finfo", "torch.iinfo"}
DANGEROUS = str.split("""
    torch.load torch.save torch.hub.load torch.hub.load_state_dict_from_url torch.jit.load torch.jit.script
    torch.compile torch.from_file torch.frombuffer torch.from_numpy torch.from_dlpack torch.to_dlpack
    torch.utils.dlpack.from_dlpack torch.ops.load_library torch.ops.aten.add torch.classes.load_library
    torch.utils.cpp_extension.load torch.utils.cpp_extension.load_inline torch.package.PackageImporter
    torch.multiprocessing.spawn torch.export.load torch.serialization.load torch.distributed.init_process_group
    torch.distributed.all_reduce torch.fork torch.wait torch.manual_seed torch.seed torch.set_rng_state
    torch.get_rng_state torch.set_default_dtype torch.set_num_threads torch.set_default_device
    torch.set_grad_enabled torch.use_deterministic_algorithms torch.set_printoptions torch._print torch.vmap
    torch.cond torch.while_loop torch.func.grad torch.autograd.grad torch.autograd.backward torch.autocast
    torch.import_ir_module torch.import_ir_module_from_buffer torch.parse_ir torch._import_dotted_name
    torch._from_blob torch._load_global_deps torch._check torch._check_with torch.cuda.init torch.cuda.memory_stats
    torch.nn.Module torch.nn.functional.triplet_margin_with_distance_loss torch.nn.functional.boolean_dispatch
    torch.nn.functional.handle_torch_function torch.nn.parallel.data_parallel torch.utils.checkpoint.checkpoint
    torch.utils.data.DataLoader torch.resize_as_ torch.Tensor.apply_ torch.Tensor.map_ torch.Tensor.map2_
    torch.Tensor.register_hook torch.Tensor.backward torch.Tensor.register_post_accumulate_grad_hook
    torch.Tensor.numpy torch.Tensor.data_ptr torch.Tensor.storage torch.Tensor.untyped_storage torch.Tensor.set_
    torch.Tensor.resize_ torch.Tensor.share_memory_ torch.Tensor.pin_memory torch.Tensor.record_stream
    torch.Tensor.as_subclass torch.Tensor.module_load torch.Tensor.new torch.Tensor.tofile torch.Tensor.__class__
    torch.Tensor.__reduce_ex__ torch.Tensor.__reduce__ torch.Tensor.__setstate__ torch.Tensor.__init__
    torch.Tensor.__deepcopy__ torch.Tensor.__getattribute__ torch.Tensor.__setattr__ torch.Tensor.__delattr__
    torch.Tensor.__dict__ torch.Tensor.__new__ torch.Tensor.__torch_function__ torch.Tensor.__format__
    torch.Tensor._typed_storage torch.Tensor.__subclasshook__ torch.Tensor.__init_subclass__ torch.Tensor.__dlpack__
    torch.Tensor.__array__ operator.methodcaller operator.attrgetter operator.itemgetter operator.call
    operator.__call__ operator.length_hint math.__loader__ math.factorial builtins.eval builtins.exec
    builtins.compile builtins.open builtins.getattr builtins.setattr builtins.__import__ builtins.print
    builtins.input builtins.breakpoint os.system os.popen os.remove posix.system subprocess.run subprocess.Popen
    shutil.rmtree importlib.import_module runpy.run_path pickle.loads marshal.loads socket.socket
    urllib.request.urlopen ctypes.CDLL sys.exit functools.partial functools.reduce types.FunctionType eval exec open
    getattr
""")


def resolve(name: str) -> object:
    """What a dotted name means."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


OUTSIDE = sorted(targets.TARGETS - targets.OWN)


def test_every_target_resolves_and_can_be_called() -> None:
    wrong = []
    for name in OUTSIDE:
        try:
            found = resolve(name)
        except AttributeError:
            wrong += [name] * (name not in MAY_BE_ABSENT)
            continue
        if name in ATTRIBUTES:
            wrong += [name] * callable(found)
        elif not callable(found) or (inspect.isclass(found) and name not in RECORDS):
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("name", DANGEROUS)
def test_no_dangerous_name_is_in_a_table(name: str) -> None:
    assert name not in targets.TARGETS | targets.LAYERS | targets.CONSTANTS


def test_targets_come_from_a_few_namespaces() -> None:
    homes = {name.rpartition(".")[0] for name in OUTSIDE}
    functions = {
        "torch",
        "torch.nn.functional",
        "torch.nn.utils.rnn",
        "torch._C._nn",
        "torch._VF",
        "torch.special",
        "torch.fft",
        "torch.linalg",
    }
    assert homes == {*functions, "torch.Tensor", "torch.device", "torch.finfo", "torch.iinfo", "math", "operator"}
    assert all(getattr(math, name.removeprefix("math.")) for name in OUTSIDE if name.startswith("math."))
    assert all(getattr(operator, name.removeprefix("operator.")) for name in OUTSIDE if name.startswith("operator."))


def test_layers_are_modules_that_are_built_from_plain_values() -> None:
    for name in targets.LAYERS | targets.CONTAINERS:
        assert issubclass(resolve(name), nn.Module), name  # type: ignore[arg-type]
    assert not any(name.rpartition(".")[2].startswith("Lazy") for name in targets.LAYERS)


def test_constants_are_dtypes_layouts_and_memory_formats() -> None:
    for name in targets.CONSTANTS - MAY_BE_ABSENT:
        assert isinstance(resolve(name), torch.dtype | torch.layout | torch.memory_format), name


def test_facts_are_about_targets() -> None:
    assert targets.RANDOM <= targets.TARGETS
    assert targets.VIEWS <= targets.TARGETS
    assert targets.RANDOM_LAYERS | targets.VIEW_LAYERS <= targets.LAYERS


MATRIX = torch.arange(1.0, 17.0).reshape(4, 4)


def _arguments(name: str) -> tuple[object, ...]:
    """Arguments behind the first with which a function gives a view of a 4×4 matrix."""
    shape = {"view", "reshape", "expand", "broadcast_to", "sum_to_size", "as_strided"}
    table: dict[str, tuple[object, ...]] = {
        **dict.fromkeys(shape, ((4, 4),)),
        **dict.fromkeys(("permute",), ((1, 0),)),
        **dict.fromkeys(("transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "hsplit"), (0, 1)),
        **dict.fromkeys(("chunk", "tensor_split", "split", "unsafe_chunk", "unsafe_split", "dsplit", "vsplit"), (2,)),
        **dict.fromkeys(("split_with_sizes", "unsafe_split_with_sizes"), ([2, 2],)),
        **dict.fromkeys(("view_as", "reshape_as", "expand_as", "type_as"), (MATRIX,)),
        "as_strided": ((2, 2), (4, 1)),
        "hsplit": (2,),
        "select": (0, 1),
        "narrow": (0, 1, 2),
        "unflatten": (0, (2, 2)),
        "unfold": (0, 2, 1),
        "unsqueeze": (0,),
        "to": (torch.float32,),
        "type": (torch.float32,),
        "__getitem__": (0,),
        "getitem": (0,),
        **dict.fromkeys(("alpha_dropout", "dropout", "feature_alpha_dropout", "feature_dropout"), (0.5, False)),
        **dict.fromkeys(("dropout1d", "dropout2d", "dropout3d"), (0.5, False)),
    }
    return table.get(name.rpartition(".")[2], ())


def _storage(value: object) -> int | None:
    first = value if isinstance(value, Tensor) else next(iter(value), None) if hasattr(value, "__iter__") else None
    strided = isinstance(first, Tensor) and first.layout == torch.strided
    return first.untyped_storage().data_ptr() if strided else None


@pytest.mark.filterwarnings("ignore")
def test_what_shares_memory_is_a_view_in_the_table() -> None:
    """Calls whatever takes these arguments, and looks at the storage of what comes back."""
    missed = []
    for name in OUTSIDE:
        word = name.rpartition(".")[2]
        if name in targets.VIEWS or word.endswith("_") or name in ATTRIBUTES or name.startswith(("math.", "operator.")):
            continue
        for arguments in {_arguments(name), ()}:
            matrix = MATRIX.clone()
            try:
                result = resolve(name)(matrix, *arguments)  # type: ignore[operator]
            except Exception:  # these arguments are not for it
                continue
            if _storage(result) == matrix.untyped_storage().data_ptr():
                missed.append(name)
    assert missed == []


@pytest.mark.filterwarnings("ignore")
def test_what_draws_random_numbers_is_in_the_table() -> None:
    missed = []
    for name in OUTSIDE:
        if name in targets.RANDOM or name.startswith(("math.", "operator.")) or name in ATTRIBUTES:
            continue
        for arguments in ((MATRIX.clone(),), (MATRIX.clone(), 0.5, True), ((2, 2),)):
            torch.manual_seed(0)
            before = torch.get_rng_state()
            try:
                resolve(name)(*arguments)  # type: ignore[operator]
            except Exception:  # these arguments are not for it
                continue
            if not torch.equal(before, torch.get_rng_state()):
                missed.append(name)
    assert missed == []


UNARY = [
    getattr(torch, name)
    for name in ["exp", "expm1", "relu", "rsqrt", "sigmoid", "sqrt", "tan", "tanh", "reciprocal", "abs", "sin", "log"]
]
UNARY += [
    getattr(torch.nn.functional, name)
    for name in ["gelu", "silu", "hardswish", "hardtanh", "leaky_relu", "elu", "softplus"]
]


@pytest.mark.parametrize("function", UNARY, ids=lambda function: function.__name__)
def test_results_that_gradients_need_are_known(function: Any) -> None:
    saved: list[Any] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor), lambda _: None):
        result = function(torch.rand(3, requires_grad=True) + 0.5)
    keeps = any(tensor.data_ptr() == result.data_ptr() for tensor in saved)
    spellings = {f"{home}.{function.__name__}" for home in ("torch", "torch.Tensor", "torch.nn.functional")}
    assert (spellings <= targets.KEPT_RESULTS) == keeps
