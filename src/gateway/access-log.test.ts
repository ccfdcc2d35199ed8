// The access log: valid JSON whatever a client sends; whole lines after a rename, on a disk without
// room, and from several writers at once.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { accessLine } from '../../test/support/gateway/access-line.ts';
import {
  closedPort,
  gatewayConfig,
  RawClient,
  rawExchange,
  startGateway,
  startHello,
  startRawServer,
} from '../../test/support/gateway/builders.ts';
import { type Log, silentLog } from '../base/log.ts';
import { type AccessLine, AccessLog } from './access-log.ts';

const LINE = accessLine({
  ...{ client: '127.0.0.1', ms: 1, servers: ['127.0.0.1:9001'], onlyServer: '127.0.0.1:9001' },
  request: { target: '/' },
});

function temporaryFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-access-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'access.log');
}

function withTarget(target: string): AccessLine {
  return { ...LINE, request: { ...LINE.request, target } };
}

/** Every line, parsed; fails where one is not whole. */
function linesOf(file: string): Record<string, unknown>[] {
  const bytes = readFileSync(file);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  if (text === '') return [];
  assert.equal(text.at(-1), '\n');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** A log that keeps its messages; `heard` resolves at the next one. */
function listener(): { log: Log; said: string[]; heard: () => Promise<void> } {
  const said: string[] = [];
  let next = Promise.withResolvers<void>();
  const say = (_: unknown, message: string): void => {
    said.push(message);
    next.resolve();
  };
  const heard = (): Promise<void> => {
    next = Promise.withResolvers<void>();
    return next.promise;
  };
  return { log: { ...silentLog, error: say, warn: say, info: say }, said, heard };
}

test('a line has the fields of the exchange', async (t) => {
  const file = temporaryFile(t);
  const accessLog = new AccessLog(file, silentLog);
  const before = Date.now();
  accessLog.write({
    ...LINE,
    ms: 12.345,
    servers: ['a:1', 'b:2'],
    result: 'cut',
    reason: 'why',
  });
  for (const ms of [0, 0.04, 0.96, 3, 1e7 + 0.26]) accessLog.write({ ...LINE, ms, servers: [] });
  await accessLog.close();
  const [first, ...others] = linesOf(file);
  const { time, ...rest } = first ?? {};
  assert.deepEqual(rest, {
    client: '127.0.0.1',
    listener: '0.0.0.0:80',
    method: 'GET',
    host: 'app.example',
    target: '/',
    ms: 12.3,
    status: 200,
    bytes: 3,
    upstream: 'app',
    servers: ['a:1', 'b:2'],
    result: 'cut',
    reason: 'why',
    id: '7f01',
  });
  const at = Date.parse(String(time));
  assert(at >= before && at <= Date.now() && String(time) === new Date(at).toISOString());
  assert.deepEqual(
    others.map(({ ms, servers }) => [ms, servers]),
    [0, 0, 1, 3, 10_000_000.3].map((ms) => [ms, []]),
  );
});

test('the time is that of the millisecond, in whatever second', (t) => {
  const file = temporaryFile(t);
  t.mock.timers.enable({ apis: ['Date'] });
  const accessLog = new AccessLog(file, silentLog);
  const times = [999.5, 1000, 1001.2, 1005, 61_000, 86_400_000, 1.8e12, 1.8e12 + 70].map(
    (wallMs, place) => {
      t.mock.timers.setTime(wallMs);
      accessLog.write({ ...LINE, endedMs: place * 1.01 });
      // Within the same millisecond it is not read again.
      t.mock.timers.setTime(1.9e12);
      accessLog.write({ ...LINE, endedMs: place * 1.01 + 0.9 });
      return new Date(wallMs).toISOString();
    },
  );
  return accessLog.close().then(() => {
    assert.deepEqual(
      linesOf(file).map(({ time }) => time),
      times.flatMap((time) => [time, time]),
    );
  });
});

test('the gateway writes what an exchange was: its bytes, its servers, how it ended', async (t) => {
  const file = temporaryFile(t);
  const dead = await closedPort();
  const server = await startHello(t);
  const config = { accessLog: file };
  const { gateway, port } = await startGateway(t, [dead, server.port], config);
  await rawExchange(t, port, 'GET /a HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n');
  // The dead one is out now: this one has the same server as its only one.
  await rawExchange(t, port, 'GET /b HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n');
  await gateway.close(0);
  const [{ time, ms, id, ...line } = {}, next] = linesOf(file);
  assert.deepEqual(next?.['servers'], [`127.0.0.1:${server.port}`]);
  assert.deepEqual([typeof time, typeof ms], ['string', 'number']);
  assert.match(String(id), /^[0-9a-f]{24}$/);
  assert.deepEqual(line, {
    ...{ client: '127.0.0.1', listener: 'test', method: 'GET', host: 'app', target: '/a' },
    ...{ status: 200, bytes: 5, upstream: 'app' },
    servers: [`127.0.0.1:${dead}`, `127.0.0.1:${server.port}`],
    ...{ result: 'answered', reason: '' },
  });
});

test('an answer of the gateway and a tunnel have their lines, too', async (t) => {
  const file = temporaryFile(t);
  const server = await startRawServer(t, (socket) => {
    socket.end('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello');
  });
  const config = { accessLog: file };
  const { gateway, port, setServers } = await startGateway(t, [server.port], config);
  const client = new RawClient(t, port).send(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  await client.ended();
  client.socket.end();
  setServers([]);
  await rawExchange(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await gateway.close(0);
  const lines = linesOf(file).map(({ status, bytes }) => [status, bytes]);
  assert.deepEqual(lines.toSorted(), [
    [101, 5],
    [503, 0],
  ]);
  assert.equal(linesOf(file).find(({ status }) => status === 503)?.['result'], 'lost');
});

test('every character that can be in a field comes back from the line', async (t) => {
  const file = temporaryFile(t);
  const accessLog = new AccessLog(file, silentLog);
  const sent = ['client', 'method', 'host', 'target'];
  const fields = [...sent, 'upstream', 'servers', 'result', 'reason'];
  const texts = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).flatMap(
    (character) => [`x${character}y`, character, `${character}${'long'.repeat(9)}`],
  );
  const words = ['"\\"\n\u2028', '\ud83d', '\uffff', ''];
  for (const text of [...texts, ...words]) {
    // What a client sends is read byte by byte.
    const byClient = words.includes(text) ? '' : text;
    const request = { method: byClient, host: byClient, target: byClient };
    const rest = { client: byClient, upstream: text, servers: [text, text], result: text };
    accessLog.write(accessLine({ ...rest, request, reason: text }));
  }
  await accessLog.close();
  assert.match(readFileSync(file, 'latin1'), /^[\x20-\x7e\n]*$/);
  const lines = linesOf(file);
  for (const [index, text] of [...texts, ...words].entries()) {
    for (const field of fields) {
      const isEmpty = words.includes(text) && sent.includes(field);
      const expected = field === 'servers' ? [text, text] : isEmpty ? '' : text;
      assert.deepEqual(lines[index]?.[field], expected, `${field} of ${JSON.stringify(text)}`);
    }
  }
});

test('lines of any length are whole and in order', async (t) => {
  const file = temporaryFile(t);
  const accessLog = new AccessLog(file, silentLog);
  const lengths = [
    1,
    70_000,
    5,
    262_144,
    900_000,
    1,
    ...Array.from({ length: 900 }, (_, at) => at),
  ];
  for (const length of lengths) accessLog.write(withTarget('x'.repeat(length)));
  await accessLog.close();
  assert.deepEqual(
    linesOf(file).map(({ target }) => String(target).length),
    lengths,
  );
});

test('after a rename the next lines are in a new file, and none is missing', async (t) => {
  const file = temporaryFile(t);
  const accessLog = new AccessLog(file, silentLog);
  let written = 0;
  const names: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    // More than one block: some are under way when the name changes.
    for (let count = 0; count < 1500; count += 1) accessLog.write(withTarget(`/${written++}`));
    while (!existsSync(file)) await nextTurn();
    names.push(`${file}.${round}`);
    renameSync(file, `${file}.${round}`);
    accessLog.reopen();
  }
  accessLog.write(withTarget(`/${written++}`));
  await accessLog.close();
  const targets = [...names, file].flatMap((name) => linesOf(name).map(({ target }) => target));
  assert.deepEqual(
    targets,
    Array.from({ length: written }, (_, at) => `/${at}`),
  );
  assert.equal(linesOf(file).at(-1)?.['target'], `/${written - 1}`);
});

test('when no new file can be opened, the old one is written on', async (t) => {
  const file = temporaryFile(t);
  const folder = dirname(file);
  const { log, said, heard } = listener();
  const accessLog = new AccessLog(file, log);
  while (!existsSync(file)) await nextTurn();
  renameSync(folder, `${folder}-moved`);
  t.after(() => rmSync(`${folder}-moved`, { recursive: true }));
  const refused = heard();
  accessLog.reopen();
  await refused;
  assert.deepEqual(said, ['access log cannot be opened anew; the old file is written on']);
  accessLog.write(LINE);
  await accessLog.close();
  assert.equal(linesOf(join(`${folder}-moved`, 'access.log')).length, 1);
  assert.equal(said.length, 1);
});

test('a full disk is said once, and lines are written again when there is room', async (t) => {
  const file = temporaryFile(t);
  // Every write to /dev/full fails with ENOSPC.
  symlinkSync('/dev/full', file);
  const { log, said, heard } = listener();
  const failed = heard();
  const accessLog = new AccessLog(file, log, { retryMs: 0 });
  t.after(() => accessLog.close());
  accessLog.write(LINE);
  accessLog.flush();
  await failed;
  let lines = 1;
  for (let round = 0; round < 3; round += 1) {
    accessLog.write(LINE);
    accessLog.flush();
    lines += 1;
    await nextTurn();
  }
  assert.deepEqual(said, ['access log cannot be written']);

  rmSync(file);
  const recovered = heard();
  const timer = setInterval(() => {
    accessLog.write(LINE);
    lines += 1;
    accessLog.flush();
  }, 5);
  await recovered;
  clearInterval(timer);
  await accessLog.close();
  assert.deepEqual(said.slice(1), ['access log is written again']);
  const written = linesOf(file);
  const dropped = written.reduce((sum, { dropped = 0 }) => sum + Number(dropped), 0);
  const kept = written.filter(({ target }) => target === '/').length;
  assert(dropped > 0 && kept > 0);
  assert.equal(kept + dropped, lines);
});

test('between a failure and the next attempt nothing is tried, only counted', async (t) => {
  const file = temporaryFile(t);
  symlinkSync('/dev/full', file);
  const { log, said, heard } = listener();
  const failed = heard();
  const accessLog = new AccessLog(file, log, { retryMs: 3_600_000 });
  accessLog.write(LINE);
  accessLog.flush();
  await failed;
  rmSync(file);
  accessLog.write(LINE);
  accessLog.flush();
  await nextTurn();
  assert.equal(existsSync(file), false);
  // Asked for by a person, it is tried at once.
  accessLog.reopen();
  while (!existsSync(file)) await nextTurn();
  const recovered = heard();
  // Until the file is known to be open, lines still count as lost.
  const timer = setInterval(() => {
    accessLog.write(LINE);
    accessLog.flush();
  }, 5);
  await recovered;
  clearInterval(timer);
  await accessLog.close();
  assert.match(readFileSync(file, 'latin1'), /"dropped":\d+\}\n\{.*"target"/);
  assert.deepEqual(said, ['access log cannot be written', 'access log is written again']);
});

test('a line that the disk cut off does not take the next one with it', async (t) => {
  const file = temporaryFile(t);
  // A file may not be longer than that; its writer gets EFBIG. As a disk that fills up, it cuts.
  const child = spawn(
    'bash',
    ['-c', 'ulimit -f 1 && exec "$0" "$@"', process.execPath, '--input-type=module'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.end(`
    import { truncateSync, readFileSync } from 'node:fs';
    import { AccessLog } from ${JSON.stringify(new URL('./access-log.ts', import.meta.url).href)};
    const file = ${JSON.stringify(file)};
    const line = ${JSON.stringify(LINE)};
    let said = Promise.withResolvers();
    const log = { error: () => said.resolve(), info: () => said.resolve(), warn() {}, debug() {} };
    const accessLog = new AccessLog(file, log, { retryMs: 0 });
    for (let count = 0; count < 20; count += 1) accessLog.write(line);
    accessLog.flush();
    await said.promise;
    const { length } = readFileSync(file);
    truncateSync(file, 500);
    said = Promise.withResolvers();
    accessLog.write(line);
    accessLog.flush();
    await said.promise;
    await accessLog.close();
    console.log(length);
  `);
  const [[length]] = await Promise.all([once(child.stdout, 'data'), once(child, 'close')]);
  const text = readFileSync(file, 'latin1');
  // 20 lines did not fit: the last whole one is followed by a piece, which ends in a line of its own.
  const [whole = '', ...after] = text.slice(500).trimStart().split('\n');
  assert(Number(String(length)) > 500 && Number(String(length)) < 20 * 150);
  const remark: unknown = JSON.parse(whole);
  const fitted = Math.floor(Number(String(length)) / text.indexOf('\n'));
  assert.deepEqual(Object.keys(remark ?? {}), ['time', 'dropped']);
  assert.match(whole, new RegExp(`"dropped":${20 - Math.floor(fitted)}\\}`));
  assert.equal(JSON.parse(after[0] ?? '').target, '/');
  assert.deepEqual(after.slice(1), ['']);
});

test('more than the bound is not kept: it is dropped and counted', async (t) => {
  const file = temporaryFile(t);
  const { log, said } = listener();
  const accessLog = new AccessLog(file, log, { queuedBytesMax: 600_000 });
  for (let count = 0; count < 8000; count += 1) accessLog.write(LINE);
  await accessLog.close();
  const lines = linesOf(file);
  const { dropped } = lines.find((line) => 'dropped' in line) ?? {};
  assert(lines.length > 1500 && lines.length < 3500, String(lines.length));
  assert.equal(lines.length - 1 + Number(dropped), 8000);
  assert.deepEqual(said, []);
});

test('lines that are lost for good are said at the end', async (t) => {
  const file = temporaryFile(t);
  symlinkSync('/dev/full', file);
  const { log, said } = listener();
  const accessLog = new AccessLog(file, log);
  accessLog.write(LINE);
  await accessLog.close();
  assert.deepEqual(said, ['access log cannot be written', 'access log lines were lost']);
});

for (const [how, redirection] of [
  ['a file', (file: string) => `>> ${file}`],
  ['a pipe', (file: string) => `| cat > ${file}`],
] as const) {
  test(`lines of several processes on standard output into ${how} do not mix`, async (t) => {
    const file = temporaryFile(t);
    const script = `${file}.mjs`;
    appendFileSync(
      script,
      `import { AccessLog } from ${JSON.stringify(new URL('./access-log.ts', import.meta.url).href)};
       const line = ${JSON.stringify(LINE)};
       const log = { error: console.error, info() {}, warn: console.error, debug() {} };
       const accessLog = new AccessLog('-', log);
       for (let count = 0; count < 3000; count += 1) {
         line.request.target = '/' + 'x'.repeat(count % 800);
         accessLog.write(line);
       }
       await accessLog.close();`,
    );
    const run = `"${process.execPath}" ${script}`;
    const child = spawn('bash', ['-c', `(${run} & ${run} & ${run} & wait) ${redirection(file)}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await once(child, 'close');
    assert.equal(linesOf(file).length, 9000);
  });
}

test('another format holds from the next line on', async (t) => {
  const accessLog = temporaryFile(t);
  const server = await startHello(t);
  const { gateway, port } = await startGateway(t, [server.port], { accessLog });
  const ask = (path: string) =>
    rawExchange(t, port, `GET ${path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n`);
  await ask('/json');
  gateway.configure(gatewayConfig({ accessLog, accessLogFormat: 'combined' }));
  await ask('/combined');
  await gateway.close(0);
  const lines = readFileSync(accessLog, 'latin1').split('\n').filter(Boolean);
  assert.equal(lines.length, 2);
  assert(lines.some((line) => line.startsWith('{"time":"') && line.includes('"/json"')));
  assert(
    lines.some((line) => /^127\.0\.0\.1 - - \[.*\] "GET \/combined HTTP\/1\.1" 200 5 /.test(line)),
  );
});
