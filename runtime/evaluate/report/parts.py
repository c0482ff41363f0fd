"""The parts of a report, each from the document of an evaluation or from one of its pipelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ttscale.runtime.evaluate import versus
from ttscale.runtime.evaluate.report.sections import (
    Document,
    Section,
    Table,
    amount,
    dollars,
    measure_name,
    number,
    p_value,
    percent,
    points,
    seconds,
    span,
    whole,
)

Arm = Mapping[str, Any]


def overview(document: Document) -> Section:
    """What was asked, and how far it came."""
    settings, state = document["settings"], document["state"]
    seeds = len(settings["seeds"])
    arms, ablated = len(whole(document)), len(document["arms"]) - len(whole(document))
    asked = f"{_count(settings['questions'], 'question')}, {_count(arms, 'pipeline')}"
    asked += f" and {ablated} without one stage" if ablated else ""
    asked += f", {seeds} seeds" if seeds > 1 else ""
    told = [f"{asked}: {state['done']:,} of {state['wanted']:,} answers, {state['kept']:,} of them from before."]
    if state["new"] is not None:
        told.append(
            f"Models were asked {state['new']['calls']:,} times in the last run; what a bank had does not count."
        )
    if state["early"]:
        told.append(f"Stopped early: every interval is within ±{settings['precision']:.1%}.")
    if planned := settings.get("looks"):
        told.append(
            f"Accuracies were looked at up to {len(planned)} times, after {planned[0]:,} to {planned[-1]:,} answers, "
            f"so each interval is one of {settings['level']:.2%}: all of them hold together with 95%."
        )
    if state["interrupted"]:
        told.append("Interrupted; the same command goes on from here.")
    if state["failed"]:
        count = "counts" if state["failed"] == 1 else "count"
        told.append(f"{_count(state['failed'], 'answer')} ended in an error and {count} as wrong.")
    told.append(f"{versus.sentence(document['seen_before'])}.")
    return Section("Overview", tuple(told), brief=True)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def accuracy(document: Document) -> Section:
    """One table of what is reached and what it costs, judges and fusion included."""
    arms = whole(document)
    paid = any(arm["figures"]["cost"]["total"]["usd"] for arm in arms)
    name = measure_name(document)
    header = ["pipeline", name, "95% interval", "tokens", "of them new", "judging and fusing", "calls", "seconds"]
    header += ["cost"] if paid else []
    header += ["tokens a right answer", "unreadable"]
    others = sorted({grade for arm in arms for grade in arm["figures"]["grades"]})
    rows = []
    for arm in arms:
        own = arm["figures"]
        mean, right = own["cost"]["mean"], own["cost"]["per_right"]
        cells = [arm["label"], percent(own["accuracy"]), span(own["interval"]), amount(mean["tokens"])]
        cells += [amount(mean["new_tokens"]), amount(own["cost"]["judging_tokens"]), amount(mean["calls"])]
        cells += [seconds(mean["seconds"])] + ([dollars(mean["usd"])] if paid else [])
        cells += [amount(right["tokens"]) if right else "", percent(own["unreadable_answers"])]
        cells += [percent(own["grades"][grade]["mean"]) if grade in own["grades"] else "" for grade in others]
        rows.append(tuple(cells))
    at_once = document["settings"]["concurrency"]
    told = [
        f"Costs are means a question, as if nothing were cached; seconds with {_count(at_once, 'question')} at once."
    ]
    for arm in arms:
        errors = arm["figures"]["variance"]
        if errors:
            told.append(
                f"{arm['label']}: the standard error of {percent(errors['total'])} is made of "
                f"{percent(errors['questions'])} from which questions were asked and {percent(errors['sampling'])} "
                f"from sampling ({errors['seeds']} seeds)."
            )
    told += [said for arm in arms for said in _ungraded(arm, name)]
    return Section(
        f"{name.capitalize()} and cost",
        tuple(told),
        (Table((*header, *others), tuple(rows)),),
        brief=True,
        plot="cost",
    )


def _ungraded(arm: Arm, measure: str) -> list[str]:
    """What measures could not grade, which their means leave out: a judge that could not be read, most often."""
    own = arm["figures"]
    counts = {measure: round((own["ungraded"] or 0) * own["answers"])}
    counts |= {grade: found.get("ungraded", 0) for grade, found in own["grades"].items()}
    return [
        f"{arm['label']}: {grade} gave no grade to {amount(count)} of {_count(own['answers'], 'answer')}, "
        "which its mean leaves out."
        for grade, count in counts.items()
        if count
    ]


def comparisons(document: Document) -> Section | None:
    """Which differences are more than chance."""
    plain = {arm["label"] for arm in whole(document)}
    found = [own for own in document["comparisons"] if own["of"] in plain]
    if not found:
        return None
    return Section(
        "Which is better",
        tuple(verdict(own) for own in found),
        (_compared(found),),
        brief=True,
        plot="differences",
    )


def verdict(own: Mapping[str, Any]) -> str:
    """One comparison in a sentence."""
    of, against = own["of"], own["against"]
    if own["verdict"] in ("better", "worse"):
        return f"{of} is {own['verdict']} than {against}: {_interval(own)}."
    smallest = own["smallest"]
    few = "; they disagree on too few questions to tell" if own["difference"] else ""
    could = f"; one of {points(smallest, sign=False)} points or more would likely show" if smallest else few
    return f"No difference is shown between {of} and {against}: {_interval(own)}{could}."


def _interval(own: Mapping[str, Any]) -> str:
    low, high = own["interval"]
    return f"{points(own['difference'])} points ({points(low)} to {points(high)})"


def _ends(own: Mapping[str, Any]) -> str:
    low, high = own["interval"]
    return f"{points(low)} to {points(high)}"


def _compared(found: list[Mapping[str, Any]]) -> Table:
    seeds = max(len(own["mcnemar_by_seed"]) for own in found)
    header = ["pipeline", "against", "questions", "difference", "interval", "right alone", "other alone"]
    header += ["p", "p corrected"] if seeds <= 1 else ["p of each seed"]
    rows = []
    for own in found:
        cells = [own["of"], own["against"], amount(own["questions"]), points(own["difference"])]
        cells += [_ends(own), percent(own["only_of"]), percent(own["only_against"])]
        if seeds <= 1:
            cells += [p_value(own["p"]), p_value(own["adjusted_p"])]
        else:
            cells.append(", ".join(p_value(p) for p in own["mcnemar_by_seed"]))
        rows.append((*cells, own["verdict"]))
    return Table((*header, "verdict"), tuple(rows))


def matching(document: Document) -> Section | None:
    """What `match` reached."""
    own = document["matching"]
    if own is None:
        return None
    rows = []
    for arm in own["arms"]:
        size = f"{arm['param']} = {arm['before']} to {arm['after']}" if arm["param"] else arm["note"]
        rows.append((arm["label"], size, amount(arm["reached"]), percent(arm["ratio"])))
    table = Table(("pipeline", "size", f"{own['of']} a question", "of the first"), tuple(rows))
    worst = max(abs(arm["ratio"] - 1) for arm in own["arms"])
    told = f"Sizes were changed so that all spend the same {own['of']}; they come within {percent(worst)} of the first."
    return Section("Equal spend", (told,), (table,), brief=True)


def ablation(document: Document) -> Section | None:
    """What each stage is worth."""
    without = [arm for arm in document["arms"] if arm["without"]]
    if not without:
        return None
    against = {own["of"]: own for own in document["comparisons"]}
    whole_tokens = {arm["label"]: arm["figures"]["cost"]["mean"]["tokens"] for arm in whole(document)}
    rows = []
    for arm in without:
        own = against.get(arm["label"])
        mean = arm["figures"]["cost"]["mean"]["tokens"]
        saved = mean - whole_tokens.get(own["against"], mean) if own else 0.0
        rows.append(
            (
                arm["label"],
                percent(arm["figures"]["accuracy"]),
                points(own["difference"]) if own else "",
                _ends(own) if own else "",
                f"{saved:+,.0f}".replace("-", "−"),
                own["verdict"] if own else "",
            )
        )
    header = ("pipeline", measure_name(document), "difference", "interval", "tokens", "verdict")
    told = tuple(
        f"{label}: {path} cannot be left out, since {why}."
        for label, reasons in document["ablation"].items()
        for path, why in reasons.items()
    )
    return Section("Without one stage", told, (Table(header, tuple(rows)),), brief=True)


# --- of one pipeline -------------------------------------------------------------------------------------


def losses(arm: Arm) -> Section | None:
    """Where right answers were lost."""
    own = arm["figures"]["attribution"]
    if own is None:
        return None
    rows = tuple(
        (
            stage["path"],
            amount(stage["size"]),
            percent(stage["before"]),
            percent(stage["after"]),
            percent(stage["lost"]),
            percent(stage["gained"]),
            percent(stage["blamed"]),
        )
        for stage in own["stages"]
    )
    header = ("stage", "gives", "right before", "right after", "lost", "gained", "to blame for")
    told = [f"{sentence}." for sentence in own["sentences"]] or ["No right answer was lost."]
    return Section("Where right answers are lost", tuple(told), (Table(header, rows),), brief=True, plot="losses")


def fewer(arm: Arm) -> Section | None:
    """The curve over the number of samples."""
    own = arm["figures"]["curves"]
    if own is None:
        return None
    header = ["samples", "new tokens", "one sample (mean@k)", "majority", "any right (pass@k)"]
    columns = [own["tokens"], own["mean"], own["majority"], own["pass"]]
    if own["pipeline"] is not None:
        header.insert(4, "as the pipeline chooses")
        columns.insert(3, own["pipeline"])
    rows = tuple(
        (str(k), amount(columns[0][i]), *(percent(column[i]) for column in columns[1:])) for i, k in enumerate(own["k"])
    )
    told = f"From {_count(own['pools'], 'pool')} of samples that were made once; nothing was asked again."
    return Section("With fewer samples", (told,), (Table(tuple(header), rows),), plot="curves")


def judging(arm: Arm) -> Section | None:
    """How good the judges are."""
    found = arm["figures"]["judges"]
    if not found:
        return None
    rows = tuple(
        (
            own["path"],
            "a model" if own["asks"] else "a rule",
            amount(own["judged"]),
            percent(own["right"]),
            number(own["auc"]),
            number(own["auc_within"]),
            percent(own["agreement"]),
            percent(own.get("false_alarms")),
            percent(own.get("misses")),
            number(own["ece"]),
        )
        for own in found
    )
    header = ("stage", "judge", "judged", "right", "AUC", "AUC within a question", "agrees with gold")
    more = ("wrong accepted", "right rejected", "ECE")
    told = "An AUC of 0.5 is chance. Within a question is what choosing among its answers needs."
    return Section("Judges", (told,), (Table((*header, *more), rows),), brief=True)


def readable(arm: Arm) -> Section:
    """What could not be read."""
    own = arm["figures"]
    rows = [("answers", "", percent(own["unreadable_answers"])), ("samples", "", percent(own["unreadable_samples"]))]
    rows += [("grades of answers", "", percent(own["ungraded"]))] if own["ungraded"] else []
    for grade, found in own["grades"].items():
        asked = found["answers"] + found.get("ungraded", 0)
        rows += (
            [(f"grades by {grade}", amount(asked), percent(found["ungraded"] / asked))] if found.get("ungraded") else []
        )
    rows += [(f"judgements of {j['path']}", amount(j["asked"]), percent(j["rate"])) for j in own["judgements"]]
    rows += [("cut short by the budget", "", percent(own["cut"]))]
    return Section("What could not be read", (), (Table(("what", "asked", "share"), tuple(rows)),))


def classes(arm: Arm) -> Section | None:
    """Confusion matrix and figures a class."""
    own = arm["figures"]["classes"]
    if own is None:
        return None
    told = [f"Macro F1 {number(own['macro_f1'])}."]
    told += [f"Log loss {number(own['log_loss'])} nats."] if own["log_loss"] is not None else []
    labels = [str(label) for label in own["labels"]]
    matrix = tuple(
        (label, *(str(count) for count in row), str(unreadable))
        for label, row, unreadable in zip(labels, own["counts"], own["unreadable"], strict=True)
    )
    each = tuple(
        (label, number(f["precision"]), number(f["recall"]), number(f["f1"]), amount(f["support"]))
        for label, f in own["per_class"].items()
    )
    return Section(
        "Classes",
        tuple(told),
        (
            Table(("gold", *(f"said {label}" for label in labels), "unreadable"), matrix),
            Table(("class", "precision", "recall", "F1", "golds"), each),
        ),
    )


def fields(arm: Arm) -> Section | None:
    """The share of right values of each field."""
    own = arm["figures"]["fields"]
    if own is None:
        return None
    rows = tuple((name, percent(share)) for name, share in own.items())
    return Section("Fields", (), (Table(("field", "right"), rows),))


def calibration(arm: Arm) -> Section | None:
    """Whether confidences can be believed."""
    found = arm["figures"]["calibration"]
    if not found:
        return None
    shares = list(found[0]["coverage"])
    rows = tuple(
        (
            own["source"],
            amount(own["answers"]),
            number(own["brier"]),
            number(own["ece"]),
            number(own["auc"]),
            *(percent(own["coverage"][share]) for share in shares),
        )
        for own in found
    )
    header = ("confidence", "answers", "Brier", "ECE", "AUC", *(f"surest {float(s):.0%}" for s in shares))
    told = "The last columns give the accuracy when only the surest share of the questions is answered."
    return Section("Confidence", (told,), (Table(header, rows),), plot="reliability")


def spending(arm: Arm) -> Section:
    """What each stage costs."""
    rows = tuple(
        (own["path"], amount(own["calls"]), amount(own["tokens"]), amount(own["new_tokens"]), seconds(own["seconds"]))
        for own in arm["figures"]["stages"]
    )
    return Section("Cost by stage", (), (Table(("stage", "calls", "tokens", "new tokens", "seconds"), rows),))


OF_ONE: tuple[Callable[[Arm], Section | None], ...] = (
    losses,
    fewer,
    judging,
    classes,
    fields,
    calibration,
    readable,
    spending,
)


def provenance(document: Document) -> Section:
    """What the figures were made with."""
    rows = tuple(
        (
            arm["label"],
            arm["file"],
            arm["pipeline"],
            ", ".join(f"{name} = {value}" for name, value in arm["params"].items()),
            ", ".join(f"{name}: {model['locator'] or model['kind']}" for name, model in arm["models"].items()),
            arm["digest"],
        )
        for arm in document["arms"]
    )
    settings = document["settings"]
    machine = tuple((name, str(value)) for name, value in document["environment"].items())
    seeds = ", ".join(map(str, settings["seeds"]))
    return Section(
        "What was run",
        (f"Seeds: {seeds}. A hash names all that answers depend on but the question and the seed.",),
        (Table(("pipeline", "file", "name", "parameters", "models", "hash"), rows), Table(("", "version"), machine)),
    )
