// What a line of the access log costs: nanoseconds from the end of an exchange to the bytes in the block, for each
// format, with requests of which no two are equal. No peer: bench/throughput.ts has logging nginx beside it.
// The heads are read anew for each batch, outside the measured time, so that their strings are as young and as
// little flattened as those of real requests. Run: node bench/access-log.ts, or npm run bench -- access-log

import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLog } from '../src/base/log.ts';
import { AccessLog } from '../src/gateway/access-log.ts';
import {
  Attempts,
  type ClientStream,
  type EndedRequest,
  type HowEnded,
  tell,
} from '../src/gateway/exchange.ts';
import { AddressSet, Forwarding } from '../src/gateway/forwarding.ts';
import { headEnd, parseRequestHead, parseResponseHead } from '../src/gateway/http1/syntax.ts';
import { Recorder, RequestIds } from '../src/gateway/recorder.ts';
import { RouteTable } from '../src/gateway/routing.ts';
import { Upstream } from '../src/upstream.ts';
import { upstreamState } from '../test/support/upstream/builders.ts';
import { table, whole } from './lab.ts';

const TEMPLATE =
  '$remote_addr [$time_iso8601] "$request" $status $body_bytes_sent "$http_user_agent" $request_time $request_id ' +
  '$upstream $upstream_addr $upstream_status $upstream_response_time';
const FORMATS: readonly (readonly [name: string, format: string])[] = [
  ['json', 'json'],
  ['combined', 'combined'],
  ['template of 12 variables', TEMPLATE],
];

const LIMITS = {
  ...{ uriBytesMax: 8192, headBytesMax: 32_768, fieldsMax: 100 },
  ...{ underscoresInHeaders: false, allowTrace: false },
};

/** A block holds about so many lines. */
const BATCH = 250;
const BATCHES = 2000;
/** The first ones run before the code is optimised. */
const WARM_UP = 200;
const CLIENTS = 64;
const REQUESTS = 960;

const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1',
  'curl/8.15.0',
];
const HOSTS = ['shop.example.com', 'shop.example.com', 'api.shop.example.com', 'img.example.com'];
const PAGES = ['/', '/products/', '/assets/app-', '/api/v2/orders/', '/search', '/img/teaser-'];
const STATUSES = [200, 200, 200, 200, 304, 200, 404, 301];

export async function run(): Promise<string> {
  const rows: string[][] = [];
  for (const [name, format] of FORMATS) {
    rows.push([name, await measure(format, false), await measure(format, true)]);
  }
  return `Nanoseconds per line: the lower quartile of ${BATCHES - WARM_UP} batches of ${BATCH} lines; ${CLIENTS} client connections, ${REQUESTS} different heads. As clients ask: a connection is one browser's, which asks another host now and then. Mixed: each request is anybody's, as behind another proxy.

${table([['format', 'as clients ask', 'mixed'], ...rows])}`;
}

/** Of all batches the lower quartile: the machine has other things to do as well. */
async function measure(format: string, isMixed: boolean): Promise<string> {
  const accessLog = new AccessLog('/dev/null', silentLog, { format });
  const world = new World(accessLog, isMixed);
  const times: number[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const ended = Array.from({ length: BATCH }, () => world.next());
    const start = process.hrtime.bigint();
    for (const [request, how] of ended) tell(request, how);
    const ns = Number(process.hrtime.bigint() - start) / BATCH;
    if (batch >= WARM_UP) times.push(ns);
    // A block may be written now, and is free again.
    await nextTurn();
  }
  await accessLog.close();
  return whole(times.toSorted((left, right) => left - right)[times.length >> 2] ?? 0);
}

/** Makes exchanges that have ended. */
class World {
  readonly body = { bytes: 0 };
  readonly gateway: EndedRequest['gateway'];
  readonly upstream = new Upstream('app', () => {});
  readonly #heads = Array.from({ length: REQUESTS }, (_, at) =>
    Buffer.from(headText(at), 'latin1'),
  );
  readonly #responses = STATUSES.map((status) => responseOf(status));
  readonly #clients: readonly ClientStream[];
  readonly #isMixed: boolean;
  #count = 0;

  constructor(accessLog: AccessLog, isMixed: boolean) {
    this.#isMixed = isMixed;
    this.upstream.apply(upstreamState([{ id: '10.0.0.1:9001' }, { id: '10.0.0.2:9001' }]), 0);
    this.gateway = {
      ...{ accessLog, ids: new RequestIds(), recorder: new Recorder(), tracer: undefined },
      routes: new RouteTable([]),
    };
    const trusted = new AddressSet(['127.0.0.1']);
    this.#clients = Array.from({ length: CLIENTS }, (_, at) => {
      const peer = { remoteAddress: `198.18.0.${at}`, scheme: 'http' as const };
      const forwarding = new Forwarding(peer, trusted, false);
      // Of an exchange that has ended nothing else is asked for.
      const keeper = { logged: undefined };
      const client: Partial<ClientStream> = {
        forwarding,
        keeper,
        entrance: { id: '0.0.0.0:8080', redirectPort: 0 },
      };
      return client as ClientStream;
    });
  }

  next(): [EndedRequest, HowEnded] {
    const count = this.#count++;
    const nowMs = performance.now();
    const buffer = at(this.#heads, count);
    const text = buffer.toString('latin1', 0, headEnd(buffer, 0, buffer.length));
    const head = parseRequestHead(text, LIMITS);
    if (head.kind === 'refusal') throw new Error(head.reason);
    // Heads of one host and agent are 16 places apart, but for a few; clients go with them.
    const mine = count % 50 === 0 ? count * 7 : this.#isMixed ? count * 7 : count;
    const client = { ...at(this.#clients, mine), bytesSent: 150 + (count % 9000) };
    const server = at(this.upstream.servers, count);
    const attempts = new Attempts(head, client, nowMs - (count % 97) / 7);
    attempts.begin(attempts.beganMs);
    attempts.headCame(server, nowMs);
    attempts.isSent = true;
    attempts.response = at(this.#responses, count);
    attempts.status = attempts.response.status;
    attempts.bytes = count % 8837;
    const { body, gateway, upstream } = this;
    return [
      { gateway, client, head, body, attempts, upstream, server },
      { kind: '', last: undefined, result: 'answered', reason: '', nowMs },
    ];
  }
}

function at<T>(list: readonly T[], place: number): T {
  const item = list[place % list.length];
  if (item === undefined) throw new Error('an empty list');
  return item;
}

function headText(place: number): string {
  const query = place % 5 < 3 ? `?page=${place % 90}&sort=price&ref=${place * 48271}` : '';
  return [
    `${place % 10 === 0 ? 'POST' : 'GET'} ${at(PAGES, place)}${place}${query} HTTP/1.1`,
    `Host: ${at(HOSTS, place >> 2)}`,
    'Connection: keep-alive',
    `User-Agent: ${at(AGENTS, place >> 1)}`,
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'Sec-Fetch-Site: same-origin',
    'Sec-Fetch-Mode: cors',
    `Referer: https://shop.example.com/products/${place * 37}?campaign=${place * 16807}`,
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-GB,en;q=0.9',
    `Cookie: sid=${(place * 2654435761).toString(16)}; theme=dark`,
    '\r\n',
  ].join('\r\n');
}

function responseOf(status: number) {
  const text = `HTTP/1.1 ${status} Of Course\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n`;
  const head = parseResponseHead(text, 'GET', 32_768);
  if (head.kind === 'refusal') throw new Error(head.reason);
  return head;
}

if (import.meta.main) console.log(await run());
