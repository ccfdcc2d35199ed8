// One server of the pool.

import { useCallback, useRef } from 'preact/hooks';
import type { PoolServer } from '../../../src/admin/contract.ts';
import { ServerButton } from '../../actions/buttons.tsx';
import type { Recent } from '../../live/recent.ts';
import { count, share, time } from '../../parts/format.ts';
import { memo } from '../../parts/memo.tsx';
import { Sparkline } from '../../parts/sparkline.tsx';
import { StateMark, wordOf } from '../../parts/state-mark.tsx';
import { Since } from '../../parts/time.tsx';
import { setQuery } from '../../router.tsx';
import { poolText } from './text.ts';

export type RowProps = {
  readonly upstream: string;
  readonly id: string;
  readonly server: PoolServer;
  readonly recent: Recent;
};

export const Row = memo(function Row({ upstream, id, server, recent }: RowProps) {
  const text = poolText();
  const { version, weight, lastSecond, admin, addresses, outElsewhere } = server;
  const { requests, errors, failures, p99Ms } = lastSecond;
  const wrong = errors + failures;
  const rates = useCallback(() => recent.trail(id)?.requests, [recent, id]);
  const times = useCallback(() => recent.trail(id)?.p99Ms, [recent, id]);
  const others = addresses.filter((address) => !id.startsWith(address));
  return (
    <tr>
      <th scope="row" class="server">
        <button type="button" class="link-button any" onClick={() => setQuery('server', id)}>
          {id}
        </button>
        {others.length === 0 ? null : <small class="muted any">{others.join(', ')}</small>}
      </th>
      <td>
        <StateMark state={server.eligibility} />
        {outElsewhere.map(({ gateway, eligibility }) => (
          <small key={gateway} class="warn any">
            {text.elsewhere(gateway, wordOf(eligibility))}
          </small>
        ))}
      </td>
      <td>{version === '' ? <span class="muted">–</span> : <span class="tag">{version}</span>}</td>
      <td class="number">
        <Weight server={server} />
        {server.backup ? <small class="muted">{text.backup}</small> : null}
      </td>
      <td class="number in-flight">
        <InFlight server={server} />
      </td>
      <td>
        <span class="trend">
          <b>{count(requests)}</b>
          <Sparkline
            values={rates}
            tick={recent.tick}
            label={text.trend(text.perSecond, id)}
            width={56}
          />
        </span>
      </td>
      <td>
        <span class="trend">
          <b>{time(p99Ms)}</b>
          <Sparkline
            values={times}
            tick={recent.tick}
            kind="time"
            label={text.trend('p99', id)}
            width={56}
          />
        </span>
      </td>
      <td class={`number ${wrong > 0 ? 'bad' : ''}`}>{share(wrong, requests)}</td>
      <td class="words">
        <Check server={server} />
      </td>
      <td class="words">
        {admin.state === 'ready' ? (
          <span class="muted">–</span>
        ) : (
          <>
            <span class="any">
              <Since ms={admin.sinceMs} /> {admin.owner}
            </span>
            {admin.reason === '' ? null : <small class="muted any">{admin.reason}</small>}
          </>
        )}
      </td>
      <td>
        <ServerButton
          action={admin.state === 'ready' ? 'drain' : 'undrain'}
          now={{ upstream, server: id, weight }}
        />
      </td>
    </tr>
  );
});

/** While it drains: from how many it has come down. */
export function InFlight({ server }: { readonly server: PoolServer }) {
  const text = poolText();
  const { admin, inFlight, settled } = server;
  const most = useRef(0);
  if (admin.state === 'ready') {
    most.current = 0;
    return <>{count(inFlight)}</>;
  }
  most.current = Math.max(most.current, inFlight);
  if (inFlight === 0) {
    return settled ? (
      <span class="good">✓ {text.idle}</span>
    ) : (
      <span class="muted">{text.notSettled}</span>
    );
  }
  const { oldestRequest, oldestSinceMs } = server;
  return (
    <>
      <b class="state-drain">
        {most.current > inFlight ? <span class="muted">{count(most.current)} → </span> : null}
        {count(inFlight)}
      </b>
      {oldestSinceMs === 0 ? null : (
        <small class="muted any" title={oldestRequest}>
          {text.oldest} <Since ms={oldestSinceMs} /> {oldestRequest}
        </small>
      )}
    </>
  );
}

/** What it has, and what it has of it now. */
export function Weight({ server: { weight, ramp } }: { readonly server: PoolServer }) {
  return ramp >= 1 ? (
    <span>{weight}</span>
  ) : (
    <span title={poolText().ramps}>
      <b class="state-unchecked">{count(weight * ramp)}</b>
      <span class="muted">/{weight}</span>
    </span>
  );
}

/** The last check and what requests found, in words. */
export function Check({ server }: { readonly server: PoolServer }) {
  const text = poolText();
  const { checks, checkReason, admin, failedInARow, lastFailure, resting } = server;
  const isUp = checks === 'up';
  return (
    <>
      {checks === 'off' ? (
        <span class="muted">{text.noChecks}</span>
      ) : admin.state === 'maint' ? (
        <span class="muted">{text.checksOff}</span>
      ) : checks === 'unknown' ? (
        <span class="muted">{text.waits}</span>
      ) : (
        <span class={`any ${isUp ? '' : 'bad'}`}>
          {isUp ? checkReason || text.passed : `${text.failed}: ${checkReason}`}
        </span>
      )}
      {failedInARow > 0 ? (
        <small class="bad any">
          {text.failedInARow(failedInARow)}: {lastFailure}
        </small>
      ) : null}
      {resting === '' ? null : <small class="bad any">{resting}</small>}
    </>
  );
}
