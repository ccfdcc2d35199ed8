// The same requests to a real Consul and to ours, the answers compared: status, reason, header names in
// their case, header values and bodies. What each side numbers for itself (indexes, ids) is compared by
// the position in which it was first seen.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Address } from '../../../src/base/units.ts';
import { startConsul } from '../peers/programs.ts';
import { type RawAnswer, sendRaw, startEmbedded, temporaryFolder } from './builders.ts';

/** The name of the node on both sides. */
export const NODE = 'consul0';

type Options = {
  /** Names of fields or texts that may differ, cut out of both bodies. */
  readonly leaveOut?: readonly RegExp[];
  /** Not the indexes: one side has built-in things at others. */
  readonly withoutIndexes?: true;
  /** Status and body alone. */
  readonly withoutHeaders?: true;
  /** Access control with this management token, on both sides; '' = with none yet. */
  readonly managementToken?: string;
};

/** Consul's agent tells its servers a little later; ours has one write for both. */
const AWAIT_MS = 5_000;

/**
 * Lines are `METHOD /path`, with ` | body` where there is one; `[n]` before it declares another length.
 * `A = line` keeps the first ID of the answer, `$A` is what each side kept (`$A_SECRET`: its SecretID).
 * `AWAIT text: line` asks both until the answer has the text, and compares nothing. Sent in order, to both at
 * a time. Skipped without a Consul.
 */
export async function compareWithConsul(
  t: TestContext,
  lines: readonly string[],
  options: Options = {},
): Promise<void> {
  const { managementToken } = options;
  const tokens = managementToken === '' ? {} : { master: managementToken };
  const config =
    managementToken === undefined ? {} : { acl: { enabled: true, default_policy: 'deny', tokens } };
  const consul = await startConsul(t, { dataDir: temporaryFolder(t), config });
  if (consul === undefined) return;
  const acl =
    managementToken === undefined ? undefined : { initialManagementToken: managementToken };
  const ours = await startEmbedded(t, { nodeName: NODE, acl });
  const addresses = [consul.addresses[0] ?? assert.fail(), ours.address] as const;
  if (managementToken !== '') {
    // A real one has its own node a little after its leader.
    await awaitText(addresses[0], `GET /v1/catalog/nodes?token=${managementToken ?? ''}`, NODE);
  }
  const normals = [new Normal(options), new Normal(options)] as const;
  const kept = [new Map<string, string>(), new Map<string, string>()] as const;
  for (const line of lines) {
    const [, text, awaited] = /^AWAIT (.*?): (.*)$/.exec(line) ?? [];
    if (text !== undefined && awaited !== undefined) {
      await Promise.all(addresses.map((address) => awaitText(address, awaited, text)));
      continue;
    }
    const [, name, request = line] = /^(\w+) = (.*)$/.exec(line) ?? [];
    const side = async (at: 0 | 1): Promise<RawAnswer> => {
      const own = request.replace(/\$(\w+)/g, (whole, key) => kept[at].get(key) ?? whole);
      const answer = await sendRaw(addresses[at], requestOf(own));
      const id = /"(?:ID|AccessorID|SecretID)": ?"([^"]+)"/.exec(answer.body)?.[1];
      const secret = /"SecretID": ?"([^"]+)"/.exec(answer.body)?.[1] ?? '';
      if (name !== undefined) {
        kept[at].set(name, id ?? assert.fail(`${line}: ${answer.body}`));
        kept[at].set(`${name}_SECRET`, secret);
      }
      return answer;
    };
    const [expected, actual] = await Promise.all([side(0), side(1)]);
    assert.deepEqual(normals[1].of(actual), normals[0].of(expected), line);
  }
}

async function awaitText(address: Address, line: string, text: string): Promise<void> {
  const endMs = performance.now() + AWAIT_MS;
  for (;;) {
    const answer = await sendRaw(address, requestOf(line));
    if (answer.body.includes(text)) return;
    assert.ok(performance.now() < endMs, `${line}: no "${text}" in ${answer.body}`);
  }
}

function requestOf(line: string): string {
  const [target = '', body] = line.split(' | ').map((part) => part.replace(/ \|$/, ''));
  const declared = /^(.*) \[(\d+)\]$/.exec(target);
  const length = declared?.[2] ?? String(Buffer.byteLength(body ?? ''));
  const fields = ['Host: x', 'Connection: close'];
  const hasBody = body !== undefined || line.endsWith('|');
  if (hasBody) fields.push(`Content-Length: ${length}`);
  return `${declared?.[1] ?? target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;

/** The answers of one side, in a form that is the same on both. */
export class Normal {
  readonly #indexes = new Map<string, number>();
  readonly #ids = new Map<string, number>();
  readonly #options: Options;

  constructor(options: Options = {}) {
    this.#options = options;
  }

  of(answer: RawAnswer): RawAnswer {
    this.#learn(answer);
    let sent = bodyOf(answer);
    // The tags of a catalog's services are a set: the agent gives them in another order each time.
    if (/^\{("[^"]*":\[[^[\]{}]*\],?)+\}$/.test(sent)) {
      sent = sent.replace(/\[([^[\]]*)\]/g, (_, tags: string) => `[${tags.split(',').sort()}]`);
    }
    let body = sent
      .replace(/("(?:Create|Modify)Index": ?)(\d+)/g, (_, name, index) => name + this.#rank(index))
      .replace(/(current modify index )(\d+)/g, (_, name, index) => name + this.#rank(index))
      .replace(/"127\.0\.0\.1:\d+"/g, '"leader"')
      .replace(UUID, (id) => `id#${rankIn(this.#ids, id)}`);
    // A list in the order of random ids has another order on each side.
    if (/^\[\{"(Accessor)?ID":"id#/.test(body)) {
      const items = body.slice(1, -1).split(/(?<=\}),(?=\{"(?:Accessor)?ID":")/);
      body = `[${items.sort().join()}]`;
    }
    for (const left of this.#options.leaveOut ?? []) body = body.replace(left, '…');
    const indexed = body !== sent;
    const headers = answer.headers
      .filter((line) => !line.startsWith('Transfer-Encoding: '))
      .map((line) => {
        if (line.startsWith('X-Consul-Index: '))
          return `X-Consul-Index: ${this.#rank(line.slice(16))}`;
        // Numbers of other widths make bodies of other lengths.
        if (indexed && line.startsWith('Content-Length: ')) return 'Content-Length';
        return line.startsWith('Date: ') ? 'Date' : line;
      });
    // Consul sends a long body in chunks, we never do.
    if (isChunked(answer)) headers.push('Content-Length');
    const kept = this.#options.withoutHeaders ? [] : headers.sort();
    return { status: answer.status, reason: answer.reason, headers: kept, body };
  }

  /** Ranks the indexes of an answer in their own order, whatever the order of the text. */
  #learn(answer: RawAnswer): void {
    const found = bodyOf(answer).matchAll(/"(?:Create|Modify)Index": ?(\d+)/g);
    for (const index of [...found].map(([, index]) => Number(index)).sort((a, b) => a - b)) {
      this.#rank(String(index));
    }
  }

  #rank(index: string): string {
    return this.#options.withoutIndexes ? '#' : `#${rankIn(this.#indexes, index)}`;
  }
}

function rankIn(ranks: Map<string, number>, text: string): number {
  const rank = ranks.get(text) ?? ranks.size;
  ranks.set(text, rank);
  return rank;
}

function isChunked(answer: RawAnswer): boolean {
  return answer.headers.includes('Transfer-Encoding: chunked');
}

function bodyOf(answer: RawAnswer): string {
  if (!isChunked(answer)) return answer.body;
  let body = '';
  let rest = answer.body;
  for (;;) {
    const end = rest.indexOf('\r\n');
    const length = Number.parseInt(rest.slice(0, end), 16);
    if (!(length > 0)) return body;
    body += rest.slice(end + 2, end + 2 + length);
    rest = rest.slice(end + 2 + length + 2);
  }
}
