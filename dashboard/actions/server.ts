// What can be done with a server of an upstream.

import type { EffectAction, EffectDocument } from '../../src/admin/contract.ts';
import { call } from '../live/api.ts';
import { share } from '../parts/format.ts';
import type { Action, Done, Forecast, Given } from './action.ts';
import { actionText } from './text.ts';

/** As they are now, for what is undone. */
export type ServerNow = {
  readonly upstream: string;
  readonly server: string;
  readonly weight: number;
};

const WEIGHT_MAX = 65_535;
/** Others that have to stay eligible, unless somebody types the name. */
const KEEP = 1;

export function serverAction(action: EffectAction, now: ServerNow): Action {
  const { upstream, server, weight } = now;
  const text = actionText();
  const verb = text.verbs[action];
  return {
    ...{ title: `${verb}: ${server}`, verb, typed: upstream },
    ...{ isLight: action === 'undrain', isBad: action === 'deregister' },
    hasReason: action !== 'weight' && action !== 'deregister',
    ...(action === 'weight'
      ? { number: { label: text.newWeight, initial: weight, least: 1, most: WEIGHT_MAX } }
      : {}),
    forecast: (given) => forecast(action, now, given),
  };
}

async function forecast(action: EffectAction, now: ServerNow, given: Given): Promise<Forecast> {
  const { upstream, server } = now;
  const ask = (keep: number): Promise<EffectDocument> =>
    call('effect', { upstream, server, action, weight: given.value, keep, reason: given.reason });
  const guarded = await ask(KEEP);
  const isRefused = guarded.refusalCode === 'guard_refused';
  // Who types the name may do without the guard.
  const effect = isRefused ? await ask(0) : guarded;
  const level = isRefused ? 'type' : effect.level;
  return {
    // Somebody else's work under way is not ended in passing.
    level: level === 'light' && effect.release !== '' ? 'confirm' : level,
    refusal: effect.refusal,
    facts: factsOf(effect, isRefused),
    warnings: isRefused ? [guarded.refusal, ...effect.warnings] : effect.warnings,
    lines: [
      ['CLI', effect.cli],
      ['curl', effect.curl],
    ],
    run: (given) => run(effect, now, given),
  };
}

function factsOf(effect: EffectDocument, isUnguarded: boolean): readonly string[] {
  const text = actionText();
  const { eligibleBefore, eligibleAfter, servers, need, inFlight, tunnels, streams } = effect;
  const { shareBefore, shareAfter } = effect;
  return [
    text.eligible(eligibleAfter, servers, eligibleBefore),
    text.inFlight(inFlight) + (tunnels + streams > 0 ? ` (${text.lasting(tunnels, streams)})` : ''),
    text.share(share(shareBefore, 1), share(shareAfter, 1)),
    ...(isUnguarded ? [text.noGuard] : need > 0 && effect.allowed ? [text.guard(need)] : []),
  ];
}

async function run(effect: EffectDocument, now: ServerNow, given: Given): Promise<Done> {
  const { upstream, server } = now;
  const { action, admin, by: owner, need } = effect;
  const place = { upstream, server };
  const said = actionText().done[action](server);
  switch (action) {
    case 'weight':
      await call('setWeight', { ...place, body: { weight: given.value } });
      return { said, undo: () => call('setWeight', { ...place, body: { weight: now.weight } }) };
    case 'deregister':
      await call('deregister', { ...place, body: { owner } });
      return { said };
    default: {
      const state = action === 'undrain' ? 'ready' : action;
      const guard = need > 0 ? { keepEligible: need } : {};
      await call('setAdmin', { ...place, body: { state, owner, reason: given.reason, ...guard } });
      const last = { state: admin.state, owner, reason: admin.reason };
      return { said, undo: () => call('setAdmin', { ...place, body: last }) };
    }
  }
}
