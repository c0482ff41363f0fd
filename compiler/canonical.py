"""The canonical form of a module and its hash, which layout and comments do not change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ttscale.compiler import ast
from ttscale.compiler.format import canonical_printer


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
