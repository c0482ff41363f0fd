"""What a person sees while a question is worked on: candidates as they finish, and the votes they make."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text
    from ttscale.runtime.pool import Candidate
    from ttscale.runtime.trace import Event

SHOWN = 12
BAR = 24
TAIL = 60


class LiveRun:
    """A listener to the events of one run that draws them on standard error; a context manager."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.candidates: list[Candidate] = []
        self.stage = ""
        self.calls = 0
        console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=console, get_renderable=self.draw, refresh_per_second=8, transient=False, redirect_stdout=False
        )

    def __enter__(self) -> LiveRun:
        self._live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._live.__exit__(*details)

    def __call__(self, event: Event) -> None:
        if event.kind == "stage_started":
            self.stage = event.path
        elif event.kind == "candidate":
            from ttscale.runtime.pool import Candidate

            found = event.data.get("candidate")
            if isinstance(found, Candidate):
                self.candidates.append(found)
        elif event.kind in ("call_finished", "call_failed", "call_cut"):
            self.calls += 1

    def draw(self) -> Group:
        """The candidates so far (the latest few), and how many gave each answer."""
        from rich.console import Group
        from rich.text import Text

        lines: list[Text] = []
        hidden = len(self.candidates) - SHOWN
        if hidden > 0:
            lines.append(Text(f"  … {hidden} earlier", style="dim"))
        lines += [one_line(candidate) for candidate in self.candidates[-SHOWN:]]
        votes = Counter(shown(c.answer, 24) for c in self.candidates if c.is_readable)
        if len(self.candidates) > 1 and votes:
            most = votes.most_common(1)[0][1]
            for answer, count in votes.most_common(5):
                bar = "█" * max(1, round(BAR * count / most))
                lines.append(Text.assemble((f"  {answer:>24} ", "bold"), (bar, "green"), f" {count}"))
        lines.append(Text(f"  {self.stage or 'starting'}: {self.calls} calls", style="dim"))
        return Group(*lines)


def one_line(candidate: Candidate) -> Text:
    """A candidate as one line: where it came from, what it answers, the end of its text."""
    from rich.text import Text

    answer = shown(candidate.answer, 24) if candidate.is_readable else "unreadable"
    text = " ".join(candidate.text.split())
    tail = text if len(text) <= TAIL else "…" + text[-TAIL:]
    style = "bold" if candidate.is_readable else "yellow"
    where = f"  {candidate.model or '?'}[{candidate.index}] "
    return Text.assemble((where, "cyan"), (f"{answer} ", style), (tail, "dim"), no_wrap=True, overflow="ellipsis")


def shown(answer: object, limit: int) -> str:
    """An answer on one line of at most `limit` characters."""
    text = " ".join(str(answer).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Progress:
    """The bar of a batch on standard error: rows done, rate, cost so far, time left; nothing where nobody looks."""

    def __init__(self, total: int, already: int, *, shown: bool) -> None:
        self.calls = self.tokens = 0
        self.usd = 0.0
        self._bar: Any = None
        if shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[cost]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True, highlight=False),
                redirect_stdout=False,
            )
            self._task = self._bar.add_task("rows", total=total, completed=already, rate="", cost="")
        self._already = already

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *details: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, calls: int, tokens: int, usd: float) -> None:
        """Count one more row done, with what it cost."""
        self.calls += calls
        self.tokens += tokens
        self.usd += usd
        if self._bar is None:
            return
        task = self._bar.tasks[0]
        elapsed = task.elapsed or 0.0
        fresh = task.completed + 1 - self._already
        rate = f"{60 * fresh / elapsed:.1f} rows/min" if elapsed else ""
        cost = f"{self.calls:,} calls, {self.tokens:,} tokens" + (f", ${self.usd:.4f}" if self.usd else "")
        self._bar.update(self._task, advance=1, rate=rate, cost=cost)
