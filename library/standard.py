"""The standard library as values: the prompts that stages use where no `using:` is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.expand import std_prompts
from ttscale.compiler.resolve import resolve
from ttscale.library.loader import FileLoader


@lru_cache(maxsize=1)
def stage_prompts() -> Mapping[str, ir.Prompt]:
    """The prompts of `std/stages` by name, as `bind(…, std=…)` takes them."""
    loader = FileLoader()
    source = loader("std/stages", "1", "")
    if source is None:
        raise InternalError("std/stages is missing from the package")
    linked, diagnostics = resolve(source, loader)
    errors = [d.message for d in diagnostics if d.severity == "error"]
    if errors:
        raise InternalError(f"std/stages does not compile: {errors[0]}")
    return MappingProxyType(std_prompts(linked))
