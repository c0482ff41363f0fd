"use strict";

// Starts `ttscale lsp` and connects it to the editor; colours come from the grammar in `syntaxes`.

const vscode = require("vscode");
const { LanguageClient, RevealOutputChannelOn, TransportKind } = require("vscode-languageclient/node");
const { commandFor } = require("./command");

/** A client that leaves it to `start` to say that the server did not start. */
class Client extends LanguageClient {
  error(message, data, show) {
    super.error(message, data, this.isRunning() ? show : false);
  }
}

let client;
let pending = Promise.resolve();

/** What the settings say of the command, undefined where nobody set it. */
function configured() {
  const found = vscode.workspace.getConfiguration("ttscale").inspect("command");
  const trusted = vscode.workspace.isTrusted;
  return (trusted ? (found?.workspaceFolderValue ?? found?.workspaceValue) : undefined) ?? found?.globalValue;
}

async function start() {
  const folder = vscode.workspace.workspaceFolders?.find((one) => one.uri.scheme === "file")?.uri.fsPath;
  const [program, ...args] = commandFor(configured(), vscode.workspace.isTrusted ? folder : undefined);
  client = new Client(
    "ttscale",
    "ttscale",
    { command: program, args, transport: TransportKind.stdio, options: { cwd: folder } },
    {
      documentSelector: [
        { scheme: "file", language: "tts" },
        { scheme: "untitled", language: "tts" },
      ],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.{tts,py}") },
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
    },
  );
  try {
    await client.start();
  } catch (error) {
    const hint = "Install it with: pip install 'ttscale[editor]', or name it in the setting ttscale.command.";
    const shown = [program, ...args].join(" ");
    const message = `\`${shown}\` did not start (${error?.message ?? error}). ${hint}`;
    const choice = "Open settings";
    vscode.window.showErrorMessage(message, choice).then((chosen) => {
      if (chosen === choice) {
        vscode.commands.executeCommand("workbench.action.openSettings", "ttscale.command");
      }
    });
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.isRunning()) {
    await running.stop();
  }
  await running?.dispose().catch(() => undefined); // one that never started has nothing to end
}

/** One start or stop after the other, however fast they are asked for. */
function inTurn(...steps) {
  pending = steps.reduce((before, step) => before.then(step), pending);
  return pending;
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("ttscale.restart", () => inTurn(stop, start)),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("ttscale.command")) {
        inTurn(stop, start);
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => inTurn(stop, start)),
  );
  await inTurn(start);
}

function deactivate() {
  return inTurn(stop);
}

module.exports = { activate, deactivate };
