// Registries that do as they are told: scripted answers, lies, silence. Each is closed after the test.

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import type { Address } from '../../../src/base/units.ts';

/** For one key that ends in a slash, or for keys. */
const QUESTION = /^\/v1\/kv\/\w+\/(\?keys.*)?$/;

export type Script = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export type Liar = {
  readonly address: Address;
  readonly requests: { readonly method: string; readonly url: string; readonly token: string }[];
  /** Their paths. */
  readonly questions: string[];
  /** Resolves when that many requests have come. */
  readonly asked: (count: number) => Promise<void>;
};

/**
 * A registry that does as scripted, request by request (the first is number 1). Questions whether it is
 * alive are not counted; without `question` it always is.
 */
export async function startLiar(
  t: Pick<TestContext, 'after'>,
  script: Script,
  question: Script = answer(403, 'Permission denied'),
): Promise<Liar> {
  const requests: Liar['requests'] = [];
  const questions: string[] = [];
  let arrived = (): void => {};
  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    if (method === 'GET' && QUESTION.test(url)) {
      questions.push(url);
      question(request, response, questions.length);
      return;
    }
    requests.push({ method, url, token: String(request.headers['x-consul-token'] ?? '') });
    request.resume();
    script(request, response, requests.length);
    arrived();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const bound = server.address();
  assert(bound !== null && typeof bound === 'object');
  const asked = async (count: number): Promise<void> => {
    while (requests.length < count) {
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
  };
  return { address: { host: '127.0.0.1', port: bound.port }, requests, questions, asked };
}

export function list(index: number, ...pairs: readonly string[]): Script {
  const entries = pairs.map((pair) => ({
    LockIndex: 0,
    Key: `w/${pair.split('=')[0]}`,
    Flags: 0,
    Value: Buffer.from(pair.split('=')[1] ?? '').toString('base64'),
    CreateIndex: 1,
    ModifyIndex: index,
  }));
  return (_request, response) => {
    response.writeHead(200, 'OK', { 'X-Consul-Index': String(index) });
    response.end(JSON.stringify(entries));
  };
}

export function answer(status: number, body: string, headers: Record<string, string> = {}): Script {
  return (_request, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}

export const hang: Script = () => {};
