// What systemd says of a unit, and the file that a unit reads its environment from.

import { constants } from 'node:os';
import { complaint, type Tool } from '../tool.ts';

export type UnitFacts = {
  /** `loaded`, `not-found`, `masked` …; '' when systemd could not be asked. */
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly pid: number;
  readonly invocation: string;
  /** How its last process ended, in words. */
  readonly exit: string;
  readonly restarts: number;
  /** The setting Restart=. */
  readonly restart: string;
  /** `enabled` … */
  readonly state: string;
  readonly envFiles: readonly string[];
  readonly group: string;
  /** Why nothing is known; '' normally. */
  readonly trouble: string;
};

const PROPERTIES = [
  ...['LoadState', 'ActiveState', 'SubState', 'MainPID', 'InvocationID', 'ExecMainCode'],
  ...['ExecMainStatus', 'NRestarts', 'Restart', 'UnitFileState', 'EnvironmentFiles'],
  'ControlGroup',
];
/** ExecMainCode of a process that exited by itself; others were ended by a signal. */
const CLD_EXITED = 1;

export async function unitFacts(systemctl: Tool, unit: string): Promise<UnitFacts> {
  const end = await systemctl.run(['show', `--property=${PROPERTIES.join(',')}`, unit]);
  const values = new Map<string, string>();
  const envFiles: string[] = [];
  for (const line of end.stdout.split('\n')) {
    const at = line.indexOf('=');
    const [name, value] = [line.slice(0, at), line.slice(at + 1)];
    values.set(name, value);
    if (name === 'EnvironmentFiles') envFiles.push(value.replace(/ \(ignore_errors=\w+\)$/, ''));
  }
  const text = (name: string): string => values.get(name) ?? '';
  return {
    load: text('LoadState'),
    active: text('ActiveState'),
    sub: text('SubState'),
    pid: Number(text('MainPID')),
    invocation: text('InvocationID'),
    exit: exitOf(Number(text('ExecMainCode')), Number(text('ExecMainStatus'))),
    restarts: Number(text('NRestarts')),
    restart: text('Restart'),
    state: text('UnitFileState'),
    envFiles,
    group: text('ControlGroup'),
    trouble: end.code === 0 ? '' : `systemd cannot be asked: ${complaint(end)}`,
  };
}

/** It runs, begins, ends, or is about to be started again. */
export function isUp({ active }: UnitFacts): boolean {
  return active !== '' && active !== 'inactive' && active !== 'failed';
}

/** How that run of the unit ended, in words; '' while it runs. */
export function endOf(facts: UnitFacts, invocation: string): string {
  const { active, sub, exit, restarts } = facts;
  if (facts.trouble !== '') return ''; // Not known: whoever asks next may learn it.
  const isAgain = active === 'active' || active === 'reloading';
  if (facts.invocation !== invocation && isUp(facts)) {
    return isAgain
      ? `ended and was started again by systemd (${restarts} restarts)`
      : `ended (${exit})`;
  }
  if (isUp(facts) && sub !== 'auto-restart') return '';
  return exit;
}

function exitOf(code: number, status: number): string {
  if (code === 0 || code === CLD_EXITED) return `exited with code ${status}`;
  const [name = `signal ${status}`] =
    Object.entries(constants.signals).find(([, number]) => number === status) ?? [];
  return `was ended by ${name}`;
}

/** Quoted, so that a value may have any character but NUL, and many lines. */
export function envFileText(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(
    ([name, value]) => `${name}="${value.replace(/[\\"$`]/g, '\\$&')}"\n`,
  );
  return lines.join('');
}

/** What such a text says. */
export function variablesIn(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/^([A-Za-z_]\w*)="((?:[^"\\]|\\[\s\S])*)"$/gm);
  return new Map(
    [...found].map(([, name = '', value = '']) => [name, value.replace(/\\([\s\S])/g, '$1')]),
  );
}
