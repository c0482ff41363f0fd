"""The planners' document for a terminal: a few tables, and sentences that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]


def as_text(document: Document) -> str:
    """All parts of the document, the coverage first."""
    parts = [
        _head(document),
        _coverage(document),
        _advice(document),
        _rules(document),
        _difficulty(document),
        *(_verifier(own) for own in document["verifiers"]),
        _sources(document),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def percent(value: float | None) -> str:
    """A share as people read it; "-" where it is unknown."""
    return "-" if value is None else f"{value:.1%}"


def _head(document: Document) -> str:
    least, most = document["samples"]["least"], document["samples"]["most"]
    samples = f"{least}" if least == most else f"{least} to {most}"
    tokens = document["tokens_a_sample"]
    lines = [f"{document['questions']} questions, {samples} samples each"]
    if tokens is not None:
        lines[0] += f", {tokens:,.0f} new tokens a sample"
    if document["left_out"]:
        lines.append(f"{document['left_out']} more were left out: of their samples it is not known which are right")
    return "\n".join(lines)


def _coverage(document: Document) -> str:
    own = document["coverage"]
    majority = document["rules"]["accuracy"].get("vote()")
    rows = [("samples", "any right", "95% interval", "fitted", "majority", "new tokens")]
    for i, k in enumerate(own["k"]):
        low, high = own["interval"][i]
        rows.append(
            (
                str(k),
                percent(own["measured"][i]),
                f"{low:.1%} to {high:.1%}",
                "-" if own["fitted"] is None else percent(own["fitted"][i]),
                "-" if majority is None else percent(majority[i]),
                "-" if own["tokens"] is None else f"{own['tokens'][i]:,.0f}",
            )
        )
    lines = ["COVERAGE", *columns(rows, frozenset({0, 1, 3, 4, 5}))]
    law = document["law"]
    if law is not None:
        lines.append(f"law: coverage(k) = exp({law['a']:.3f} k^{law['b']:.3f}), off by {100 * law['error']:.1f} points")
    else:
        lines.append("law: none, since coverage does not grow between 0 and 1")
    return "\n".join(lines)


def _advice(document: Document) -> str:
    lines = ["HOW MANY SAMPLES"]
    least = document["samples"]["least"]
    for own in document["targets"]:
        goal = f"coverage of {percent(own['coverage'])}"
        if own["samples"] is None:
            lines.append(f"{goal}: out of reach as far as the pool tells")
            continue
        tokens = "" if own["tokens"] is None else f", {own['tokens']:,.0f} new tokens a question"
        lines.append(f"{goal}: {own['samples']:,} samples{tokens} ({_source(own['by'], own['samples'], least)})")
    for own in document["budgets"]:
        goal = f"{own['tokens']:,} new tokens a question"
        if own["samples"] is None:
            lines.append(f"{goal}: the pool does not say how long its samples are")
        elif own["samples"] < 1:
            lines.append(f"{goal}: not enough for one sample")
        else:
            reached = "" if own["coverage"] is None else f", coverage {percent(own['coverage'])}"
            source = "" if own["by"] is None else f" ({_source(own['by'], own['samples'], least)})"
            lines.append(f"{goal}: {own['samples']:,} samples{reached}{source}")
    own = document["saturation"]
    if own is not None:
        seen = "not within this pool" if own["measured"] is None else f"after {own['measured']:,} samples"
        lines.append(
            f"one more sample adds at most {100 * own['epsilon']:g} points of coverage: {seen}; by the saturation "
            f"curve after {own['enough']:,}, with a ceiling of {percent(own['ceiling'])} "
            f"(off by {100 * own['error']:.1f} points)"
        )
    return "\n".join(lines)


def _source(by: str | None, samples: float, least: int) -> str:
    if by == "measured":
        return "measured"
    how_far = samples / least
    return "by the law" + (f", {how_far:,.0f} times as many as were recorded" if how_far >= 10 else "")


def _rules(document: Document) -> str:
    own = document["rules"]
    rows = [("rule", *(f"of {k}" for k in own["k"]))]
    rows += [(name, *(percent(value) for value in values)) for name, values in own["accuracy"].items()]
    rows.append(("any right (the best choice there is)", *(percent(v) for v in document["coverage"]["measured"])))
    lines = ["RULES", *columns(rows, frozenset(range(1, len(rows[0]))))]
    lines += [f"{name} cannot run: {why}" for name, why in own["missing"].items()]
    return "\n".join(lines)


def _difficulty(document: Document) -> str:
    own = document["difficulty"]
    by = {"right": "share of right samples", "agreement": "share of the commonest answer", "score": "mean score"}
    # The sizes in the middle and at the end say most; the whole table is in the JSON.
    shown = sorted({len(own["k"]) // 2, len(own["k"]) - 1})
    head = (
        "bin",
        "questions",
        by[own["by"]],
        "one sample",
        "any right",
        *(f"best rule of {own['k'][i]}" for i in shown),
    )
    rows = [head]
    for bin_ in own["bins"]:
        rows.append(
            (
                str(bin_["bin"]),
                str(bin_["questions"]),
                f"{bin_['to']:.2f} to {bin_['from']:.2f}",
                percent(bin_["one_sample"]),
                percent(bin_["coverage"]),
                *(f"{bin_['best'][i]['rule']} {percent(bin_['best'][i]['accuracy'])}" for i in shown),
            )
        )
    levels = own["levels"]
    lines = ["DIFFICULTY", *columns(rows, frozenset({0, 1, 3, 4}))]
    for i in shown:
        held, overall = own["held_out"][i], own["overall"][i]
        lines.append(
            f"of {own['k'][i]}: best rule {overall['rule']} {percent(overall['accuracy'])}; on questions that had no "
            f"part in the choice, a rule for each bin {percent(held['by_bin'])}, one rule for all "
            f"{percent(held['one_rule'])}"
        )
    lines.append(
        f"{levels['easy']} easy questions (from 50% of right samples on), {levels['medium']} medium, "
        f"{levels['hard']} hard (below 10%)"
    )
    return "\n".join(lines)


def _sources(document: Document) -> str:
    if not document["sources"]:
        return ""
    rows = [("model", "one sample", "its majority", "its coverage", "majority with those above", "coverage with them")]
    rows += [
        (
            own["model"],
            percent(own["one_sample"]),
            percent(own["majority"]),
            percent(own["coverage"]),
            percent(own["together"]["majority"]),
            percent(own["together"]["coverage"]),
        )
        for own in document["sources"]
    ]
    return "\n".join(["MODELS", *columns(rows, frozenset(range(1, 6)))])


def _verifier(own: Document) -> str:
    lines = [f'VERIFIER: THE SCORE "{own["score"]}"']
    auc = "" if own["auc"] is None else f"; a right answer scores above a wrong one in {percent(own['auc'])} of pairs"
    lines.append(
        f"accepted from {own['threshold']:g} on, it accepts {percent(own['completeness'])} of right answers and "
        f"rejects {percent(own['soundness'])} of wrong ones{auc}"
    )
    lines.append(
        f"trying until something is accepted tends to {percent(own['precision_bound'])} right answers, and no number "
        "of attempts passes that"
    )
    if own["attempts"] == 0:
        lines.append(f"where a wrong answer is worth {own['value_of_wrong']:g}, it is best not to answer at all")
    else:
        more = " or more" if own["attempts"] == own["attempts_limit"] else ""
        lines.append(
            f"where a wrong answer is worth {own['value_of_wrong']:g}, try {own['attempts']}{more} times, then abstain"
            f": {percent(own['right'])} right, {percent(own['wrong'])} wrong, {percent(own['abstained'])} not answered"
        )
    splits = own["splits"]
    if splits is not None:
        rows = [("budget in solutions", "solutions", "verifications each", "accuracy", "votes alone")]
        rows += [
            (
                f"{row['budget']:g}",
                str(row["solutions"]),
                str(row["verifications"]),
                percent(row["accuracy"]),
                percent(row["votes_alone"]),
            )
            for row in splits["rows"]
        ]
        lines += columns(rows, frozenset(range(5)))
        lines.append(f"simulated from the scores; a verification costs {splits['ratio']:g} of a solution")
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], right: frozenset[int]) -> list[str]:
    """Lines of a table; the columns in `right` are set flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
