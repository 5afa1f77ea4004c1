"""Every text a PipelineError of the library may begin with, read from the code.

What varies in a text stands as ``...``.
"""

import ast
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARIES = "..."
ERROR = "PipelineError"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unknown(Exception):
    """A first argument whose texts cannot be told from the code."""


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its module, and the functions around it, the innermost last."""

    module: ast.Module
    functions: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]


def problems(folder: Path) -> dict[str, list[str]]:
    """Each problem text and the files that raise it, as paths within ``folder``."""
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}
    found: dict[str, list[str]] = {}
    for path, module in modules.items():
        for call, scope in _calls_in(Scope(module, ())):
            if _name(call.func) == ERROR:
                name = path.relative_to(folder).as_posix()
                try:
                    texts = list(_texts(_first(call), scope, list(modules.values())))
                except Unknown as error:
                    raise Unknown(f"{name}:{call.lineno}: {error}") from error
                for text in texts:
                    files = found.setdefault(text, [])
                    files += [name] if name not in files else []
    return found


@functools.cache
def _calls_in(scope: Scope) -> list[tuple[ast.Call, Scope]]:
    """Every call in the innermost function of a scope, or in its module."""
    return list(_calls(scope.functions[-1] if scope.functions else scope.module, scope))


def _calls(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.Call, Scope]]:
    """Every call below a node, with its scope."""
    for child in ast.iter_child_nodes(node):
        inner = Scope(scope.module, (*scope.functions, child)) if isinstance(child, FUNCTIONS) else scope
        if isinstance(child, ast.Call):
            yield child, scope
        yield from _calls(child, inner)


def _first(call: ast.Call) -> ast.expr:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "problem"]
    return (call.args or named)[0]


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr, scope: Scope, modules: list[ast.Module]) -> Iterator[str]:
    """The texts an expression may give.

    Raises:
        Unknown: If it is of none of the forms that are followed here.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from map("".join, itertools.product(*(list(_parts(part)) for part in node.values)))
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, scope, modules)
        yield from _texts(node.orelse, scope, modules)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for left in _texts(node.left, scope, modules):
            yield from (left + right for right in _texts(node.right, scope, modules))
    elif isinstance(node, ast.Name):
        yield from _texts_of_name(node.id, scope, modules)
    elif isinstance(node, ast.Attribute) and node.attr == "problem":
        yield from _texts_of_faults(scope, modules)
    else:
        raise Unknown(ast.unparse(node))


def _parts(part: ast.expr) -> Iterator[str]:
    """What a part of an f-string may say."""
    if isinstance(part, ast.Constant):
        yield str(part.value)
    elif isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.IfExp):
        for side in (part.value.body, part.value.orelse):
            yield str(side.value) if isinstance(side, ast.Constant) else VARIES
    else:
        yield VARIES


def _texts_of_name(name: str, scope: Scope, modules: list[ast.Module]) -> Iterator[str]:
    """Texts given to a name: where it is assigned around there, or as a parameter by those who call."""
    for number in range(len(scope.functions) - 1, -1, -1):
        function = scope.functions[number]
        here = Scope(scope.module, scope.functions[: number + 1])
        given = list(_assigned(name, function))
        if given:
            for value in given:
                yield from _texts(value, here, modules)
            return
        parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        if name in parameters or name in [each.arg for each in function.args.kwonlyargs]:
            place = (
                parameters.index(name) - (parameters[0] in ("self", "cls")) if name in parameters else None
            )
            yield from _texts_of_argument(
                function.name, name, place, modules, _callers(scope, number, modules)
            )
            return
    module_level = list(_assigned(name, scope.module))
    if not module_level:
        raise Unknown(name)
    for value in module_level:
        yield from _texts(value, Scope(scope.module, ()), modules)


def _callers(scope: Scope, number: int, modules: list[ast.Module]) -> list[Scope]:
    """Where a function may be called: in the function it stands in, its module if private, or anywhere."""
    if number:
        return [Scope(scope.module, scope.functions[:number])]
    is_private = scope.functions[number].name.startswith("_")
    return [Scope(module, ()) for module in ([scope.module] if is_private else modules)]


def _assigned(name: str, node: ast.AST) -> Iterator[ast.expr]:
    """Values that are assigned to a name, alone or beside others, directly below a function or module."""
    for child in ast.walk(node):
        if isinstance(child, ast.Assign):
            for target in child.targets:
                yield from _unpacked(name, target, child.value)
        elif isinstance(child, ast.AnnAssign) and child.value is not None:
            yield from _unpacked(name, child.target, child.value)


def _unpacked(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner_target, inner in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(name, inner_target, inner)


def _texts_of_argument(
    function: str, name: str, place: int | None, modules: list[ast.Module], callers: list[Scope]
) -> Iterator[str]:
    """Texts that a function is called with for one parameter by any of the callers."""
    is_called = False
    for caller in callers:
        for call, scope in _calls_in(caller):
            if _name(call.func) != function:
                continue
            named = [keyword.value for keyword in call.keywords if keyword.arg == name]
            given = named or (call.args[place : place + 1] if place is not None else [])
            for value in given:
                is_called = True
                yield from _texts(value, scope, modules)
    if not is_called:
        raise Unknown(f"{name} of {function}, which nobody calls")


def _texts_of_faults(scope: Scope, modules: list[ast.Module]) -> Iterator[str]:
    """Texts of the module's own ``Fault(..., problem, ...)`` objects, by the class's order of fields."""
    classes = {node.name: node for node in ast.walk(scope.module) if isinstance(node, ast.ClassDef)}
    fields = [
        statement.target.id
        for statement in (classes["Fault"].body if "Fault" in classes else [])
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    if "problem" not in fields:
        raise Unknown("no class Fault with a problem")
    yield from _texts_of_argument(
        "Fault", "problem", fields.index("problem"), modules, [Scope(scope.module, ())]
    )
