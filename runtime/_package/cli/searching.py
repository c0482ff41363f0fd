"""The work of `ttscale search`: the dry run, workers, progress as it comes, reports, and the recipe."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.cli.console import err, is_terminal, out, out_json
from ttscale.cli.evaluating import Bench, open_for_measuring
from ttscale.cli.faults import INTERRUPTED, EndedRun

if TYPE_CHECKING:
    from ttscale.cli.search import Asked
    from ttscale.runtime.program import Program
    from ttscale.runtime.search.loop import News, State


def opened(asked: Asked) -> Program:
    """The program, with the bank that is chosen."""
    return open_for_measuring(
        asked.file, Bench(asked.models, asked.bank, asked.no_bank, None, asked.as_json, asked.quiet)
    )


def folder_of(asked: Asked, name: str) -> Path:
    """Where the study is kept."""
    return asked.out if asked.out is not None else Path("searches") / f"{Path(asked.file).stem}-{name}"


def dry_run(asked: Asked) -> int:
    """Show what a search would do."""
    from ttscale.runtime.search.api import named, prepared
    from ttscale.runtime.search.outlook import as_text, outlook

    with opened(asked) as program:
        search = named(program, asked.name)
        found = outlook(prepared(program, search, asked.wishes(folder_of(asked, search.name))))
    out_json(found) if asked.as_json else out(as_text(found).rstrip())
    return 0


def search(asked: Asked) -> int:
    """Search, write reports and the recipe, and say what was found."""
    from ttscale.runtime.result import RunError
    from ttscale.runtime.search.api import named
    from ttscale.runtime.search.pages import as_html, as_markdown, as_text

    with opened(asked) as program:
        chosen = named(program, asked.name)
        folder = folder_of(asked, chosen.name)
        folder.mkdir(parents=True, exist_ok=True)
        show = Show(shown=not asked.quiet and asked.worker == "0")
        with workers(asked, folder) as others:
            try:
                outcome = program.search(
                    chosen.name, asked.wishes(folder), heard=show.heard, others=lambda: any_alive(others)
                )
            except RunError as failure:
                raise EndedRun(failure, program.checked.sources) from failure
            finally:
                show.close()
        if asked.worker != "0":
            return 0
    document = outcome.document
    write_whole_text(folder / "report.json", json_text(document))
    write_whole_text(folder / "report.md", as_markdown(document))
    write_whole_text(folder / "report.html", as_html(document))
    if outcome.recipe is not None:
        best = asked.best if asked.best is not None else best_beside(asked.file)
        write_whole_text(best, outcome.recipe)
        document["recipe"] = str(best)
    if asked.as_json:
        out_json({**document, "folder": str(folder)})
    else:
        out(as_text(document).rstrip())
        if not asked.quiet:
            err(
                f"{folder / 'report.html'} has every trial"
                + ("" if outcome.recipe is None else f"; {best} is the winner")
            )
    return INTERRUPTED if document["ended"] == "stopped" else 0


def best_beside(file: str) -> Path:
    """Where the recipe goes: beside the program, so that the paths in it stay right."""
    path = Path(file)
    return path.with_name(f"{path.stem}.best.tts") if file != "-" else Path("best.tts")


def json_text(document: object) -> str:
    """Plain data as text."""
    import json

    return json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n"


def write_whole_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    from ttscale.runtime.evaluate.folder import write_whole

    write_whole(path, text)


# --- workers ---------------------------------------------------------------------------------------------


@contextmanager
def workers(asked: Asked, folder: Path) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """The other processes of the search: the same command, each with its number. They end with this one."""
    started: list[subprocess.Popen[bytes]] = []
    if asked.worker == "0" and asked.workers > 1:
        make_tables(asked, folder)
        arguments = [a for a in sys.argv[1:] if a not in ("--json", "--quiet", "-q")]
        for number in range(1, asked.workers):
            command = [sys.executable, "-m", "ttscale", *arguments, "--quiet", "--out", str(folder)]
            started.append(subprocess.Popen([*command, "--worker", str(number)], stdout=subprocess.DEVNULL))
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in started:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def make_tables(asked: Asked, folder: Path) -> None:
    """Make the study's tables before several processes would at once."""
    from ttscale.runtime.search.book import Book, Limits
    from ttscale.runtime.search.study import storage_of

    _, _, url = storage_of(asked.storage, folder)
    Book(url, "", Limits()).close()


def any_alive(processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Whether one of them is still at work."""
    return any(process.poll() is None for process in processes)


# --- progress --------------------------------------------------------------------------------------------


class Show:
    """Progress: a line for each baseline and trial, and on a terminal below them how the search stands."""

    def __init__(self, *, shown: bool) -> None:
        self._status: Any = None
        self._shown = shown
        self._answers = 0
        self._at = 0.0
        if shown and is_terminal(sys.stderr):
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False)
            self._status = self._console.status("measuring the baselines")
            self._status.start()

    def heard(self, news: News) -> None:
        """Show one more piece of news."""
        if not self._shown:
            return
        self._answers += news.kind == "answer"
        if news.kind == "baseline":
            err(f"baseline  {news.text}")
        elif news.kind == "trial" and news.tried is not None:
            from ttscale.runtime.search.space import shown

            tried = news.tried
            values = "" if tried.values is None else "  ".join(f"{value:.4g}" for value in tried.values)
            mark = {"done": "", "pruned": f"  dropped after {tried.questions}: {tried.why}"}.get(tried.outcome, "")
            err(f"trial {tried.number:>3}  {values}  {shown(tried.assignment)}{mark}  {news.text}")
        if (
            self._status is not None
            and news.now is not None
            and (news.kind != "answer" or time.monotonic() - self._at >= 1)
        ):
            self._at = time.monotonic()
            self._status.update(standing(news.now(), self._answers))

    def close(self) -> None:
        """End the line that changes."""
        if self._status is not None:
            self._status.stop()


def standing(state: State, answers: int) -> str:
    """How a search stands, on one line: the best so far, the front, what is spent and what is left."""
    from rich.markup import escape
    from ttscale.runtime.search.space import shown

    parts = [f"{answers:,} answers"]
    if state.best is not None and state.best.values:
        parts.append(f"best {state.best.values[0]:.3g} ({escape(shown(state.best.assignment))})")
        parts.append(f"{state.front} on the front")
    spent, limits = state.spent, state.limits
    for name, own, limit in (
        ("trials", spent.trials, limits.trials),
        ("tokens", spent.tokens, limits.tokens),
        ("calls", spent.calls, limits.calls if limits.tokens is None else None),
        ("s", round(spent.seconds), limits.seconds),
        ("usd", round(spent.usd, 4), limits.usd),
    ):
        if limit is not None:
            parts.append(f"{own:,} of {limit:,} {name}, {max(0, limit - own):,} left")
        elif own and name in ("trials", "tokens", "usd"):
            parts.append(f"{own:,} {name}")
    return "; ".join(parts)
