"""Whether a chat template does nothing with the contents of messages but print them.

Where it does not (no test on them, no cutting, no counting), what it writes around them depends on the roles
alone, so that it need not run anew for every conversation. This is read off the template's syntax tree: each
expression is given a kind, and any use that is not known to be harmless speaks against the template.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

from jinja2 import Environment, TemplateSyntaxError, nodes


class Kind(IntEnum):
    """What an expression may hold of contents; the first three in rising order."""

    CLEAN = 0
    """Nothing: it depends on roles, flags and special tokens at most."""
    CONTENT = 1
    """One message's content, whole or trimmed."""
    TEXT = 2
    """Contents with other text around them."""
    MESSAGE = 3
    MESSAGES = 4


class _UseOfContentError(Exception):
    """The template uses contents for more than printing, or in a way that is not known."""


_TYPE_TESTS = {"defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number"}
"""Tests on what type a value is of: contents are always texts."""

_LOOP_FACTS = {"first", "last", "index", "index0", "revindex", "revindex0", "length"}
"""What of Jinja's ``loop`` depends on the number of messages alone."""

_MESSAGE = {"role": Kind.CLEAN, "content": Kind.CONTENT}


def only_prints_contents(template: str) -> bool:
    """Whether a template prints the contents of messages, whole or trimmed, and does nothing else with them.

    It is assumed that messages have a role and a content, both texts, and no other key. Where it cannot be
    told, the answer is no.

    Args:
        template: Jinja source.
    """
    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(template)
        flow = _Flow()
        # Once more until no name is found to hold more than before: a name may be set after it is used, in a
        # loop's next round. Kinds only rise, so this ends.
        before: dict[str, Kind] | None = None
        while before != flow.names:
            before = dict(flow.names)
            flow.statements(tree.body)
    except (TemplateSyntaxError, _UseOfContentError):
        return False
    return True


class _Flow:
    """Follows contents through a template; ``names`` is what each variable may hold, whenever it is set."""

    def __init__(self) -> None:
        self.names: dict[str, Kind] = {"messages": Kind.MESSAGES}

    def statements(self, body: list[nodes.Node]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: nodes.Node) -> None:
        match node:
            case nodes.Output():
                for part in node.nodes:
                    if not isinstance(part, nodes.TemplateData) and self._kind(part) > Kind.TEXT:
                        _refuse(part)
            case nodes.If():
                self._condition(node.test)
                for branch in (node.body, node.elif_, node.else_):
                    self.statements(list(branch))
            case nodes.For(recursive=False, target=nodes.Name(name=name)):
                kind = self._kind(node.iter)
                if kind not in (Kind.CLEAN, Kind.MESSAGES):
                    _refuse(node)
                self._set(name, Kind.MESSAGE if kind == Kind.MESSAGES else Kind.CLEAN)
                if node.test is not None:
                    self._condition(node.test)
                self.statements(node.body)
                self.statements(node.else_)
            case nodes.Assign(target=nodes.Name(name=name)):
                self._set(name, self._kind(node.node))
            case nodes.Assign(target=nodes.NSRef()):
                self._clean(node.node)
            case nodes.Break() | nodes.Continue():
                pass
            case _:
                _refuse(node)

    def _set(self, name: str, kind: Kind) -> None:
        known = self.names.get(name, kind)
        if known != kind and max(known, kind) > Kind.TEXT:
            raise _UseOfContentError(f"{name} holds messages and other things")
        self.names[name] = max(known, kind)

    def _condition(self, node: nodes.Node) -> None:
        """Refuse a condition that depends on contents; on whether there are messages it may depend."""
        match node:
            case nodes.And() | nodes.Or():
                self._condition(node.left)
                self._condition(node.right)
            case nodes.Not():
                self._condition(node.node)
            case _:
                if self._kind(node) in (Kind.CONTENT, Kind.TEXT):
                    _refuse(node)

    def _clean(self, node: nodes.Node) -> Kind:
        """Refuse an expression that holds, or is made with, anything but what is clean."""
        if self._kind(node) != Kind.CLEAN:
            _refuse(node)
        return Kind.CLEAN

    def _kind(self, node: nodes.Node) -> Kind:
        match node:
            case nodes.Name(name="loop"):
                _refuse(node)
            case nodes.Name(name=name):
                return self.names.get(name, Kind.CLEAN)
            case nodes.Getattr(node=nodes.Name(name="loop"), attr=attr) if attr in _LOOP_FACTS:
                return Kind.CLEAN
            case nodes.Getattr(node=holder, attr=attr):
                return self._item(holder, nodes.Const(attr))
            case nodes.Getitem(node=holder, arg=key):
                return self._item(holder, key)
            case nodes.Call(
                node=nodes.Getattr(node=text, attr="strip"),
                args=[],
                kwargs=[],
                dyn_args=None,
                dyn_kwargs=None,
            ):
                return self._trimmed(text)
            case nodes.Call(
                node=nodes.Getattr(node=holder, attr="get"),
                args=[key],
                kwargs=[],
                dyn_args=None,
                dyn_kwargs=None,
            ):
                return self._item(holder, key)
            case nodes.Filter(
                name="trim", node=nodes.Expr() as text, args=[], kwargs=[], dyn_args=None, dyn_kwargs=None
            ):
                return self._trimmed(text)
            case nodes.Filter(name="length" | "count", node=nodes.Expr() as many):
                return Kind.CLEAN if self._kind(many) == Kind.MESSAGES else self._clean(many)
            case nodes.Test(name=name, node=tested) if name in _TYPE_TESTS:
                self._kind(tested)
                return Kind.CLEAN
            case nodes.Add(left=left, right=right):
                return self._joined([left, right])
            case nodes.Concat(nodes=parts):
                return self._joined(parts)
            case nodes.CondExpr(test=test, expr1=first, expr2=second):
                return self._either(test, first, second)
            case nodes.Compare(expr=nodes.Const(), ops=[nodes.Operand(op="in" | "notin", expr=holder)]):
                # Which keys a message has is known; a text of contents must not be searched.
                return Kind.CLEAN if self._kind(holder) == Kind.MESSAGE else self._clean(holder)
            case _:
                for child in node.iter_child_nodes():
                    self._clean(child)
        return Kind.CLEAN

    def _item(self, holder: nodes.Expr, key: nodes.Expr) -> Kind:
        match self._kind(holder), key:
            case Kind.CLEAN, _:
                return self._clean(key)
            case Kind.MESSAGES, nodes.Slice():
                for child in key.iter_child_nodes():
                    self._clean(child)
                return Kind.MESSAGES
            case Kind.MESSAGES, (
                nodes.Const(value=int())
                | nodes.Neg(node=nodes.Const(value=int()))
                | nodes.Add(right=nodes.Const(value=int()))
                | nodes.Sub(right=nodes.Const(value=int()))
            ):
                for child in key.iter_child_nodes():
                    self._clean(child)
                return Kind.MESSAGE
            case Kind.MESSAGE, nodes.Const(value=str(name)) if not hasattr(dict, name):
                # Other keys are not there.
                return _MESSAGE.get(name, Kind.CLEAN)
        _refuse(holder)

    def _trimmed(self, text: nodes.Node) -> Kind:
        kind = self._kind(text)
        # Trimming what has text around a content takes from the content only where the text is blank.
        return kind if kind <= Kind.CONTENT else _refuse(text)

    def _joined(self, parts: list[nodes.Expr]) -> Kind:
        kinds = [self._kind(part) for part in parts]
        if max(kinds) > Kind.TEXT:
            _refuse(parts[0])
        return Kind.TEXT if max(kinds) > Kind.CLEAN else Kind.CLEAN

    def _either(self, test: nodes.Expr, first: nodes.Expr, second: nodes.Expr | None) -> Kind:
        self._condition(test)
        kinds = {self._kind(first), Kind.CLEAN if second is None else self._kind(second)}
        if len(kinds) > 1 and max(kinds) > Kind.TEXT:
            _refuse(first)
        return max(kinds)


def _refuse(node: nodes.Node) -> NoReturn:
    raise _UseOfContentError(f"line {node.lineno}: {type(node).__name__}")
