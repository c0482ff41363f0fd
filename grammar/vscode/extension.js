"use strict";

// Starts `ttscale lsp` and connects it to the editor; colours come from the grammar in `syntaxes`.

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

function command() {
  const parts = vscode.workspace.getConfiguration("ttscale").get("command");
  return Array.isArray(parts) && parts.length > 0 ? parts : ["ttscale", "lsp"];
}

async function start() {
  const [program, ...args] = command();
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  client = new LanguageClient(
    "ttscale",
    "ttscale",
    { command: program, args, transport: TransportKind.stdio, options: { cwd: folder } },
    {
      documentSelector: [
        { scheme: "file", language: "tts" },
        { scheme: "untitled", language: "tts" },
      ],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.tts") },
    },
  );
  try {
    await client.start();
  } catch (error) {
    const hint = "Install it with: pip install 'ttscale[editor]', or set ttscale.command.";
    vscode.window.showErrorMessage(`ttscale: \`${command().join(" ")}\` did not start. ${hint} (${error.message})`);
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.isRunning()) {
    await running.stop();
  }
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("ttscale.restart", async () => {
      await stop();
      await start();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
