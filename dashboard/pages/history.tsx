// All releases, of one service or of all, newest first.

import type { ReleasesTopic } from '../../src/admin/contract.ts';
import { ActionDialog } from '../actions/dialog.tsx';
import { useOverview, useReleases } from '../live/stream.ts';
import { Banner } from '../parts/banner.tsx';
import { Filter, filterText } from '../parts/filter.tsx';
import { count } from '../parts/format.ts';
import { duration, Moment, nowMs } from '../parts/time.tsx';
import { Link, pathOf, place } from '../router.tsx';
import { common } from '../text.ts';
import { StartButtons } from './release/desk-buttons.tsx';
import { isWanted, type PastRelease, pastOf } from './release/past.ts';
import { releaseText, told } from './release/text.ts';
import { OutcomeTag } from './release/verdict.tsx';

/** Services that are followed at once; a stream takes 16 topics. */
const SERVICES_MAX = 12;
const LIVE = ['running', 'waiting', 'paused'];

export function History({ service }: { readonly service: string }) {
  return service === '' ? <AllServices /> : <Followed key={service} names={[service]} />;
}

function AllServices() {
  const overview = useOverview().value;
  if (overview === undefined) return <p class="muted loading">{common().loading}</p>;
  const names = Object.keys(overview.services);
  // Those that run first, then those whose last release is the newest.
  const lastMs = (name: string): number => {
    const row = overview.services[name];
    return row?.running !== undefined ? Infinity : (row?.last?.beganAtMs ?? 0);
  };
  const shown = names.sort((a, b) => lastMs(b) - lastMs(a)).slice(0, SERVICES_MAX);
  shown.sort();
  return <Followed key={shown.join('\n')} names={shown} others={names.slice(SERVICES_MAX)} />;
}

function Followed({
  names,
  others = [],
}: {
  readonly names: readonly string[];
  /** Their pages are linked. */
  readonly others?: readonly string[];
}) {
  const text = releaseText();
  const topics: Record<string, ReleasesTopic | undefined> = {};
  // As many as when it was shown first: another list of names is another component.
  for (const name of names) topics[name] = useReleases(name).value;
  const { path } = place.value;
  const isAll = path === '/releases' || path === '/releases/';
  const filter = filterText();
  const past = pastOf(topics);
  const shown = past.filter((one) => isWanted(one, filter.trim()));
  const known = Object.values(topics);
  const isLoading = known.some((topic) => topic === undefined);
  return (
    <>
      <div class="page-head">
        <h1 class="any">{isAll ? common().releases : names[0]}</h1>
        {isAll ? null : <Link to={pathOf('releases')}>{common().releases}</Link>}
        {isAll ? null : (
          <span class="actions">
            <StartButtons service={names[0] ?? ''} kinds={['deploy', 'rollback']} />
          </span>
        )}
      </div>
      {known.map((topic, at) =>
        topic !== undefined && 'trouble' in topic ? (
          <Banner key={names[at] ?? ''} level="bad">
            {names[at]}: {topic.trouble.message}
          </Banner>
        ) : null,
      )}
      {known.some((topic) => topic !== undefined && 'shared' in topic && !topic.shared) ? (
        <Banner level="info">{text.notShared}</Banner>
      ) : null}
      <div class="filters">
        <Filter />
        <span class="muted">{text.shownReleases(shown.length, past.length)}</span>
        {others.map((name) => (
          <Link key={name} to={pathOf('releases', name)}>
            {name}
          </Link>
        ))}
      </div>
      <section class="card table-card" aria-label={common().releases}>
        {shown.length === 0 ? (
          <p class="empty">
            {isLoading ? common().loading : past.length === 0 ? text.noReleases : text.noneShown}
          </p>
        ) : (
          <div class="scroll">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">{text.history.release}</th>
                  <th scope="col">{text.history.result}</th>
                  <th scope="col">{text.history.versions}</th>
                  <th scope="col">{text.history.began}</th>
                  <th scope="col" class="number">
                    {text.history.took}
                  </th>
                  <th scope="col">{text.history.who}</th>
                  <th scope="col" class="number">
                    {text.history.requests}
                  </th>
                  <th scope="col" class="number">
                    {text.history.failed}
                  </th>
                  <th scope="col">{text.history.reason}</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((one) => (
                  <Row key={`${one.service} ${one.summary.release}`} past={one} isAll={isAll} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <ActionDialog />
    </>
  );
}

function Row({
  past: { service, summary, word },
  isAll,
}: {
  readonly past: PastRelease;
  readonly isAll: boolean;
}) {
  const text = releaseText();
  const { release, kind, version, user, beganAtMs, endedAtMs, of, why, reason } = summary;
  const { from, counted } = summary;
  const said = reason || why;
  const endMs = endedAtMs || (LIVE.includes(word) ? nowMs.value : 0);
  return (
    <tr>
      <th scope="row" class="any">
        {isAll ? (
          <>
            <Link to={pathOf('releases', service)}>{service}</Link>{' '}
          </>
        ) : null}
        <Link to={pathOf('releases', service, release)}>{release}</Link>
      </th>
      <td>
        <OutcomeTag word={word} />
      </td>
      <td class="any versions">
        {from === undefined ? '' : `${from.join(', ') || '–'} → `}
        <b>{kind === 'stop' ? '–' : version}</b>
        {kind === 'deploy' ? '' : ` (${told(text.kinds, kind)}`}
        {of === '' ? null : (
          <>
            {' '}
            {text.undoes} <Link to={pathOf('releases', service, of)}>{of}</Link>
          </>
        )}
        {kind === 'deploy' ? '' : ')'}
      </td>
      <td>
        <Moment ms={beganAtMs} day />
      </td>
      <td class="number">{endMs > 0 ? duration(endMs - beganAtMs) : ''}</td>
      <td class="any">{user}</td>
      <td class="number">{counted === undefined ? '' : count(counted.requests)}</td>
      <td class={`number ${(counted?.failed ?? 0) > 0 ? 'bad' : ''}`}>
        {counted === undefined ? '' : `${counted.failed}${counted.complete ? '' : '?'}`}
      </td>
      <td class="wrap any">{said === '' ? null : <div class="reason">{said}</div>}</td>
    </tr>
  );
}
