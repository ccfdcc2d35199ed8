// The rows of a list of keys: each key, or with a separator the folders on the way, as a tree has them.
//
//   prefix up/   keys up/a  up/b/1  up/b/2   →  up/a  up/b/ (2)

import { KV_ROWS_MAX, type KvListDocument, type KvListQuestion } from '../../admin.ts';

type Rows = Pick<KvListDocument, 'rows' | 'more' | 'total'>;

/** `keys`: sorted bytewise. */
export function rowsOf(keys: readonly string[], question: KvListQuestion): Rows {
  const { prefix, after, separator, find } = question;
  const wanted = find.toLowerCase();
  const fitting = wanted === '' ? keys : keys.filter((key) => key.toLowerCase().includes(wanted));
  const counts = new Map<string, number>();
  for (const key of fitting) {
    const end = separator === '' ? -1 : key.indexOf(separator, prefix.length);
    const name = end === -1 ? key : key.slice(0, end + separator.length);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts.keys()];
  const last = Buffer.from(after);
  const from =
    after === '' ? 0 : names.findIndex((name) => Buffer.compare(Buffer.from(name), last) > 0);
  const page = from === -1 ? [] : names.slice(from, from + KV_ROWS_MAX);
  return {
    rows: page.map((key) => {
      const isFolder = separator !== '' && key.endsWith(separator) && key !== prefix;
      return { key, isFolder, keys: counts.get(key) ?? 0 };
    }),
    more: from !== -1 && from + page.length < names.length,
    total: fitting.length,
  };
}
