// What a journal tells: a lane per instance with a bar per step, what has failed, what waits, and how it ended.
// A step begins with its `intent` and is over with `done` or `failed`. Pure.
//
//   intent a drain, done a drain, intent a stop             lane a: [drain ###][stop ##…   runs
//   intent a check, failed a check, intent a stop (revert)  lane a: [check ✕##][stop //…   is brought back

import {
  type Data,
  dataOf,
  factsOf,
  listOf,
  numberOf,
  type StoryRecord,
  wordOf,
} from './records.ts';

export type Bar = {
  readonly step: string;
  /** It brings the old version back. */
  readonly revert: boolean;
  readonly fromMs: number;
  /** Infinity: it runs. */
  readonly toMs: number;
  /** `lost`: its runner was gone before it was over. */
  readonly state: 'running' | 'done' | 'failed' | 'lost';
  readonly facts: string;
};

export type Outcome =
  | 'waiting'
  | 'running'
  | 'released'
  | 'stopped'
  | 'kept'
  | 'skipped'
  | 'failed'
  | 'reverted'
  | 'parked'
  | 'stuck'
  | 'retired'
  | 'untouched';

export type Lane = {
  readonly instance: string;
  /** '' = nothing ran. */
  readonly from: string;
  readonly why: string;
  /** Kinds of the planned steps, in order. */
  readonly steps: readonly string[];
  readonly bars: readonly Bar[];
  /** As the end says; before that as the bars look. A newer runner may have more. */
  readonly outcome: Outcome | (string & {});
  readonly note: string;
};

export type Failure = {
  readonly instance: string;
  readonly step: string;
  readonly atMs: number;
  readonly reason: string;
  /** The old version could not be brought back either: why. */
  readonly revertReason: string;
};

export type Story = {
  readonly lanes: readonly Lane[];
  /** Of the whole release: it waits for a person, or stands still. */
  readonly whole: readonly Bar[];
  readonly from: readonly string[];
  readonly failure: Failure | undefined;
  /** Told to pause and not to go on since. */
  readonly paused: { readonly by: string; readonly why: string } | undefined;
  readonly lastTookMs: number;
  readonly receipt: Data | undefined;
  /** Only at the end. */
  readonly evidence: readonly string[];
  readonly doubts: readonly string[];
  readonly next: readonly string[];
};

/** `isRunning`: its runner lives. */
export function storyOf(records: readonly StoryRecord[], isRunning: boolean): Story {
  const plan = dataOf(records.findLast(({ kind }) => kind === 'plan')?.data['plan']);
  const endRecord = records.findLast(({ kind }) => kind === 'end');
  const isOver = endRecord !== undefined;
  const end = endRecord?.data ?? {};
  const bars = barsOf(records, isRunning && !isOver);
  const settled = new Map(
    listOf(end['instances']).map((one) => [wordOf(dataOf(one)['instance']), dataOf(one)]),
  );
  const planned = new Map(
    listOf(plan['instances']).map((one) => [wordOf(dataOf(one)['instance']), dataOf(one)]),
  );
  const names = new Set([...planned.keys(), ...bars.keys()]);
  names.delete('');
  const lanes = [...names].map((instance): Lane => {
    const entry = planned.get(instance) ?? {};
    const told = settled.get(instance) ?? {};
    const steps = listOf(entry['steps']).map((step) => wordOf(dataOf(step)['kind']));
    const own = bars.get(instance) ?? [];
    return {
      ...{ instance, steps, bars: own },
      ...{ from: wordOf(entry['from']), why: wordOf(entry['why']), note: wordOf(told['note']) },
      outcome: wordOf(told['outcome']) || outcomeOf(own, { steps, entry, isOver, isRunning }),
    };
  });
  const command = records.findLast(({ kind, data }) => kind === 'command' && isPausing(data));
  const { by = '', why = '', command: told } = command?.data ?? {};
  return {
    ...{ lanes, whole: bars.get('') ?? [], failure: failureOf(records) },
    from: listOf(plan['from']).map(wordOf),
    paused: told === 'pause' && !isOver ? { by: wordOf(by), why: wordOf(why) } : undefined,
    lastTookMs: numberOf(plan['lastTookMs']),
    receipt: 'requests' in dataOf(end['receipt']) ? dataOf(end['receipt']) : undefined,
    evidence: listOf(end['evidence']).map(wordOf),
    doubts: listOf(end['doubts']).map(wordOf),
    next: listOf(end['next']).map(wordOf),
  };
}

function isPausing({ command }: Data): boolean {
  return command === 'pause' || command === 'resume';
}

/** By instance; '' is the whole release. */
function barsOf(
  records: readonly StoryRecord[],
  isRunning: boolean,
): ReadonlyMap<string, readonly Bar[]> {
  const lanes = new Map<string, Bar[]>();
  const close = (bars: Bar[], toMs: number, state: Bar['state'], facts = ''): void => {
    const last = bars.at(-1);
    if (last?.state === 'running') bars[bars.length - 1] = { ...last, toMs, state, facts };
  };
  for (const { kind, instance, step, atMs, data } of records) {
    // Another runner looks at what was begun and does it again.
    if (kind === 'resume') for (const bars of lanes.values()) close(bars, atMs, 'lost');
    if (kind !== 'intent' && kind !== 'done' && kind !== 'failed') continue;
    const bars = lanes.get(instance) ?? [];
    lanes.set(instance, bars);
    if (kind !== 'intent') {
      const facts = kind === 'failed' ? wordOf(data['reason']) : factsOf(data);
      if (bars.at(-1)?.step === step) close(bars, atMs, kind, facts);
      continue;
    }
    close(bars, atMs, 'lost');
    const fresh = { step, revert: data['revert'] === true, fromMs: atMs, toMs: Infinity } as const;
    bars.push({ ...fresh, state: 'running', facts: factsOf(data) });
  }
  const lastMs = records.at(-1)?.atMs ?? 0;
  if (!isRunning) for (const bars of lanes.values()) close(bars, lastMs, 'lost');
  return lanes;
}

function outcomeOf(bars: readonly Bar[], { steps, entry, isOver, isRunning }: LaneNow): Outcome {
  if (entry['action'] === 'keep') return 'kept';
  if (entry['action'] === 'skip') return 'skipped';
  const last = bars.at(-1);
  if (last === undefined) return isOver ? 'untouched' : 'waiting';
  if (last.state === 'running') return 'running';
  const isBack = last.revert && last.step === 'admit' && last.state === 'done';
  if (isBack) return 'reverted';
  const hasFailed = bars.some(({ state, revert }) => state === 'failed' || revert);
  if (hasFailed) return isRunning && !isOver ? 'running' : 'failed';
  if (last.state === 'done' && last.step === steps.at(-1)) {
    if (entry['action'] === 'retire') return 'retired';
    return last.step === 'stop' ? 'stopped' : 'released';
  }
  if (isRunning && !isOver) return 'running';
  const isIn = bars.some(({ step, state }) => step === 'admit' && state === 'done');
  return isIn && last.state === 'done' ? 'released' : 'stuck';
}

type LaneNow = {
  readonly steps: readonly string[];
  readonly entry: Data;
  readonly isOver: boolean;
  readonly isRunning: boolean;
};

/** The last one: a release that is gone on with has left the earlier ones behind. */
function failureOf(records: readonly StoryRecord[]): Failure | undefined {
  const at = records.findLastIndex(
    ({ kind, data }) => kind === 'failed' && data['revert'] !== true,
  );
  const failed = records[at];
  if (failed === undefined) return undefined;
  const later = records.slice(at + 1);
  const second = later.find(({ kind, data }) => kind === 'failed' && data['revert'] === true);
  const { instance, step, atMs, data } = failed;
  return {
    ...{ instance, step, atMs, reason: wordOf(data['reason']) },
    revertReason: wordOf(second?.data['reason']),
  };
}

/** When an instance took no requests: from its drain until it was put in again; Infinity: it still is out. */
export function outTimes(
  lane: Lane,
): readonly { readonly fromMs: number; readonly toMs: number }[] {
  const times: { fromMs: number; toMs: number }[] = [];
  let fromMs: number | undefined;
  for (const { step, fromMs: began, toMs, state } of lane.bars) {
    if (step === 'drain' && fromMs === undefined) fromMs = began;
    if (step !== 'admit' || state !== 'done' || fromMs === undefined) continue;
    times.push({ fromMs, toMs });
    fromMs = undefined;
  }
  if (fromMs !== undefined) times.push({ fromMs, toMs: Infinity });
  return times;
}

/** The instance that is looked at first: what runs, else what has failed, else the last one that was touched. */
export function focusOf({ lanes, failure }: Story): Lane | undefined {
  return (
    lanes.find(({ outcome }) => outcome === 'running') ??
    lanes.find(({ instance }) => instance === failure?.instance) ??
    lanes.findLast(({ bars }) => bars.length > 0) ??
    lanes[0]
  );
}

export type StepState = {
  readonly step: string;
  readonly state: Bar['state'] | 'planned';
  readonly revert: boolean;
};

/** The planned steps and how they stand, then those that brought the old version back. */
export function stepStates({ steps, bars }: Lane): readonly StepState[] {
  const forward = steps.map((step): StepState => {
    // Of one that was done twice, the last time counts.
    const bar = bars.findLast((one) => one.step === step && !one.revert);
    return { step, state: bar?.state ?? 'planned', revert: false };
  });
  return [...forward, ...bars.filter(({ revert }) => revert)];
}
