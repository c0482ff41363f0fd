"""Random programs for property tests: sources, chains, loops and branches that the checker accepts."""

from __future__ import annotations

from hypothesis import strategies as st
from programs import main

NAMES = ("a", "b", "c", "d")
SOURCES = (
    "generate(solve(question), from: {model}, n: {n})",
    "generate(solve(question), from: [small, large], n: {n}, temperature: [0.2, 0.9])",
    "generate(solve(question), from: {model}, n: up to {up}, start: 2, until: agreement >= 0.8)",
    "generate(solve(question), from: {model}, n: {n}, hedge: true, series: 2, typical_p: 0.9, penalty_window: {few})",
    "generate(again(question, {pool}), from: {model}, n: {n})",
    "generate(solve(question), from: {model}, n: {n}) when size({pool}) > 2",
    "(generate(solve(question), from: {model}) + {pool})",
    "generate(solve(question), from: {model}, n: up to {up}, start: 2, round: {few}, until: decided)",
    "generate(solve(question), from: {model}, n: up to {up}, start: 1, until: certainty >= 0.9 or streak >= {few})",
    'generate(solve(question), from: {model}, n: {n}, stop: "nor", stop_pattern: "[.]\\\\s")',
    "generate(solve(question), from: {model}, n: {n}, retry: 1, or_else: large)",
    "generate(solve(question), from: small, n: {n}, watch: {watch})",
    "generate(solve(question), from: small, n: up to {up}, until: agreement > 0.9, watch: [{watch}, {watch}])",
    'generate(again(question, recall(question, memory: "x", k: {few})), from: {model}, n: {n})',
    "generate(again(question, retrieve(question, among: {pool}, k: {few})), from: {model}, n: {n})",
    "explore(solve(question), from: {model}, policy: {policy}, width: {few}, branch: 2, steps: {few}, judge: {judge})",
    "explore(solve(question), from: {model}, policy: {policy}, width: {n}, step_tokens: 9, boundary: sentence)",
    "explore(solve(question), from: {model}, policy: {policy}, judgements: {up}, expansions: {few}, tokens: 400)",
    "explore(solve(question), from: [small, large], policy: cascade, width: {few}, steps: {few}, judge: {judge})",
)
POLICIES = (
    *("beam", "beam(lookahead: 1)", "lookahead(2)", "dvts", "best_first", "astar", "depth_first(prune: 0.5)"),
    *("particles", "particles(below: 0.5)", "gibbs(2)", "tempering(2, 2)", "mcts", "mcts(prior: likelihood)", "rain"),
    *("prune", "prune(0.5, rounds: 2)", "beam(first: 6, unique: true)", "astar(lookahead: 1)"),
    *("particles(weight: max, reward: score, give: draw)", "gibbs(2, weight: sum)", "mcts(settle: 2, fresh: 1)"),
    "rain(sure: 0.4, visits: 1)",
)
WATCHERS = (
    *("repetition(window: 1, times: 2)", 'repetition(window: 1, times: 2, then: inject, say: " but")'),
    *('overthinking(agree: 2, marks: [".", " "])', "underthinking(share: 0.01)", "stable(times: 2, every: 2)"),
    *('hint(" Hm, 7.", times: 2)', 'hint(" so", at: mark, marks: "or")', "deepen(first: 2, times: 2)"),
    *("confidence(-0.4, window: 2)", "confidence(-0.4, window: 2, then: branch, branches: 3, most: 2)"),
)
JUDGES = (
    *("yes_no", "digit", "verdicts(2)", "length", "likelihood", "yes_no(from: large)", "digit(from: small)"),
    *("features", "grounded(question)"),
)
STAGES = (
    'remember(memory: "x", from: {model})',
    'remember(memory: "x", what: text)',
    "score(by: forced({pool}, put: mixture, prior: true), from: {model})",
    "score(by: forced({pool}, put: best, raw: true, direct: 0.5, channel: 1, alone: 1, weigh: alike), from: {model})",
    "score(by: likelihood)",
    "score(by: yes_no, from: {model})",
    "score(by: digit, from: {model})",
    "score(by: verdicts({few}), from: {model})",
    "score(by: rubric(k: 3, keep: {few}), from: {model})",
    "verify(from: {model}, verdicts: {few})",
    "critique(from: {model})",
    "rank(from: {model}, keep: 1)",
    "rank(from: {model}, method: pairwise)",
    "rank(from: {model}, orders: {few})",
    "verify(from: {model})",
    "verify(from: {model}, otherwise: none) when agreement({pool}) < 0.5",
    "fuse(from: {model}, n: {n})",
    "fuse(from: {model}, n: {n}, show: {few}, choose: random)",
    "fuse(from: {model}, n: {n}, group: 2)",
    "fuse(from: {model}, n: {n}, group: 3, show: {few}, max_tokens: 800)",
    "fuse(from: {model}, n: {n}, among: first)",
    "rank(from: {model}, method: pairwise, pairs: {few})",
    "rank(from: {model}, method: checklist, keep: 1)",
    "rank(from: {model}, method: likeness, evidence: {pool})",
    "rank(from: {model}, orders: {few}, combine: kendall)",
    "score(by: another_try, from: {model})",
    "score(by: grounded(question), as: seen)",
    "select(by: checklist, from: {model})",
    "select(by: bayes_risk(judge), from: {model})",
    "filter(top: 1, by: length)",
    "filter(unique: true)",
    "vote()",
    "select(by: first)",
)
BEFORE = """prompt again(question: Text, earlier: [Text]) -> Number = "{{ question }} {{ earlier }}"
prompt kind(question: Text) -> Choice(easy, hard) = "{{ question }}"
prompt write(question: Text) -> Code(python) = "{{ question }} as a program"
"""
LOOPS = (
    "repeat {few} with xs = {pool} {{ yield xs |> fuse(from: {model}, n: {n}) }}",
    "repeat up to {few} with xs = {pool} until agreement(xs) > 0.7 {{ yield generate(again(question, xs), n: {n},"
    " from: {model}) }}",
    "map one in {pool}, max: 3 {{ yield generate(again(question, [text(one)]), from: {model}) }}",
    "match which {{ easy => {pool}  hard => {pool} |> fuse(from: {model}, n: {n}) }}",
    "map one in {programs}, max: 2 {{ yield generate(again(question, [text(one)]), from: {model}) }}",
)
CODE = (
    "generate(write(question), from: {model}, n: {n}) |> run_tests(with: question, from: {model}, method: judged)",
    'generate(write(question), from: {model}, n: 2) |> run_tests(with: [question, "a"], from: {model}, method: judged)',
    "(generate(write(question), from: {model}, n: {n}) |> run_tests(from: {model}, n: {few}) |> vote(by: behaviour))",
    "explore(write(question), from: {model}, policy: {policy}, steps: {few}, boundary: code)",
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a program whose pipeline `main` takes a question and gives a number."""
    lines = ["which = classify(kind(question), from: small)", "first = generate(solve(question), from: small, n: 3)"]
    pools = ["first"]

    def fill(template: str) -> str:
        return template.format(
            policy=draw(st.sampled_from(POLICIES)) if "{policy}" in template else "",
            judge=draw(st.sampled_from(JUDGES)) if "{judge}" in template else "",
            watch=draw(st.sampled_from(WATCHERS)) if "{watch}" in template else "",
            programs=fill(draw(st.sampled_from(CODE))) if "{programs}" in template else "",
            model=draw(st.sampled_from(("small", "large"))),
            n=draw(st.integers(1, 4)),
            up=draw(st.integers(2, 9)),
            few=draw(st.integers(1, 3)),
            pool=draw(st.sampled_from(pools)),
        )

    for name in NAMES[: draw(st.integers(1, 4))]:
        shape = draw(st.sampled_from(("source", "chain", "loop")))
        if shape == "source":
            value = fill(draw(st.sampled_from(SOURCES)))
        elif shape == "chain":
            stages = draw(st.lists(st.sampled_from(STAGES), min_size=1, max_size=3))
            value = " |> ".join([draw(st.sampled_from(pools)), *map(fill, stages)])
        else:
            value = fill(draw(st.sampled_from(LOOPS)))
        lines.append(f"{name} = {value}")
        pools.append(name)
    total = " + ".join(dict.fromkeys(draw(st.lists(st.sampled_from(pools), min_size=1, max_size=3))))
    lines.append(f"return {total} |> vote()")
    return main("\n".join(lines), before=BEFORE)
