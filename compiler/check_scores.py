"""Scores by name: which ones a pool has, where, and which of them a bare `score` is.

They stand among the facets of a pool, so that conditions, loops and joins carry them as they carry those: a score is
there where a formula over the parameters holds. `+` keeps a score only where both parts have it.

Codes:
    E0294  a score of a name that these answers do not have: never, at the defaults, or depending on the run
    W0294  the same for some assignments of the parameters
    W0295  a bare `score` that is one score for some answers and another one for the rest
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.compiler import ast_expressions
from ttscale.compiler.check_conditions import FALSE, MAYBE, TRUE, Atom, Formula, either, find_gaps, has_maybe
from ttscale.compiler.check_facets import shown_values
from ttscale.compiler.check_frame import (
    SOME_SCORE,
    Facet,
    Frame,
    Typed,
    did_you_mean,
    latest_key,
    listed,
    names_of_scores,
    score_key,
)
from ttscale.compiler.source import Span

if TYPE_CHECKING:
    from ttscale.compiler.check_stages import StageCall


def with_score(facets: dict[str, Facet], call: StageCall) -> dict[str, Facet]:
    """The facets of a pool behind a stage that scores: one more score, which is the latest from here on."""
    given = _given(call)
    if given is None:
        return {**facets, SOME_SCORE: Facet(MAYBE)}
    kept = {key: facet for key, facet in facets.items() if not key.startswith(latest_key(""))}
    always = len(given) == 1
    for name, holds in given.items():
        before = kept.get(score_key(name), Facet())
        kept[score_key(name)] = Facet(TRUE if always else either(before.present, holds))
        kept[latest_key(name)] = Facet(TRUE if always else holds)
    return kept


def _given(call: StageCall) -> dict[str, Formula] | None:
    """The names that a `score` may give, with the conditions under which it does; None where they are not known."""
    if call.signature.plugin or call.signature.name not in ("score", "run_tests"):
        return None
    own, by = call.given.get("as"), call.given.get("by")
    if isinstance(own, ast_expressions.Name):
        return {own.name: TRUE}
    if isinstance(own, ast_expressions.LiteralValue):
        return {str(own.value): TRUE}
    if call.signature.name == "run_tests":
        return {"tests": TRUE}
    if len(call.rules) == 1:
        return {call.rules[0].name: TRUE}
    if not call.rules or not isinstance(by, ast_expressions.Name):
        return None
    local = call.frame.local(by.name)
    labels = getattr(local.value.type, "labels", ()) if local is not None else ()
    if len(labels) != len(call.rules):
        return None
    closed = call.frame.close(by)
    found: dict[str, Formula] = {}
    for label, rule in zip(labels, call.rules, strict=True):
        found[rule.name] = either(found.get(rule.name, FALSE), Atom(closed, (label,)))
    return found


def must_have_score(name: str, pool: Typed, span: Span, frame: Frame) -> None:
    """Reports a score that is asked for by name where these answers lack it; that they have none at all is told."""
    if not pool.is_pool or pool.facet("scored").present == FALSE:
        return
    found = pool.facet(score_key(name)).present
    # Where they have no score at all, that is said; here it is about the name alone.
    gaps = find_gaps(frame.under(pool.facet("scored").present).runs, found, frame.space)
    if gaps is None:
        return
    others = [other for other in names_of_scores(pool) if other != name]
    otherwise = f"they have {listed(others)}" if others else f"name it where it is given: `score(by: …, as: {name})`"
    if found == FALSE or (gaps.always and not gaps.at_run_time):
        hint = did_you_mean(name, others, otherwise)
        if hint.startswith("did"):
            near = hint.split("`")[1]
            hint = f'did you mean `score("{near}")`?'
        message = f"these answers have no score `{name}`"
        if score_key(name) in pool.facets:
            message = f"not all of these answers have a score `{name}`"
            hint = "`+` keeps a score only where both parts have it: score both, or what `+` joined"
        frame.report("E0294", message, span, hint=hint)
    elif gaps.at_run_time:
        message = f"these answers have the score `{name}` only under a condition"
        frame.report("E0294", message, span, hint="give this stage the same `when`, or take it off the `score`")
    else:
        shown = shown_values(gaps.examples)
        code = "E0294" if gaps.at_defaults else "W0294"
        hint = f"give this stage the same `when`, or the score one name in every case: `score(by: …, as: {name})`"
        frame.report(code, f"these answers have no score `{name}` when {shown}", span, hint=hint)


def same_latest_score(pool: Typed, span: Span, frame: Frame) -> None:
    """Warns where "the latest score" is of one kind for a part of the answers and of another for the rest."""
    keys = [key for key in pool.facets if key.startswith(latest_key("")) and key != latest_key("")]
    if not pool.is_pool or not keys or has_maybe(pool.facets.get(SOME_SCORE, Facet()).present):
        return
    one = either(*(pool.facets[key].present for key in keys))
    gaps = find_gaps(frame.under(pool.facet("scored").present).runs, one, frame.space)
    if gaps is None:
        return
    names = [key.removeprefix(latest_key("")) for key in keys]
    message = f"a bare `score` is {' for some of these answers and '.join(f'`{n}`' for n in names[:2])} for others"
    hint = "give both parts a score of one name: `score(by: …, as: judge)`; or score what `+` joined"
    frame.report("W0295", message, span, hint=hint)
