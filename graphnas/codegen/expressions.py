"""Terms and operations as source."""

from __future__ import annotations

from graphnas.codegen.code import (
    AND,
    ATOM,
    BIT_AND,
    BIT_OR,
    BIT_XOR,
    COMPARISON,
    CONDITIONAL,
    NOT,
    OR,
    POWER,
    PRODUCT,
    SHIFT,
    SUM,
    UNARY,
    Code,
    Hole,
    Local,
    bracketed,
    call,
    concat,
    infix,
    separated,
    text,
)  # fmt: skip
from graphnas.codegen.form import ALIAS, COLLECT, Attribute, Item, Literal, Plan
from graphnas.codegen.literals import as_name, identifier, literal, spelled
from graphnas.errors import EmitError
from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.choice import TRAINING, Apply, Training
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import MERGES, Arg, Given, List, Size, Slice

METHOD = "torch.Tensor."
BINARY = {
    "add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "truediv": ("/", PRODUCT), "div": ("/", PRODUCT),
    "floordiv": ("//", PRODUCT), "mod": ("%", PRODUCT), "matmul": ("@", PRODUCT), "and": ("&", BIT_AND),
    "or": ("|", BIT_OR), "xor": ("^", BIT_XOR), "lshift": ("<<", SHIFT), "rshift": (">>", SHIFT),
}  # fmt: skip
COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
INFIX = {symbol: level for symbol, level in BINARY.values()} | dict.fromkeys(COMPARE.values(), COMPARISON)
UNARY_OPERATORS = {"neg": "-", "invert": "~", "pos": "+"}
_TRUE, _FALSE = Literal("True"), Literal("False")


# ---------------------------------------------------------------- terms
def term_code(term: Arg, hint: str = "value") -> Code:
    """A term as source; `hint` is what an argument may be called where instances differ in it."""
    match term:
        case Local():
            return Code((term,))
        case Literal(text=written, value=value):
            if written in ("None", "..."):
                return text(written)
            return Code((Hole(written, value, (as_name(hint),)),), UNARY if written.startswith("-") else ATOM)
        case tuple():
            items = separated(term_code(item, f"{hint}_{place}") for place, item in enumerate(term))
            return concat("(", items, ",)" if len(term) == 1 else ")")
        case Attribute(access=access):
            return text(access)
        case Size(of=of, dim=dim):
            value = bracketed(term_code(of), ATOM)
            return concat(value, ".numel()" if dim is None else f".shape[{int(dim)}]")
        case Given(of=of):
            return concat(bracketed(term_code(of), COMPARISON + 1), " is not None", level=COMPARISON)
        case Plan(label=label, hint=name):
            return concat("plan[", Code((Hole(literal(label), None, (f"{name}_label",)),)), "]")
        case Training():
            return text("self.training")
        case Apply(fn=fn, args=args):
            return _apply(fn, args, hint)
        case List(items=items):
            return concat("[", separated(term_code(item, f"{hint}_{place}") for place, item in enumerate(items)), "]")
        case FrozenDict():
            pairs = (concat(f"{literal(key)}: ", term_code(item, str(key))) for key, item in term.items())
            return concat("{", separated(pairs), "}")
        case Slice(start=start, stop=stop, step=step):
            return call("slice", [term_code(part, hint) for part in (start, stop, step)])
    raise EmitError(f"{term!r} cannot be written as source")


def _apply(fn: str, args: tuple[Arg, ...], hint: str) -> Code:
    codes = [term_code(arg, hint) for arg in args]
    if fn in INFIX:
        level = INFIX[fn]
        if level == COMPARISON:  # comparisons chain, so both sides bind tighter
            return concat(bracketed(codes[0], level + 1), f" {fn} ", bracketed(codes[1], level + 1), level=level)
        return infix(codes[0], fn, codes[1], level)
    match fn:
        case "**":
            return concat(bracketed(codes[0], ATOM), " ** ", bracketed(codes[1], UNARY), level=POWER)
        case "neg":
            return concat("-", bracketed(codes[0], UNARY), level=UNARY)
        case "not" if isinstance(args[0], Given):
            return concat(bracketed(term_code(args[0].of), COMPARISON + 1), " is None", level=COMPARISON)
        case "not":
            return concat("not ", bracketed(truth(args[0]), NOT), level=NOT)
        case "and":
            return infix(codes[0], "and", codes[1], AND)
        case "or":
            return infix(codes[0], "or", codes[1], OR)
        case "implies":
            return infix(concat("not ", bracketed(codes[0], NOT), level=NOT), "or", codes[1], OR)
        case "in":
            return concat(
                bracketed(codes[0], COMPARISON + 1), " in ", bracketed(codes[1], COMPARISON + 1), level=COMPARISON
            )
        case "if":
            return conditional(*args)
    return call(fn, codes)


def truth(condition: Arg) -> Code:
    """A condition where Python asks for no more than its truth."""
    return term_code(condition.args[0] if isinstance(condition, Apply) and condition.fn == "bool" else condition)


def conditional(condition: Arg, yes: Arg, no: Arg) -> Code:
    """`yes if condition else no`; where these are True and False, the condition."""
    test = truth(condition)
    if condition == TRAINING and (yes, no) == (_TRUE, _FALSE):
        return test
    if condition == TRAINING and (yes, no) == (_FALSE, _TRUE):
        return concat("not ", bracketed(test, NOT), level=NOT)
    left, right = bracketed(term_code(yes), CONDITIONAL + 1), bracketed(term_code(no), CONDITIONAL)
    return concat(left, " if ", bracketed(test, CONDITIONAL + 1), " else ", right, level=CONDITIONAL)


# ---------------------------------------------------------------- operations
def item_code(item: Item) -> Code:
    """What a layer, a module or a function computes, as an expression.

    Raises:
        EmitError: it cannot be written.
    """
    if item.kind == "join":
        return conditional(*item.args)
    if item.kind in (ALIAS, COLLECT):
        return concat(*(term_code(arg) for arg in item.args), *keywords(item))
    if item.kind in ("layer", "module"):
        arguments = [term_code(arg, f"{item.hint or 'argument'}_{place}") for place, arg in enumerate(item.args)]
        plan = [text("plan" if item.kind == "module" else "plan=plan")] if item.plan else []
        return call(item.target, arguments + keywords(item) + plan)
    return _function(item)


def keywords(item: Item) -> list[Code]:
    """The keyword arguments of an item."""
    return [
        concat(f"{identifier(key, f'an argument of {item.where}')}=", term_code(value, key))
        for key, value in item.kwargs.items()
    ]


def _function(item: Item) -> Code:
    target = item.target
    if target in MERGES.values():
        return _merge(target, item)
    name = target.rpartition(".")[2]
    if target in ATTRIBUTES and item.args:
        return concat(bracketed(term_code(item.args[0]), ATOM), f".{identifier(name, f'what {item.where} reads')}")
    if target.startswith(METHOD):
        return _method(item, name)
    arguments = _arguments(item, name)
    if target.startswith("operator."):
        found = _operator(name.strip("_"), arguments)
        if found is not None and not item.kwargs:
            return found
    if target.startswith("graphnas."):
        raise EmitError(f"{item.where} calls {target!r}, which only the graph knows")
    return call(spelled(target, f"what {item.where} calls"), arguments + keywords(item))


def _arguments(item: Item, name: str) -> list[Code]:
    hint = name.strip("_")
    return [term_code(arg, f"{hint}_{place}") for place, arg in enumerate(item.args)]


def _method(item: Item, name: str) -> Code:
    identifier(name, f"the method that {item.where} calls")
    if not item.args:
        raise EmitError(f"{item.where} calls the method {name!r} on nothing")
    if name == "__getitem__" and len(item.args) == 2:
        return concat(bracketed(term_code(item.args[0]), ATOM), "[", subscript(item.args[1]), "]")
    arguments = _arguments(item, name)
    if name == "__bool__":
        return call("bool", arguments)
    if name.startswith("__") and not item.kwargs:
        found = _operator(name.strip("_"), arguments)
        if found is not None:
            return found
    return concat(bracketed(arguments[0], ATOM), f".{name}(", separated(arguments[1:] + keywords(item)), ")", nested=1)


def _operator(name: str, arguments: list[Code]) -> Code | None:
    """The infix or prefix form of an operator's function, if it has one."""
    if len(arguments) == 1 and name in UNARY_OPERATORS:
        return concat(UNARY_OPERATORS[name], bracketed(arguments[0], UNARY), level=UNARY)
    if len(arguments) != 2:
        return None
    left, right = arguments
    if name in COMPARE:
        return concat(
            bracketed(left, COMPARISON + 1), f" {COMPARE[name]} ", bracketed(right, COMPARISON + 1), level=COMPARISON
        )
    if name not in BINARY and name not in ("pow", "rpow") and name[:1] == "r" and name[1:] in BINARY:
        left, right, name = right, left, name[1:]
    if name in ("pow", "rpow"):
        left, right = (left, right) if name == "pow" else (right, left)
        return concat(bracketed(left, ATOM), " ** ", bracketed(right, UNARY), level=POWER)
    if name in BINARY:
        return infix(left, *_symbol(name, right))
    return None


def _symbol(name: str, right: Code) -> tuple[str, Code, int]:
    symbol, level = BINARY[name]
    return symbol, right, level


def subscript(term: Arg) -> Code:
    """A term between brackets: slices as `a:b`, a tuple without parentheses."""
    match term:
        case Slice(start=start, stop=stop, step=step):
            bounds = [Code(()) if part == Literal("None") else term_code(part, "index") for part in (start, stop, step)]
            tail = (":", bounds[2]) if bounds[2].parts else ()
            return concat(bounds[0], ":", bounds[1], *tail)
        case tuple() if term:
            return concat(separated(subscript(part) for part in term), "," if len(term) == 1 else "")
    return term_code(term, "index")


def _merge(target: str, item: Item) -> Code:
    """What a closed choice of several computes; `runtime.choose` computes the same."""
    codes = [term_code(arg) for arg in item.args]
    if target == MERGES["concat"]:
        return call("torch.cat", [concat("[", separated(codes), "]"), text("dim=1")])
    total = codes[0]
    for code in codes[1:]:
        total = infix(total, "+", code, SUM)
    return infix(total, "/", text(str(len(codes))), PRODUCT) if target == MERGES["mean"] else total


# ---------------------------------------------------------------- statements that are no expressions
def effect_code(item: Item) -> Code:
    """The line of a guard, or the one that begins a region: of a grad mode, or without autocast on a kind of device."""
    first = item.args[0]
    match item.target:
        case "graphnas.guard":
            return call("_guard", [term_code(first, "size"), term_code(item.args[1], "where")])
        case "graphnas.enter_autocast":
            kind = term_code(first, "device")
            kind = concat(bracketed(kind, ATOM), ".type") if isinstance(first, Local) else kind
            return concat("with torch.autocast(", kind, ", enabled=False):", nested=1)
    enabled = term_code(first)
    off = enabled.parts and getattr(enabled.parts[0], "text", "") == "False"
    return text("with torch.no_grad():") if off else concat("with torch.set_grad_enabled(", enabled, "):")


def assignment_code(item: Item) -> Code | None:
    """`x[i] = value` and `x.data = value`; None for every other operation."""
    match item:
        case Item(target="torch.Tensor.__setitem__", args=(base, index, value)):
            return concat(bracketed(term_code(base), ATOM), "[", subscript(index), "] = ", term_code(value))
        case Item(target="graphnas.set_data", args=(base, value)):
            return concat(bracketed(term_code(base), ATOM), ".data = ", term_code(value))
    return None


def augmented(item: Item) -> str:
    """The sign of an operator that writes in place, such as `+=`; "" for every other operation."""
    name = item.target.removeprefix(METHOD)
    if item.kwargs or len(item.args) != 2 or not (name.startswith("__i") and name.endswith("__")):
        return ""
    stem = name[3:-2]
    return "**=" if stem == "pow" else f"{BINARY[stem][0]}=" if stem in BINARY else ""
