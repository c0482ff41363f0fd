"""The report of a search for people: a few lines for a terminal, Markdown, and one page of HTML with drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ttscale.runtime.search.drawings import bars, curve, figure, params_text, pareto, progress
from ttscale.runtime.search.theory import difficulty_lines

Document = Mapping[str, Any]
Table = tuple[Sequence[str], Sequence[Sequence[str]]]


# --- parts -----------------------------------------------------------------------------------------


def headline(document: Document) -> list[str]:
    """What was found, and how sure that is."""
    verdict = document["verdict"]
    if verdict is None:
        on = "give it more to go on" if document["ended"].endswith("is spent") else "run it again to go on"
        said = [f"The search was ended ({document['ended']}) before anything was chosen; {on}."]
        best = next((own for own in document.get("trials", []) if own["number"] in document["front"][:1]), None)
        if best is not None:
            name, value = next(iter(best["values"].items()))
            on_rows = f"on the {best['questions']} questions of the search, not tested on others"
            said.append(f"Best so far: {params_text(best['params'])}, with {name} {figure(value)} {on_rows}.")
        return said
    first = f"Winner: {verdict['winner']}" + (" (a baseline)" if verdict["is_baseline"] else "")
    return [first, verdict["text"]]


def standings(document: Document) -> Table:
    """The finals."""
    goals = list(document["goals"])
    rows = []
    for own in document["verdict"]["standings"] if document["verdict"] else []:
        low, high = own["interval"]
        against = own["against"]
        versus = (
            "" if against is None else f"{against['difference']:+.3g} [{against['low']:.3g}, {against['high']:.3g}]"
        )
        others = [figure(own["means"].get(name)) for name in goals[1:]]
        label = own["label"] + (" (baseline)" if own["is_baseline"] else "")
        rows.append([label, f"{figure(own['mean'])} [{low:.3g}, {high:.3g}]", *others, versus])
    return ["pipeline", goals[0], *goals[1:], "against the best baseline"], rows


def trials(document: Document) -> Table:
    """All trials, those of the front first."""
    goals = list(document["goals"])
    front = document["front"]
    ordered = sorted(document["trials"], key=lambda t: (t["number"] not in front, t["number"]))
    rows = [
        [
            str(own["number"]) + ("*" if own["number"] in front else ""),
            params_text(own["params"]),
            *(figure((own["values"] or {}).get(name)) for name in goals),
            str(own["questions"]),
            figure(own["new_tokens"]),
            own["why"] if own["outcome"] != "done" else "",
        ]
        for own in ordered
    ]
    return ["trial", "parameters", *goals, "questions", "new tokens", "note"], rows


def parameter_rows(document: Document) -> Table:
    """Importance and re-use."""
    rows = [
        [
            own["name"],
            str(own["values"]),
            "" if own["importance"] is None else f"{own['importance']:.0%}",
            "" if own["reuse"] is None else f"{own['reuse']:.1f}x",
            "under some values of others" if own["conditional"] else "",
        ]
        for own in document["parameters"]
    ]
    return ["parameter", "values", "importance", "re-use", "matters"], rows


def bins(difficulty: Document) -> Table:
    """Bins of questions, the easiest first, each with the rule that is best there."""
    rows = [
        [
            f"{own['from']:.0%} to {own['to']:.0%}",
            str(own["questions"]),
            *(f"{own[name]:.0%}" for name in ("one_sample", "coverage")),
            own["rule"],
            f"{own['accuracy']:.0%}",
        ]
        for own in difficulty["bins"]
    ]
    return ["agreement", "questions", "one sample right", "any right", "best rule", "it answers right"], rows


def spending(document: Document) -> list[str]:
    """What it cost, beside what the limits were and what it would have cost alone."""
    spent, limits, alone = document["spent"], document["limits"], document["as_if_alone"]
    told, count = [], len(document["trials"])
    for name in ("tokens", "calls", "seconds", "usd"):
        limit = limits.get(name)
        if spent[name] or limit:
            told.append(f"{figure(spent[name])}{'' if limit is None else ' of ' + figure(limit)} {name}")
    lines = [f"Spent: {', '.join(told) or 'nothing'}; {count} trial{'' if count == 1 else 's'}; {document['ended']}."]
    if spent["tokens"] and alone["tokens"] > spent["tokens"]:
        lines.append(
            f"Each run alone would have spent {figure(alone['tokens'])} tokens: "
            f"{alone['tokens'] / spent['tokens']:.1f} times as many."
        )
    return lines


def _tested_on(document: Document) -> list[str]:
    """On how many questions the finals rest, where they were held out."""
    asked, held_out = document.get("held_out_asked", 0), document["held_out"]
    if not held_out or document["verdict"]["how"].endswith("of the search"):
        return []
    if not asked:
        return [f"The budget had nothing left for the {held_out} questions that were held out."]
    return [
        f"{asked} questions that were held out"
        + (f"; the budget paid no more of {held_out}." if asked < held_out else ".")
    ]


def sections(document: Document) -> list[tuple[str, list[str], Table | None]]:
    """Everything in order: title, sentences, table."""
    found: list[tuple[str, list[str], Table | None]] = [("Result", headline(document), None)]
    if document["verdict"]:
        found.append((f"Finals: {document['verdict']['how']}", _tested_on(document), standings(document)))
    if document["diagnosis"]:
        said = [f"{own['text']}. Next: `{own['command']}`" for own in document["diagnosis"]]
        found.append(("What stands in the way", said, None))
    found.append(("Spending", spending(document), None))
    planned = document.get("planned")
    if planned:
        found.append(("What theory expects", planned, None))
    difficulty = document.get("difficulty")
    if difficulty:
        found.append(("Questions by how far their samples agree", difficulty_lines(difficulty), bins(difficulty)))
    if document["trials"]:
        found.append(("Parameters", [], parameter_rows(document)))
    if document["ablation"]:
        main = next(iter(document["goals"]))
        rows = [
            [o["without"], figure(o["mean"]), f"{o['worth']:+.3g}", figure(o["tokens"])] for o in document["ablation"]
        ]
        found.append(("The best without each of its stages", [], (["without", main, "it is worth", "tokens"], rows)))
    goals = list(document["goals"])
    rows = [[own["label"], *(figure(own["means"].get(name)) for name in goals)] for own in document["baselines"]]
    skipped = [f"Left out: {own['label']} ({own['why']})." for own in document["skipped"]]
    found.append(("Baselines on the rows of the search", skipped, (["baseline", *goals], rows)))
    if document["trials"]:
        found.append(("Trials", ["An asterisk marks the front."], trials(document)))
    return found


# --- forms -----------------------------------------------------------------------------------------


def as_text(document: Document) -> str:
    """The result for a terminal; trials are in the report."""
    lines: list[str] = []
    for title, said, table in sections(document):
        if title in ("Trials", "Baselines on the rows of the search"):
            continue
        lines += ["", title] if lines else [title]
        lines += [f"  {line}" for line in said]
        if table is not None and table[1]:
            heads, rows = table
            widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
            lines += [
                "  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
                for row in [heads, *rows]
            ]
    return "\n".join(lines) + "\n"


def as_markdown(document: Document) -> str:
    """The whole report as Markdown."""
    lines = [f"# Search `{document['search']}` over `{document['pipeline']}`", ""]
    lines += [
        f"{document['sampler']}, seed {document['seed']}, study `{document['study']}` in `{document['storage']}`.",
        "",
    ]
    for title, said, table in sections(document):
        lines += [f"## {title}", ""]
        lines += [line for own in said for line in (own, "")]
        if table is not None and table[1]:
            heads, rows = table
            lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
            lines += [f"| {' | '.join(_safe(cell) for cell in row)} |" for row in rows]
            lines.append("")
    return "\n".join(lines)


def _safe(cell: object) -> str:
    """A cell of a Markdown table."""
    return str(cell).replace("|", "\\|")


def _with_code(line: str) -> str:
    """A sentence in HTML, what stands between backticks as code."""
    parts = escape(line).split("`")
    if len(parts) % 2 == 0:
        return escape(line)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; font-size: 13px } th, td { text-align: left; padding: .2rem .8rem .2rem 0;
border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent) }
svg { max-width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: currentColor }
.axis { stroke: currentColor; opacity: .5 } .dot { fill: currentColor; opacity: .35 } .front { fill: #0969da; opacity: 1
} .base { fill: #d1242f; opacity: 1 } .line { fill: none; stroke: #0969da; opacity: .6 }
.other { stroke: #1a7f37 } .third { stroke: currentColor; opacity: .5 } .bar { fill: #0969da; opacity:
.7 } .scroll { overflow-x: auto }
"""


def as_html(document: Document) -> str:
    """The whole report as one page that needs nothing else."""
    title = f"Search {document['search']} over {document['pipeline']}"
    body = [f"<h1>{escape(title)}</h1>"]
    for name, said, table in sections(document):
        body.append(f"<h2>{escape(name)}</h2>")
        body += [f"<p>{_with_code(line)}</p>" for line in said]
        if name == "Spending":
            body += [pareto(document), progress(document)]
        if name == "What theory expects":
            body.append(curve(document))
        if name == "Parameters":
            body.append(bars(document))
        if table is not None and table[1]:
            heads, rows = table
            head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
            cells = "".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
            body.append(f'<div class="scroll"><table><tr>{head}</tr>{cells}</table></div>')
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )
