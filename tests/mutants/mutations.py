"""The mutations of a file: mutmut's, each made into the text of the whole file.

mutmut itself puts every function behind a switch, so that it leaves out what stands outside of functions (a constant, a
dataclass' default) and functions with a decorator. A changed file has neither limit.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, MutationVisitor, OuterFunctionProvider
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import get_ignored_lines

TYPES = {"dict", "frozenset", "list", "set", "tuple", "type"}


@dataclass(frozen=True)
class Mutant:
    """A file with one change: in `lines`, within the body of a function at the lines `function`, if it is in one."""

    file: str
    before: str
    after: str
    lines: range
    function: range | None = None

    @property
    def change(self) -> tuple[str, str]:
        """Return the changed lines, before and after, without indentation: what `accepted.yaml` knows it by."""
        old, new = self.before.splitlines(), self.after.splitlines()
        blocks = [
            block for block in difflib.SequenceMatcher(None, old, new, False).get_opcodes() if block[0] != "equal"
        ]
        was = [line.strip() for _, start, end, _, _ in blocks for line in old[start:end]]
        becomes = [line.strip() for _, _, _, start, end in blocks for line in new[start:end]]
        return "\n".join(was), "\n".join(becomes)

    def diff(self) -> str:
        old, new = self.before.splitlines(), self.after.splitlines()
        return "\n".join(difflib.unified_diff(old, new, self.file, self.file, n=2, lineterm=""))


@dataclass(frozen=True)
class Candidate:
    """A mutation whose text has not been made yet."""

    file: str
    before: str
    module: cst.Module
    mutation: Mutation
    lines: range
    function: range | None

    def mutant(self) -> Mutant | None:
        """Return the mutant; None where its text is that of the file, or is no Python."""
        changed = self.module.deep_replace(self.mutation.original_node, self.mutation.mutated_node)
        after = changed.code if isinstance(changed, cst.Module) else self.before
        try:
            compile(after, self.file, "exec", dont_inherit=True)
        except SyntaxError:
            return None
        return Mutant(self.file, self.before, after, self.lines, self.function) if after != self.before else None


class Visitor(MutationVisitor):
    """mutmut's visitor, which goes into functions with a decorator too and notes where a mutation is."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.places: list[tuple[range, range | None]] = []

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Arg) and node.keyword is not None and node.keyword.value == "strict":
            return True  # of zip: it is there for a mistake of whoever changes the code, and no test can make one
        outside = not isinstance(self.get_metadata(OuterFunctionProvider, node, None), cst.FunctionDef)
        if outside and isinstance(node, cst.Assign) and _is_type(node.value):
            return True  # it is for annotations, which are not evaluated
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)

    def _create_mutations(self, node: cst.CSTNode) -> None:
        before = len(self.mutations)
        super()._create_mutations(node)
        outer = self.get_metadata(OuterFunctionProvider, node, None)
        place = self.span(node), self.span(outer.body) if isinstance(outer, cst.FunctionDef) else None
        self.places += [place] * (len(self.mutations) - before)

    def span(self, node: cst.CSTNode) -> range:
        position = self.get_metadata(PositionProvider, node, None)
        return range(position.start.line, position.end.line + 1) if position else range(0)  # type: ignore[attr-defined]


def candidates(root: Path, file: str) -> Iterator[Candidate]:
    """List the mutations of `root / file`, without those that no test should have to find."""
    before = (root / file).read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(before))
    visitor = Visitor(mutation_operators, get_ignored_lines(file, before, wrapper, None), None)
    module = wrapper.visit(visitor)
    for mutation, place in zip(visitor.mutations, visitor.places, strict=True):
        if not (_is_prose(mutation) or _is_of_zip(mutation)):
            yield Candidate(file, before, module, mutation, *place)


def _is_prose(mutation: Mutation) -> bool:
    """Return True for a change of a sentence, and for all but one of the changes of a word."""
    old, new = mutation.original_node, mutation.mutated_node
    if not isinstance(old, cst.SimpleString) or not isinstance(new, cst.SimpleString):
        return False
    return " " in old.value or "XX" not in new.value


def _is_type(value: cst.BaseExpression) -> bool:
    """Return True for what a name for a type is made of: `tuple[int, int]`, `Callable[[], None] | None`."""
    if isinstance(value, cst.BinaryOperation):
        return isinstance(value.operator, cst.BitOr) and (_is_type(value.left) or _is_type(value.right))
    name = value.value if isinstance(value, cst.Subscript) else None
    return isinstance(name, cst.Name) and (name.value in TYPES or name.value[0].isupper())


def _is_of_zip(mutation: Mutation) -> bool:
    """Return True for a change of the arguments of `zip`: without `strict` it does the same."""
    old = mutation.original_node
    return isinstance(old, cst.Call) and isinstance(old.func, cst.Name) and old.func.value == "zip"
