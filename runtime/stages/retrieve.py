"""`retrieve`: the passages of documents that have most to do with a text, the best one last.

The order is reversed unless the stage says otherwise, so that the best passage stands nearest to the question in a
prompt that puts it behind its context (DRAG, Yue et al. 2025).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.ir import Const, Stage
from ttscale.compiler.types import TEXT, ListOf
from ttscale.library.recipes import folder_of, recipe_of
from ttscale.runtime.answers import coerce
from ttscale.runtime.documents import DocumentError, Index, index_of, passages
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.context import StageContext, as_argument, is_operand
from ttscale.runtime.stages.nearness import SCORES, nearest


async def retrieve(context: StageContext) -> Pool:
    """At most `k` passages, by their words those that share one with the query; fewer, with a note, where fewer do."""
    operand = context.stage.args.get("query")
    query = as_argument(context.value(operand), TEXT) if is_operand(operand) else None
    if not isinstance(query, str):
        context.note("retrieve found nothing, since what it should look up has no value in this run")
        return Pool((), TEXT)
    index = await _index(context)
    if not index.passages:
        context.note("retrieve has nothing to look in: what it was given holds no text")
        return Pool((), TEXT)
    wanted, by = context.integer("k", 5), str(context.constant("by") or "words")
    try:
        found = await nearest(context, index, query, wanted, by)
    except DocumentError as error:
        raise RunError(Diagnostic("R0716", str(error), context.stage.span, hint=error.hint)) from error
    if len(found) < wanted:
        what = "passages with a word of what it looked up" if by == "words" else "passages"
        context.note(f"retrieve found {len(found)} of {wanted} {what}")
    candidates = [
        _candidate(context, index.passages[number], {SCORES[by]: score}, rank)
        for rank, (number, score) in enumerate(found, 1)
    ]
    if context.constant("order") != "ranked":
        candidates.reverse()
    for candidate in candidates:
        context.made(candidate)
    return Pool(tuple(candidates), TEXT)


async def _index(context: StageContext) -> Index:
    """The index of the files, or of the texts that the run has; large ones are read while others go on."""
    among, length = context.stage.args.get("among"), context.integer("length", 1200)
    if is_operand(among) and among != Const(None):
        texts = as_argument(context.value(among), ListOf(TEXT))
        listed = [text for text in texts if isinstance(text, str)] if isinstance(texts, list | tuple) else []
        return await asyncio.to_thread(_of_texts, listed, length)
    try:
        paths = document_paths(context.stage)
        return await asyncio.to_thread(index_of, paths, str(context.constant("field") or "text"), length)
    except DocumentError as error:
        raise RunError(Diagnostic("R0716", str(error), context.stage.span, hint=error.hint)) from error


def _of_texts(texts: list[str], length: int) -> Index:
    return Index(tuple(passage for text in texts for passage in passages(text, length)))


def document_paths(stage: Stage) -> list[Path]:
    """The files and patterns that a stage looks in; none where it looks among texts. Raises DocumentError."""
    files = stage.args.get("files")
    names = files.value if isinstance(files, Const) else None
    return [_path(stage.span.file, str(name)) for name in (names if isinstance(names, tuple) else ())]


def _path(module: str, name: str) -> Path:
    """A file beside the one that names it; a recipe's files only in its own folder."""
    recipe = recipe_of(module)
    path = folder_of(module) / Path(name).expanduser()
    if recipe is not None and not path.resolve().is_relative_to(recipe.folder.resolve()):
        message = f"the recipe `{recipe.name}` may read files of its own folder only"
        raise DocumentError(message, hint="give it the documents with `among:`")
    return path


def _candidate(context: StageContext, text: str, scores: dict[str, float], rank: int) -> Candidate:
    answer, key = coerce(TEXT, text)
    return Candidate(text, answer, key, stage=context.stage.path, index=rank - 1, scores=scores, rank=rank)
