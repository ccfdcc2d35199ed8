// The records of the registry: folders and keys, one value beside them. The address has all of it:
// /ui/kv?prefix=upstreams/&key=upstreams/app/10.0.0.1:80&registry=…

import { ActionDialog } from '../actions/dialog.tsx';
import { call } from '../live/api.ts';
import { usePolled } from '../live/polled.ts';
import { mayOperate } from '../live/session.ts';
import { Banner } from '../parts/banner.tsx';
import { Link, place, setQuery } from '../router.tsx';
import { common } from '../text.ts';
import { Entry } from './kv/entry.tsx';
import { removePrefix } from './kv/remove.ts';
import { kvText } from './kv/text.ts';
import { foldersOf } from './kv/value.ts';
import { wayTo } from './kv/way.ts';

const EVERY_MS = 3000;

export function Kv() {
  const text = kvText();
  const { query } = place.value;
  const registry = query.get('registry') ?? '';
  const key = query.get('key') ?? '';
  const find = query.get('find') ?? '';
  const after = query.get('after') ?? '';
  const prefix = query.get('prefix') ?? foldersOf(key).at(-1) ?? '';
  const asked = { registry, prefix, after, separator: find === '' ? '/' : '', find };
  const list = usePolled(JSON.stringify(asked), () => call('kvList', asked), EVERY_MS);
  const known = list.value;
  const isOwn = known !== undefined && prefix.startsWith(known.ownPrefix);
  return (
    <>
      <div class="page-head">
        <h1>{common().kv}</h1>
        <nav class="crumbs" aria-label={text.key}>
          <Link to={wayTo({ registry })}>{text.all}</Link>
          {foldersOf(prefix).map((folder) => (
            <Link key={folder} to={wayTo({ registry, prefix: folder })}>
              <span class="any">{folder.slice(0, -1).split('/').at(-1) || '/'}/</span>
            </Link>
          ))}
        </nav>
      </div>
      <div class="filters">
        {known !== undefined && known.registries.length > 1 ? (
          <select
            aria-label={text.registry}
            value={known.registry}
            onChange={({ currentTarget }) => setQuery('registry', currentTarget.value)}
          >
            {known.registries.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        ) : null}
        <input
          type="search"
          data-filter
          aria-label={text.find}
          placeholder={`${text.find} (/)`}
          value={find}
          onInput={({ currentTarget }) => {
            setQuery('after', '');
            setQuery('find', currentTarget.value);
          }}
        />
        {known === undefined ? null : <span class="muted">{text.keys(known.total)}</span>}
        {mayOperate.value ? (
          <span class="actions">
            <Link class="button" to={wayTo({ registry, prefix, key: prefix, do: 'new' })}>
              {text.newKey}
            </Link>
            {prefix !== '' && find === '' && known !== undefined && known.total > 0 && !isOwn ? (
              <button type="button" class="button" onClick={() => removePrefix(registry, prefix)}>
                {text.removeAll}
              </button>
            ) : null}
          </span>
        ) : null}
      </div>
      {list.trouble === '' ? null : <Banner level="bad">{list.trouble}</Banner>}
      <div class={key === '' ? '' : 'kv-columns'}>
        <section class="card table-card" aria-label={text.key}>
          {known === undefined ? (
            <p class="empty">{common().loading}</p>
          ) : known.rows.length === 0 ? (
            <p class="empty">{find === '' ? text.empty : text.noneFits}</p>
          ) : (
            <ul class="kv-list">
              {known.rows.map((row) => (
                <li key={row.key}>
                  <Link
                    current={row.key === key}
                    to={wayTo(
                      row.isFolder
                        ? { registry, prefix: row.key }
                        : { registry, prefix, find, key: row.key },
                    )}
                  >
                    <span class="any">
                      {find === '' ? row.key.slice(prefix.length) || row.key : row.key}
                    </span>
                  </Link>
                  {row.isFolder ? <span class="muted">{row.keys}</span> : null}
                </li>
              ))}
              {known.more ? (
                <li>
                  <Link
                    to={wayTo({ registry, prefix, find, key, after: known.rows.at(-1)?.key ?? '' })}
                  >
                    {text.more}
                  </Link>
                </li>
              ) : null}
            </ul>
          )}
        </section>
        {key === '' ? null : (
          <Entry
            key={`${registry} ${key} ${query.get('do') ?? ''}`}
            registry={registry}
            name={key}
            isNew={query.get('do') === 'new'}
            from={query.get('from') ?? ''}
            onWritten={(written) => {
              list.again();
              if (written !== key || query.has('do')) leaveTo(registry, written);
            }}
          />
        )}
      </div>
      <ActionDialog />
    </>
  );
}

function leaveTo(registry: string, key: string): void {
  for (const name of ['do', 'from', 'find', 'after', 'prefix']) setQuery(name, '');
  setQuery('registry', registry);
  setQuery('key', key);
}
