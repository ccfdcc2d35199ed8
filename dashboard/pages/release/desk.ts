// What this gateway starts: which services it may release, a release or a rollback with its plan beforehand, and the
// page of the release when it has its number.

import { useEffect, useState } from 'preact/hooks';
import type { ReleaseOverview, RunKind } from '../../../src/admin/contract.ts';
import type { Action, Forecast, Given } from '../../actions/action.ts';
import { call, textOf } from '../../live/api.ts';
import { toast } from '../../parts/toast.tsx';
import { go, pathOf } from '../../router.tsx';
import { dataOf, listOf, numberOf, wordOf } from './records.ts';
import { owner, quoted } from './steer.ts';
import { releaseText, told } from './text.ts';

/** A plan is asked for anew after that, ms: it is a program of its own. */
const PLAN_MS = 20_000;
const PLAN_DEADLINE_MS = 35_000;
/** How often and for how long it is looked whether it has begun: it may build before. */
const [LOOK_MS, LOOKS] = [1000, 900];

export type DeskService = ReleaseOverview['services'][number];

/** Undefined until it is known, and of an older gateway. */
export function useDesk(): ReleaseOverview | undefined {
  const [desk, setDesk] = useState<ReleaseOverview | undefined>(undefined);
  useEffect(() => {
    call('releaseOverview', { last: 1 }).then(setDesk, () => {});
  }, []);
  return desk;
}

export function starting(kind: RunKind, { service, needsVersion }: DeskService): Action {
  const text = releaseText();
  const verb = told(text.verbs, kind);
  const plans = new Map<string, { readonly atMs: number; readonly answer: Promise<Forecast> }>();
  const plan = (version: string): Promise<Forecast> => {
    const known = plans.get(version);
    if (known !== undefined && Date.now() - known.atMs < PLAN_MS) return known.answer;
    const answer = planned(kind, service, version);
    plans.set(version, { atMs: Date.now(), answer });
    return answer;
  };
  const forecast = async ({ reason, text: version }: Given): Promise<Forecast> => {
    const run = async (given: Given) => {
      const body = { kind, version: given.text, why: given.reason, owner: owner() };
      const flags = { force: false, allowDowntime: false, skipBuild: false };
      await call('startRelease', { service, body: { ...body, ...flags } }, PLAN_DEADLINE_MS);
      void follow(service);
      return { said: text.started };
    };
    const plain = { level: 'confirm', refusal: '', facts: [], warnings: [], run } as const;
    if (kind === 'resume') return { ...plain, lines: [['CLI', `sluice resume ${service}`]] };
    if (kind === 'deploy' && version === '' && needsVersion) {
      return { ...plain, refusal: text.needsVersion, lines: [] };
    }
    const made = await plan(version);
    const needsWhy = kind === 'rollback' && reason === '' && made.refusal === '';
    const lines = [['CLI', lineFor(kind, service, version, reason)]] as const;
    return { ...made, lines, run, refusal: needsWhy ? text.needsWhy : made.refusal };
  };
  return {
    ...{ title: `${verb}: ${service}`, verb, typed: service, hasReason: kind !== 'resume' },
    ...(kind === 'resume' ? {} : { text: { label: text.version, hint: text.versionHint } }),
    forecast,
  };
}

async function planned(kind: RunKind, service: string, version: string): Promise<Forecast> {
  const text = releaseText();
  const asked = { service, kind: kind === 'rollback' ? kind : ('deploy' as const), version };
  const { plan } = await call('releasePlan', asked, PLAN_DEADLINE_MS);
  const facts = listOf(plan['instances']).map((one) => {
    const { instance, action, from, why, leaves } = dataOf(one);
    const to = action === 'release' ? ` → ${wordOf(plan['version'])}` : ` (${wordOf(action)})`;
    const left = typeof leaves === 'number' ? `, ${text.eligibleWhile(numberOf(leaves))}` : '';
    const because = wordOf(why) === '' ? '' : `: ${wordOf(why)}`;
    return `${wordOf(instance)}: ${wordOf(from) || '–'}${to}${left}${because}`;
  });
  const problems = listOf(plan['problems']).map((one) => wordOf(dataOf(one)['message']));
  return {
    ...{ level: 'confirm', facts, refusal: problems.join('; ') },
    warnings: listOf(plan['notes']).map(wordOf),
    lines: [],
    run: () => Promise.reject(new Error('not started')),
  };
}

function lineFor(kind: RunKind, service: string, version: string, why: string): string {
  const flag = kind === 'rollback' ? '--to' : '--version';
  return [
    `sluice ${kind} ${quoted(service)}`,
    ...(version === '' ? [] : [`${flag} ${quoted(version)}`]),
    ...(kind === 'rollback' && why !== '' ? [`-m ${quoted(why)}`] : []),
  ].join(' ');
}

/** To its page as soon as it has a number; what it said last when it ended before. */
async function follow(service: string): Promise<void> {
  for (let look = 0; look < LOOKS; look += 1) {
    try {
      const { release, state, lines } = await call('releaseRun', { service });
      if (release !== '') return go(pathOf('releases', service, release));
      if (state === 'ended') return toast(lines.slice(-3).join('\n'), { kind: 'bad' });
    } catch (error) {
      return toast(textOf(error), { kind: 'bad' });
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
