"""What models can do: stages that need more, told before a model loads."""

from __future__ import annotations

import pytest
from programs import bound, checked, graph_of, main
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.capabilities import Abilities, abilities, lacks
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.explain import EXPLANATIONS, MILDER, explain, twin
from ttscale.compiler.ir import Model, UpTo
from ttscale.runtime.models import open_engine

MUTE = 'model mute = openai("http://127.0.0.1:8080/v1", name: "mute", logprobs: false)\n'
TOLD = 'model told = openai("http://127.0.0.1:8080/v1", name: "told", logprobs: true)\n'


def said(lines: str, *, before: str = MUTE + TOLD, known: dict[str, Abilities] | None = None) -> list[Diagnostic]:
    return list(lacks(graph_of(main(lines, before=before)), known))


def codes(lines: str, **named: object) -> list[str]:
    return [d.code for d in said(lines, **named)]  # type: ignore[arg-type]


DRAFTS = "drafts = generate(solve(question), from: {}, n: 4)\nreturn drafts |> {}"


@pytest.mark.parametrize(
    "stage",
    [
        "vote(weight: likelihood)",
        "select(by: likelihood)",
        "score(by: likelihood) |> select(by: score)",
        "filter(by: likelihood_mixture) |> vote()",
        "filter(top: 2, by: likelihood) |> vote()",
        "select(by: best_of_majority(likelihood, share: 0.5))",
    ],
)
def test_rules_by_likelihood_need_the_author_to_tell(stage: str) -> None:
    assert codes(DRAFTS.format("small", stage)) == []
    assert codes(DRAFTS.format("told", stage)) == []
    assert codes(DRAFTS.format("large", stage)) == ["W0280"]
    assert "E0280" in [d.code for d in bound(main(DRAFTS.format("mute", stage), before=MUTE))[1]]


def test_the_message_names_the_stage_the_author_and_what_to_write() -> None:
    lines = "drafts = generate(solve(question), from: [small, large], n: 4)\nreturn drafts |> vote(weight: likelihood)"
    (found,) = said(lines)
    assert found.message == "`likelihood` needs the log-probabilities of the answers' tokens, and `large` may give none"
    assert [label.text for label in found.labels] == ["`large` writes them here", "that depends on the server"]
    assert found.hint.startswith("if the server can, write `logprobs: true` in the declaration of `large`; else ")
    assert found.hint.endswith("let another model write the answers: `from: small`")


def test_the_author_counts_through_every_stage_that_keeps_candidates() -> None:
    lines = "drafts = generate(solve(question), from: large, n: 4)\n"
    lines += "return drafts |> critique(from: small) |> rank(from: small) |> {}vote(weight: likelihood)"
    assert codes(lines.format("")) == ["W0280"]
    assert codes(lines.format("fuse(from: small, n: 2) |> ")) == []


def test_grades_need_the_probability_of_a_label_from_the_judge() -> None:
    judged = "drafts = generate(solve(question), from: small, n: 4)\nreturn drafts |> {} |> vote()"
    assert codes(judged.format("score(by: yes_no, from: large)")) == ["W0280"]
    assert codes(judged.format("score(by: yes_no, from: told)")) == []
    assert codes(judged.format("verify(from: large, min_probability: 0.8)")) == ["W0280"]
    assert codes(judged.format("verify(from: large)")) == []
    assert codes(judged.format("critique(from: large) |> rank(from: large)")) == []
    (found,) = bound(main(judged.format("score(by: yes_no, from: mute)"), before=MUTE))[1]
    assert (found.code, found.severity) == ("E0280", "error")
    assert found.hint == "let the prompt give a `Number`, or ask another model: `from: small`"
    assert "declared with `logprobs: false`" in [label.text for label in found.labels]


def test_a_judge_that_gives_a_number_needs_no_probabilities() -> None:
    grade = 'prompt grade(question: Text, answer: Text) -> Number = "Grade: {{ question }} {{ answer }}"\n'
    lines = "drafts = generate(solve(question), from: small, n: 4)\n"
    lines += "return drafts |> score(by: yes_no, using: grade, from: mute) |> select(by: score)"
    assert codes(lines, before=MUTE + grade) == []


def test_thoughts_are_wanted_of_a_model_that_has_them() -> None:
    lines = "return generate(solve(question), from: {}, thinking: {})"
    assert codes(lines.format("large", "on")) == ["W0280"]
    assert codes(lines.format("large", "up to 2k")) == ["W0280"]
    assert codes(lines.format("large", "off")) == []
    thinker = 'model deep = openai("http://127.0.0.1:8080/v1", name: "deep", thinking: on)\n'
    assert codes(lines.format("deep", "up to 2k"), before=thinker) == []
    assert codes(lines.format("small", "on")) == []
    (found,) = said(lines.format("small", "on"), known={"small": Abilities(thinking=False)})
    assert found.code == "E0280"
    assert found.message == "`thinking: on` needs a model that writes thoughts, and `small` writes none"
    assert codes(lines.format("small", "on"), known={"small": Abilities(thinking=True)}) == []


BEGUN = 'prompt begun(question: Text) -> Number {{ user "{{{{ question }}}}"  assistant "Answer:" }}\n{}'.format(
    'prompt sure(question: Text) -> Choice(yes, no) { user "{{ question }}"  assistant "Verdict:" }\n'
)


def test_a_reply_that_is_begun_needs_a_model_that_goes_on() -> None:
    lines = "return generate(begun(question), from: {})"
    assert codes(lines.format("small"), before=BEGUN) == []
    (found,) = said(lines.format("large"), before=BEGUN)
    assert (found.code, found.message) == (
        "W0280",
        "prompt `begun` begins the reply, and `large` may not go on from there",
    )
    server = 'model {0} = openai("http://127.0.0.1:8080/v1", name: "q", continuation: {1})\n'
    assert codes(lines.format("on"), before=BEGUN + server.format("on", "true")) == []
    (found,) = bound(main(lines.format("off"), before=BEGUN + server.format("off", "false")))[1]
    assert found.code == "E0280" and found.labels[0].text == "declared with `continuation: false`"
    judged = (
        "drafts = generate(solve(question), from: small)\nreturn drafts |> verify(from: large) |> rank(from: large)"
    )
    assert codes(judged, before=BEGUN) == []
    labelled = "which = classify(sure(question), from: large)\n"
    labelled += "return generate(solve(question), from: small) when which == yes"
    assert codes(labelled, before=BEGUN) == []


def test_a_choice_of_models_is_wrong_at_the_defaults_and_a_warning_elsewhere() -> None:
    lines = "param who: Model in {{small, mute}} = {}\n"
    lines += "return generate(solve(question), from: who, n: 4) |> vote(weight: likelihood)"
    program = checked(main(lines.format("small"), before=MUTE))
    (found,) = [d for d in program.diagnostics if d.severity != "lint"]
    assert (found.code, found.severity) == ("W0280", "warning")
    assert found.hint.endswith("; it happens with who = mute")
    (found,) = check_assignments(checked(main(lines.format("small"), before=MUTE)).linked)
    assert found.code == "W0280"
    assert [d.code for d in bound(main(lines.format("small"), before=MUTE), {"who": "mute"})[1]] == ["E0280"]


def test_what_is_declared_outweighs_what_was_found_and_both_the_kind() -> None:
    server = Model("m", "openai", "http://x/v1", (("logprobs", False), ("ctx", 4096)))
    assert abilities(server) == Abilities(False, False, None, 4096, None)
    assert abilities(server, {"m": Abilities(True, True, True, 9)}) == Abilities(False, False, True, 4096)
    file = Model("m", "gguf", "x.gguf", (("thinking", UpTo(100)),))
    assert abilities(file) == Abilities(True, True, True, None, True)
    assert abilities(file, {"m": Abilities(thinking=False, context=2048)}) == Abilities(True, True, True, 2048, True)


def test_an_engine_is_what_its_declaration_says(tmp_path: object) -> None:
    for told in (True, False, None):
        options = () if told is None else (("logprobs", told),)
        engine = open_engine(Model("m", "openai", "http://127.0.0.1:9/v1", (("name", "q"), *options)), tmp_path)  # type: ignore[arg-type]
        assert (engine.capabilities.logprobs, engine.capabilities.scoring) == (told, told)


def test_pages_of_a_code_that_is_an_error_or_a_warning_say_both() -> None:
    for error, warning in MILDER.items():
        assert twin(error) == warning and twin(warning) == error
        assert {error, warning} <= set(EXPLANATIONS)
    assert twin("E0201") is None
    both = {code[1:] for code in EXPLANATIONS if code[0] == "E"} & {c[1:] for c in EXPLANATIONS if c[0] == "W"}
    assert both == {code[1:] for code in MILDER}, "two codes with one number that mean different things"
    assert explain("280") is EXPLANATIONS["E0280"]


def test_answers_read_behind_texts_need_probabilities() -> None:
    (found,) = said(DRAFTS.format("small", 'score(by: forced(["a"]), from: large) |> select(by: score)'))
    assert found.code == "W0280" and "`forced`" in found.message and "`gguf(…)`" in found.hint
    mute = main(DRAFTS.format("small", 'score(by: forced(["a"]), from: mute) |> select(by: score)'), before=MUTE)
    assert [d.code for d in bound(mute)[1]] == ["E0280"]
    assert codes(DRAFTS.format("small", 'score(by: forced(["a"]), from: small) |> select(by: score)')) == []


@pytest.mark.parametrize("stage", ['retrieve(question, among: ["a"], {})', 'recall(question, memory: "x", {})'])
def test_vectors_of_passages_need_weights_in_the_process(stage: str) -> None:
    lines = f"notes = {stage}\nreturn generate(solve(question), from: small) when size(notes) > 0"
    (found,) = bound(main(lines.format("by: both, from: large")))[1]
    assert found.code == "E0280" and "compares vectors of texts" in found.message
    assert codes(lines.format("by: embedding, from: small")) == codes(lines.format("k: 2")) == []
