"""The gallery: one page in Markdown that shows every recipe with its picture, its price and its evidence.

    page = gallery([Shown(name="single", summary="Ask once …", picture="flowchart TD …", …), …])

What a recipe costs comes from the plan of its first pipeline with the parameters at their defaults.
"""

from __future__ import annotations

from collections.abc import Sequence

from ttscale.compiler.frozen import dataclass

HEAD = """# Gallery

Recipes that ship with ttscale. Each runs by its name or any of its other names, and is a program of one page to read,
measure, change and share.

    ttscale run NAME "a question" --model weights.gguf
    ttscale recipe show NAME
    ttscale recipe new mine --from NAME

Calls and tokens are bounds for one question with the parameters at their defaults, as `ttscale plan NAME` tells them.
What a recipe gains depends on the model and the task: a line of evidence says what was measured, and where nothing was,
nothing is promised. This page is made from the library.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the gallery shows of one recipe.

    `calls` and `tokens` are least and greatest numbers for a question; `evidence` has a line for each measurement, and
    `page` is where the recipe's own page stands, seen from the gallery.
    """

    name: str
    summary: str
    aliases: tuple[str, ...]
    tasks: tuple[str, ...]
    needs: tuple[str, ...]
    source: str
    calls: tuple[int, int]
    tokens: int
    picture: str
    evidence: tuple[str, ...]
    page: str


def gallery(recipes: Sequence[Shown]) -> str:
    """The whole page: a table, then a section for each recipe in the order given."""
    return "\n".join([HEAD, *_table(recipes), "", *(_section(one) for one in recipes)])


def _table(recipes: Sequence[Shown]) -> list[str]:
    rows = ["| recipe | for | calls | tokens, at most | measured |", "|---|---|---|---|---|"]
    for one in recipes:
        measured = "yes" if one.evidence else "not yet"
        rows.append(
            f"| [{one.name}](#{one.name}) | {', '.join(one.tasks)} | {_calls(one)} | {one.tokens:,} | {measured} |"
        )
    return rows


def _section(one: Shown) -> str:
    lines = [f"## {one.name}", "", one.summary, ""]
    if one.aliases:
        lines += [f"Also as {', '.join(f'`{alias}`' for alias in one.aliases)}."]
    if one.needs:
        lines += [f"Needs {', '.join(f'`{need}`' for need in one.needs)}, which recipes of this library are granted."]
    lines += [
        f"A question takes {_calls(one)} {'call' if one.calls[1] == 1 else 'calls'} and at most {one.tokens:,} tokens."
    ]
    lines += [f"[When to use it, what it costs]({one.page}). Source: {one.source}.", ""]
    lines += [f"Evidence: {line}." for line in one.evidence] or ["No evidence yet."]
    return "\n".join([*lines, "", "```mermaid", one.picture.rstrip(), "```", ""])


def _calls(one: Shown) -> str:
    low, high = one.calls
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"
