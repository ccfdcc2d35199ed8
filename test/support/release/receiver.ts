// Where releases tell of themselves: a receiver of messages on loopback, and what it heard.

import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { TestContext } from 'node:test';

type Heard = {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
};

type Answer = { readonly status?: number; readonly body?: string; readonly location?: string };

/** A receiver on loopback; `answers` are given one after the other, the last again and again. */
export async function receiver(
  t: TestContext,
  ...answers: readonly (Answer | 'none')[]
): Promise<{ readonly url: string; readonly heard: Heard[] }> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
      const answer = answers[Math.min(heard.length, answers.length - 1)] ?? {};
      heard.push({ path: pathname, query: searchParams, headers: request.headers, text });
      if (answer === 'none') return;
      const { status = 200, body = 'ok', location } = answer;
      response.writeHead(status, location === undefined ? {} : { location }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  return { url: `http://127.0.0.1:${address.port}/robot/send?access_token=T0KEN-9`, heard };
}
