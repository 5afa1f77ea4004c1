"""Every text a PipelineError of the library may begin with, read from the code; what varies is ``...``."""

import ast
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARIES = "..."
ERROR, PROBLEM = "PipelineError", "problem"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unknown(Exception):
    """A first argument whose texts cannot be told from the code."""


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: in the library, a module, and functions, the innermost last."""

    library: tuple[ast.Module, ...]
    module: ast.Module
    functions: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...] = ()


Found = Iterator[tuple[ast.expr, Scope]]


def problems(folder: Path) -> dict[str, list[str]]:
    """Each problem text and the files that raise it, as paths within ``folder``."""
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}
    found: dict[str, dict[str, None]] = {}
    places = {ERROR: 0} | dict(itertools.chain.from_iterable(map(_errors, modules.values())))
    for path, module in modules.items():
        for call, scope in _calls_in(Scope(tuple(modules.values()), module)):
            if _name(call.func) in places:
                name = path.relative_to(folder).as_posix()
                try:
                    texts = list(_texts(_problem(call, places[_name(call.func)]), scope))
                except Unknown as error:
                    raise Unknown(f"{name}:{call.lineno}: {error}") from error
                for text in texts:
                    found.setdefault(text, {})[name] = None
    return {text: list(files) for text, files in found.items()}


@functools.cache
def _calls_in(scope: Scope) -> list[tuple[ast.Call, Scope]]:
    """Every call in the innermost function of a scope, or in its module."""
    return list(_calls(scope.functions[-1] if scope.functions else scope.module, scope))


def _calls(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.Call, Scope]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, FUNCTIONS):
            inner = Scope(scope.library, scope.module, (*scope.functions, child))
        if isinstance(child, ast.Call):
            yield child, scope
        yield from _calls(child, inner)


def _errors(module: ast.Module) -> Iterator[tuple[str, int]]:
    """The module's own kinds of the error, and the place of the problem among what each is made with."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and ERROR in map(_name, node.bases):
            made = [each for each in node.body if isinstance(each, FUNCTIONS) and each.name == "__init__"]
            names = [argument.arg for argument in made[0].args.args] if made else ["self", PROBLEM]
            yield node.name, names.index(PROBLEM) - 1


def _problem(call: ast.Call, place: int) -> ast.expr:
    named = [keyword.value for keyword in call.keywords if keyword.arg == PROBLEM]
    return named[0] if named else call.args[place]


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr, scope: Scope) -> Iterator[str]:
    """The texts an expression may give.

    Raises:
        Unknown: If it is of none of the forms that are followed here.
    """
    for leaf, inner in _followed(node, scope):
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
            yield leaf.value
        elif isinstance(leaf, ast.JoinedStr):
            yield from map("".join, itertools.product(*(list(_parts(part)) for part in leaf.values)))
        elif isinstance(leaf, ast.BinOp) and isinstance(leaf.op, ast.Add):
            for left in _texts(leaf.left, inner):
                yield from (left + right for right in _texts(leaf.right, inner))
        else:
            raise Unknown(ast.unparse(leaf))


def _parts(part: ast.expr) -> Iterator[str]:
    """What a part of an f-string may say."""
    if isinstance(part, ast.Constant):
        yield str(part.value)
    elif isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.IfExp):
        for side in (part.value.body, part.value.orelse):
            yield str(side.value) if isinstance(side, ast.Constant) else VARIES
    else:
        yield VARIES


def _followed(node: ast.expr, scope: Scope) -> Found:
    """The expressions that give an expression its value: through names, calls, tables and conditions."""
    if isinstance(node, ast.Name):
        yield from _given_to(node.id, scope)
    elif isinstance(node, ast.IfExp):
        yield from _followed(node.body, scope)
        yield from _followed(node.orelse, scope)
    elif isinstance(node, ast.Attribute) and node.attr == PROBLEM:
        yield from _given_to_faults(scope)
    elif isinstance(node, ast.Subscript):
        yield from _taken_out(node.value, node.slice, scope)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        yield from _taken_out(node.func.value, node.args[0], scope)
        for default in node.args[1:]:
            yield from _followed(default, scope)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from _returned(node.func.id, scope)
    else:
        yield node, scope


def _taken_out(container: ast.expr, place: ast.expr, scope: Scope) -> Found:
    """One element of a tuple whose place is known, or any value of a table."""
    for leaf, inner in _followed(container, scope):
        if isinstance(leaf, ast.Dict):
            for value in leaf.values:
                yield from _followed(value, inner)
        elif isinstance(leaf, ast.Tuple) and isinstance(place, ast.Constant) and isinstance(place.value, int):
            yield from _followed(leaf.elts[place.value], inner)
        else:
            raise Unknown(ast.unparse(leaf))


def _returned(name: str, scope: Scope) -> Found:
    """What a function of the scope's module, or else of any, returns."""
    for module in (scope.module, *scope.library):
        for node in module.body:
            if isinstance(node, FUNCTIONS) and node.name == name:
                inner = Scope(scope.library, module, (node,))
                for each in ast.walk(node):
                    if isinstance(each, ast.Return) and each.value is not None:
                        yield from _followed(each.value, inner)
                return
    raise Unknown(f"what {name} returns")


def _given_to(name: str, scope: Scope) -> Found:
    """What a name is assigned around there, or is as a parameter to those who call, or in the module."""
    for number in range(len(scope.functions) - 1, -1, -1):
        function = scope.functions[number]
        given = [value for node in ast.walk(function) for value in _assigned_by(node, name)]
        if given:
            here = Scope(scope.library, scope.module, scope.functions[: number + 1])
            for value in given:
                yield from _followed(value, here)
            return
        parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        if name in parameters or name in [each.arg for each in function.args.kwonlyargs]:
            place = (
                parameters.index(name) - (parameters[0] in ("self", "cls")) if name in parameters else None
            )
            yield from _passed(function.name, name, place, _callers(scope, number), is_nested=number > 0)
            return
    yield from _of_the_module(name, scope)


def _of_the_module(name: str, scope: Scope) -> Found:
    """What a name is assigned at the level of the scope's module, or of the one it is imported from."""
    is_imported = any(
        alias.name == name
        for node in scope.module.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )
    for module in (scope.module, *(scope.library if is_imported else ())):
        given = [value for node in module.body for value in _assigned_by(node, name)]
        if given:
            for value in given:
                yield from _followed(value, Scope(scope.library, module))
            return
    raise Unknown(name)


def _callers(scope: Scope, number: int) -> list[Scope]:
    """Where a function may be called: in its module if it is private or stands in another, or anywhere."""
    is_private = number > 0 or scope.functions[number].name.startswith("_")
    return [Scope(scope.library, module) for module in ((scope.module,) if is_private else scope.library)]


def _assigned_by(node: ast.AST, name: str) -> Iterator[ast.expr]:
    """Values that a statement assigns to a name, alone or beside others."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _unpacked(name, target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield from _unpacked(name, node.target, node.value)


def _unpacked(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """What a name takes of a value: all of it, or its place of a tuple."""
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple):
        for place, inner in enumerate(target.elts):
            if isinstance(inner, ast.Name) and inner.id == name:
                yield ast.Subscript(value=value, slice=ast.Constant(place), ctx=ast.Load())


def _passed(
    function: str, name: str, place: int | None, callers: list[Scope], is_nested: bool = False
) -> Found:
    """What a function is called with for one parameter by its callers; a nested one never as a method."""
    is_called = False
    for caller in callers:
        for call, scope in _calls_in(caller):
            if _name(call.func) != function or (is_nested and not isinstance(call.func, ast.Name)):
                continue
            named = [keyword.value for keyword in call.keywords if keyword.arg == name]
            given = named or (call.args[place : place + 1] if place is not None else [])
            for value in given:
                is_called = True
                yield from _followed(value, scope)
    if not is_called:
        raise Unknown(f"{name} of {function}, which nobody calls")


def _given_to_faults(scope: Scope) -> Found:
    """What the module's own ``Fault(..., problem, ...)`` objects are made with.

    Of a module without such a class, an error's problem is said again: it is found where it is said first.
    """
    classes = {node.name: node for node in ast.walk(scope.module) if isinstance(node, ast.ClassDef)}
    if "Fault" not in classes:
        return
    fields = [
        statement.target.id
        for statement in (classes["Fault"].body if "Fault" in classes else [])
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    if PROBLEM not in fields:
        raise Unknown("no class Fault with a problem")
    yield from _passed("Fault", PROBLEM, fields.index(PROBLEM), [Scope(scope.library, scope.module)])
