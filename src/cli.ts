// The command line: parses the arguments, runs one verb, turns what it throws into one line on
// standard error and an exit code. Heavy modules load inside the verb that needs them.

import { exitCodeOf, reportError } from './cli/error-report.ts';
import { quietEpipe } from './cli/output.ts';
import { createProgram } from './cli/program.ts';
import { closeTunnels } from './client.ts';

/** Runs `argv` (as of process.argv) and sets the process's exit code. Never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  quietEpipe();
  try {
    await createProgram().parseAsync([...argv]);
  } catch (error) {
    reportError(error, { asJson: argv.includes('--json') });
    process.exitCode = exitCodeOf(error);
  } finally {
    closeTunnels();
  }
}
