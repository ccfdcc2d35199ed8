#!/usr/bin/env node
// Entry point of the `sluice` command. Plain JavaScript for any Node, so that an old one says what
// to do instead of failing on syntax. Runs dist/ in the published package, src/ in the repository.

// First of all: unless somebody listens for SIGUSR1, Node opens its debugger on it, and with that
// this process to every local user. (--disable-sigusr1 blocks the signal for good: then nothing
// could reopen a log with it.) What came before this line is closed again below.
process.on('SIGUSR1', () => {});
const isDebugged = /--inspect(?!-port)/.test(`${process.execArgv} ${process.env.NODE_OPTIONS}`);
closeDebugger();
setImmediate(closeDebugger);

const major = Number(process.versions.node.split('.')[0]);

if (major < 24) {
  process.stderr.write(
    `sluice: needs Node 24 or newer, this is ${process.versions.node}; ` +
      'install Node 24, or run it through npm, which brings its own: npm run sluice -- status\n',
  );
  process.exitCode = 2;
} else {
  import('node:fs')
    .then(({ existsSync }) => {
      const built = new URL('../dist/cli.js', import.meta.url);
      const source = new URL('../src/cli.ts', import.meta.url);
      // The repository has both after a build: what people edit is what they run.
      return import(existsSync(source) ? source.href : built.href);
    })
    .then(({ main }) => {
      closeDebugger();
      return main(process.argv);
    })
    .catch((error) => {
      process.stderr.write(`sluice: ${error.stack}\n`);
      process.exitCode = 1;
    });
}

/** Unless it was asked for by an option. */
function closeDebugger() {
  const inspector = process.getBuiltinModule?.('node:inspector');
  if (!isDebugged && inspector?.url() !== undefined) inspector.close();
}
