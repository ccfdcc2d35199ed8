// The text of a file of servers → records, so that a server means the same wherever it is written. Pure.
//
//   app:                                        upstreams/app/127.0.0.1:9001 {}
//     - 127.0.0.1:9001                     →    upstreams/app/127.0.0.1:9002 {"weight":2,"down":1}
//     - { address: 127.0.0.1:9002, weight: 2, down: 1 }
//
// A file whose shape is wrong in one place is refused whole: whoever wrote it meant something else, and
// what was known before stays. An attribute that is wrong concerns its server alone, as in a record.

import { formatAddress, parseAddress } from '../../base/units.ts';
import type { RecordText } from '../records.ts';

type Path = readonly (string | number)[];
type Found = { readonly line: number; readonly path: string; readonly message: string };

/** Reads YAML, of which JSON is a part, and remembers where each value stood. */
export type ReadDocument = (text: string) => {
  readonly data: unknown;
  readonly problems: readonly Found[];
  problemAt(path: Path, message: string): Found;
};

/** The records, keys like `app/127.0.0.1:9001`; or why the file as a whole is not used. */
export function readServerList(text: string, readDocument: ReadDocument): RecordText[] | string {
  const document = readDocument(text);
  if (document.problems.length > 0) return said(document.problems);
  if (document.data === null || document.data === undefined)
    return 'is empty; write "app: [127.0.0.1:9001]", or {} if there are no servers';
  const records: RecordText[] = [];
  const wrong: Found[] = [];
  const refuse = (path: Path, message: string): void => {
    wrong.push(document.problemAt(path, message));
  };
  if (!isMap(document.data)) return 'is not a map of upstreams; write "app: [127.0.0.1:9001]"';
  for (const [service, list] of Object.entries(document.data)) {
    if (service === '' || service.includes('/'))
      refuse([service], 'is not the name of an upstream');
    else if (list !== null && !Array.isArray(list))
      refuse([service], `is not a list of servers; write ${service}: [127.0.0.1:9001]`);
    else readServers(service, list ?? [], { records, refuse });
  }
  return wrong.length > 0 ? said(wrong) : records;
}

function readServers(
  service: string,
  list: readonly unknown[],
  to: { readonly records: RecordText[]; refuse(path: Path, message: string): void },
): void {
  /** Id → its place in the list. */
  const seen = new Map<string, number>();
  for (const [at, item] of list.entries()) {
    const { address: text, ...attributes } = isMap(item) ? item : { address: item };
    const address = typeof text === 'string' ? parseAddress(text) : undefined;
    if (address === undefined) {
      to.refuse(
        [service, at],
        'is no server; write 127.0.0.1:9001, or { address: 127.0.0.1:9001, weight: 2 }',
      );
      continue;
    }
    const id = formatAddress(address);
    const first = seen.get(id);
    if (first !== undefined) {
      to.refuse([service, at], `is the same server as ${service}[${first}]; keep one of the two`);
      continue;
    }
    seen.set(id, at);
    to.records.push({
      key: `${service}/${id}`,
      value: Buffer.from(JSON.stringify(attributes)),
    });
  }
}

/** The first, which is the one to mend, and how many more there are. */
function said([first, ...more]: readonly Found[]): string {
  if (first === undefined) return '';
  const path = first.path === '' ? '' : `${first.path} `;
  const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return `line ${first.line}: ${path}${first.message}${rest}`;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
