"use strict";
(async () => {
  const packed = Uint8Array.from(atob(document.getElementById("data").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const { arms, questions } = JSON.parse(await new Response(stream).text());
  const ENOUGH = 1 - 1e-9;
  const PAGE = 50;

  const made = (tag, props = {}, ...inside) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...inside.filter((part) => part !== null && part !== undefined && part !== ""));
    return node;
  };
  const tag = (text, sort) => made("span", { className: `tag ${sort}` }, text);
  const cut = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const plain = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
  const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
  const few = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(3));
  const isRight = (record) => record.score !== null && record.score >= ENOUGH;

  const byQuestion = new Map(questions.map((question) => [question.id, { question, records: arms.map(() => []) }]));
  arms.forEach((arm, place) => {
    for (const record of arm.records) byQuestion.get(record.id)?.records[place].push(record);
  });
  const entries = [...byQuestion.values()];
  // Rows without an id have a hash for one, which says nothing to people: their number in the data does.
  const areNumbered = entries.every((entry) => /^[0-9a-f]{16}$/.test(entry.question.id));
  entries.forEach((entry, place) => { entry.name = areNumbered ? String(place + 1) : entry.question.id; });
  const asked = (question) => Object.values(question.inputs).map(plain).join(" · ");

  const everMade = (record) => (record.candidates || []).some((c) => c.score !== null && c.score >= ENOUGH);
  const filters = {
    all: () => true,
    wrong: (entry) => entry.records.flat().some((record) => !isRight(record)),
    differ: (entry) => new Set(entry.records.map((own) => own.filter(isRight).length + "/" + own.length)).size > 1,
    lost: (entry) => entry.records.flat().some((record) => !isRight(record) && everMade(record)),
    never: (entry) => entry.records.flat().every((record) => !isRight(record)),
    unreadable: (entry) => entry.records.flat().some((record) => !record.readable),
  };

  const verdict = (record) => {
    if (record.error) return tag("error", "wrong");
    if (record.score === null) return null;
    if (isRight(record)) return tag("right", "right");
    return record.score > 0 ? tag(few(record.score), "") : tag("wrong", "wrong");
  };

  // --- the table ---------------------------------------------------------------------------------
  const head = document.querySelector("#rows thead");
  const body = document.querySelector("#rows tbody");
  const more = document.getElementById("more");
  const find = document.getElementById("find");
  const which = document.getElementById("which");
  head.append(made("tr", {}, ...[areNumbered ? "no." : "id", "question", "gold", ...arms.map((arm) => arm.label)].map((t) => made("th", {}, t))));

  let shown = [];
  let until = PAGE;
  const isShort = (text) => text.length <= 14 && !/\s/.test(text);  // such as a number, which is not to be broken
  const answerCell = (own) => {
    const cell = made("td");
    cell.className = own.length === 1 && isShort(plain(own[0].answer)) ? "short" : "";
    if (own.length === 1) {
      cell.append(verdict(own[0]) || "", " ", cut(plain(own[0].answer) || "no answer", 80));
    } else if (own.length) {
      const right = own.filter(isRight).length;
      const answers = [...new Set(own.map((record) => plain(record.answer) || "no answer"))];
      cell.append(tag(`${right} of ${own.length} right`, right === own.length ? "right" : right ? "" : "wrong"), " ", cut(answers.join(", "), 80));
    }
    return cell;
  };
  const row = (entry) => {
    const open = made("button", { type: "button" }, entry.name);
    const line = made("tr", { onclick: () => showDetail(entry) }, made("td", {}, open),
      made("td", {}, cut(asked(entry.question), 140)),
      made("td", { className: isShort(plain(entry.question.gold)) ? "short" : "" }, cut(plain(entry.question.gold), 60)));
    line.append(...entry.records.map(answerCell));
    return line;
  };
  const draw = () => {
    body.replaceChildren(...shown.slice(0, until).map(row));
    more.hidden = shown.length <= until;
    more.textContent = `Show more (${Math.max(0, shown.length - until)} left)`;
    document.getElementById("count").textContent = `${shown.length} of ${entries.length}`;
  };
  const select = () => {
    const text = find.value.trim().toLowerCase();
    const matches = (entry) => !text || [entry.question.id, asked(entry.question), plain(entry.question.gold),
      ...entry.records.flat().map((record) => plain(record.answer))].some((part) => part.toLowerCase().includes(text));
    shown = entries.filter((entry) => filters[which.value](entry) && matches(entry));
    until = PAGE;
    draw();
  };
  find.addEventListener("input", select);
  which.addEventListener("change", select);
  more.addEventListener("click", () => { until += PAGE; draw(); });
  select();

  // --- one question -------------------------------------------------------------------------------
  const detail = document.getElementById("detail");
  const inside = document.getElementById("inside");
  // A value after its title; one of several lines, such as a program, stands below as it is.
  const titled = (title, value, after = "") => value.includes("\n")
    ? [made("p", {}, title, after), made("pre", {}, value)]
    : [made("p", {}, title, made("strong", {}, value), after)];
  const showDetail = (entry) => {
    inside.replaceChildren(made("h2", {}, areNumbered ? `Question ${entry.name}` : entry.name));
    if (areNumbered) inside.append(made("p", { className: "facts" }, entry.question.id));
    for (const [name, value] of Object.entries(entry.question.inputs)) {
      inside.append(made("h3", {}, name), made("pre", {}, plain(value)));
    }
    if (entry.question.gold !== null) inside.append(...titled("Gold: ", plain(entry.question.gold)));
    arms.forEach((arm, place) => {
      for (const record of entry.records[place]) inside.append(answer(arm, record, entry.records[place].length > 1));
    });
    detail.showModal();
    detail.scrollTop = 0;
  };
  detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });

  const answer = (arm, record, hasSeeds) => {
    const box = made("div", {}, made("h3", {}, arm.label + (hasSeeds ? `, seed ${record.seed}` : "")));
    box.append(...titled(made("span", {}, verdict(record) || "", " "), plain(record.answer) || "no answer",
      record.decided ? ` (${record.decided})` : ""));
    const cost = record.cost;
    box.append(made("p", { className: "facts" }, `${count(cost.calls, "call")}, ${count(cost.tokens, "token")}, ${cost.seconds.toFixed(2)} s`
      + (cost.usd ? `, $${cost.usd.toFixed(5)}` : "") + (record.cut ? `, cut short by ${record.cut}` : "")));
    for (const note of [record.error, ...(record.notes || [])]) if (note) box.append(made("p", { className: "facts" }, note));
    const seen = new Set();
    for (const stage of record.stages || []) box.append(step(stage, record, seen));
    return box;
  };

  // A stage: what came in, what it gave, and what it found out about each candidate.
  const step = (stage, record, seen) => {
    const pool = stage.pool || [];
    const right = pool.filter((i) => record.candidates[i].score >= ENOUGH).length;
    const facts = [stage.pool ? count(pool.length, "candidate") : "", right ? `${right} right` : "",
      stage.calls ? `${count(stage.calls, "call")}, ${count(stage.tokens, "token")}` : ""].filter(Boolean).join(", ");
    const from = stage.needs.length ? `reads ${stage.needs.join(", ")}` : "";
    const box = made("div", { className: "step" }, made("header", {}, made("strong", {}, stage.path),
      made("span", { className: "facts" }, [from, facts].filter(Boolean).join(" · "))));
    if (stage.tree) box.append(tree(stage.tree));
    const fresh = pool.filter((i) => !seen.has(i));
    fresh.forEach((i) => seen.add(i));
    const judged = new Map(stage.judged || []);
    if (fresh.length) fresh.forEach((i) => box.append(candidate(record.candidates[i], i, judged.get(i))));
    else if (pool.length) {
      const kept = pool.map((i) => `#${i + 1}` + (judged.has(i) ? ` (${few(Math.abs(judged.get(i)))})` : ""));
      box.append(made("p", { className: "facts" }, `keeps ${kept.join(", ")}`));
    }
    const dropped = [...judged.keys()].filter((i) => !pool.includes(i));
    if (dropped.length) box.append(made("p", { className: "facts" }, `drops ${dropped.map((i) => `#${i + 1}`).join(", ")}`));
    return box;
  };

  // The tree of a step-wise search: every state below the one it goes on from, ways to answers open and in bold.
  const tree = (found) => {
    const kept = new Set();
    const parents = new Map(found.states.map(([id, parent]) => [id, parent]));
    for (let at of found.answers) for (; at !== undefined && !kept.has(at); at = parents.get(at)) kept.add(at);
    const below = new Map();
    for (const state of found.states) below.set(state[1], [...(below.get(state[1]) || []), state]);
    const state = ([id, , text, score, ended, tokens]) => {
      const facts = [score === null ? "not judged" : few(score), count(tokens, "token"), ended].filter(Boolean).join(", ");
      const label = [made(kept.has(id) ? "strong" : "span", {}, cut(text || "(empty)", 160)), " ", made("span", { className: "facts" }, facts)];
      const own = below.get(id) || [];
      return made("li", {}, own.length ? made("details", { open: kept.has(id) }, made("summary", {}, ...label), branch(own)) : made("span", {}, ...label));
    };
    const branch = (states) => made("ul", {}, ...states.map(state));
    const words = [`${count(found.states.length + found.left_out, "state")}`, found.judged === undefined ? "" : `${found.judged} judged`,
      found.left_out ? `${found.left_out} not shown` : "", found.reason].filter(Boolean).join(", ");
    return made("details", { className: "tree" }, made("summary", {}, "the tree ", made("span", { className: "facts" }, words)), branch(below.get(0) || []));
  };

  const candidate = (own, place) => {
    const read = own.readable === false ? "unreadable" : plain(own.answer);
    const sort = own.score === null ? null : own.score >= ENOUGH ? tag("right", "right") : tag("wrong", "wrong");
    const origin = [own.model && `from ${own.model}`, own.prompt && `prompt ${own.prompt}`].filter(Boolean).join(", ");
    const facts = [`sample ${own.index + 1}`,
      own.series ? `series ${own.series}` : "", count(own.tokens, "token"), own.finish !== "stop" ? own.finish : "",
      own.logprob_mean !== undefined ? `mean log-probability ${own.logprob_mean.toFixed(3)}` : "",
      own.verified === true ? "accepted" : own.verified === false ? "rejected" : "", own.rank ? `rank ${own.rank}` : "",
      ...Object.entries(own.scores || {}).map(([name, value]) => `${name} ${few(value)}`)].filter(Boolean);
    const box = made("details", {}, made("summary", {}, sort, `#${place + 1} `, made("strong", {}, cut(read, 120)), " ",
      made("span", { className: "facts" }, facts.join(", "))));
    if (origin) box.append(made("p", { className: "facts" }, origin));
    if (own.thoughts) box.append(made("p", { className: "facts" }, "thoughts"), made("pre", {}, own.thoughts));
    box.append(made("pre", {}, own.text || "(empty)"));
    if (own.critique) box.append(made("p", { className: "facts" }, "critique"), made("pre", {}, own.critique));
    if (own.error) box.append(made("p", { className: "facts" }, own.error));
    return box;
  };
})();
