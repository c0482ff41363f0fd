"""The signatures of rules that ask a judge for a number: `score(by: …)` with a prompt and a model."""

from __future__ import annotations

from ttscale.compiler.parameters import Parameter
from ttscale.compiler.rule_signature import RuleSignature

RESTART = "Adaptive Inference-Time Compute (Manvi et al. 2024)"

JUDGE_RULES = (
    RuleSignature("yes_no", "numbers", ("score",), judge=True, aliases=("p_true",), doc="P(yes) of a judge"),
    RuleSignature(
        "digit",
        "numbers",
        ("score",),
        judge=True,
        aliases=("digit_expectation",),
        std_prompt="grade_answer",
        results=("Int", "Number", "Float"),
        doc="the mean of the grades 0 to 9, each weighed by how probable the judge holds it, from one prefill",
        paper="SpecReason (Pan et al. 2025)",
    ),
    RuleSignature(
        "verdicts",
        "numbers",
        ("score",),
        (Parameter("k", "int", 4, low=1, high=256, doc="verdicts a candidate"),),
        positional=("k",),
        judge=True,
        aliases=("genrm", "genrm_cot"),
        std_prompt="argue_verdict",
        temperature=0.7,
        doc="the share of yes among k verdicts, each argued before it is given",
        paper="When To Solve, When To Verify (Singhi et al. 2025)",
    ),
    RuleSignature(
        "rubric",
        "numbers",
        ("score",),
        (
            Parameter("k", "int", 4, low=1, high=256, doc="sets of principles, critiques and grades"),
            Parameter("keep", "int", low=1, high=256, doc="how many sets count, the best by a judge of sets"),
        ),
        positional=("k", "keep"),
        judge=True,
        aliases=("grm",),
        std_prompt="grade_answers",
        offers=("answers",),
        results=("[Int]", "[Number]", "[Float]"),
        temperature=0.7,
        doc="the sum of k grades from 1 to 10, all candidates graded together by principles, in shuffled order",
        paper="Inference-Time Scaling for Generalist Reward Modeling (Liu et al. 2025)",
    ),
    RuleSignature(
        "another_try",
        "numbers",
        ("score",),
        judge=True,
        aliases=("self_evaluation", "win_or_tie"),
        std_prompt="better_again",
        results=("Choice", "Bool"),
        doc="how probable it is that starting over would give no better answer",
        paper=RESTART,
    ),
)
