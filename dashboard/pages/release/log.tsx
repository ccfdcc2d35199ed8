// What was written down, record by record, with a filter.

import { Filter, filterText } from '../../parts/filter.tsx';
import { Moment } from '../../parts/time.tsx';
import { dataOf, factsOf, listOf, type StoryRecord } from './records.ts';
import { releaseText } from './text.ts';

export function Log({ records }: { readonly records: readonly StoryRecord[] }) {
  const text = releaseText();
  const filter = filterText();
  const wanted = filter.toLowerCase();
  const lines = records.map((record) => ({ record, facts: wordsOf(record) }));
  // The newest first: that is what is waited for.
  const shown = lines
    .toReversed()
    .filter(({ record: { kind, instance, step }, facts }) =>
      `${instance} ${step} ${kind} ${facts}`.toLowerCase().includes(wanted),
    );
  return (
    <section class="card table-card" aria-label={text.log}>
      <div class="filters card-filters">
        <h2>{text.log}</h2>
        <Filter />
        <span class="muted">{text.shown(shown.length, records.length)}</span>
      </div>
      {shown.length === 0 ? (
        <p class="empty">{text.noneShown}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by keys, too.
        <div class="scroll log" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{text.columns.at}</th>
                <th scope="col">{text.columns.instance}</th>
                <th scope="col">{text.columns.step}</th>
                <th scope="col">{text.columns.what}</th>
                <th scope="col">{text.columns.facts}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ record, facts }) => (
                <tr key={record.seq} class={record.kind === 'failed' ? 'bad' : ''}>
                  <td>
                    <Moment ms={record.atMs} />
                  </td>
                  <td class="any">{record.instance}</td>
                  <td>
                    {record.data['revert'] === true ? '↩ ' : ''}
                    {record.step}
                  </td>
                  <td>{record.kind === 'intent' ? 'begin' : record.kind}</td>
                  <td class="wrap any">{facts}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function wordsOf({ kind, data }: StoryRecord): string {
  if (kind === 'begin' || kind === 'resume') {
    const { user, host, pid, version, why } = data;
    return factsOf({ user, host, pid, version, why });
  }
  if (kind !== 'plan') return factsOf(data);
  const plan = dataOf(data['plan']);
  const { eligible, servers, need } = plan;
  const from = listOf(plan['from']).map(String).join(', ');
  return [
    `${from} → ${String(plan['version'])}`,
    factsOf({ eligible, servers, need }),
    ...listOf(plan['notes']).map(String),
  ].join(' · ');
}
