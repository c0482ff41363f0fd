"""The canonical form of a module and its hash, which layout and comments do not change.

canonical_hash(module)              # of the text alone
module_hash(linked, "main.tts")     # and of the schema files that its types name
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ttscale.compiler import ast
from ttscale.compiler.format import canonical_printer
from ttscale.compiler.scope import Linked


def canonical_text(module: ast.Module) -> str:
    """The formatted text without comments and documentation, imports first and sorted."""
    printer = canonical_printer()
    imports = sorted("\n".join(printer.declaration_lines(d)[0]) for d in module.declarations if isinstance(d, ast.Use))
    others = ["\n".join(printer.declaration_lines(d)[0]) for d in module.declarations if not isinstance(d, ast.Use)]
    edition = [f"tts {module.edition}"] if module.edition is not None else []
    return "".join(f"{text}\n" for text in (*edition, *imports, *others))


def canonical_hash(module: ast.Module) -> str:
    """The hash of the canonical text, as `sha256:` and 64 hexadecimal digits."""
    return _hash(canonical_text(module))


def module_hash(linked: Linked, name: str) -> str:
    """The hash of a module's canonical text and of the schemas that its `Json` types name; without any, of the text."""
    text = canonical_text(linked.modules[name].tree)
    for (module, path), file in sorted(linked.schemas.items()):
        if module == name:
            text += f"schema {path} {file.canonical}\n"
    return _hash(text)


def schema_hashes(linked: Linked) -> dict[str, str]:
    """The hash of every schema file that a program names, by the file's name; layout does not count."""
    return {file.name: _hash(file.canonical) for _, file in sorted(linked.schemas.items())}


def declaration_hash(module: ast.Module, names: Iterable[str]) -> str:
    """The hash of the declarations called `names`, sorted by name, whatever else is in the module."""
    wanted = set(names)
    printer = canonical_printer()
    texts = sorted(
        (name, "\n".join(printer.declaration_lines(declaration)[0]))
        for declaration in module.declarations
        if (name := getattr(declaration, "name", None)) in wanted
    )
    return _hash("".join(f"{text}\n" for _, text in texts))


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
