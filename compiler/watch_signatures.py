"""The signatures of watchers on a running answer: `generate(…, watch: repetition(window: 32))`.

One table, read by the checker, the expander, the planner, editors and the documentation. What a watcher looks for
stands with the function that does it, in `runtime/watch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ttscale.compiler import ir
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.parameters import Parameter

THENS = ("stop", "drop", "inject", "branch")
"""What is done when a watcher sees something: end it, end it without an answer, say something, or go on twice."""

MARKS = ("\n\nWait", "\n\nBut", "\n\nAlternatively")
"""How models of the DeepSeek-R1 kind begin to look again (TrimR)."""

AGAIN = "\n\nWait! Maybe I made some mistakes! I need to rethink from scratch.\n"
"""The trigger of Marco-o1, which Iterative Deepening Sampling puts in."""


@dataclass(frozen=True, slots=True)
class WatcherSignature:
    """A named watcher. `reads` says that it reads answers from what has been written so far."""

    name: str
    parameters: tuple[Parameter, ...]
    positional: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    reads: bool = False
    doc: str = ""
    paper: str = ""


def _doing(then: str = "stop") -> tuple[Parameter, ...]:
    return (
        Parameter("then", "name", then, choices=THENS, doc="what is done then"),
        Parameter("say", "text", "", doc="what is put in: needed by `inject`, and said before a `stop`"),
        Parameter("branches", "int", 2, low=2, high=16, doc="with `branch`: how many samples go on, itself included"),
        Parameter("most", "int", 1, low=1, high=64, doc="how often it acts on one sample"),
    )


_AGREE = Parameter("agree", "int", 3, low=2, high=64, doc="segments in a row with one answer")
_MARKS = Parameter("marks", "text", MARKS, many=True, doc="texts that end a segment")
_READ = (
    Parameter("read", "name", "any", choices=("any", "marked"), doc="any answer, or one said to be the answer"),
    Parameter("sentences", "int", 3, low=0, high=64, doc="sentences at a segment's end that are read; 0 is all"),
)

_ALL = (
    WatcherSignature(
        "repetition",
        (
            Parameter("window", "int", 32, low=1, high=4096, doc="tokens of a copy"),
            Parameter("times", "int", 3, low=2, high=64, doc="copies, the last one included"),
            *_doing(),
        ),
        aliases=("repeats",),
        doc="the last tokens have been there before, several times; all copies but the first are cut off",
        paper="TrimR (Lin et al. 2025)",
    ),
    WatcherSignature(
        "overthinking",
        (_AGREE, _MARKS, *_READ, *_doing()),
        aliases=("trimr", "agreeing"),
        reads=True,
        doc="segments of the reasoning, one after the other, gave the same answer",
        paper="TrimR (Lin et al. 2025)",
    ),
    WatcherSignature(
        "underthinking",
        (
            Parameter("share", "float", 0.5, low=0.01, high=1, doc="of the tokens of thoughts, or of a sample"),
            Parameter("tokens", "int", low=1, doc="so many tokens, in the place of a share"),
            Parameter("segments", "int", low=1, high=4096, doc="so many segments, whichever comes first"),
            _AGREE,
            _MARKS,
            *_READ,
            *_doing(),
        ),
        reads=True,
        doc="much has been thought and no segments in a row agree",
        paper="TrimR (Lin et al. 2025)",
    ),
    WatcherSignature(
        "hint",
        (
            Parameter("say", "text", required=True, many=True, doc="what is put in; several take turns"),
            Parameter("at", "name", "end", choices=("end", "mark"), doc="where thinking ends, or behind a mark"),
            Parameter("marks", "text", MARKS, many=True, doc="with `at: mark`: texts behind which it is put in"),
            Parameter("times", "int", 1, low=1, high=64, doc="how often"),
        ),
        ("say",),
        aliases=("start",),
        doc="puts in a hint where the model would stop thinking, or behind a mark",
        paper="START, Hint-infer (Li et al. 2025)",
    ),
    WatcherSignature(
        "deepen",
        (
            Parameter("first", "int", 256, low=1, doc="tokens before the first trigger"),
            Parameter("factor", "float", 2.0, low=1, high=64, doc="each further budget is so many times the last"),
            Parameter("times", "int", 3, low=1, high=64, doc="triggers"),
            Parameter("say", "text", AGAIN, doc="the trigger"),
        ),
        aliases=("ids", "iterative_deepening"),
        doc="asks for another look at growing budgets of tokens, or where the model ends before",
        paper="Iterative Deepening Sampling (Chen et al. 2025)",
    ),
    WatcherSignature(
        "confidence",
        (
            Parameter("below", "float", required=True, high=0, doc="natural-log probability a token, on average"),
            Parameter("window", "int", 64, low=1, high=4096, doc="tokens in a row"),
            *_doing("drop"),
        ),
        ("below",),
        aliases=("deepconf_online",),
        doc="the model was unsure for a while: the mean log-probability of a window of tokens fell below a bound",
        paper="Deep Think with Confidence (Fu et al. 2025)",
    ),
    WatcherSignature(
        "stable",
        (
            Parameter("times", "int", 3, low=2, high=64, doc="looks in a row with one answer"),
            Parameter("every", "int", 64, low=1, high=4096, doc="tokens between looks"),
            *_READ,
            *_doing(),
        ),
        reads=True,
        doc="the answer that is read of all so far no longer changes",
        paper="Dynasor (Fu et al. 2024), without its probes",
    ),
)

WATCHERS: Mapping[str, WatcherSignature] = {watcher.name: watcher for watcher in _ALL}
WATCHER_ALIASES: Mapping[str, str] = {alias: watcher.name for watcher in _ALL for alias in watcher.aliases}


def watchers_of(stage: ir.Stage) -> tuple[ir.Strategy, ...]:
    """The watchers of a stage, in order."""
    return watchers_in(stage.args.get("watch"))


def watchers_in(value: ir.Argument | None) -> tuple[ir.Strategy, ...]:
    """The watchers that an argument lists."""
    return tuple(one for one in value if isinstance(one, ir.Strategy)) if isinstance(value, tuple) else ()


def forks_of(watchers: tuple[ir.Strategy, ...]) -> int:
    """How many further samples may come of one: those of every branch that a watcher may make."""
    forking = [one for one in watchers if _argument(one, "then") == "branch"]
    return sum((_whole(one, "branches") - 1) * _whole(one, "most") for one in forking)


def says(watcher: ir.Strategy) -> Iterator[str]:
    """The texts that a watcher may put in."""
    value = _argument(watcher, "say")
    yield from (text for text in (value if isinstance(value, tuple) else (value,)) if isinstance(text, str) and text)


def _argument(watcher: ir.Strategy, name: str) -> object:
    value = dict(watcher.named).get(name)
    return value.value if isinstance(value, ir.Const) else None


def _whole(watcher: ir.Strategy, name: str) -> int:
    value = _argument(watcher, name)
    return value if isinstance(value, int) else 0
