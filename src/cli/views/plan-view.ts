// A release's plan as a block of text: what would happen to each instance, how much capacity is
// left meanwhile, the settings in force, and what speaks against it. Pure: plan → string.

import { formatDuration } from '../../base/units.ts';
import { wrap } from '../../base/wrap.ts';
import { type Plan, type PlanStep, percentText } from '../../release.ts';
import { type Paint, table } from '../output.ts';

const LABEL_WIDTH = 10;
/** Beside the labels. */
const INDENT = ' '.repeat(LABEL_WIDTH + 3);

/** `width`: columns of the terminal; 0 = nothing is wrapped. */
export function planText(plan: Plan, paint: Paint, width = 0): string {
  const from = plan.from.length === 0 ? 'nothing running' : plan.from.join(', ');
  const released = plan.instances.filter(({ action }) => action === 'release');
  const retired = plan.instances.filter(({ action }) => action === 'retire').length;
  const what =
    released.length === 0
      ? retired === 0
        ? 'nothing to do'
        : `${count(retired, 'instance')} to retire`
      : `in place, ${released.length} of ${count(plan.instances.length, 'instance')}, one at a time`;
  const settings = settingsOf(plan);
  const labelled = (label: string, text: string, colour?: 'yellow' | 'red'): string[] =>
    wrap(text, width === 0 ? 0 : Math.max(1, width - INDENT.length)).map((part, index) => {
      const name = (index === 0 ? label : '').padEnd(LABEL_WIDTH);
      return `  ${colour === undefined ? name : paint(colour, name)} ${part}`;
    });
  return [
    `${paint('bold', plan.service)}  ${from} -> ${plan.version}      ${what}`,
    ...batchLines(plan),
    ...settings.flatMap(([label, text]) => labelled(label, text)),
    ...plan.notes.flatMap((text) => labelled('note', text, 'yellow')),
    ...plan.problems.flatMap(({ message }) => labelled('problem', message, 'red')),
    plan.problems.length === 0
      ? 'No problems found. Nothing was changed.'
      : `${count(plan.problems.length, 'problem')}: a deploy would be refused. Nothing was changed.`,
    '',
  ].join('\n');
}

export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

function batchLines(plan: Plan): readonly string[] {
  let batch = 0;
  const labels: string[] = [];
  const rows = plan.instances.map((instance) => {
    if (instance.action === 'release') batch += 1;
    labels.push(instance.action === 'release' ? `batch ${batch}` : instance.action);
    const capacity =
      instance.leaves === null
        ? ''
        : `leaves ${instance.leaves}/${plan.servers} eligible (need ${plan.need})`;
    const why = [instance.why, capacity].filter(Boolean).join('; ');
    return [instance.instance, instance.from === '' ? '-' : instance.from, why];
  });
  // The steps have a line of their own: beside the rest they would not fit.
  return table(rows).flatMap((row, index) => {
    const { steps: all = [], approval } = plan.instances[index] ?? {};
    const gate = approval === undefined ? [] : ['approval'];
    const steps = [...gate, ...all.map((step) => step.kind)].join(' ');
    const line = `  ${(labels[index] ?? '').padEnd(LABEL_WIDTH)} ${row}`;
    return steps === '' ? [line] : [line, `${INDENT}${steps}`];
  });
}

/** The settings of the steps, from the first instance that has such a step. */
function settingsOf(plan: Plan): readonly (readonly [string, string])[] {
  const steps = plan.instances.flatMap((instance) => instance.steps);
  const drain = find(steps, 'drain');
  const stop = find(steps, 'stop');
  const start = find(steps, 'start');
  const check = find(steps, 'check');
  const verify = find(steps, 'verify');
  const rows: (readonly [string, string])[] = [];
  const approvals = plan.instances.flatMap(({ approval }) => approval ?? []);
  if (approvals[0] !== undefined) {
    const points = approvals.map(({ before }) => `the ${before}`).join(' and ');
    const { timeoutMs } = approvals[0];
    rows.push([
      'approval',
      `before ${points}: waits for "sluice approve ${plan.service}", at most ${formatDuration(timeoutMs)}`,
    ]);
  }
  if (drain !== undefined) {
    const then = drain.onTimeout === 'proceed' ? 'then stops anyway' : 'then halts';
    // Without servers nothing was counted, so 0 would be wrong.
    const inFlight = plan.servers === 0 ? '' : `; now in flight: ${plan.inFlight}`;
    rows.push([
      'drain',
      `until acknowledged and nothing in flight, at most ${formatDuration(drain.timeoutMs)}, ${then}${inFlight}`,
    ]);
  }
  if (stop !== undefined)
    rows.push(['stop', `its stop signal, after ${formatDuration(stop.timeoutMs)} KILL`]);
  if (start !== undefined) rows.push(['start', `${start.argv.join(' ')}   (in ${start.cwd})`]);
  if (check !== undefined) {
    const identity =
      check.versionHeader === ''
        ? 'version not checked'
        : `version from header ${check.versionHeader}`;
    const stable = check.stableMs === 0 ? '' : `stable for ${formatDuration(check.stableMs)}, `;
    rows.push([
      'check',
      `GET ${check.path} every ${formatDuration(check.intervalMs)}, rise ${check.rise}, ${stable}deadline ${formatDuration(check.deadlineMs)}, ${identity}`,
    ]);
    if (verify !== undefined) rows.push(['verify', verifyText(verify)]);
    rows.push(['on failure', failureText(plan)]);
    if (plan.lastTookMs > 0) {
      rows.push(['estimate', `${formatDuration(plan.lastTookMs)}, as the last release took`]);
    }
  }
  return rows;
}

function verifyText(step: Extract<PlanStep, { kind: 'verify' }>): string {
  const { windowMs, errorShareMax, vsPeers, minRequests, minErrors, onTooFew } = step;
  const peers = vsPeers === 0 ? '' : ` and over ${vsPeers} times that of the old version`;
  return `${formatDuration(windowMs)} of traffic each; at least ${minErrors} errors, over ${percentText(errorShareMax)}${peers}: failed; fewer than ${minRequests} requests: ${onTooFew}`;
}

/** What would become of a failed instance, by what is known of each that is released. */
function failureText({ onFailure, instances }: Plan): string {
  const stays = 'stays out of the pool (parked); the others stay as they are';
  if (onFailure === 'park') return `park: the failed instance ${stays}`;
  const released = instances.filter(({ action }) => action === 'release');
  const without = released.filter(({ fallback }) => fallback === '');
  const isBlocked = without.some(({ noWayBack }) => noWayBack !== '');
  if (without.length === released.length) {
    const why = isBlocked ? 'there is no way back' : 'no version is known that served before';
    return `park: ${why}, so the failed instance ${stays}`;
  }
  const versions = [...new Set(released.map(({ fallback }) => fallback))].filter(Boolean);
  const [only = ''] = versions;
  const back =
    versions.length === 1
      ? `${only}, which served last`
      : `the version that last served there (${versions.join(', ')})`;
  const names = without.map(({ instance }) => instance).join(', ');
  const why = isBlocked ? 'for which there is no way back' : 'where none is known';
  const except = names === '' ? '' : `, except ${names}, ${why}: parked, out of the pool`;
  const others =
    onFailure === 'rollback'
      ? 'then those that were released before it, the newest first'
      : 'the others stay as they are';
  return `${onFailure}: the failed instance goes back to ${back}${except}; ${others}`;
}

function find<Kind extends PlanStep['kind']>(
  steps: readonly PlanStep[],
  kind: Kind,
): Extract<PlanStep, { kind: Kind }> | undefined {
  return steps.find((step): step is Extract<PlanStep, { kind: Kind }> => step.kind === kind);
}
