"""The names of all lint rules, with the reason for each; the pages of `explain` have the examples.

Rules L001 to L009 are found while checking and shown by `ttscale check` too; rules from L101 on cost more or are more a
matter of taste, and are shown by `ttscale lint` alone.

Codes:
    L150   an `allow` without a rule or a reason
    L151   an `allow` for a rule that does not exist
    L152   an `allow` that silences nothing
"""

from __future__ import annotations

from typing import Literal

from ttscale.compiler.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its code, the name that a comment silences it by, what it finds, and why that matters.

    A finding of a rule that holds "always" is told only where every allowed assignment of the parameters has it, one
    that holds at the "defaults" if they have it; `archon` is the rule of Archon's paper that it stands for.
    """

    code: str
    name: str
    title: str
    why: str
    holds: Literal["always", "defaults"] = "always"
    archon: str = ""


def _rules(*rules: Rule) -> dict[str, Rule]:
    return {rule.code: rule for rule in rules}


RULES = _rules(
    Rule("L001", "no-edition", "no edition in the first line", "a newer edition may read the file differently"),
    Rule("L002", "unused-name", "a name that nothing uses", "its stage is left out of the plan"),
    Rule("L003", "unused-parameter", "a parameter that nothing uses", "a search tries its values for nothing"),
    Rule("L004", "unused-argument", "an argument that the text does not use", "the model never sees it"),
    Rule("L005", "unused-import", "an import that nothing uses", "the file says it needs what it does not need"),
    Rule("L006", "pool-with-itself", "a pool added to itself", "every answer counts twice, which changes no majority"),
    Rule("L007", "unused-input", "an input that nothing uses", "the pipeline asks for what it does not look at"),
    Rule("L009", "form-not-told", "a form without `{{ output_format }}`", "the model has to guess the form"),
    Rule(
        "L101",
        "mixed-layer",
        "a `+` of stages of different kinds",
        "candidates of an early layer then stand beside those of a later one, and are weighed alike",
        archon="R1",
    ),
    Rule(
        "L102",
        "generator-after-first-layer",
        "a `generate` that reads several earlier candidates",
        "making one answer of several is what `fuse` does, with their critiques and ranks",
        archon="R2",
    ),
    Rule(
        "L103",
        "critic-before-judge",
        "a `rank` or `fuse` without a critique before it",
        "rankers and fusers decide better when they read what is wrong with each candidate",
        archon="R3",
    ),
    Rule(
        "L104",
        "judge-alone",
        "a `+` of judged and other views of the same candidates",
        "what both sides keep counts twice; judges of one pool belong one after the other",
        archon="R4",
    ),
    Rule(
        "L105",
        "choice-of-one",
        "a choice, rank or fusion of at most one candidate",
        "there is nothing to choose from, so the stage costs calls or does nothing",
        archon="R5",
    ),
    Rule(
        "L106",
        "same-samples-twice",
        "a `+` of equal calls",
        "equal calls are one stage with the same samples, so every answer counts twice",
    ),
    Rule(
        "L107",
        "tests-before-evaluator",
        "tests that a stage reads before their evaluator does",
        "answers are then written to pass the tests, which tell less about them",
        archon="R6",
    ),
    Rule("L110", "unused-declaration", "a model, prompt or record that nothing uses", "it can be left out or imported"),
    Rule(
        "L111",
        "dead-parameter",
        "a parameter whose value changes nothing",
        "every use of it is behind a condition that never holds, so a search tries its values for nothing",
    ),
    Rule("L112", "one-value-domain", "a domain with one value", "there is nothing to search in it"),
    Rule(
        "L120",
        "vote-over-text",
        "a vote over free text",
        "long texts hardly ever repeat, so the vote gives the first one",
    ),
    Rule(
        "L121",
        "vote-over-labels",
        "a vote over labels given without reasoning",
        "`classify` reads the same shares from one prefill, exactly and for one call",
    ),
    Rule(
        "L122",
        "judge-is-author",
        "a judge that wrote the candidates itself",
        "models prefer their own answers, right or wrong",
    ),
    Rule(
        "L123",
        "judge-smaller-than-author",
        "a judge that is smaller than the author",
        "a model seldom sees mistakes that a larger one made",
    ),
    Rule(
        "L130",
        "greedy-samples",
        "several samples at temperature 0",
        "greedy samples are all the same one",
        holds="defaults",
    ),
    Rule("L131", "samples-dropped", "samples that nothing reads", "they are paid for and thrown away"),
    Rule(
        "L132",
        "threshold-without-effect",
        "a threshold that cannot matter",
        "the condition is true, or false, whatever the run finds",
    ),
    Rule(
        "L133",
        "continuous-sampling-range",
        "a continuous range of a sampling setting",
        "samples at 0.701 cannot be used again at 0.702; with `step` a search meets its own samples",
    ),
    Rule(
        "L140",
        "stable-part-last",
        "a prompt whose fixed text stands behind what changes",
        "models reuse the part that prompts begin with in common",
    ),
    Rule("L150", "allow-without-reason", "an `allow` without a rule or a reason", "the next reader wants to know why"),
    Rule("L151", "allow-of-no-rule", "an `allow` for a rule that does not exist", "it silences nothing"),
    Rule("L152", "unused-allow", "an `allow` that silences nothing", "it would hide the next finding in that place"),
)
"""All rules by code, in order."""

BY_NAME = {rule.name: rule for rule in RULES.values()}
