"""Pages about calls, pools, facets, rules and blocks: E0210 to E0238, E0246 to E0249."""

from __future__ import annotations

from ttscale.compiler.explanation import HEAD, page, pipeline, table

FOUR = "drafts = generate(p.solve_number(question), from: small, n: 4)\n"

CALLS = table(
    page(
        "E0210",
        "A stage or function that does not exist",
        "A pipeline is made of stages, prompts, pipelines and a few functions.",
        pipeline("return generate(p.solve_number(question), from: small, n: 8) |> vot()"),
        "vot()",
        "vote()",
    ),
    page(
        "E0211",
        "An argument that does not exist",
        "A misspelt option is an error and never silently dropped.",
        pipeline("return generate(p.solve_number(question), from: small, temprature: 0.8)"),
        "temprature",
        "temperature",
    ),
    page(
        "E0212",
        "An argument that is missing",
        "The call needs this argument.",
        pipeline("return generate(p.answer_from(question), from: small)", result="Text"),
        "answer_from(question)",
        'answer_from(question, context: "none")',
    ),
    page(
        "E0213",
        "An argument given twice, or one too many",
        "Each argument is given once, by its position or by its name.",
        pipeline("return generate(p.solve_number(question), from: small, n: 1, n: 1)"),
        ", n: 1, n: 1",
        ", n: 1",
    ),
    page(
        "E0214",
        "A stage keeps more answers than it can receive",
        "`keep:` and `top:` take at most what arrives. This is an error where it is so with literals, at the "
        "defaults, or for every assignment of the parameters.",
        pipeline(FOUR + "return drafts |> rank(keep: 8) |> vote()"),
        "keep: 8",
        "keep: 2",
    ),
    page(
        "E0215",
        "A value of the wrong type",
        "Whole numbers go where numbers are wanted; only `text(…)` makes a typed answer into Text.",
        pipeline('return generate(p.solve_number(question), from: small, n: "four")'),
        '"four"',
        "1",
    ),
    page(
        "E0216",
        "A number outside its bounds",
        "The argument has a least and a greatest value.",
        pipeline("return generate(p.solve_number(question), from: small, temperature: 70)"),
        "70",
        "0.7",
    ),
    page(
        "E0217",
        "A name that is not among those allowed",
        "The argument takes one of a few names.",
        pipeline("return generate(p.solve_number(question), from: small, thinking: never)"),
        "never",
        "off",
    ),
    page(
        "E0218",
        "A pipe that cannot be",
        "`|>` passes a pool of answers to a stage that works on one. `generate` takes a prompt instead.",
        pipeline("return question |> vote()").replace("use std/prompts@1 as p\n", ""),
        "-> Number {\n  return question |> vote()",
        "-> Text {\n  return question",
    ),
    page(
        "E0219",
        "A stage that needs a pool piped in",
        "Stages that choose, score or change answers stand after `|>`.",
        pipeline(FOUR + "return vote(drafts)"),
        "vote(drafts)",
        "drafts |> vote()",
    ),
    page(
        "E0220",
        "A pool of several answers where one value is wanted",
        "A pool of at most one is its value; of a larger one something must choose.",
        pipeline("return generate(p.solve_number(question), from: small, n: 8)"),
        "n: 8)",
        "n: 8) |> vote()",
    ),
    page(
        "E0221",
        "Answers that lack what a stage needs",
        "Scores, critiques, ranks and verdicts belong to the answers that got them. `generate` and `fuse` make new "
        "answers, which have none. What is made only under a condition is there only under it. `best` and `min_score:` "
        "are about scores too, also in `until:` and `when`.",
        pipeline(FOUR + "return drafts |> vote(weight: score)"),
        "drafts |> vote",
        "drafts |> score(by: yes_no) |> vote",
    ),
    page(
        "E0222",
        "A rule that does not exist",
        "`by:` and `weight:` take the name of a rule, or a Choice parameter whose labels all are rules.",
        pipeline(FOUR + "return drafts |> select(by: likelyhood)"),
        "likelyhood",
        "likelihood",
    ),
    page(
        "E0223",
        "A rule in the wrong place",
        "A rule gives a number for each answer, picks one answer, or keeps part of a pool; each has its stages.",
        pipeline(FOUR + "return drafts |> vote(weight: likelihood_mixture)"),
        "vote(weight: likelihood_mixture)",
        "filter(by: likelihood_mixture) |> vote()",
    ),
    page(
        "E0224",
        "A parameter that may be no rule",
        "Where a rule is wanted, every label of the parameter must be one.",
        pipeline(
            "param how: Choice in {likelihood, majority} = likelihood\n" + FOUR + "return drafts |> vote(weight: how)"
        ),
        "majority",
        "length",
    ),
    page(
        "E0225",
        "A prompt that a stage cannot fill",
        'A stage fills the arguments that it offers by name; others are bound in place: `using: critic(style: "…")`.',
        pipeline(
            FOUR + "return drafts |> critique(using: critic) |> rank(keep: 1)",
            head=HEAD + '\nprompt critic(answer: Text, style: Text) -> Text = "Criticise {{ answer }}, {{ style }}."\n',
        ),
        "using: critic)",
        'using: critic(style: "briefly"))',
    ),
    page(
        "E0226",
        "A prompt whose answers the stage cannot use",
        "`rank` reads a list of numbers, `verify` a Choice, Bool or Number, `critique` Text.",
        pipeline(
            FOUR + "return drafts |> verify(using: right) |> vote()",
            head=HEAD + '\nprompt right(answer: Text) -> Text = "Is {{ answer }} right?"\n',
        ),
        "-> Text =",
        "-> Bool =",
    ),
    page(
        "E0228",
        "An operator that does not work on these types",
        "Arithmetic is for numbers, `+` also joins two pools, two texts or two lists; `match` goes through a Choice, "
        "Bool or Int; `map` goes through a pool or a list.",
        pipeline("return generate(p.solve_number(question + 1), from: small)"),
        "question + 1",
        "question",
    ),
    page(
        "E0229",
        "A comparison of things that cannot be equal",
        "A Number is never a text, whatever the run finds.",
        pipeline(
            "first = generate(p.solve_number(question), from: small)\n"
            'second = generate(p.solve_number(question), from: small, series: 1) when first == "none"\n'
            "return first + second |> vote()"
        ),
        '"none"',
        "none",
    ),
    page(
        "E0230",
        "A condition that is not true or false",
        "`when`, `until`, `require` and `expect` take a Bool: a comparison, or a Bool parameter.",
        pipeline("param extra: Int in {0, 4} = 4\n" + FOUR + "return drafts |> critique() when extra |> rank(keep: 1)"),
        "when extra",
        "when extra > 0",
    ),
    page(
        "E0231",
        "A `match` that leaves cases out",
        "Every label needs an arm, or `_` takes the rest.",
        pipeline(
            "param how: Choice in {fast, good} = fast\n" + FOUR + "return match how {\n  fast => drafts |> vote()\n}"
        ),
        "fast => drafts |> vote()\n",
        "fast => drafts |> vote()\n    good => drafts |> verify() |> vote()\n",
    ),
    page(
        "E0232",
        "A label that the Choice does not have",
        "Labels are written as they were declared.",
        pipeline(
            "param how: Choice in {fast, good} = fast\n" + FOUR + "return drafts |> verify() when how == god |> vote()"
        ),
        "god",
        "good",
    ),
    page(
        "E0233",
        "An arm that nothing reaches",
        "The label has an arm already, or lies outside the parameter's domain.",
        pipeline(
            "param check: Bool = true\n"
            + FOUR
            + "return match check {\n  true => drafts |> verify() |> vote()\n  false => drafts |> vote()\n"
            "  true => drafts |> select(by: first)\n}"
        ),
        "    true => drafts |> select(by: first)\n",
        "",
    ),
    page(
        "E0234",
        "Arms of different types",
        "A `match` has one type, whichever arm is taken.",
        pipeline(
            "kind = classify(p.topic(question), from: small)\nreturn match kind {\n"
            "  maths => generate(p.solve_number(question), from: small)\n"
            "  _ => generate(p.reply(question), from: small)\n}",
            result="Text",
        ),
        "generate(p.solve_number(question), from: small)",
        "text(generate(p.solve_number(question), from: small))",
    ),
    page(
        "E0235",
        "Something that must be known before the run",
        "How many samples, rounds and tokens there are decides what a run costs, so these are numbers or parameters.",
        pipeline(
            FOUR
            + "more = generate(p.solve_number(question), from: small, n: size(drafts), series: 1)\n"
            + "return drafts + more |> vote()"
        ),
        "size(drafts)",
        "4",
    ),
    page(
        "E0236",
        "A `yield` that does not go with the states",
        "Each round gives what the first began with: as many values, of the same types.",
        pipeline(
            "last = repeat 2 with xs = generate(p.solve_number(question), from: small) {\n"
            "  yield generate(p.reply(question), from: small, more: xs)\n}\nreturn last"
        ),
        "p.reply",
        "p.solve_number",
    ),
    page(
        "E0237",
        "A pipeline that calls itself",
        "Calls are put in place when the plan is made, so a circle would never end. Rounds are written `repeat`.",
        pipeline("return main(question)").replace("use std/prompts@1 as p\n", ""),
        "-> Number {\n  return main(question)",
        "-> Text {\n  return question",
    ),
    page(
        "E0238",
        "A result of the wrong type",
        "What is returned must be what the pipeline says. The type of an answer is that of the prompt that asked.",
        pipeline("return generate(p.reply(question), from: small)"),
        "p.reply",
        "p.solve_number",
    ),
    page(
        "E0246",
        "Something that cannot stand here",
        "A list, range, `up to` or `when` stands only where it is taken.",
        pipeline(FOUR + "return drafts |> rank(from: [small], keep: 1)"),
        "[small]",
        "small",
    ),
    page(
        "E0247",
        "A `map` over an unknown number of items",
        "Every loop is bounded: `max:` says how many items are taken at most.",
        pipeline(
            "answers = map part in parts {\n  yield generate(p.solve_number(part), from: small)\n}\n"
            "return answers |> vote()",
            inputs="parts: [Text]",
        ),
        "in parts {",
        "in parts, max: 6 {",
    ),
    page(
        "E0248",
        "`until` and `up to` without each other",
        "`until` ends the rounds of `n: up to N` or `repeat up to N` early.",
        pipeline("return generate(p.solve_number(question), from: small, n: 16, until: agreement > 0.7) |> vote()"),
        "n: 16",
        "n: up to 16",
    ),
    page(
        "W0297",
        "Rounds that always take as many samples as they may",
        "`n: up to N` samples in rounds, and `until:` ends them early. Without it, or where the first round (4) "
        "is as large as N, every question gets N samples; `start:` sets how many the first round has.",
        pipeline("return generate(p.solve_number(question), from: small, n: up to 16) |> vote()"),
        "n: up to 16",
        "n: up to 16, until: decided",
    ),
    page(
        "E0249",
        "An input or a result that is no value",
        "Inputs and results are data. Which model or prompt is used is a parameter.",
        pipeline("return generate(p.solve_number(question), from: judge)", inputs="question: Text, judge: Model"),
        "question: Text, judge: Model) -> Number {\n",
        "question: Text) -> Number {\n  param judge: Model in {small} = small\n",
    ),
    page(
        "E0298",
        "A pattern that cannot end a sample",
        "`stop_pattern:` takes regular expressions in Python's dialect, as text. A sample ends where the first match "
        "begins, and what is matched is no part of its answer; `(?<=…)` keeps what comes before. One that matches the "
        "empty text would end every sample at once, and a repetition inside a repetition may take for ever.",
        pipeline(FOUR.replace("n: 4", 'n: 4, stop_pattern: "x*"') + "return drafts |> vote()"),
        '"x*"',
        '"x+"',
    ),
    page(
        "E0294",
        "A score of a name that these answers do not have",
        'A score has the name that `as:` gives it, else that of its rule, and `score("name")` asks for it. It stays '
        "through votes, filters and ranks; `+` keeps a score only where both parts have it.",
        pipeline(
            FOUR + 'scored = drafts |> score(by: likelihood, as: sure)\nreturn scored |> vote(weight: score("shure"))'
        ),
        '"shure"',
        '"sure"',
    ),
    page(
        "W0294",
        "A score that is missing for some values of the parameters",
        "Where a score is given only under a condition on parameters, or the rule that names it is a parameter, the "
        "answers may have another score and not this one. Give it one name with `as:`, or give the stage that reads it "
        "the same `when`.",
        pipeline(
            "param how: Choice in {likelihood, length} = likelihood\n"
            + FOUR
            + 'return drafts |> score(by: how) |> vote(weight: score("likelihood"))'
        ),
        'score(by: how) |> vote(weight: score("likelihood"))',
        'score(by: how, as: sure) |> vote(weight: score("sure"))',
    ),
    page(
        "W0295",
        "A bare `score` that is not the same for all answers",
        "A bare `score` is the latest score of each answer. After `+` that may be a likelihood for one part and a "
        "number of tokens for the other, which cannot be compared. Score what was joined, or give both parts a score "
        "of one name.",
        pipeline(
            FOUR + "more = generate(p.solve_number(question), from: small, n: 4, series: 1)\n"
            "both = (drafts |> score(by: likelihood)) + (more |> score(by: length))\n"
            "return both |> select(by: score)"
        ),
        "both |> select",
        "both |> score(by: likelihood) |> select",
    ),
    page(
        "E0296",
        "Weights of models or prompts that there are not",
        '`origin("large: 2, small: 0.5")` weighs answers by the model, and by the prompt, that made them, each by '
        "the name of its declaration. One that is not named counts once; a misspelt name would weigh nothing.",
        pipeline(FOUR + 'return drafts |> vote(weight: origin("smal: 2"))'),
        "smal:",
        "small:",
    ),
    page(
        "E0299",
        "A stage under a condition that changes the type of the answers",
        "`when` leaves a stage out where its condition does not hold, and the answers stay what they were. A stage "
        "whose prompt gives another type would make numbers of texts in one case and not in the other.",
        pipeline(
            FOUR + "return drafts |> fuse(using: summary) when agreement(drafts) < 0.5 |> vote()",
            result="Text",
            head=HEAD + '\nprompt summary(question: Text, answers: [Text]) -> Text = "{{ question }} {{ answers }}"\n',
        ),
        "summary) when agreement(drafts) < 0.5",
        "summary)",
    ),
)
