"""`lint`, `show`, `new` and `diff` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import SCRIPTED, tts, write
from ttscale.library.templates import ORDER, templates

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LAYERS = """tts 1
use std/prompts@1 as p
use ./inner { majority }

model small = script("Answer: 1")

pipeline main(question: Text) -> Number {
  param rounds: Int in {1, 2} = 2
  drafts = generate(p.solve_number(question), from: small, n: 3)
  fused = repeat rounds with xs = drafts {
    yield xs |> rank(from: small, keep: 2) |> fuse(from: small, n: 3)
  }
  more = generate(p.solve_number(question), from: small, n: 2, series: 1) when agreement(fused) < 0.5
  return fused + more |> vote()
}

pipeline other(question: Text) -> Number {
  return majority(question)
}
"""
INNER = """tts 1

model one = script("Answer: 2")

prompt ask(question: Text) -> Number = "Solve: {{ question }}"

pipeline majority(question: Text) -> Number {
  return generate(ask(question), from: one, n: 3) |> vote()
}
"""


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    write(tmp_path, INNER, "inner.tts")
    return write(tmp_path, LAYERS)


# --- lint ----------------------------------------------------------------------------------------


def test_lint_tells_its_findings_and_ends_well(layers: Path) -> None:
    ran = tts("lint", layers)
    assert ran.code == 0 and "lint[L103]" in ran.out and "(critic-before-judge)" in ran.out
    assert ran.out.rstrip().endswith("in 1 file")
    assert tts("lint", "--strict", layers).code == 1


def test_lint_speaks_json_and_to_github(layers: Path) -> None:
    ran = tts("lint", "--json", layers)
    assert ran.code == 0 and ran.json["ok"] is True
    rules = {(item["code"], item["rule"]) for item in ran.json["diagnostics"]}
    assert ("L103", "critic-before-judge") in rules
    assert all(item["severity"] == "lint" for item in ran.json["diagnostics"])
    assert tts("lint", "--github", layers).out.startswith("::notice file=")


def test_lint_of_a_broken_file_tells_its_errors(tmp_path: Path) -> None:
    ran = tts("lint", write(tmp_path, SCRIPTED.replace("vote()", "vot()")))
    assert ran.code == 1 and "error[E0210]" in ran.out
    assert tts("lint", tmp_path / "none.tts").code == 1


def test_lint_lists_its_rules() -> None:
    ran = tts("lint", "--rules")
    assert ran.code == 0 and "critic-before-judge" in ran.out
    assert any(rule["archon"] == "R3" for rule in tts("lint", "--rules", "--json").json)
    assert tts("lint").code == 2


def test_explain_shows_the_examples_of_a_rule() -> None:
    ran = tts("explain", "L103")
    assert "rankers" in ran.out.lower() and ran.out.index("Wrong:") < ran.out.index("Right:")
    assert "|> critique(from: judge) |> rank(from: judge, keep: 1)" in ran.out.split("Right:")[1]
    assert tts("explain", "L103", "--json").json["title"] == "A `rank` or `fuse` without a critique before it"


# --- show ----------------------------------------------------------------------------------------


def test_show_says_what_flows_and_costs(layers: Path) -> None:
    ran = tts("show", layers, "fused[2]/rank")
    assert ran.code == 0 and ran.err == ""
    lines = ran.out.splitlines()
    assert lines[0] == "main/fused[2]/rank  (rank)"
    assert "in      main/fused[1]/fuse: Answers[Number], 3" in lines
    assert "out     Answers[Number], 2, ranked" in lines
    assert "to      main/fused[2]/fuse" in lines
    assert "costs   1 call" in lines
    assert f"from    {layers}:11  rank(from: small, keep: 2)" in lines
    assert "prompt rank_answers -> [Int]" in lines and "    Question: {{ question }}" in lines


def test_show_speaks_json(layers: Path) -> None:
    found = tts("show", layers, "more", "--json").json
    assert found["path"] == "main/more" and found["stage"] == "generate"
    (condition,) = found["condition"]
    assert condition.startswith("when agreement(") and condition.endswith("fuse) < 0.5")
    assert found["out"]["size"] == [0, 2] and found["out"]["read_by"] == ["main/concat"]
    assert found["models"] == [{"name": "small", "kind": "script", "locator": ""}]
    assert found["prompts"][0]["fills"] == {"question": "question"}
    assert found["arguments"]["series"] == "1" and found["origin"][0]["line"] == 13
    assert found["cost"]["minimum"]["calls"] == 0 and found["cost"]["maximum"]["calls"] == 2


def test_show_follows_calls_to_their_origin(layers: Path) -> None:
    origin = tts("show", layers, "vote", "--pipeline", "other", "--json").json["origin"]
    assert [Path(place["file"]).name for place in origin] == ["inner.tts", "main.tts"]
    assert [place["line"] for place in origin] == [8, 18]


def test_show_takes_parameters_and_lists_stages(layers: Path) -> None:
    assert tts("show", layers).out.splitlines()[0] == "main/drafts"
    assert "main/fused[2]/rank" in tts("show", layers, "--json").json
    assert "main/fused[2]/rank" not in tts("show", layers, "--param", "rounds=1", "--json").json
    assert tts("show", layers, "rank", "--param", "rounds=1").code == 0


def test_show_knows_the_rounds_of_a_loop(tmp_path: Path) -> None:
    path = tmp_path / "loop.tts"
    path.write_text(
        """tts 1
use std/prompts@1 as p
model small = script("1")
pipeline main(question: Text) -> Number {
  drafts = generate(p.solve_number(question), from: small, n: 4)
  fused = repeat 2 with xs = drafts {
    yield xs |> rank(keep: 3) |> fuse(n: 4)
  }
  return fused |> vote()
}
""",
        encoding="utf-8",
    )
    assert "main/fused[2]/rank  (rank)" in tts("show", path, "fused[2]/rank").out
    for name, said in (
        ("fused[3]", "there is main/fused[1]/rank, main/fused[1]/fuse, main/fused[2]/rank, main/fused[2]/fuse"),
        ("fused[3]/rank", "there is main/fused[1]/rank, main/fused[2]/rank"),
        ("drafts[2]", "there is main/drafts"),
        ("fused[1]", "say which: main/fused[1]/rank, main/fused[1]/fuse"),
        ("fused", "may be 4 stages"),
    ):
        missing = tts("show", path, name)
        assert missing.code != 0 and missing.out == "" and said in missing.err, missing.err


def test_show_says_what_else_a_name_may_be(layers: Path) -> None:
    ran = tts("show", layers, "rank")
    assert ran.code == 1 and "2 stages" in ran.err and "main/fused[1]/rank, main/fused[2]/rank" in ran.err
    ran = tts("show", layers, "vte")
    assert ran.code == 1 and "did you mean `vote`?" in ran.err
    assert "lists the stages" in tts("show", layers, "nothing_like_it").err


# --- new -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", templates())
def test_a_template_is_right_tested_and_laid_out(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.tts"
    assert tts("new", name, "--output", path).code == 0
    assert tts("lint", "--strict", path).out == "no problems in 1 file\n"
    assert tts("check", path).out == "no problems in 1 file\n"
    assert tts("fmt", "--check", path).code == 0
    ran = tts("test", path, "--json").json
    assert ran["ok"] and ran["passed"] >= 1


def test_templates_are_listed_in_order() -> None:
    assert tuple(templates()) == ORDER
    assert [item["name"] for item in tts("new", "--list", "--json").json] == list(ORDER)
    ran = tts("new", "--list")
    assert all(one.summary.endswith(".") and one.summary in ran.out for one in templates().values())


def test_new_writes_over_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "mine\n")
    ran = tts("new", "judge", "--output", path)
    assert ran.code == 1 and "already" in ran.err and path.read_text() == "mine\n"
    assert tts("new", "judge", "--output", path, "--force").code == 0
    assert path.read_text() == templates()["judge"].text


def test_new_names_the_templates() -> None:
    assert tts("new").out == templates()["single"].text
    assert tts("new", "self_consistency").out == templates()["self-consistency"].text
    assert "did you mean `cascade`?" in tts("new", "casade").err


# --- diff ----------------------------------------------------------------------------------------


def test_layout_and_comments_are_no_difference(tmp_path: Path) -> None:
    before = write(tmp_path)
    after = write(
        tmp_path, "# hello\n" + SCRIPTED.replace(", n: n)", ",\n  n: n)").replace("samples", "tries"), "b.tts"
    )
    ran = tts("diff", before, after, "--exit-code")
    assert ran.code == 0 and ran.out == "no difference but layout and comments\n"
    assert tts("diff", before, after, "--json").json == {"same": True, "changes": [], "pipelines": []}


def test_diff_tells_declarations_stages_and_prices(tmp_path: Path) -> None:
    changed = (
        SCRIPTED.replace("{1, 2, 3, 4, 8} = 3", "{1, 3, 4} = 4")
        .replace("End with", "Finish with")
        .replace("|> vote()", "|> filter(min_share: 0.5) |> vote()")
        .replace("tokens <= 20k", "tokens <= 30k")
        .replace('script("Answer: 42", "so 41', 'script("Answer: 43", "so 41')
        .replace('test "the majority wins"', 'test "the majority"')
    )
    ran = tts("diff", write(tmp_path), write(tmp_path, changed, "b.tts"))
    assert ran.code == 0
    lines = ran.out.splitlines()
    for line in (
        "changed  model small",
        '  -End with "Answer: <number>".',
        '  +Finish with "Answer: <number>".',
        "removed  test the majority wins",
        "added    test the majority",
        "  ~ param n domain: {1, 2, 3, 4, 8} -> {1, 3, 4}",
        "  ~ param n default: 3 -> 4",
        "  ~ budget tokens: 20k -> 30k",
        "  + stage main/filter: filter",
        "  ~ stage main/generate n: 3 -> 4",
        "  ~ stage main/vote source: main/generate -> main/filter",
        "  calls          3 -> 4",
    ):
        assert line in lines, line


def test_a_stage_with_a_new_name_has_moved(layers: Path) -> None:
    after = write(layers.parent, LAYERS.replace("more", "second"), "b.tts")
    found = tts("diff", layers, after, "--json").json
    (pipeline,) = found["pipelines"]
    assert [(c["what"], c["before"], c["after"]) for c in pipeline["changes"]] == [
        ("moved", "main/more", "main/second")
    ]
    assert pipeline["cost"]["before"] == pipeline["cost"]["after"]
    assert tts("diff", layers, after, "--exit-code").code == 1


def test_diff_sees_pipelines_and_parameters_come_and_go(layers: Path) -> None:
    text = LAYERS.replace("param rounds: Int in {1, 2} = 2", "param more_rounds: Int in [1 .. 2] = 2\n  require 1 <= 2")
    after = write(
        layers.parent, text.replace("repeat rounds", "repeat more_rounds").replace("other(", "another("), "b.tts"
    )
    ran = tts("diff", layers, after)
    lines = ran.out.splitlines()
    assert "removed  pipeline other" in lines and "added    pipeline another" in lines
    assert "  - param rounds: Int in {1, 2} = 2" in lines and "  + param more_rounds: Int in [1 .. 2] = 2" in lines
    assert "  + require 1 <= 2" in lines


def test_diff_needs_two_right_files(tmp_path: Path) -> None:
    good = write(tmp_path)
    assert tts("diff", "-", "-").code == 2
    assert tts("diff", good, tmp_path / "none.tts").code == 1


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.tts")), ids=lambda path: path.stem)
def test_examples_can_be_linted_shown_and_compared(path: Path) -> None:
    assert tts("lint", path).code == 0
    for stage in tts("show", path, "--json").json:
        assert tts("show", path, stage, "--json").json["path"] == stage
    assert tts("diff", path, path, "--json").json["same"] is True
