// Builders for tests around the registry: an embedded one on a free port, a client, raw requests.
// Each registers its own clean-up with the test.

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import type { Address } from '../../../src/base/units.ts';
import {
  type ConsulApi,
  openConsul,
  openStore,
  type RecordStore,
  type Store,
  serveConsulApi,
} from '../../../src/registry.ts';
import type { Scope } from '../peers/programs.ts';

/** An empty folder that is gone after the test. */
export function temporaryFolder(t: Pick<Scope, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-registry-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Embedded = {
  readonly store: Store;
  readonly api: ConsulApi;
  readonly address: Address;
};

/** An embedded registry with its HTTP API on a free port. */
export async function startEmbedded(
  t: Pick<Scope, 'after'>,
  options: { readonly dataDir?: string } & Partial<Parameters<typeof serveConsulApi>[0]> = {},
): Promise<Embedded> {
  const { dataDir, ...rest } = options;
  const store = openStore({ dataDir: dataDir ?? temporaryFolder(t), log: silentLog });
  const api = await serveConsulApi({
    store,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    ...rest,
  });
  t.after(async () => {
    await api.close();
    store.close();
  });
  return { store, api, address: api.address };
}

export function openClient(
  t: Pick<Scope, 'after'>,
  addresses: readonly Address[],
  options: Partial<Parameters<typeof openConsul>[0]> = {},
): RecordStore {
  const registry = openConsul({ addresses, log: silentLog, ...options });
  t.after(() => registry.close());
  return registry;
}

export type RawAnswer = {
  readonly status: number;
  readonly reason: string;
  /** `Name: value`, as they came. */
  readonly headers: readonly string[];
  readonly body: string;
};

/** Writes the bytes and reads until the server closes. */
export function sendRaw(address: Address, request: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.host, port: address.port, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('end', () => {
      socket.end();
      resolve(parseRaw(Buffer.concat(chunks).toString('latin1')));
    });
    socket.write(request);
  });
}

export function parseRaw(text: string): RawAnswer {
  const headEnd = text.indexOf('\r\n\r\n');
  const [line = '', ...headers] = text.slice(0, headEnd).split('\r\n');
  const [, status = '0', reason = ''] = /^HTTP\/1\.[01] (\d+) ?(.*)$/.exec(line) ?? [];
  return { status: Number(status), reason, headers, body: text.slice(headEnd + 4) };
}

/** One request with `Connection: close`. */
export function ask(
  address: Address,
  line: string,
  options: { readonly headers?: readonly string[]; readonly body?: string } = {},
): Promise<RawAnswer> {
  const { headers = [], body } = options;
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const fields = ['Host: registry', 'Connection: close', ...length, ...headers];
  return sendRaw(address, `${line} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body ?? ''}`);
}

export function header(answer: RawAnswer, name: string): string | undefined {
  const line = answer.headers.find((each) => each.startsWith(`${name}: `));
  return line?.slice(name.length + 2);
}
