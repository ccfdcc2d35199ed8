// Lines by a template: what each variable is, what is escaped, and that a line is the one that nginx writes.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePorts } from '../../../test/support/base/ports.ts';
import { until } from '../../../test/support/base/until.ts';
import { accessLine, type LinePatch, Taken } from '../../../test/support/gateway/access-line.ts';
import {
  closedPort,
  RawClient,
  rawExchange,
  startGateway,
  startRawServer,
} from '../../../test/support/gateway/builders.ts';
import { startNginx } from '../../../test/support/peers/nginx.ts';
import { LOG_VARIABLES, type LogFormat, parseLogFormat } from '../../model.ts';
import { templateWriter } from './line-format.ts';

function formatOf(text: string): LogFormat {
  const format = parseLogFormat(text);
  assert(!('problem' in format), text);
  return format;
}

function lineOf(text: string, patch: LinePatch = {}): string {
  const taken = new Taken();
  taken.write(templateWriter(formatOf(text)), accessLine(patch));
  return taken.text;
}

const CASES: readonly (readonly [template: string, line: string])[] = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: nginx's way to write it.
  ['$remote_addr|${remote_addr}x|$remote_user', '10.0.0.1|10.0.0.1x|-'],
  ['$request|$request_uri|$uri|$args', 'GET /a?b=c HTTP/1.1|/a?b=c|/a|b=c'],
  ['$host|$http_host|$http_x_forwarded_for|$scheme', 'app.example|App.example:80|10.9.9.9|http'],
  ['$http_x_a|$http_X_A|$http_none|$cookie_k|$cookie_q', '1, 2|1, 2|-|v|\\x22x\\x22'],
  ['$sent_http_content_type|$sent_http_none', 'a/b|-'],
  ['$status|$bytes_sent|$body_bytes_sent|$request_time', '200|99|3|0.013'],
  ['$upstream|$upstream_addr|$upstream_status', 'app|a:1, b:2|502, 200'],
  ['$upstream_connect_time', '-, 0.000'],
  ['$upstream_header_time|$upstream_response_time', '-, 0.010|0.001, 1.012'],
  ['$request_id|$trace_id|$listener|$result|$reason', '7f01|-|0.0.0.0:80|answered|-'],
  ['é$status', '\xc3\xa9200'],
  ['escape=json {"a":"$http_none","q":"$cookie_q"}', '{"a":"","q":"\\"x\\""}'],
  ['escape=default $http_none', '-'],
];

test('each variable is what nginx says of it', () => {
  for (const [template, line] of CASES) assert.equal(lineOf(template), `${line}\n`, template);
});

test('every variable that is offered is made', () => {
  for (const name of Object.keys(LOG_VARIABLES))
    assert.match(lineOf(`$${name}`), /^[\x20-\x7e]+\n$/, name);
});

test('a client that left before an answer is 499, and a gateway that stopped 000', () => {
  assert.equal(lineOf('$status', { result: 'clientGone', statusOrRefusal: 0 }), '499\n');
  assert.equal(lineOf('$status', { result: 'clientGone', statusOrRefusal: 413 }), '413\n');
  assert.equal(lineOf('$status', { result: 'lost', statusOrRefusal: 0 }), '000\n');
});

const REFUSED: readonly (readonly [text: string, problem: RegExp])[] = [
  ['', /no format/],
  ['main', /no format; write json, combined, or a template/],
  ['$stauts', /has \$stauts, which is not known; known are \$remote_addr, .*\$http_NAME/],
  ['$query_string', /\(here it is \$args\)/],
  ['$constructor', /which is not known; known/],
  ['$http_', /not known/],
  ['a $', /no name behind it/],
  ['$ {status}', /no name behind it/],
  ['${status', /no name behind it/],
  ['$status\n', /line break/],
  ['escape=none $status', /escape=none/],
  ['escape=json main', /no format/],
  [`$status${'x'.repeat(5000)}`, /longer than 4096/],
];

test('a template that cannot be meant is refused, with what there is', () => {
  for (const [text, problem] of REFUSED) {
    const format = parseLogFormat(text);
    assert('problem' in format, text);
    assert.match(format.problem, problem, text);
  }
});

test('docs/gateway.md has a row for every variable, with the words of the program', () => {
  const page = readFileSync(new URL('../../../docs/gateway.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `\$([a-z_0-9]+)` \| (.*) \|$/gm)].map(([, name, text]) => [
    name,
    text,
  ]);
  assert.deepEqual(rows, Object.entries(LOG_VARIABLES));
});

// ---- beside nginx ---------------------------------------------------------------------------

const MORE =
  '$remote_addr "$request_method" "$request_uri" "$args" $server_protocol $scheme "$host" "$http_host" "$content_length" $status $body_bytes_sent "$http_x_odd" "$cookie_a" "$sent_http_content_type" $upstream_status $upstream_connect_time $upstream_header_time $upstream_response_time $request_time $time_iso8601 $msec';

/** Heads without the Host, which is written behind the first line. */
const REQUESTS: readonly string[] = [
  'GET / HTTP/1.1\r\nReferer: http://a/b\r\nUser-Agent: curl/8\r\n',
  'GET /none HTTP/1.1\r\n',
  'GET /empty HTTP/1.1\r\nReferer:\r\nUser-Agent: \r\n',
  'GET /odd HTTP/1.1\r\nUser-Agent: a "quoted" \\ back\\x22 caf\xe9 \xc3\xa9 \xff tab\there\r\nX-Odd: "\\"\r\n',
  'GET /t"a?b="c"&d=\\ HTTP/1.1\r\n',
  'HEAD /head HTTP/1.1\r\n',
  'GET /404 HTTP/1.1\r\n',
  'GET /204 HTTP/1.1\r\n',
  'GET /old HTTP/1.0\r\nConnection: close\r\n',
  'GET http://App.Example/abs?x HTTP/1.1\r\n',
  'POST /post HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello',
  `GET /user HTTP/1.1\r\nAuthorization: Basic ${btoa('me "x" \\:se:cret')}\r\n`,
  `GET /nouser HTTP/1.1\r\nAuthorization: Basic ${btoa(':x')}\r\n`,
  'GET /bearer HTTP/1.1\r\nAuthorization: Bearer abc\r\n',
  'GET /cookie HTTP/1.1\r\nCookie: b=1; a="2"\r\n',
];

function bytesOf(request: string): string {
  const [head = '', body = ''] = request.split('\r\n\r\n');
  const [line = '', ...fields] = head.replace(/\r\n$/, '').split('\r\n');
  const close = fields.some((field) => /^connection/i.test(field)) ? [] : ['Connection: close'];
  return `${[line, 'Host: App.Example', ...fields, ...close].join('\r\n')}\r\n\r\n${body}`;
}

/** A server that answers by its path, and not at all on /slow. */
function startAnswers(t: TestContext) {
  return startRawServer(t, (socket, received) => {
    const [, method, path = ''] = /^(\w+) (\S+)/.exec(received) ?? [];
    if (path === '/slow' || (method === 'POST' && !received.endsWith('hello'))) return;
    const status = { '/404': '404 Not Found', '/204': '204 No Content' }[path] ?? '200 OK';
    const body = status.startsWith('204') ? '' : `<${path}>`;
    const fields = `Content-Type: text/x\r\n${body === '' ? '' : `Content-Length: ${body.length}\r\n`}`;
    const sent = method === 'HEAD' ? '' : body;
    socket.write(`HTTP/1.1 ${status}\r\n${fields}Connection: close\r\n\r\n${sent}`);
    socket.end();
  });
}

/** Without what differs from one moment to the next. nginx logs a request with a body a moment later. */
function steady(text: string): string[] {
  return text
    .replaceAll(/\[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]/g, '[LOCAL]')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d/g, 'ISO')
    .replaceAll(/\b\d+\.\d{3}\b/g, 'SECONDS')
    .split('\n')
    .toSorted();
}

test('lines are those that the real nginx writes for the same requests', async (t) => {
  const server = await startAnswers(t);
  const [port = 0] = await freePorts(1);
  const dead = await closedPort();
  const nginx = await startNginx(t, {
    http: (folder) => `log_format more '${MORE}';
      upstream two { server 127.0.0.1:${dead} max_fails=0; server 127.0.0.1:${server.port} max_fails=0; }
      server { listen 127.0.0.1:${port};
        access_log ${folder}/combined.log combined; access_log ${folder}/more.log more;
        location / { proxy_pass http://127.0.0.1:${server.port}; }
        location = /ready { access_log off; return 204; }
        location = /retry { proxy_pass http://two; }
      }`,
    isReady: () =>
      fetch(`http://127.0.0.1:${port}/ready`).then(
        () => true,
        () => false,
      ),
  });
  if (nginx === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-format-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const gateways = await Promise.all(
    (['combined', MORE] as const).map((accessLogFormat, place) => {
      const accessLog = join(folder, `${place}.log`);
      const patch = { accessLog, accessLogFormat, ignoreClientAbort: 'off' } as const;
      return Promise.all([
        startGateway(t, [server.port], patch),
        startGateway(t, [dead, server.port], { ...patch, accessLog: `${accessLog}.retry` }),
      ]);
    }),
  );
  const read = (file: string): string => readFileSync(file, 'latin1');
  const lines = (file: string): number => read(file).split('\n').length - 1;
  for (const [place, [own, retrying]] of gateways.entries()) {
    for (const request of REQUESTS) await rawExchange(t, own.port, bytesOf(request));
    await leave(t, own.port);
    await until(() => lines(join(folder, `${place}.log`)) === REQUESTS.length + 1);
    await own.gateway.close(0);
    await rawExchange(t, retrying.port, bytesOf('GET /retry HTTP/1.1\r\n'));
    await retrying.gateway.close(0);
  }
  for (const request of REQUESTS) await rawExchange(t, port, bytesOf(request));
  await leave(t, port);
  await until(() => lines(`${nginx}/more.log`) === REQUESTS.length + 1);
  await rawExchange(t, port, bytesOf('GET /retry HTTP/1.1\r\n'));
  await until(() => lines(`${nginx}/more.log`) === REQUESTS.length + 2);
  for (const [place, name] of ['combined', 'more'].entries()) {
    const ours = join(folder, `${place}.log`);
    assert.deepEqual(
      steady(read(ours) + read(`${ours}.retry`)),
      steady(read(join(nginx, `${name}.log`))),
    );
  }

  /** Before there is an answer. */
  async function leave(test: TestContext, to: number): Promise<void> {
    const asked = server.received.length;
    const client = new RawClient(test, to).send(bytesOf('GET /slow HTTP/1.1\r\n'));
    await server.until(() => server.received.length > asked);
    client.socket.destroy();
  }
});
