// What an error looks like to people and scripts: `sluice: message` on standard error, or one JSON
// object there with --json, and the exit code of base/errors.ts.

import { CommanderError } from 'commander';
import { exitCode, isSluiceError, messageOf, SluiceError } from '../base/errors.ts';
import { optionAdvice, verbAdvice } from './foreign-verbs.ts';
import { paint } from './output.ts';
import { verbOf } from './program.ts';

/** Usage errors of the command line; the same number as the code `usage`. */
const EXIT_USAGE = 2;

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  return isSluiceError(error) ? exitCode(error.code) : 1;
}

export function reportError(error: unknown, { asJson }: { asJson: boolean }): void {
  // Help and version are printed already; a verb that is missing prints help too.
  if (error instanceof CommanderError && isPrinted(error)) return;
  const ours = error instanceof CommanderError ? usageError(error) : error;
  process.stderr.write(asJson ? `${errorJson(ours)}\n` : errorText(ours));
}

function isPrinted(error: CommanderError): boolean {
  return error.exitCode === 0 || error.code === 'commander.help';
}

function usageError(error: CommanderError): SluiceError {
  const message = error.message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .replace(/\.$/, '');
  const verb = verbOf(error);
  const advice = adviceOn(message, verb);
  return new SluiceError(
    'usage',
    advice === ''
      ? `${inOurWords(message)}; see "${verb} --help"`
      : `${message.replace(/ \(Did you mean .*$/s, '')}; ${advice}; see "${verb} --help"`,
  );
}

/** The verb or option that does the same here; better advice than a word that is spelled alike. */
function adviceOn(message: string, verb: string): string {
  const command = /^unknown command '(.*?)'/.exec(message)?.[1];
  if (command !== undefined) return verbAdvice(command, verb);
  const option = /^unknown option '(.*?)'/.exec(message)?.[1];
  return option === undefined ? '' : optionAdvice(option);
}

/** Commander puts its own sentence before what the parser of an argument has to say. */
function inOurWords(message: string): string {
  const argument = /^command-argument value '(.*)' is invalid for argument '(.*?)'\. (.*)$/s;
  const option = /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. (.*)$/s;
  const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
  return message
    .replace(argument, (_, value, name, why) => `${name} "${value}": ${lower(why)}`)
    .replace(option, (_, name, value, why) => `${name} "${value}": ${lower(why)}`);
}

function errorJson(error: unknown): string {
  const code = isSluiceError(error) ? error.code : 'internal';
  const details = isSluiceError(error) ? error.details : {};
  return JSON.stringify({ error: { code, message: messageOf(error), details } });
}

function errorText(error: unknown): string {
  const name = paint('red', 'sluice:', process.stderr);
  if (!isSluiceError(error)) {
    // A bug. Whoever reports it needs the stack.
    const stack = error instanceof Error ? error.stack : String(error);
    return `${name} internal error, please report it\n${stack}\n`;
  }
  // Config problems come one per line, as file:line:col, for editors and grep.
  const lines = error.message.split('\n');
  if (error.code !== 'config_invalid') return `${name} ${lines.join('\n  ')}\n`;
  const { count } = error.details;
  const summary =
    typeof count === 'number' && count > 1
      ? `${name} ${count} problems; nothing was started or changed\n`
      : '';
  return `${lines.map((line) => `${name} ${line}`).join('\n')}\n${summary}`;
}
