// One key: its value as it is, then, on demand, an editor that writes only over what was read.

import { useState } from 'preact/hooks';
import type { KvEntryDocument } from '../../../src/admin/contract.ts';
import { call } from '../../live/api.ts';
import { usePolled } from '../../live/polled.ts';
import { mayOperate, mayRelease } from '../../live/session.ts';
import { Banner } from '../../parts/banner.tsx';
import { CopyButton } from '../../parts/copy.tsx';
import { Link } from '../../router.tsx';
import { common } from '../../text.ts';
import { Editor } from './editor.tsx';
import { removeEntry } from './remove.ts';
import { kvText } from './text.ts';
import { pretty } from './value.ts';
import { wayTo } from './way.ts';

const EVERY_MS = 2000;

export type EntryProps = {
  readonly registry: string;
  readonly name: string;
  /** A key that is to be made. */
  readonly isNew: boolean;
  /** The key whose value it begins with; '' = none. */
  readonly from: string;
  readonly onWritten: (key: string) => void;
};

export function Entry({ registry, name, isNew, from, onWritten }: EntryProps) {
  const text = kvText();
  const [isEdited, setEdited] = useState(isNew);
  const read = isNew ? from : name;
  const polled = usePolled(
    read === '' ? null : read,
    () => call('kvEntry', { registry, key: read }),
    EVERY_MS,
  );
  const entry = polled.value;
  if (isNew && (from === '' || entry !== undefined)) {
    return (
      <section class="card kv-entry" aria-label={text.newKey}>
        <Editor
          registry={registry}
          name={from === '' ? name : from}
          value={entry?.value ?? ''}
          onDone={(written) => onWritten(written ?? name)}
        />
      </section>
    );
  }
  return (
    <section class="card kv-entry" aria-label={name}>
      <h2 class="any">{name}</h2>
      {polled.trouble === '' ? null : <Banner level="bad">{polled.trouble}</Banner>}
      {entry === undefined ? (
        <p class="muted">{common().loading}</p>
      ) : isEdited ? (
        <Editor
          registry={registry}
          name={name}
          value={entry.value ?? ''}
          entry={entry}
          onDone={(written) => {
            setEdited(false);
            polled.again();
            if (written !== undefined) onWritten(written);
          }}
        />
      ) : (
        <Read
          entry={entry}
          onEdit={() => setEdited(true)}
          onRemoved={() => {
            polled.again();
            onWritten(name);
          }}
        />
      )}
    </section>
  );
}

type ReadProps = {
  readonly entry: KvEntryDocument;
  readonly onEdit: () => void;
  readonly onRemoved: () => void;
};

function Read({ entry, onEdit, onRemoved }: ReadProps) {
  const text = kvText();
  const { registry, key, exists, value, base64, withheld, owner, session, holder } = entry;
  const mayChange = owner === 'sluice' ? mayRelease.value : mayOperate.value;
  return (
    <>
      {entry.problems.concat(entry.warnings).map((problem) => (
        <Banner key={problem} level="warn">
          {problem}
        </Banner>
      ))}
      {!exists ? <p class="muted">{text.gone}</p> : null}
      {withheld ? <p class="muted">{text.withheld}</p> : null}
      {base64 ? <p class="muted">{text.binary}</p> : null}
      {value === null ? null : (
        // A region that scrolls can be reached by keyboard.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: as said
        <pre class="kv-value" tabIndex={0}>
          {base64 ? value : pretty(value)}
        </pre>
      )}
      {exists ? (
        <dl class="pairs">
          <dt>{text.bytes}</dt>
          <dd>{entry.bytes}</dd>
          <dt>{text.flags}</dt>
          <dd>{entry.flags}</dd>
          <dt>{text.index}</dt>
          <dd>
            {entry.index} <span class="muted">({entry.createIndex})</span>
          </dd>
          {session === '' ? null : (
            <>
              <dt>{text.lock}</dt>
              <dd class="any">
                {holder} <span class="muted">{session}</span>
              </dd>
            </>
          )}
        </dl>
      ) : null}
      <div class="filters">
        {value === null ? null : <CopyButton text={() => value} />}
        {mayChange && !base64 && !withheld ? (
          <>
            <button type="button" class="small-button" onClick={onEdit}>
              {text.edit}
            </button>
            <Link class="small-button" to={wayTo({ registry, key, from: key, do: 'new' })}>
              {text.duplicate}
            </Link>
          </>
        ) : null}
        {mayChange && exists && owner !== 'sluice' ? (
          <button
            type="button"
            class="small-button button-bad"
            onClick={() => removeEntry(registry, key, onRemoved)}
          >
            {text.remove}
          </button>
        ) : null}
      </div>
    </>
  );
}
