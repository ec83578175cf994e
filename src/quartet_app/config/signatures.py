"""What a `_target_` of conf/ takes, read from its source: importing it would cost seconds of torch."""

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
    """A source file: its dotted name and its statements."""

    name: str
    path: Path
    tree: ast.Module = field(repr=False)

    def definition(self, name: str) -> Definition | None:
        kinds = (ast.ClassDef, ast.FunctionDef)
        return next((node for node in self.tree.body if isinstance(node, kinds) and node.name == name), None)

    def alias(self, name: str) -> ast.expr | None:
        """What `name = …` at the top of the file stands for."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return node.value
        return None

    def imported(self, name: str) -> tuple[str, str] | None:
        """The module and the name there that `from … import …` gives as `name`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for item in node.names:
                    if (item.asname or item.name) == name:
                        return _absolute(node, self), item.name
        return None


@dataclass(frozen=True)
class Parameter:
    """One keyword of a target, and the file in whose words its annotation speaks."""

    annotation: ast.expr | None
    required: bool
    module: Module


@dataclass(frozen=True)
class Signature:
    """What a target takes. `open`: any other keyword too. `constants`: a class's literals, such as ROLES."""

    name: str
    parameters: dict[str, Parameter]
    open: bool
    constants: dict[str, Any]


@cache
def signature(dotted: str) -> Signature | None:
    """The signature of `package.module.Name`, None where no source says that there is one."""
    module_name, _, name = dotted.rpartition(".")
    found = find(module_name, name) if module_name else None
    if found is None:
        return None
    definition, module = found
    if isinstance(definition, ast.FunctionDef):
        parameters, is_open = _arguments(definition, module)
        return Signature(name, parameters, is_open, {})
    family = list(lineage(definition, module))
    parameters, is_open = _constructor(family)
    return Signature(name, parameters, is_open, _constants(family))


def constants(dotted: str) -> dict[str, Any]:
    """The literals of the class `package.module.Name`, {} where no source says that there is one."""
    made = signature(dotted)
    return made.constants if made else {}


def find(module_name: str, name: str) -> tuple[Definition, Module] | None:
    """Where `name`, as `module_name` hands it on, is defined."""
    module = load(module_name)
    if module is None:
        return None
    if definition := module.definition(name):
        return definition, module
    if source := module.imported(name):
        return find(*source) if source != (module_name, name) else None
    return _lazily_handed_on(module, name)


def _lazily_handed_on(module: Module, name: str) -> tuple[Definition, Module] | None:
    """A façade that names `name` in a table and imports it when asked (PEP 562): search the package's files."""
    text = module.path.read_text(encoding="utf-8")
    if module.path.name != "__init__.py" or not re.search(rf"\b{name}\b", text):
        return None
    for path in sorted(module.path.parent.rglob("*.py")):
        if re.search(rf"^(?:class|def) {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            inside = path.relative_to(module.path.parent).with_suffix("").parts
            inner = load(".".join([module.name, *inside]))
            if inner is not None and (definition := inner.definition(name)):
                return definition, inner
    return None


@cache
def load(name: str) -> Module | None:
    """The source of a module, found without importing anything."""
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


def lineage(definition: ast.ClassDef, module: Module) -> Iterator[tuple[ast.ClassDef, Module]]:
    """A class and those it inherits from, nearest first, as far as source can be found."""
    yield definition, module
    for base in definition.bases:
        while isinstance(base, ast.Subscript):
            base = base.value
        found = resolve(base.id, module) if isinstance(base, ast.Name) else None
        if found is not None and isinstance(found[0], ast.ClassDef):
            yield from lineage(found[0], found[1])


def resolve(name: str, module: Module) -> tuple[Definition, Module] | None:
    """What `name` means in `module`, if it is a class or function of the module's own package, or of ours."""
    if definition := module.definition(name):
        return definition, module
    source = module.imported(name)
    return find(*source) if source is not None and _followed(source[0], module) else None


def _followed(imported: str, module: Module) -> bool:
    """Return whether names that `module` imports are looked up: those of its own package, and of ours."""
    return imported.split(".")[0] in (module.name.split(".")[0], "quartet")


def stands_for(name: str, module: Module) -> tuple[ast.expr, Module] | None:
    """What `name = …` stands for in `module`, there or where it is imported from in the same package or ours."""
    if alias := module.alias(name):
        return alias, module
    source = module.imported(name)
    if source is None or not _followed(source[0], module):
        return None
    home = load(source[0])
    return stands_for(source[1], home) if home is not None else None


def _constructor(family: list[tuple[ast.ClassDef, Module]]) -> tuple[dict[str, Parameter], bool]:
    if any(_is_dataclass(definition) for definition, _ in family):
        return _fields(family), False
    parameters: dict[str, Parameter] = {}
    is_open = False
    for definition, module in family:
        init = next((n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is not None:
            own, is_open = _arguments(init, module)
            parameters = {**own, **parameters}
            if not is_open:
                break
    # Whoever hands **keywords on to nobody whose source is known takes anything.
    return parameters, is_open


def _fields(family: list[tuple[ast.ClassDef, Module]]) -> dict[str, Parameter]:
    fields: dict[str, Parameter] = {}
    for definition, module in reversed(family):
        for node in definition.body if _is_dataclass(definition) else ():
            if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
                continue
            if isinstance(node.target, ast.Name):
                fields[node.target.id] = Parameter(node.annotation, node.value is None, module)
    return fields


def _arguments(function: ast.FunctionDef, module: Module) -> tuple[dict[str, Parameter], bool]:
    spec = function.args
    positional = [arg for arg in (*spec.posonlyargs, *spec.args) if arg.arg not in ("self", "cls")]
    first_default = len(positional) - len(spec.defaults)
    found = {
        arg.arg: Parameter(arg.annotation, position < first_default, module) for position, arg in enumerate(positional)
    }
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        found[arg.arg] = Parameter(arg.annotation, default is None, module)
    return found, spec.kwarg is not None


def _constants(family: list[tuple[ast.ClassDef, Module]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for definition, module in reversed(family):
        for node in definition.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            value = getattr(node, "value", None)
            if isinstance(value, ast.Name) and (meant := stands_for(value.id, module)):
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
    """The full name of the module that an import statement names, `from .x import y` included."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    if module.path.name != "__init__.py":
        package = package[:-1]
    parents = package[: len(package) - (node.level - 1)]
    return ".".join([*parents, *([node.module] if node.module else [])])
