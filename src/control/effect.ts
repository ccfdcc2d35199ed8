// What an action on a server would do, computed before somebody decides: by the same guard, the same rules of
// who may say what, and the same table that the action itself goes through. Nothing is changed.

import type { EffectDocument, EffectLevel, EffectQuestion } from '../admin.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { within } from '../base/within.ts';
import { parseOwner, READY } from '../model.ts';
import { askGuard, type GuardParts } from './ask-guard.ts';
import { cliLine, curlLine } from './effect/command-lines.ts';
import { eligibilityOf, eligibleIn, type Pool, shareOf } from './effect/shares.ts';
import { supposedLists } from './effect/supposed-lists.ts';
import { findMember } from './find-member.ts';
import { checkOwner, isSaid } from './intent-rules.ts';
import { type KnownRegistry, recordsFor } from './known-registry.ts';
import { checkRemovable } from './registration.ts';
import { findRecord } from './server-record.ts';
import { inFlight, openLasting } from './status.ts';
import { type KnownUpstream, type Member, type Table, writtenId } from './table.ts';
import { plannedWeight } from './weight.ts';

export { curlOf, shellWord } from './effect/command-lines.ts';
export { eligibilityOf, eligibleIn, type Pool } from './effect/shares.ts';
export { supposedLists } from './effect/supposed-lists.ts';

/** The registry may take so long to say what its record is, ms; the action itself waits longer. */
const RECORD_DEADLINE_MS = 3000;
/** Other gateways may take so long to confirm the change before. */
const CURRENT_DEADLINE_MS = 2000;
/** A label of a worker's ejection or load is at most so old, ms. */
const REFRESH_MS = 250;

export type EffectParts = GuardParts & { readonly registries: readonly KnownRegistry[] };

type Place = {
  readonly upstream: string;
  readonly server: string;
  readonly known: KnownUpstream;
  readonly member: Member;
  readonly question: EffectQuestion;
};

/** What would be, and what is to be said of it. */
type Outcome = {
  readonly members: ReadonlyMap<string, Member>;
  readonly weightOf?: (member: Member) => number;
  readonly warnings: readonly string[];
};

/** @throws not_found, usage */
export async function computeEffect(
  parts: EffectParts,
  upstream: string,
  server: string,
  question: EffectQuestion,
): Promise<EffectDocument> {
  const { table, fleet, shared } = parts;
  const { action, weight, by } = question;
  findMember(table, upstream, server);
  if (action === 'weight' && weight === 0) {
    throw new SluiceError('usage', 'request: "weight" must be a whole number from 1 to 65535');
  }
  await Promise.all([fleet.refresh({ deadlineMs: REFRESH_MS, strict: false }), shared.look()]);
  const isOut = action === 'drain' || action === 'maint';
  if (isOut) await shared.others.untilCurrent(upstream, CURRENT_DEADLINE_MS);
  const removed = await recordTrouble(parts, { upstream, server, question });

  // From here on nothing is awaited: all of it is of one moment.
  const place: Place = { upstream, server, question, ...findMember(table, upstream, server) };
  const { known, member } = place;
  const figures = fleet.figures();
  const refusal = refusalOf(parts, place) ?? removed.refusal;
  const outcome = outcomeOf(parts, place, removed.hasRecord);
  const before: Pool = { upstream, members: known.members, figures };
  const after: Pool = { upstream, members: outcome.members, figures };
  const eligibleBefore = eligibleIn(before);
  const eligibleAfter = eligibleIn(after);
  const { id } = member.state;
  const elsewhere = shared.others.drain(upstream, id, member.admin, 0);
  const lasting = openLasting(upstream, id, figures);
  const release = releaseOf(parts, place);
  const asked = { ...question, upstream, server, control: shared.document().control };
  return {
    ...{ server, action, allowed: refusal === undefined },
    ...{ refusal: refusal?.message ?? '', refusalCode: refusal?.code ?? '' },
    level: levelOf(question, eligibleBefore, eligibleAfter),
    ...{ eligibleBefore, eligibleAfter, servers: known.members.size },
    need: isOut ? question.keep : 0,
    inFlight: inFlight(upstream, id, figures) + elsewhere.inFlight,
    tunnels: lasting.tunnels + elsewhere.tunnels,
    streams: lasting.streams + elsewhere.streams,
    ...{ owner: member.admin.owner, admin: member.admin, release },
    shareBefore: shareOf(before, id),
    shareAfter: shareOf(after, id, outcome.weightOf),
    warnings: [
      ...outcome.warnings,
      ...warningsOf(place, { before, after, eligibleAfter, release }),
      ...(elsewhere.scope.unheard.length === 0
        ? []
        : [`not heard: ${elsewhere.scope.unheard.join(', ')}`]),
    ],
    ...{ cli: cliLine(asked), curl: curlLine(asked), by, scope: elsewhere.scope },
  };
}

/** What the action would be refused with now, as far as this gateway alone knows. */
function refusalOf(parts: EffectParts, place: Place): SluiceError | undefined {
  const { upstream, server, known, member, question } = place;
  const { action, keep, reason, by } = question;
  return caught(() => {
    if (action === 'deregister') {
      checkRemovable(server, parts.table.member(upstream, server)?.admin);
      recordsFor(parts.registries, known.config, member.registry);
    }
    if (action !== 'drain' && action !== 'maint') return;
    const current = known.overrides.get(server) ?? READY;
    checkOwner(server, current, undefined);
    // What was said before in the same words is not judged again.
    if (isSaid(current, { state: action, owner: by, reason })) return;
    askGuard(parts, { upstream, server, ...(keep === 0 ? {} : { keepEligible: keep }) });
  });
}

/** What the registry says of the record that the action would write or remove. */
async function recordTrouble(
  { table, registries }: EffectParts,
  asked: Pick<Place, 'upstream' | 'server' | 'question'>,
): Promise<{ readonly refusal?: SluiceError; readonly hasRecord: boolean }> {
  const { upstream, server, question } = asked;
  const { action, weight } = question;
  if (action !== 'weight' && action !== 'deregister') return { hasRecord: false };
  const { known, member } = findMember(table, upstream, server);
  const look = async (): Promise<boolean> => {
    const { config, store } = recordsFor(registries, known.config, member.registry);
    const which = { store, prefix: config.prefix, upstream };
    if (action === 'deregister') return (await findRecord({ ...which, server })) !== undefined;
    const written = writtenId(member.state);
    const configured = known.config.servers.find(({ id }) => id === written);
    await plannedWeight({ ...which, server: written, weight, configured });
    return true;
  };
  const late = new SluiceError('registry_unreachable', 'the registry does not answer');
  try {
    const hasRecord = await within(look(), RECORD_DEADLINE_MS, late);
    return typeof hasRecord === 'boolean' ? { hasRecord } : { hasRecord: false, refusal: late };
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    return { hasRecord: false, refusal: error };
  }
}

function outcomeOf({ table, shared }: EffectParts, place: Place, hasRecord: boolean): Outcome {
  const { upstream, server, known, member, question } = place;
  const { action, weight, by, reason } = question;
  switch (action) {
    case 'weight': {
      const written = writtenId(member.state);
      const weightOf = ({ state }: Member): number =>
        writtenId(state) === written ? weight : state.weight;
      return { members: known.members, weightOf, warnings: [] };
    }
    case 'deregister':
      return withoutRecord(table, place, hasRecord);
    case 'undrain': {
      if (!shared.others.isReachable) {
        const text =
          'the registry is away: it stays out until that is back, or the lease has ended';
        return { members: known.members, warnings: [text] };
      }
      const overrides = new Map(known.overrides);
      overrides.delete(server);
      return {
        members: table.supposed(upstream, givenBack(table, place, overrides)),
        warnings: [],
      };
    }
    case 'drain':
    case 'maint': {
      const admin = { state: action, owner: by, reason, sinceMs: 0 };
      const overrides = new Map([...known.overrides, [server, admin] as const]);
      return { members: table.supposed(upstream, { overrides }), warnings: [] };
    }
  }
}

/** The `down` that an intent wrote into the record ends with it. */
function givenBack(table: Table, place: Place, overrides: KnownUpstream['overrides']) {
  const { upstream, member, known } = place;
  const { registry } = member;
  const list = table.memberships.get(registry)?.services.get(upstream) ?? [];
  const instance = list.find(({ id }) => id === writtenId(member.state));
  if (instance?.isIntentDown !== true) return { overrides };
  const written = [{ ...instance, down: false, isIntentDown: false }];
  const mayBeEmpty = known.config.allowEmpty;
  const change = { registry, service: upstream, written, mayBeEmpty };
  return { overrides, memberships: supposedLists(table.memberships, change).memberships };
}

function withoutRecord(table: Table, place: Place, hasRecord: boolean): Outcome {
  const { upstream, server, known, member } = place;
  const { config, members } = known;
  const isInFile = config.servers.some(({ id }) => id === server);
  const stays = 'the config file has it, so it stays in the list';
  if (!hasRecord) {
    const warning = isInFile ? `there is no record: ${stays}` : 'there is no record to remove';
    return { members, warnings: [warning] };
  }
  const { memberships, isHeld } = supposedLists(table.memberships, {
    ...{ registry: member.registry, service: upstream, removed: new Set([server]) },
    mayBeEmpty: config.allowEmpty,
  });
  if (isHeld) {
    const text = 'it is the last record: the list is held as it is; with allow_empty it would go';
    return { members, warnings: [text] };
  }
  return {
    members: table.supposed(upstream, { memberships }),
    warnings: isInFile ? [stays] : [],
  };
}

function levelOf({ action }: EffectQuestion, before: number, after: number): EffectLevel {
  if (action === 'undrain') return 'light';
  if (action === 'deregister') return 'type';
  return after === 0 && before > 0 ? 'type' : 'confirm';
}

function releaseOf({ shared }: EffectParts, { upstream, member }: Place): string {
  const owner = parseOwner(member.admin.owner);
  return owner.kind === 'release'
    ? owner.id
    : (shared.releases.runningOn?.(upstream)?.release ?? '');
}

function warningsOf(
  { upstream, server, member, question }: Place,
  found: {
    readonly before: Pool;
    readonly after: Pool;
    readonly eligibleAfter: number;
    readonly release: string;
  },
): readonly string[] {
  const { action, by } = question;
  const { admin, state } = member;
  const { before, after, eligibleAfter, release } = found;
  const warnings: string[] = [];
  if (eligibleAfter === 0 && action !== 'weight') {
    warnings.push(`upstream "${upstream}" would have no eligible server: its requests get 503`);
  }
  const isOthers = admin.state !== 'ready' && admin.owner !== by;
  if (isOthers && action !== 'weight') {
    const why = admin.reason === '' ? '' : ` (${admin.reason})`;
    warnings.push(`it is in ${admin.state} by ${admin.owner}${why}`);
  }
  if (release !== '' && admin.owner !== `release:${release}`) {
    warnings.push(`release ${release} is running on upstream "${upstream}"`);
  }
  const next = eligibilityOf(after, state.id);
  if (action === 'undrain' && next !== 'ok') {
    warnings.push(`it would still take no requests: ${next}`);
  }
  if (action === 'weight' && eligibilityOf(before, state.id) !== 'ok') {
    warnings.push(`it takes no requests now (${eligibilityOf(before, state.id)})`);
  }
  if (action === 'weight' && state.id !== writtenId(state)) {
    warnings.push(`the weight is that of ${writtenId(state)}, for each of its addresses`);
  }
  if (action === 'deregister' && admin.state === 'ready') {
    warnings.push('"sluice instance leave" drains it first, whatever stays eligible');
  }
  if (action === 'maint') warnings.push(`the checks of ${server} stop until it is put back`);
  return warnings;
}

function caught(check: () => void): SluiceError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (isSluiceError(error)) return error;
    throw error;
  }
}
