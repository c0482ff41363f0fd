"""What is known about how well a recipe does with the weights at hand, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ttscale.cli.opened import Opened
    from ttscale.library.recipes import Recipe
    from ttscale.runtime.recipe_evidence import Evidence

UNMEASURED = "unmeasured on this model"


@dataclass(frozen=True)
class Standing:
    """How a recipe stands: whether it was measured with these weights (None: that cannot be told), and what to say."""

    measured: bool | None
    lines: tuple[str, ...]
    blocks: list[dict[str, Any]] = field(default_factory=list)


def standing(recipe: Recipe, models: tuple[str, ...]) -> Standing:
    """What a recipe's evidence says about the models that it names, or those that `--model` gives."""
    from ttscale.cli.opened import Chosen, open_program
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.library.names import FILE
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.recipe_evidence import evidence_in, on_these_weights, weights_of

    file = recipe.folder / FILE
    if not file.is_file():
        return Standing(None, ())
    found = evidence_in(file.read_text(encoding="utf-8", errors="replace"))
    blocks: list[dict[str, Any]] = [dict(own.said) for own in found]
    try:
        name = str(recipe.folder) if is_folder(recipe) else f"{recipe.name}@={recipe.version}"
        opened = open_program(Chosen(name, None, (), models))
        weights = weights_of(opened.plan.graph.models, opened.folder)
    except (CompileError, EngineError) as error:
        return Standing(None, (f"evidence: {told(found)}" if found else "no evidence", f"not opened: {error}"), blocks)
    own = on_these_weights(found, weights)
    lines = [describe(one) for one in found]
    names = ", ".join(dict.fromkeys(said.split()[1] if " " in said else said for said in weights.values()))
    head = f"evidence on {names}: {describe(own)}" if own is not None else f"{UNMEASURED} ({names})"
    others = [line for line, one in zip(lines, found, strict=True) if one is not own]
    return Standing(own is not None, (head, *(f"on other weights: {line}" for line in others)), blocks)


def is_folder(recipe: Recipe) -> bool:
    """Whether a recipe stands in a folder of the user's, and is not installed."""
    from ttscale.library.recipes import installed

    return all(own.folder != recipe.folder for own in installed())


def told(found: Sequence[Evidence]) -> str:
    """All blocks in one line."""
    return "; ".join(describe(own) for own in found)


def describe(own: Evidence) -> str:
    """One block: how well, on what, at what cost, and whether it beat what it was measured against."""
    files = ", ".join(dict.fromkeys(said.split()[1] if " " in said else said for said in own.models.values()))
    said = f"{own.pipeline} {own.grades.count('1')} of {len(own.grades)} right"
    if own.other:
        said += f", {own.other} {own.other_grades.count('1')}"
    gain = own.gain
    if gain is not None:
        said += f" ({100 * gain.difference:+.0f} points, {gain.verdict})"
    return f"{said}; {own.tokens:,.0f} tokens a question; {files}; {own.measured}"


def page_with(page: str, found: Sequence[Evidence]) -> str:
    """A recipe's page with a section that tells its evidence, behind what it costs; without one where there is none."""
    import re

    bare = re.sub(r"^## Evidence\n.*?(?=^## |\Z)", "", page, flags=re.MULTILINE | re.DOTALL)
    if not found:
        return bare
    section = "\n".join(["## Evidence", "", *(f"- {describe(own)}." for own in found), "", ""])
    place = re.search(r"^## (Use it|Source)\n", bare, flags=re.MULTILINE)
    if place is None:
        return f"{bare.rstrip()}\n\n{section.rstrip()}\n"
    return bare[: place.start()] + section + bare[place.start() :]


def note_for(opened: Opened) -> str:
    """What a run of a recipe says where its evidence is not about the models that answer; else nothing."""
    from ttscale.cli.opened import is_recipe
    from ttscale.runtime.engines.base import EngineError
    from ttscale.runtime.recipe_evidence import evidence_in, on_these_weights, weights_of

    entry = opened.checked.linked.entry
    if not is_recipe(entry):
        return ""
    folder: Path = opened.folder
    try:
        weights = weights_of(opened.plan.graph.models, folder)
    except EngineError:
        return ""  # the run itself says what is missing
    found = evidence_in(opened.checked.sources[entry].text)
    if on_these_weights(found, weights) is not None:
        return ""
    if not found:
        return f"{opened.file} is {UNMEASURED}, and on any other"
    return f"{opened.file} is {UNMEASURED}; `ttscale recipe show {opened.file}` has its evidence"
