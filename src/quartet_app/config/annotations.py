"""Compare configuration values with the type annotations of constructors."""

from __future__ import annotations

import ast
from typing import Any

from quartet_app.config.signatures import Module, resolve_alias

PLAIN: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}
LISTS = ("tuple", "list", "Sequence", "Iterable", "Tuple", "List")
MAPPINGS = ("dict", "Mapping", "Dict")
ANYTHING = ("Any", "object")


def fits(value: Any, annotation: ast.expr | None, module: Module | None) -> bool:
    """Return True where `value` has the type `annotation`; `module` defines the names used in it."""
    if annotation is None:
        return True
    if isinstance(annotation, ast.Constant):
        return _fits_constant(value, annotation.value, module)
    if isinstance(annotation, ast.BinOp):
        return fits(value, annotation.left, module) or fits(value, annotation.right, module)
    if isinstance(annotation, ast.Subscript):
        return _fits_subscript(value, annotation, module)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    return _fits_name(value, name, module)


def describe(annotation: ast.expr | None, module: Module | None) -> str:
    """Describe in plain English which values `annotation` allows, for an error message."""
    if annotation is None:
        return "anything"
    if isinstance(annotation, ast.Constant):
        return "null" if annotation.value is None else str(annotation.value)
    if isinstance(annotation, ast.BinOp):
        return f"{describe(annotation.left, module)} or {describe(annotation.right, module)}"
    if isinstance(annotation, ast.Subscript):
        return _describe_subscript(annotation, module)
    name = ast.unparse(annotation)
    if module is not None and (alias := resolve_alias(name, module)):
        return describe(*alias)
    plain = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "Path": "a path"}
    return plain.get(name, "a mapping" if name in MAPPINGS else f"a mapping whose _target_ makes a {name}")


def _fits_constant(value: Any, constant: Any, module: Module | None) -> bool:
    if isinstance(constant, str):  # an annotation in quotes
        return fits(value, ast.parse(constant, mode="eval").body, module)
    return value is None if constant is None else True


def _fits_name(value: Any, name: str, module: Module | None) -> bool:
    """Compare with an annotation that is a plain name: a built-in type, an alias or a class."""
    if name in PLAIN:
        return isinstance(value, PLAIN[name]) and (name == "bool" or not isinstance(value, bool))
    if name in ANYTHING:
        return True
    if name in ("Path", "PathLike"):
        return isinstance(value, str)
    if name in LISTS:
        return isinstance(value, list)
    if name in MAPPINGS:
        return isinstance(value, dict)
    if module is not None and (alias := resolve_alias(name, module)):
        return fits(value, *alias)
    return isinstance(value, dict) and "_target_" in value  # the annotation is a class: only a target can build it


def _fits_subscript(value: Any, annotation: ast.Subscript, module: Module | None) -> bool:
    """Compare with an annotation in brackets, such as tuple[int, ...] or Literal["a", "b"]."""
    outer = ast.unparse(annotation.value).rpartition(".")[2]
    inner = annotation.slice
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if outer == "Literal":
        return any(_same(value, ast.literal_eval(part)) for part in parts)
    if outer == "Optional":
        return value is None or fits(value, inner, module)
    if outer == "Union":
        return any(fits(value, part, module) for part in parts)
    if outer in LISTS:
        return isinstance(value, list) and _fits_items(value, parts, module, fixed=outer in ("tuple", "Tuple"))
    if outer in MAPPINGS:
        return isinstance(value, dict) and all(fits(item, parts[-1], module) for item in value.values())
    return _fits_name(value, outer, module)


def _fits_items(values: list[Any], parts: list[ast.expr], module: Module | None, *, fixed: bool) -> bool:
    repeated = not fixed or (isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis)
    if repeated:
        return all(fits(value, parts[0], module) for value in values)
    return len(values) == len(parts) and all(fits(v, part, module) for v, part in zip(values, parts, strict=True))


def _describe_subscript(annotation: ast.Subscript, module: Module | None) -> str:
    outer = ast.unparse(annotation.value).rpartition(".")[2]
    inner = annotation.slice
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if outer == "Literal":
        values = [ast.literal_eval(part) for part in parts]
        return "one of " + ", ".join("null" if value is None else str(value) for value in values)
    if outer in ("Optional", "Union"):
        choices = [describe(part, module) for part in parts] + (["null"] if outer == "Optional" else [])
        return " or ".join(choices)
    if outer in LISTS:
        shown = [describe(part, module) for part in parts if not _is_ellipsis(part)]
        return (
            f"a list [{', '.join(shown)}{', …' if len(shown) < len(parts) or outer not in ('tuple', 'Tuple') else ''}]"
        )
    return "a mapping" if outer in MAPPINGS else f"a mapping whose _target_ makes a {outer}"


def _is_ellipsis(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and part.value is Ellipsis


def _same(value: Any, choice: Any) -> bool:
    return type(value) is type(choice) and value == choice
