#!/usr/bin/env node
// Entry point of the `sluice` command. Plain JavaScript for any Node, so that an old one says what
// to do instead of failing on syntax. Runs dist/ in the published package, src/ in the repository.

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
    .then(({ main }) => main(process.argv))
    .catch((error) => {
      process.stderr.write(`sluice: ${error.stack}\n`);
      process.exitCode = 1;
    });
}
