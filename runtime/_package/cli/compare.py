"""`ttscale compare`: two or more programs on the same rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.console import out_json
from ttscale.cli.eval import Measuring, gold_of, is_file, measuring_options, read_options, rows_named, usual_metrics
from ttscale.cli.faults import USAGE, Failure
from ttscale.cli.options import parameters, python_option, replacements

if TYPE_CHECKING:
    from ttscale.cli.evaluating import Asking, Bench
    from ttscale.runtime.evaluate.api import Request
    from ttscale.runtime.program import Program


@make_command(
    "ttscale compare one_sample.tts self_consistency.tts --on gsm8k.jsonl --limit 200",
    "ttscale compare old.tts new.tts --on gsm[0:100] --match tokens --seeds 3",
    "ttscale compare bench.tts:main bench.tts:other --on gsm[0:100]",
)
@click.argument("files", metavar="FILE[:PIPELINE]...", nargs=-1, required=True)
@python_option
@click.option("--on", metavar="ROWS", required=True, help="A .jsonl or .csv file, or rows of a dataset of a FILE.")
@measuring_options
def command(files: tuple[str, ...], **options: Any) -> int:
    """Compare pipelines of several FILES on the same questions, and say which is better where that can be said.

    Models with the same weights are loaded once. The first FILE is what `--match` goes by. `ttscale eval --help` says
    what is kept.
    """
    import asyncio

    from ttscale.cli.evaluating import Bench, asking, measure, open_for_measuring

    wishes, bench = read_options(options)
    if len(files) < 2:
        raise Failure("compare takes two pipelines or more", "`ttscale eval` measures one", code=USAGE)
    with contextlib.ExitStack() as stack:
        programs: dict[str, Program] = {}
        named = [split(text) for text in files]
        for file in dict.fromkeys(file for file, _ in named):
            own = Bench(models_of(file, bench.models), bench.bank, bench.no_bank, bench.out, bench.as_json, bench.quiet)
            programs[file] = stack.enter_context(open_for_measuring(file, own))
        used = {name for file in programs for name in declared_models(programs[file])}
        unknown = [name for name in replacements(bench.models) if name and name not in used]
        if unknown:
            raise Failure(f"no file declares a model `{unknown[0]}`", f"they declare {', '.join(sorted(used))}")
        ask = stack.enter_context(asking(next(iter(programs.values())), wishes.judge, bench))
        request = request_of(programs, named, wishes, bench, ask)
        outcome = asyncio.run(measure(next(iter(programs.values())), request, bench))
        if bench.as_json:
            out_json(outcome.document)
        return outcome.code


def split(text: str) -> tuple[str, str | None]:
    """`FILE:PIPELINE` apart; a path may itself hold a colon."""
    file, colon, name = text.rpartition(":")
    return (file, name) if colon and file and name.replace(".", "").isidentifier() else (text, None)


def models_of(file: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Those `--model` options that are about a model of this file."""
    from ttscale.cli.sources import check_file

    linked = check_file(file).require_ok().linked
    known = {s.name for module in linked.modules.values() for s in module.names.values() if s.kind == "model"}
    kept = []
    for text in texts:
        (name,) = replacements([text])
        if not name or name in known:
            kept.append(text)
    return tuple(kept)


def declared_models(program: Program) -> set[str]:
    """The models of a program, by name."""
    modules = program.checked.linked.modules.values()
    return {symbol.name for module in modules for symbol in module.names.values() if symbol.kind == "model"}


def request_of(
    programs: dict[str, Program], named: Sequence[tuple[str, str | None]], wishes: Measuring, bench: Bench, ask: Asking
) -> Request:
    """The evaluation of all pipelines on the same rows."""
    from ttscale.cli.evaluating import folder_for
    from ttscale.runtime.evaluate.api import Request, arm_of, grader_of, items_of, plain_rows
    from ttscale.runtime.evaluate.arms import questions_at_once
    from ttscale.runtime.evaluate.running import Settings

    params = parameters(wishes.params)
    labels = labels_of(named)
    arms = tuple(
        arm_of(programs[file], name, params, label=label, file=file)
        for (file, name), label in zip(named, labels, strict=True)
    )
    first = next(iter(programs.values()))
    on = wishes.on or ""
    owner = first if is_file(on) else next((p for p in programs.values() if has_dataset(p, on)), first)
    loaded = rows_named(owner, on)
    start = wishes.seed or 0
    metrics = wishes.metrics or usual_metrics(loaded, on, bench, owner)
    return Request(
        f"{' against '.join(labels)} on {Path(on).name if is_file(on) else on}",
        arms,
        tuple(items_of(plain_rows(loaded)[: wishes.limit], arms, gold_of(on, wishes))),
        tuple(grader_of(metric, owner, ask(metric)) for metric in metrics),
        Settings(
            tuple(range(start, start + (wishes.seeds or 1))),
            wishes.concurrency or questions_at_once(arms),
            wishes.precision,
        ),
        wishes.match or "",
        wishes.ablate,
        folder_for("compare", [[str(Path(file).resolve()), name] for file, name in named] + [on], bench.out),
    )


def labels_of(named: Sequence[tuple[str, str | None]]) -> list[str]:
    """Short labels that tell the pipelines apart: the file's stem, the pipeline, or both."""
    stems = [Path(file).stem for file, _ in named]
    for labels in (
        [name or stem for (_, name), stem in zip(named, stems, strict=True)],
        [f"{stem}:{name}" if name else stem for (_, name), stem in zip(named, stems, strict=True)],
        [f"{file}:{name}" if name else file for file, name in named],
    ):
        if len(set(labels)) == len(labels):
            return labels
    raise Failure("the same pipeline is named twice", code=USAGE)


def has_dataset(program: Program, on: str) -> bool:
    """Whether a program declares the dataset that rows begin with."""
    names = program.checked.linked.main.names
    return any(symbol.kind == "dataset" and on.startswith(name) for name, symbol in names.items())
