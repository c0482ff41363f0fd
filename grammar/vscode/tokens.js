"use strict";

// Prints how VS Code's own engine colours files: {FILE: [[START, END, SCOPE], …], …}, offsets in UTF-16 units, innermost
// scopes. For the tests; not part of the packaged extension.

const fs = require("fs");
const path = require("path");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

async function main(files) {
  await oniguruma.loadWASM(fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => {
      const file = path.join(__dirname, "syntaxes", "tts.tmLanguage.json");
      return textmate.parseRawGrammar(fs.readFileSync(file, "utf8"), file);
    },
  });
  const grammar = await registry.loadGrammar("source.tts");
  const found = {};
  for (const file of files) {
    const tokens = [];
    let state = textmate.INITIAL;
    let base = 0;
    for (const line of fs.readFileSync(file, "utf8").split("\n")) {
      const result = grammar.tokenizeLine(line, state);
      state = result.ruleStack;
      for (const token of result.tokens) {
        tokens.push([base + token.startIndex, base + Math.min(token.endIndex, line.length), token.scopes.at(-1)]);
      }
      base += line.length + 1;
    }
    found[file] = tokens;
  }
  process.stdout.write(JSON.stringify(found));
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
