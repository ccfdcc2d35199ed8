// The first page: a row per upstream, the gateways, the registries, and what needs attention.

import { useCallback } from 'preact/hooks';
import type {
  Attention,
  OverviewTopic,
  ServiceRow,
  UpstreamRow,
} from '../../src/admin/contract.ts';
import { chosen, GatewayChoice } from '../gateways/choice.tsx';
import { seenFrom } from '../gateways/seen.ts';
import { type Recent, useRecent } from '../live/recent.ts';
import { useOverview } from '../live/stream.ts';
import { Banner } from '../parts/banner.tsx';
import { StateBar } from '../parts/bar.tsx';
import { count, share, time } from '../parts/format.ts';
import { memo } from '../parts/memo.tsx';
import { Sparkline } from '../parts/sparkline.tsx';
import { Since } from '../parts/time.tsx';
import { Link, pathOf } from '../router.tsx';
import { common } from '../text.ts';
import { overviewText } from './overview/text.ts';

export function Overview() {
  const topic = useOverview();
  const overview = topic.value;
  if (overview === undefined) return <p class="muted loading">{common().loading}</p>;
  const text = overviewText();
  const choice = chosen();
  const names = Object.keys(overview.upstreams);
  return (
    <>
      <h1 class="unseen">{common().overview}</h1>
      <Needs overview={overview} />
      <div class="filters">
        <GatewayChoice />
      </div>
      <section class="card table-card" aria-label={text.upstreams}>
        {names.length === 0 ? (
          <p class="empty">{text.noUpstreams}</p>
        ) : (
          <div class="scroll">
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">{text.upstream}</th>
                  <th scope="col">{text.servers}</th>
                  <th scope="col" class="number">
                    {text.requests}
                  </th>
                  <th scope="col">{text.fiveMinutes}</th>
                  <th scope="col" class="number">
                    {text.errors}
                  </th>
                  <th scope="col" class="number">
                    p50
                  </th>
                  <th scope="col" class="number">
                    p99
                  </th>
                  <th scope="col" class="number">
                    {text.inFlight}
                  </th>
                  <th scope="col">{text.versions}</th>
                  <th scope="col">{text.release}</th>
                </tr>
              </thead>
              <tbody>
                {Object.entries(overview.upstreams).map(([name, row]) => (
                  <Row
                    key={name}
                    name={name}
                    row={seenFrom(row, choice)}
                    services={overview.services}
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <div class="columns">
        <Gateways overview={overview} />
        <Registries overview={overview} />
      </div>
    </>
  );
}

type RowProps = {
  readonly name: string;
  readonly row: UpstreamRow;
  readonly services: OverviewTopic['services'];
};

function Row({ name, row, services }: RowProps) {
  const choice = chosen();
  const topic = useOverview();
  const newest = useCallback(() => {
    const now = topic.peek()?.upstreams[name];
    return now === undefined ? {} : { '': seenFrom(now, choice).lastSecond };
  }, [name, choice]);
  const recent = useRecent(name, '', choice, newest);
  // Of most rows nothing changed, and they are not drawn again.
  const service = Object.entries(services).find(([, { upstream }]) => upstream === name);
  return (
    <RowOf
      name={name}
      row={row}
      recent={recent}
      title={service?.[0] ?? ''}
      service={service?.[1]}
    />
  );
}

const RowOf = memo(function RowOf({
  name,
  row,
  recent,
  title,
  service,
}: {
  readonly name: string;
  readonly row: UpstreamRow;
  readonly recent: Recent;
  /** Of the service that is released on it; '' = none was. */
  readonly title: string;
  readonly service: ServiceRow | undefined;
}) {
  const text = overviewText();
  const { requests, errors, failures, p50Ms, p99Ms } = row.lastSecond;
  const values = useCallback(() => recent.trail('')?.requests, [recent]);
  const wrong = errors + failures;
  return (
    <tr>
      <th scope="row">
        <Link to={pathOf('pools', name)}>{name}</Link>
        <span class="muted balance">{row.balance}</span>
      </th>
      <td>
        <span class="servers">
          <span class={row.eligible === 0 ? 'bad' : ''}>
            <b>{row.eligible}</b>/{row.servers}
          </span>
          <StateBar counts={row.eligibility} />
          {row.problems > 0 ? (
            <span class="tag tag-warn">{text.problems(row.problems)}</span>
          ) : null}
        </span>
      </td>
      <td class="number">{count(requests)}</td>
      <td>
        <Sparkline values={values} tick={recent.tick} label={text.sparkline(name)} width={120} />
      </td>
      <td class={`number ${wrong > 0 ? 'bad' : ''}`}>{share(wrong, requests)}</td>
      <td class="number">{time(p50Ms)}</td>
      <td class="number">{time(p99Ms)}</td>
      <td class="number">{count(row.inFlight)}</td>
      <td>
        <Versions versions={row.versions} />
      </td>
      <td>
        {service === undefined ? (
          <span class="muted">–</span>
        ) : (
          <Release name={title} row={service} />
        )}
      </td>
    </tr>
  );
});

function Release({
  name,
  row: { running, last },
}: {
  readonly name: string;
  readonly row: ServiceRow;
}) {
  const text = overviewText();
  const one = running ?? last;
  if (one === undefined) return null;
  return (
    <span class="release-cell">
      <Link to={pathOf('releases', name, one.release)}>{one.release}</Link>
      {running === undefined ? (
        <span class={last?.outcome === 'succeeded' ? 'muted' : 'bad'}>
          {last?.version} · {last?.outcome} · <Since ms={last?.endedAtMs ?? 0} />
        </span>
      ) : (
        <span>
          → {running.version}
          {running.total === undefined ? null : ` · ${running.done}/${running.total}`}
          <span class={running.stale ? 'bad' : 'muted'}>
            {' · '}
            {running.stale ? text.noRunner : running.step}
          </span>
        </span>
      )}
    </span>
  );
}

function Versions({ versions }: { readonly versions: UpstreamRow['versions'] }) {
  const known = Object.entries(versions);
  if (known.length === 0) return <span class="muted">–</span>;
  return (
    <span class="tags">
      {known.map(([version, servers]) => (
        <span key={version} class="tag">
          {version}
          {known.length > 1 ? <span class="muted"> ×{servers}</span> : null}
        </span>
      ))}
    </span>
  );
}

function Needs({ overview }: { readonly overview: OverviewTopic }) {
  const text = overviewText();
  return (
    <>
      {Object.entries(overview.attention).map(([key, one]) => {
        const { code, level, subject, sinceMs = 0, release } = one;
        const to = wayOf(one);
        return (
          <Banner key={key} level={level}>
            {text.needs(code, subject, one.text, one.detail ?? '')}
            {sinceMs > 0 ? (
              <span class="muted">
                {' · '}
                <Since ms={sinceMs} />
              </span>
            ) : null}{' '}
            {to === '' ? null : <Link to={to}>{release ?? text.look}</Link>}
          </Banner>
        );
      })}
    </>
  );
}

/** Where one sees more of it; '' = here. */
function wayOf({ code, subject, release }: Attention): string {
  if (release !== undefined) return pathOf('releases', subject, release);
  return /^(?:registry|gateway|worker)_/.test(code) ? '' : pathOf('pools', subject);
}

function Gateways({ overview }: { readonly overview: OverviewTopic }) {
  const text = overviewText();
  return (
    <section class="card">
      <h2>{text.gateways}</h2>
      <ul class="facts">
        {Object.entries(overview.gateways).map(([id, gateway]) => (
          <li key={id}>
            <span class={`dot dot-${gateway.state === 'live' ? 'ok' : 'bad'}`} aria-hidden="true" />
            <b>{gateway.name}</b>
            <span class="muted">
              {text.generation} {gateway.generation}
            </span>
            <span>
              {gateway.state === 'silent'
                ? text.isSilent
                : gateway.current
                  ? text.current
                  : `${text.behind} ${time(gateway.lagMs)}`}
            </span>
            <span class="muted">
              <Since ms={gateway.sinceMs} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Registries({ overview }: { readonly overview: OverviewTopic }) {
  const text = overviewText();
  return (
    <section class="card">
      <h2>{text.registries}</h2>
      <ul class="facts">
        {Object.entries(overview.registries).map(
          ([name, { kind, address, reachable, trouble }]) => (
            <li key={name}>
              <span class={`dot dot-${reachable ? 'ok' : 'bad'}`} aria-hidden="true" />
              <b>{kind}</b>
              <span class="muted">{address}</span>
              <span>{reachable ? text.reachable : trouble}</span>
            </li>
          ),
        )}
      </ul>
    </section>
  );
}
