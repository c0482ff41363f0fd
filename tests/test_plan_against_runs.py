"""What a plan foresees and what scripted runs spend: never more than its maximum, never less than its minimum."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from programs_at_random import programs
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.models import model_from_locator
from ttscale.compiler.plan import Cost
from ttscale.runtime.ledger import Amount
from ttscale.runtime.program import Program, load
from ttscale.runtime.result import BudgetExhausted
from ttscale.runtime.trace import Event

SCRIPTS = (
    'script("Answer: 7", "I think 8. Answer: 8", "yes", "2, 1, 3", "Answer: 9 or so, with more words")',
    'script("7")',
    'script("no idea at all", "easy", "Answer: 3")',
    'script("hard", "yes", "1", "Answer: 2", "a long text without any number in it at all, nor an answer")',
)
QUESTIONS = ("How many legs have two spiders?", "2 + 2?", "x")
# A run takes a while, and so each step of making a failing program smaller.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TRIES = settings(max_examples=20, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])


def planned(text: str, script: str, question: str) -> tuple[Program, Cost, Cost]:
    """A program whose models are scripted, and the least and the most that it may spend on a question.

    Scripted models count words; a plan's least counts words too, its most counts characters.
    """
    models = {name: model_from_locator(name, script) for name in ("small", "large")}
    program = load(text, models=models)
    least = make_plan(program.graph(), input_tokens={"question": len(question.split())}).minimum
    most = make_plan(program.graph(), input_tokens={"question": len(question)}).maximum
    return program, least, most


@TRIES
@given(programs(), st.sampled_from(SCRIPTS), st.sampled_from(QUESTIONS))
def test_a_run_spends_what_its_plan_allows(text: str, script: str, question: str) -> None:
    program, least, most = planned(text, script, question)
    spent = program.run(question).trace.total
    assert least.calls <= spent.calls <= most.calls
    assert least.prompt_tokens <= spent.prompt_tokens <= most.prompt_tokens
    assert least.new_tokens <= spent.new_tokens <= most.new_tokens
    assert least.tokens <= spent.tokens <= most.tokens
    assert least.usd - 1e-12 <= spent.usd <= most.usd + 1e-12


@TRIES
@given(programs(), st.sampled_from(SCRIPTS), st.floats(0, 1.2), st.floats(0, 1.2))
def test_a_run_never_exceeds_its_budget(text: str, script: str, some_calls: float, some_tokens: float) -> None:
    _, least, most = planned(text, script, QUESTIONS[0])
    # A budget that the declared models cannot keep to is refused, whatever replaces them.
    declared = make_plan(load(text).graph()).minimum
    calls = max(declared.calls, least.calls) + round(some_calls * (most.calls - least.calls))
    tokens = max(declared.tokens, least.tokens) + round(some_tokens * (most.tokens - least.tokens))
    head = "-> Number {\n"
    place = text.rindex(head) + len(head)
    limited = f"{text[:place]}budget {{ calls <= {calls}  tokens <= {tokens} }}\n{text[place:]}"
    program, _, _ = planned(limited, script, QUESTIONS[0])
    heard = Amount()

    def listen(event: Event) -> None:
        nonlocal heard
        if event.kind in ("call_finished", "call_failed"):
            heard = heard + Amount(event.cost.calls, event.cost.tokens)
            assert heard.calls <= calls and heard.tokens <= tokens

    try:
        result = program.run(QUESTIONS[0], listener=listen)
    except BudgetExhausted:
        assert some_calls < 1 or some_tokens < 1
    else:
        assert result.trace.calls <= calls and result.trace.tokens <= tokens
        assert not result.cut or some_calls < 1 or some_tokens < 1
    assert heard.calls <= calls and heard.tokens <= tokens
