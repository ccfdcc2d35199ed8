// The status document as text: one screen that says who takes traffic, who not and why.
// Pure: document and clock in, lines out.

import type {
  RegistryDocument,
  ServerDocument,
  StatusDocument,
  UpstreamDocument,
} from '../../admin.ts';
import { formatDuration } from '../../base/units.ts';
import { wrap } from '../../base/wrap.ts';
import { type Eligibility, parseOwner } from '../../model.ts';
import { cut, type Paint, table, visible } from '../output.ts';

export type ViewOptions = {
  readonly nowMs: number;
  readonly paint: Paint;
  /** Columns of the terminal; 0 = do not cut. */
  readonly width: number;
};

export function statusView(status: StatusDocument, options: ViewOptions): string {
  const blocks = [
    headOf(status, options),
    ...status.upstreams.map((upstream) => upstreamView(upstream, emptyText(status), options)),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** Workers give a sign of life twice a second. */
const SILENT_MS = 5000;

function headOf(status: StatusDocument, { nowMs, paint, width }: ViewOptions): string[] {
  const { registry, registries, workers } = status;
  const up = formatDuration(Math.max(0, nowMs - status.startedAtMs));
  const lines = [
    `${paint('bold', `sluice ${status.version}`)}  up ${up}, generation ${status.generation}`,
    ...(registry.kind === 'none' && registries.length > 0
      ? []
      : [`registry   ${registryOf(registry, { nowMs, paint })}`]),
    ...registries.map(
      (named) => `registry   ${visible(named.name)}: ${registryOf(named, { nowMs, paint })}`,
    ),
  ];
  const trouble = status.configuration?.trouble ?? '';
  if (trouble !== '') {
    const [first = '', ...more] = trouble.split('\n').map(visible);
    lines.push(`config     ${paint('red', 'the file was not taken, the last one is in force:')}`);
    lines.push(...[first, ...more].map((line) => `${HEAD_INDENT}${paint('red', line)}`));
  }
  lines.push(...certificateLines(status, nowMs, paint), ...gatewayLines(status, nowMs, paint));
  const rows = workers.map((worker) => [
    `worker ${worker.id}`,
    `pid ${worker.pid}`,
    `generation ${worker.generation}${worker.generation === status.generation ? '' : ' (behind)'}`,
    `${worker.connections} connections`,
    worker.silentMs < SILENT_MS
      ? ''
      : paint('red', `silent for ${formatDuration(worker.silentMs)}`),
  ]);
  if (workers.length === 0) lines.push(paint('red', 'workers    none: the gateway serves nothing'));
  const hanging = workers.filter(({ silentMs }) => silentMs >= SILENT_MS);
  const hints = hanging.flatMap(({ pid, connections }) => silentAdvice(pid, connections, width));
  return [...lines, ...table(rows, width), ...hints];
}

/** Those that end are named from here on, ms. */
const ENDS_SOON_MS = 14 * 86_400_000;

function certificateLines(
  { certificates = [] }: StatusDocument,
  nowMs: number,
  paint: Paint,
): readonly string[] {
  const [first, ...others] = certificates.toSorted((a, b) => a.expiresAtMs - b.expiresAtMs);
  if (first === undefined) return [];
  const count = others.length === 0 ? '1 certificate' : `${certificates.length} certificates`;
  const leftMs = first.expiresAtMs - nowMs;
  const name = visible(first.names[0] ?? first.file);
  const when = formatDuration(Math.abs(leftMs));
  if (leftMs <= 0) return [`tls        ${count}, ${paint('red', `${name} expired ${when} ago`)}`];
  const text = `${name} ends in ${when}`;
  return [`tls        ${count}, ${leftMs < ENDS_SOON_MS ? paint('yellow', text) : text}`];
}

/** Nothing where there is only this one. */
function gatewayLines(
  { gateways, scope }: StatusDocument,
  nowMs: number,
  paint: Paint,
): readonly string[] {
  if (gateways.length < 2 && scope.unheard.length === 0) return [];
  const live = gateways.filter(({ state }) => state === 'live').length;
  const silent = gateways.filter(({ state }) => state === 'silent');
  const behind = gateways.filter(({ state, current }) => state === 'live' && !current).length;
  const lag = behind === 0 ? '' : paint('yellow', `, ${behind} behind`);
  const lines = [`gateways   ${live} live${lag}; see "sluice gateways"`];
  for (const { name, sinceMs } of silent) {
    const text = `${visible(name)} is silent for ${ago(sinceMs, nowMs)}: drains do not wait for it`;
    lines.push(`${HEAD_INDENT}${paint('red', text)}`);
  }
  if (silent.length < scope.unheard.length) {
    const others = scope.unheard.map(visible).join(', ');
    lines.push(`${HEAD_INDENT}${paint('yellow', `not heard: ${others}`)}`);
  }
  return lines;
}

/**
 * The harmless first: one that was stopped goes on, and one that is busy finishes what it has. KILL
 * is named with its price, since nothing else ends one that hangs, and drains wait for it.
 */
function silentAdvice(pid: number, connections: number, width: number): readonly string[] {
  const text =
    `drains wait for pid ${pid}. "kill -CONT ${pid}" wakes it if it was stopped; "kill -TERM ${pid}" ` +
    'has it replaced once it answers again, and it finishes what it has. Only if it never does: ' +
    `"kill -KILL ${pid}" breaks off what is in flight on its ${connections} connections, and it is replaced.`;
  return wrap(text, width === 0 ? 0 : Math.max(1, width - HEAD_INDENT.length)).map(
    (part) => `${HEAD_INDENT}${part}`,
  );
}

/** What would not end by itself is told apart: `12 (2 tunnels, 1 stream)`. */
function inFlightOf({ inFlight, tunnels, streams }: ServerDocument): string | number {
  const parts = [
    tunnels > 0 ? `${tunnels} ${tunnels === 1 ? 'tunnel' : 'tunnels'}` : '',
    streams > 0 ? `${streams} ${streams === 1 ? 'stream' : 'streams'}` : '',
  ].filter(Boolean);
  return parts.length === 0 ? inFlight : `${inFlight} (${parts.join(', ')})`;
}

/** Beside the labels of the head. */
const HEAD_INDENT = ' '.repeat(11);

/** Of an upstream without servers. */
function emptyText({ registry, registries }: StatusDocument): string {
  const isUnread = [registry, ...registries].some(
    ({ kind, reachable }) => kind !== 'none' && !reachable,
  );
  if (isUnread) return 'no servers are known, and not all registries can be read: see above';
  return 'no servers: register one with "sluice kv put"';
}

function upstreamView(
  upstream: UpstreamDocument,
  empty: string,
  { nowMs, paint, width }: ViewOptions,
): string[] {
  const count = `${upstream.eligible} of ${upstream.servers.length} eligible`;
  const isEmpty = upstream.eligible === 0;
  const failing = upstream.servers.filter((server) => stateOf(server) === 'failing').length;
  const tried = isEmpty && upstream.servers.some(({ eligibility }) => eligibility === 'ejected');
  const panic = upstream.servers.some(({ eligibility }) => eligibility === 'panic');
  const remarks = [
    failing === 0 ? '' : `, ${failing} failing`,
    panic ? ', panic: too few pass, so those that fail take requests' : '',
    tried ? ', the ejected ones are tried' : '',
  ].join('');
  const lines = [
    `${paint('bold', upstream.name)}  ${upstream.balance}, ${paint(isEmpty ? 'red' : 'green', count)}${remarks === '' ? '' : paint('red', remarks)}`,
  ];
  if (upstream.servers.length === 0) lines.push(`  ${empty}`);
  else {
    const rows = upstream.servers.map((server) => [
      `  ${server.id}`,
      stateOf(server),
      server.weight,
      inFlightOf(server),
      server.requests,
      server.failures,
      whyOf(server, nowMs),
    ]);
    const head = ['  SERVER', 'STATE', 'WEIGHT', 'IN FLIGHT', 'REQUESTS', 'FAILED', 'WHY'];
    const [title = '', ...body] = table([head, ...rows]);
    lines.push(paint('dim', cut(title, width)));
    for (const [index, line] of body.entries()) {
      const server = upstream.servers[index];
      const [row = '', ...why] = fitted(line, title.lastIndexOf('WHY'), width);
      const state = server === undefined ? 'ok' : stateOf(server);
      // A newer daemon may know more states.
      const colour = Object.hasOwn(COLOURS, state) ? COLOURS[state] : 'yellow';
      lines.push(
        colour === null ? row : row.replace(` ${state}`, ` ${paint(colour, state)}`),
        ...why,
      );
    }
  }
  for (const { key, message } of upstream.problems)
    lines.push(`  ${paint('yellow', 'problem:')} ${visible(`${key}: ${message}`)}`);
  return lines;
}

/** A row that is too wide has its reason on the next lines: it must not be cut off. */
function fitted(line: string, whyAt: number, width: number): string[] {
  if (width === 0 || line.length <= width) return [line];
  const why = wrap(line.slice(whyAt), width - WHY_INDENT.length);
  return [
    cut(line.slice(0, whyAt).trimEnd(), width),
    ...why.map((part) => cut(`${WHY_INDENT}${part}`, width)),
  ];
}

const WHY_INDENT = '    ';

/** What the STATE column can say. */
type State = Eligibility | 'failing' | 'not checked';

/** In red what is broken, dim what nobody has looked at; null: as the rest of the row. */
const COLOURS: Readonly<Record<State, 'red' | 'yellow' | 'dim' | null>> = {
  ok: null,
  maint: 'yellow',
  drain: 'yellow',
  unresolved: 'yellow',
  panic: 'red',
  down: 'red',
  unchecked: 'yellow',
  ejected: 'red',
  full: 'yellow',
  failing: 'red',
  'not checked': 'dim',
};

/** Its kind, where it is and how it does. */
function registryOf(
  registry: RegistryDocument,
  { nowMs, paint }: Pick<ViewOptions, 'nowMs' | 'paint'>,
): string {
  if (registry.kind === 'none') return 'none';
  const address = registry.address === '' ? '' : ` at ${visible(registry.address)}`;
  const contact =
    registry.lastContactMs === 0 ? 'never' : `${ago(registry.lastContactMs, nowMs)} ago`;
  const health = registry.reachable
    ? `reachable, index ${registry.index}${registry.recordPrefix === '' ? ', only read' : ''}`
    : paint(
        'red',
        `cannot be read (last read ${contact}): ${visible(registry.trouble)}; last known servers stay in use`,
      );
  return `${registry.kind}${address}, ${health}`;
}

/** The eligibility; of an eligible server what else is known of it. */
export function stateOf(server: ServerDocument): State {
  if (server.eligibility !== 'ok') return server.eligibility;
  if (server.failedInARow >= Math.max(1, server.maxFails)) return 'failing';
  return server.checks === 'off' ? 'not checked' : 'ok';
}

/** The reason behind the state, and what else is not usual. */
export function whyOf(server: ServerDocument, nowMs: number): string {
  const remarks = [reasonOf(server, nowMs), foundOf(server, nowMs), supervisedOf(server, nowMs)];
  if (server.backup) remarks.push('backup');
  if (server.maxConns > 0 && server.eligibility !== 'full') {
    remarks.push(`max_conns ${server.maxConns}`);
  }
  if (server.eligibility === 'ok') {
    for (const { gateway, eligibility } of server.outElsewhere) {
      remarks.push(`${eligibility} on ${gateway}`);
    }
  }
  const { registry, alsoIn } = server;
  // Where there is one registry, nobody asks which.
  if (registry !== '' && registry !== 'default') remarks.push(`from ${registry}`);
  if (alsoIn.length > 0) remarks.push(`also in ${alsoIn.join(', ')}, where ${registry} counts`);
  if (server.source === 'held') remarks.push('held: its record vanished with the whole list');
  return visible(remarks.filter((remark) => remark !== '').join('; '));
}

/** Of an instance that `sluice serve` looks after. */
function supervisedOf(
  { restarts, lastExit, lastExitMs, resting }: ServerDocument,
  nowMs: number,
): string {
  if (lastExit === '') return resting === '' ? '' : `not started again: ${resting}`;
  const times = restarts === 1 ? 'once' : `${restarts} times`;
  const again = restarts === 0 ? '' : `started again ${times}, `;
  const last = `${again}last: ${lastExit} ${ago(lastExitMs, nowMs)} ago`;
  return resting === '' ? last : `${last}; not started again: ${resting}`;
}

function reasonOf(server: ServerDocument, nowMs: number): string {
  const { eligibility } = server;
  // A newer daemon may know more reasons.
  return Object.hasOwn(REASONS, eligibility) ? REASONS[eligibility](server, nowMs) : '';
}

const REASONS: Readonly<Record<Eligibility, (server: ServerDocument, nowMs: number) => string>> = {
  ok: () => '',
  drain: intentOf,
  maint: intentOf,
  unresolved: () => 'its name has no address; check the name and the DNS of this machine',
  panic: ({ checkReason }) =>
    `check failed: ${checkReason}; takes requests, because too few pass (panic_threshold)`,
  down: ({ checkReason }) => `check failed: ${checkReason}`,
  unchecked: ({ checkReason }) =>
    checkReason === '' ? 'not probed yet' : `has not passed yet: ${checkReason}`,
  ejected: ({ maxFails, failTimeoutMs, ejectedUntilMs }, nowMs) => {
    const failed = `${maxFails} failed within ${formatDuration(failTimeoutMs)}`;
    return ejectedUntilMs <= nowMs
      ? failed
      : `${failed}, back in ${formatDuration(ejectedUntilMs - nowMs)}`;
  },
  full: ({ maxConns }) => `max_conns ${maxConns} reached`,
};

/** Who took it out, when and why. */
function intentOf({ admin, givenBack }: ServerDocument, nowMs: number): string {
  const back = givenBack
    ? ', given back: in force when the registry is back, or the lease has ended'
    : '';
  const since = admin.sinceMs === 0 ? '' : ` ${ago(admin.sinceMs, nowMs)} ago`;
  // Its reason says the same in other words.
  if (parseOwner(admin.owner).kind === 'registry') return `down in the registry${since}`;
  return `by ${admin.owner}${since}${admin.reason === '' ? '' : `: ${admin.reason}`}${back}`;
}

/** What requests found, while the last of them failed. */
function foundOf(
  { failedInARow, lastFailure, lastFailureMs }: ServerDocument,
  nowMs: number,
): string {
  if (failedInARow === 0) return '';
  const times = failedInARow === 1 ? 'last attempt failed' : `last ${failedInARow} attempts failed`;
  return `${times}: ${lastFailure} (${ago(lastFailureMs, nowMs)} ago)`;
}

function ago(thenMs: number, nowMs: number): string {
  return formatDuration(Math.max(0, nowMs - thenMs));
}
