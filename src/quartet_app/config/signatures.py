"""Read from source which keywords a `_target_` of conf/ takes. To import it would cost seconds, for torch."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, its path and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module = field(repr=False)

    def definition(self, name: str) -> Definition | None:
        """Return the class or function `name` of this file, None where it defines none."""
        kinds = (ast.ClassDef, ast.FunctionDef)
        return next((node for node in self.tree.body if isinstance(node, kinds) and node.name == name), None)

    def alias(self, name: str) -> ast.expr | None:
        """Return the right side of `name = …` at the top level of the file, None where there is none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return node.value
        return None

    def imported(self, name: str) -> tuple[str, str] | None:
        """Return (module, original name) of the `from … import …` that binds `name`, None where none does."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for item in node.names:
                    if (item.asname or item.name) == name:
                        return _absolute(node, self), item.name
        return None


@dataclass(frozen=True)
class Parameter:
    """One keyword of a target. `module`: the file that defines the names in its annotation."""

    annotation: ast.expr | None
    required: bool
    module: Module


@dataclass(frozen=True)
class Signature:
    """The keywords of a target. `open`: it takes any others too. `constants`: a class's literals, such as ROLES."""

    name: str
    parameters: dict[str, Parameter]
    open: bool
    constants: dict[str, Any]


@cache
def signature(dotted: str) -> Signature | None:
    """Return the signature of `package.module.Name`, None where no source defines it."""
    module_name, _, name = dotted.rpartition(".")
    found = find_definition(module_name, name) if module_name else None
    if found is None:
        return None
    definition, module = found
    if isinstance(definition, ast.FunctionDef):
        parameters, is_open = _arguments(definition, module)
        return Signature(name, parameters, is_open, {})
    classes = list(base_classes(definition, module))
    parameters, is_open = _constructor(classes)
    return Signature(name, parameters, is_open, _constants(classes))


def constants(dotted: str) -> dict[str, Any]:
    """Return the literals of the class `package.module.Name`, {} where no source defines it."""
    made = signature(dotted)
    return made.constants if made else {}


def find_definition(module_name: str, name: str) -> tuple[Definition, Module] | None:
    """Return the definition of `name` and its file, through the re-exports of `module_name`; None for neither."""
    module = load_module(module_name)
    if module is None:
        return None
    if definition := module.definition(name):
        return definition, module
    if source := module.imported(name):
        return find_definition(*source) if source != (module_name, name) else None
    return _find_lazy_export(module, name)


def _find_lazy_export(module: Module, name: str) -> tuple[Definition, Module] | None:
    """Search a package's files for `name`, which its __init__ lists and imports at first use (PEP 562)."""
    text = module.path.read_text(encoding="utf-8")
    if module.path.name != "__init__.py" or not re.search(rf"\b{name}\b", text):
        return None
    for path in sorted(module.path.parent.rglob("*.py")):
        if re.search(rf"^(?:class|def) {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            inside = path.relative_to(module.path.parent).with_suffix("").parts
            inner = load_module(".".join([module.name, *inside]))
            if inner is not None and (definition := inner.definition(name)):
                return definition, inner
    return None


@cache
def load_module(name: str) -> Module | None:
    """Parse the source of a module without importing it; None where there is no source."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    bases = [Path(folder).joinpath(*rest) for folder in spec.submodule_search_locations or []]
    paths = [path for base in bases for path in (base / "__init__.py", base.with_suffix(".py"))]
    if spec.origin and not rest:  # a module that is one file
        paths.append(Path(spec.origin))
    for path in paths:
        if path.suffix == ".py" and path.is_file():
            return Module(name, path, ast.parse(path.read_text(encoding="utf-8")))
    return None


def base_classes(definition: ast.ClassDef, module: Module) -> Iterator[tuple[ast.ClassDef, Module]]:
    """Yield a class and its base classes, the nearest first, as far as their source can be found."""
    yield definition, module
    for base in definition.bases:
        while isinstance(base, ast.Subscript):
            base = base.value
        found = resolve(base.id, module) if isinstance(base, ast.Name) else None
        if found is not None and isinstance(found[0], ast.ClassDef):
            yield from base_classes(found[0], found[1])


def resolve(name: str, module: Module) -> tuple[Definition, Module] | None:
    """Return the class or function that `name` means in `module`, None where it is from another package than ours."""
    if definition := module.definition(name):
        return definition, module
    source = module.imported(name)
    return find_definition(*source) if source is not None and _readable(source[0], module) else None


def resolve_alias(name: str, module: Module) -> tuple[ast.expr, Module] | None:
    """Return the type that `name` is an alias of in `module`, and the alias's file; None where it is no alias.

    Follows imports from the same package, and from ours.
    """
    if alias := module.alias(name):
        return alias, module
    source = module.imported(name)
    if source is None or not _readable(source[0], module):
        return None
    home = load_module(source[0])
    return resolve_alias(source[1], home) if home is not None else None


def _readable(imported: str, module: Module) -> bool:
    """Return True where `module` imports from its own package or from ours, which is small enough to be read."""
    return imported.split(".")[0] in (module.name.split(".")[0], "quartet")


def _constructor(classes: list[tuple[ast.ClassDef, Module]]) -> tuple[dict[str, Parameter], bool]:
    """Return the keywords of a class's constructor, and True where it takes any others. `classes`: nearest first."""
    if any(_is_dataclass(definition) for definition, _ in classes):
        return _fields(classes), False
    parameters: dict[str, Parameter] = {}
    is_open = False
    for definition, module in classes:
        init = next((n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is not None:
            own, is_open = _arguments(init, module)
            parameters = {**own, **parameters}
            if not is_open:
                break
    # A class that passes **keywords to a base without known source may take any keyword.
    return parameters, is_open


def _fields(classes: list[tuple[ast.ClassDef, Module]]) -> dict[str, Parameter]:
    """Return the fields of a dataclass and its bases as keywords."""
    fields: dict[str, Parameter] = {}
    for definition, module in reversed(classes):
        for node in definition.body if _is_dataclass(definition) else ():
            if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
                continue
            if isinstance(node.target, ast.Name):
                fields[node.target.id] = Parameter(node.annotation, node.value is None, module)
    return fields


def _arguments(function: ast.FunctionDef, module: Module) -> tuple[dict[str, Parameter], bool]:
    """Return the parameters of a function, and True where it takes **keywords too."""
    spec = function.args
    positional = [arg for arg in (*spec.posonlyargs, *spec.args) if arg.arg not in ("self", "cls")]
    first_default = len(positional) - len(spec.defaults)
    found = {
        arg.arg: Parameter(arg.annotation, position < first_default, module) for position, arg in enumerate(positional)
    }
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        found[arg.arg] = Parameter(arg.annotation, default is None, module)
    return found, spec.kwarg is not None


def _constants(classes: list[tuple[ast.ClassDef, Module]]) -> dict[str, Any]:
    """Return the class attributes that are literals, such as ROLES, also those of the bases."""
    found: dict[str, Any] = {}
    for definition, module in reversed(classes):
        for node in definition.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            value = getattr(node, "value", None)
            if isinstance(value, ast.Name) and (meant := resolve_alias(value.id, module)):
                value = meant[0]
            if isinstance(target, ast.Name) and value is not None:
                try:
                    found[target.id] = ast.literal_eval(value)
                except ValueError:
                    continue
    return found


def _is_dataclass(definition: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in definition.decorator_list)


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    """Return the full name of the module in an import statement, also in `from .x import y`."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    if module.path.name != "__init__.py":
        package = package[:-1]
    parents = package[: len(package) - (node.level - 1)]
    return ".".join([*parents, *([node.module] if node.module else [])])
