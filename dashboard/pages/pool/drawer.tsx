// All about one server, beside the table: what it is, what was found, what was done with it.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { EventDocument, PoolServer } from '../../../src/admin/contract.ts';
import { ServerButtons } from '../../actions/buttons.tsx';
import { call } from '../../live/api.ts';
import { useEvents } from '../../live/stream.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { count, share, time } from '../../parts/format.ts';
import { StateMark } from '../../parts/state-mark.tsx';
import { duration, Moment, Since } from '../../parts/time.tsx';
import { Link, setQuery } from '../../router.tsx';
import { common } from '../../text.ts';
import { Charts } from './charts.tsx';
import { Check, InFlight, Weight } from './row.tsx';
import { poolText } from './text.ts';

export type DrawerProps = {
  readonly upstream: string;
  readonly id: string;
  /** Undefined: it is not in the pool (any more). */
  readonly server: PoolServer | undefined;
};

export function Drawer({ upstream, id, server }: DrawerProps) {
  return (
    <Dialog kind="drawer" title={id} onClose={() => setQuery('server', '')}>
      {server === undefined ? (
        <p>{poolText().left}</p>
      ) : (
        <Server upstream={upstream} id={id} server={server} />
      )}
      <Events upstream={upstream} id={id} />
    </Dialog>
  );
}

function Server({ upstream, id, server }: DrawerProps & { readonly server: PoolServer }) {
  const text = poolText();
  const { admin, lastSecond, version, weight, tunnels, streams } = server;
  const { addresses, maxFails, failTimeoutMs, maxConns, source, alsoIn } = server;
  const wrong = lastSecond.errors + lastSecond.failures;
  return (
    <>
      <p class="server-head">
        <StateMark state={server.eligibility} />
        {admin.state === 'ready' ? null : (
          <span class="any">
            <Since ms={admin.sinceMs} /> {common().by} {admin.owner}
            {admin.reason === '' ? '' : `: ${admin.reason}`}
          </span>
        )}
      </p>
      <ServerButtons
        state={admin.state}
        isRecord={source !== 'config'}
        now={{ upstream, server: id, weight }}
      />
      <dl class="pairs">
        <Pair name={text.columns.inFlight}>
          <InFlight server={server} />
          {tunnels + streams > 0 ? ` (${text.lasting(tunnels, streams)})` : ''}
        </Pair>
        <Pair name={text.traffic}>
          {count(lastSecond.requests)} {text.perSecond} · {share(wrong, lastSecond.requests)}{' '}
          {text.errors} · p50 {time(lastSecond.p50Ms)} · p99 {time(lastSecond.p99Ms)}
        </Pair>
        <Pair name={text.check}>
          <Check server={server} />{' '}
          <span class="muted">{text.inARow(server.riseCount, server.fallCount)}</span>
        </Pair>
        <Pair name={text.lastFailure}>
          {server.lastFailure === '' ? (
            common().none
          ) : (
            <>
              {server.lastFailure} (<Moment ms={server.lastFailureMs} />)
            </>
          )}
        </Pair>
        {server.ejectedUntilMs > 0 ? (
          <Pair name={text.ejectedUntil}>
            <Moment ms={server.ejectedUntilMs} />
          </Pair>
        ) : null}
        <Pair name={text.sinceStart}>{text.counts(server.requests, server.failures)}</Pair>
        <Pair name={text.columns.version}>{version === '' ? common().unknown : version}</Pair>
        <Pair name={text.columns.weight}>
          <Weight server={server} />
          {server.ramp < 1 ? ` (${text.ramps})` : ''}
          {server.backup ? ` (${text.backup})` : ''} ·{' '}
          {text.limits(maxFails, duration(failTimeoutMs), maxConns)}
        </Pair>
        <Pair name={text.addresses}>{addresses.join(', ')}</Pair>
        <Pair name={text.record}>
          {text.sources[source]}
          {alsoIn.length === 0 ? '' : ` (+ ${alsoIn.join(', ')})`}{' '}
          {source === 'config' ? null : (
            <Record upstream={upstream} id={id} registry={server.registry} />
          )}
        </Pair>
        {server.restarts > 0 || server.lastExit !== '' ? (
          <Pair name={text.restarts}>
            {server.restarts} {server.lastExit} <Moment ms={server.lastExitMs} />
          </Pair>
        ) : null}
      </dl>
      <Charts upstream={upstream} server={id} servers={{ [id]: server }} />
    </>
  );
}

function Pair({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="any">{children}</dd>
    </div>
  );
}

/** Where its record can be read and changed. */
function Record({
  upstream,
  id,
  registry,
}: {
  readonly upstream: string;
  readonly id: string;
  readonly registry: string;
}) {
  const [prefix, setPrefix] = useState('');
  useEffect(() => {
    call('status', {}).then(
      (status) => {
        const all = [status.registry, ...status.registries];
        setPrefix(all.find(({ name }) => name === registry)?.recordPrefix ?? '');
      },
      () => {},
    );
  }, [registry]);
  if (prefix === '') return null;
  const key = `${prefix}${upstream}/${id}`;
  return <Link to={`/kv?${new URLSearchParams({ registry, key })}`}>{key}</Link>;
}

const EVENTS_MAX = 12;

function Events({ upstream, id }: { readonly upstream: string; readonly id: string }) {
  const text = poolText();
  const events = Object.values(useEvents().value?.events ?? {})
    .filter((event) => event.upstream === upstream && event.server === id)
    .slice(-EVENTS_MAX)
    .reverse();
  return (
    <section>
      <h3>{text.events}</h3>
      {events.length === 0 ? <p class="muted">{common().none}</p> : null}
      <ul class="facts">
        {events.map((event, place) => (
          <li key={`${event.time} ${place}`} class="any">
            <Moment ms={Date.parse(event.time)} />
            <span>{wordsOf(event)}</span>
            <span class="muted">{event.owner}</span>
            {event.after.reason === '' ? null : <span class="muted">{event.after.reason}</span>}
            {event.result === 'ok' ? null : <span class="bad">{event.message}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `setAdmin: ready → drain`, `setWeight: 1 → 10`: the registry has it a moment after the answer. */
function wordsOf({ action, asked, before, after }: EventDocument): string {
  if (typeof asked['weight'] === 'number')
    return `${action}: ${before.weight} → ${asked['weight']}`;
  return before.state === after.state ? action : `${action}: ${before.state} → ${after.state}`;
}
