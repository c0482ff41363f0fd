"use strict";

// Which command starts the language server; knows nothing of VS Code, so that it can be tried without it.

const fs = require("fs");
const path = require("path");

const DEFAULT = ["ttscale", "lsp"];

/** The program of a virtual environment in a folder, or undefined. */
function inEnvironment(folder, platform) {
  const place = platform === "win32" ? ["Scripts", "ttscale.exe"] : ["bin", "ttscale"];
  const program = path.join(folder, ".venv", ...place);
  return fs.existsSync(program) ? program : undefined;
}

/**
 * The program and its arguments. `set` is what the user's settings say, undefined where they say nothing; `folder` is
 * the folder that is open, undefined where none is, or where nothing in it may be started (it is not trusted).
 */
function commandFor(set, folder, platform = process.platform) {
  if (!Array.isArray(set) || set.length === 0 || !set.every((part) => typeof part === "string")) {
    const own = folder && inEnvironment(folder, platform);
    return own ? [own, "lsp"] : DEFAULT;
  }
  const [program, ...args] = set;
  const isPath = program.includes("/") || program.includes(path.sep);
  return [isPath && folder ? path.resolve(folder, program) : program, ...args];
}

module.exports = { commandFor };
