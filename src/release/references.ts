// References to values that must not be written down: `env:NAME`, `file:/path`, `cmd:words`. The runner
// resolves them, each time that an instance is started and before anything is touched. What came of a
// reference is remembered for as long as this process lives, only to be masked: a command may give
// another value each time, and each of them may be printed by an instance.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { messageOf, systemCode } from '../base/errors.ts';
import { type Environment, instanceReferenceProblem } from '../base/secrets.ts';
import { formsOf } from './masking.ts';

export type ReferenceValue = { readonly value: string } | { readonly problem: string };

const VALUE_LENGTH_MAX = 100_000;
const COMMAND_TIMEOUT_MS = 30_000;
/** Looks before a release (each instance, what runs and what ran) share what a command answered. */
const COMMAND_SHARED_MS = 10_000;

/** `isFresh`: a command is run for this call. The problem names what is missing, and what to do. */
export async function resolveReference(
  text: string,
  options: { readonly own?: Environment; readonly isFresh?: boolean } = {},
): Promise<ReferenceValue> {
  const wrong = instanceReferenceProblem(text);
  if (wrong !== '') return { problem: wrong };
  const read = text.startsWith('env:')
    ? ofVariable(text.slice('env:'.length), options.own ?? process.env)
    : text.startsWith('file:')
      ? await ofFile(text.slice('file:'.length))
      : await ofCommand(text, options.isFresh === true);
  if ('problem' in read) return read;
  const { value } = read;
  const flaw = value.includes('\0')
    ? 'holds a NUL character; a variable cannot'
    : value.length > VALUE_LENGTH_MAX
      ? `is longer than ${VALUE_LENGTH_MAX} characters; shorten it`
      : '';
  if (flaw !== '') return { problem: `${text} ${flaw}` };
  const values = seen.get(text) ?? new Set<string>();
  seen.set(text, values.add(value));
  return read;
}

/** Everything that a reference has stood for in this process, in every form in which it is printed. */
export function seenSecrets(text: string): readonly string[] {
  return [...(seen.get(text) ?? [])].flatMap(formsOf);
}

const seen = new Map<string, Set<string>>();

function ofVariable(name: string, own: Environment): ReferenceValue {
  const value = own[name];
  if (value !== undefined && value !== '') return { value };
  const what = value === undefined ? 'not set' : 'empty';
  return { problem: `environment variable ${name} is ${what}; set it, or remove this key` };
}

/** The whole file but its last line end: a key may have many lines. */
async function ofFile(path: string): Promise<ReferenceValue> {
  try {
    const value = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
    return value === '' ? { problem: `${path} is empty; write the value into it` } : { value };
  } catch (error) {
    const cause =
      systemCode(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${messageOf(error)})`;
    const advice = 'create it with the value, where sluice runs';
    return {
      problem: `${path} ${cause}; ${advice} (a plain value is written file://${path})`,
    };
  }
}

const commands = new Map<
  string,
  { readonly atMs: number; readonly end: Promise<ReferenceValue> }
>();

function ofCommand(text: string, isFresh: boolean): Promise<ReferenceValue> {
  const last = commands.get(text);
  const nowMs = performance.now();
  if (!isFresh && last !== undefined && nowMs - last.atMs < COMMAND_SHARED_MS) return last.end;
  const end = outputOf(text);
  commands.set(text, { atMs: nowMs, end });
  return end;
}

/** What it prints on stderr is not quoted: it may be the secret. */
async function outputOf(text: string): Promise<ReferenceValue> {
  const [file = '', ...args] = text.slice('cmd:'.length).trim().split(/\s+/);
  const byHand = 'run it by hand, where sluice runs, to see why';
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: COMMAND_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (output.length <= VALUE_LENGTH_MAX) output += chunk;
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      const cause = systemCode(error) === 'ENOENT' ? 'does not exist' : messageOf(error);
      resolve({ problem: `${text}: the program "${file}" ${cause}; install it where sluice runs` });
    });
    child.on('close', (code, signal) => {
      const value = output.replace(/\r?\n$/, '');
      if (code === 0 && value !== '') return resolve({ value });
      const how =
        signal !== null
          ? `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`
          : code === 0
            ? 'printed nothing'
            : `ended with code ${code}`;
      resolve({ problem: `${text}: ${how}; ${byHand}` });
    });
  });
}
