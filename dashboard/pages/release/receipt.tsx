// What became of the requests while the release ran: as it was counted at the end, by the graphs until then.

import type { HistoryDocument } from '../../../src/admin/contract.ts';
import { Figure } from '../../parts/figure.tsx';
import { count, time } from '../../parts/format.ts';
import { type Data, dataOf, listOf, numberOf, wordOf } from './records.ts';
import { releaseText } from './text.ts';

export type ReceiptProps = {
  readonly receipt: Data | undefined;
  readonly isRunning: boolean;
  readonly fromMs: number;
  readonly history: HistoryDocument | undefined;
};

const COUNTS = ['requests', 'answered', 'retried', 'cut', 'lost', 'clientGone'] as const;
const WRONG: readonly string[] = ['cut', 'lost'];

export function Receipt({ receipt, isRunning, fromMs, history }: ReceiptProps) {
  const text = releaseText();
  if (receipt === undefined && !isRunning) return null;
  return (
    <section class="card" aria-label={text.receipt}>
      <h2>{text.receipt}</h2>
      {receipt === undefined ? (
        <Growing fromMs={fromMs} history={history} />
      ) : (
        <Closed receipt={receipt} />
      )}
    </section>
  );
}

function Growing({ fromMs, history }: Pick<ReceiptProps, 'fromMs' | 'history'>) {
  const text = releaseText();
  if (history === undefined) return <p class="muted">…</p>;
  const { startMs, stepMs } = history;
  const whole = history.series.find(({ kind }) => kind === 'upstream');
  const since = (column: readonly number[] = []): number =>
    column.reduce((sum, many, slot) => (startMs + slot * stepMs < fromMs ? sum : sum + many), 0);
  const failed = since(whole?.failures);
  return (
    <>
      <p class="muted">{text.receiptLater}</p>
      <p class="figures">
        <Count many={since(whole?.requests)} word={text.requests} />
        <Count many={failed} word={text.failedRequests} isBad={failed > 0} />
        <Count many={since(whole?.errors)} word="5xx" />
      </p>
    </>
  );
}

function Closed({ receipt }: { readonly receipt: Data }) {
  const text = releaseText();
  const wrong = WRONG.reduce((sum, name) => sum + numberOf(receipt[name]), 0);
  const missing = wordOf(receipt['missing']);
  const servers = listOf(receipt['servers']).map(dataOf);
  return (
    <>
      <p class="figures">
        {COUNTS.map((name) => (
          <Count
            key={name}
            many={numberOf(receipt[name])}
            word={text[name]}
            isBad={WRONG.includes(name) && numberOf(receipt[name]) > 0}
          />
        ))}
        <span class="figure">
          <b>{time(numberOf(receipt['longestGapMs']))}</b> <span class="muted">{text.gap}</span>
        </span>
        {wrong === 0 && missing === '' && numberOf(receipt['requests']) > 0 ? (
          <span class="good">✓ {text.allWell}</span>
        ) : null}
      </p>
      {missing === '' ? null : (
        <p class="warn any">
          {text.incomplete} {missing}
        </p>
      )}
      {servers.length === 0 ? null : (
        <div class="scroll">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{text.server}</th>
                {COUNTS.map((name) => (
                  <th key={name} scope="col" class="number">
                    {text[name]}
                  </th>
                ))}
                <th scope="col" class="number">
                  5xx
                </th>
              </tr>
            </thead>
            <tbody>
              {servers.map((server) => (
                <tr key={wordOf(server['id'])}>
                  <th scope="row" class="any">
                    {wordOf(server['id'])}
                  </th>
                  {COUNTS.map((name) => (
                    <Cell
                      key={name}
                      many={numberOf(server[name === 'requests' ? 'attempts' : name])}
                      isBad={WRONG.includes(name)}
                    />
                  ))}
                  <Cell many={numberOf(dataOf(server['answers'])['5xx'])} isBad />
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Cell({ many, isBad }: { readonly many: number; readonly isBad: boolean }) {
  return <td class={`number ${isBad && many > 0 ? 'bad' : ''}`}>{count(many)}</td>;
}

function Count({
  many,
  word,
  isBad = false,
}: {
  readonly many: number;
  readonly word: string;
  readonly isBad?: boolean;
}) {
  return <Figure value={many.toLocaleString('en')} label={word} isBad={isBad} />;
}
