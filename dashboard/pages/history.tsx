// All releases of a service, newest first.

import type { ReleaseSummary } from '../../src/admin/contract.ts';
import { useOverview, useReleases } from '../live/stream.ts';
import { Banner } from '../parts/banner.tsx';
import { duration, Moment, nowMs } from '../parts/time.tsx';
import { Link, pathOf } from '../router.tsx';
import { common } from '../text.ts';
import { releaseText, told } from './release/text.ts';
import { OutcomeTag } from './release/verdict.tsx';

export function History({ service }: { readonly service: string }) {
  return service === '' ? <Services /> : <OfService service={service} />;
}

function Services() {
  const overview = useOverview().value;
  if (overview === undefined) return <p class="muted loading">{common().loading}</p>;
  return (
    <>
      <h1>{common().releases}</h1>
      <ul>
        {Object.keys(overview.upstreams).map((name) => (
          <li key={name}>
            <Link to={pathOf('releases', name)}>{name}</Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function OfService({ service }: { readonly service: string }) {
  const text = releaseText();
  const topic = useReleases(service).value;
  if (topic === undefined) return <p class="muted loading">{common().loading}</p>;
  if ('trouble' in topic) return <Banner level="bad">{topic.trouble.message}</Banner>;
  const releases = Object.values(topic.releases).sort((a, b) => b.number - a.number);
  const { holder } = topic.lock;
  return (
    <>
      <div class="page-head">
        <h1 class="any">{service}</h1>
        <Link to={pathOf('releases')}>{common().releases}</Link>
      </div>
      {topic.shared ? null : <Banner level="info">{text.notShared}</Banner>}
      <section class="card table-card" aria-label={service}>
        {releases.length === 0 ? (
          <p class="empty">{text.noReleases}</p>
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
                  <th scope="col">{text.history.reason}</th>
                </tr>
              </thead>
              <tbody>
                {releases.map((one) => (
                  <Row
                    key={one.release}
                    service={service}
                    summary={one}
                    word={
                      one.endedAtMs > 0
                        ? one.outcome
                        : holder?.release !== one.release
                          ? 'lost'
                          : topic.stale
                            ? 'stale'
                            : 'running'
                    }
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}

function Row({
  service,
  summary,
  word,
}: {
  readonly service: string;
  readonly summary: ReleaseSummary;
  readonly word: string;
}) {
  const text = releaseText();
  const { release, kind, version, user, beganAtMs, endedAtMs, of, why, reason } = summary;
  return (
    <tr>
      <th scope="row">
        <Link to={pathOf('releases', service, release)}>{release}</Link>
      </th>
      <td>
        <OutcomeTag word={word} />
      </td>
      <td class="any">
        {version} {kind === 'deploy' ? '' : told(text.kinds, kind)}
        {of === '' ? null : (
          <>
            {' '}
            ({text.undoes} <Link to={pathOf('releases', service, of)}>{of}</Link>)
          </>
        )}
      </td>
      <td>
        <Moment ms={beganAtMs} day />
      </td>
      <td class="number">
        {endedAtMs > 0
          ? duration(endedAtMs - beganAtMs)
          : word === 'running'
            ? duration(nowMs.value - beganAtMs)
            : ''}
      </td>
      <td class="any">{user}</td>
      <td class="wrap any">{reason || why}</td>
    </tr>
  );
}
