// The access log's own format: one JSON object per exchange, in pure ASCII. Whatever a client may have sent,
// a quote or a byte beyond ASCII, stands there escaped, so that each line is valid JSON in valid UTF-8.

import type { AccessLine } from '../access-log.ts';
import type { LineBuffer } from './line-buffer.ts';
import { type LineStyle, lineWriter, type Part, type Read, type Write } from './line-parts.ts';
import { utcTime } from './local-time.ts';

/** Of the number of an id, at least. */
const ID_DIGITS = 8;

export const JSON_STYLE: LineStyle = { escapes: safe, none: '' };

/** Makes the lines of one log. */
export function jsonWriter(): Write {
  return lineWriter(PARTS, JSON_STYLE);
}

const PARTS: readonly Part[] = [
  { kind: 'text', text: '{"time":"' },
  { kind: 'write', write: (_, into, wallMs) => utcTime(into, wallMs) },
  ...named('","client":"', 'client', ({ client }) => client),
  ...named('","listener":"', 'client', ({ listener }) => listener),
  ...named('","method":"', 'client', ({ request }) => request.method),
  ...named('","host":"', 'client', ({ request }) => request.host),
  ...named('","target":"', 'each', ({ request }) => request.target),
  { kind: 'text', text: '","ms":' },
  { kind: 'write', write: ({ ms }, into) => writeTenths(into, ms) },
  { kind: 'text', text: ',"status":' },
  { kind: 'write', write: ({ status }, into) => into.digits(status) },
  { kind: 'text', text: ',"bytes":' },
  { kind: 'write', write: ({ bytes }, into) => into.digits(bytes) },
  ...named(',"upstream":"', 'server', ({ upstream }) => upstream),
  { kind: 'text', text: '","servers":[' },
  { kind: 'server', read: serversText, isServer: true, isPlain: true },
  ...named('],"result":"', 'server', ({ result }) => result),
  ...named('","reason":"', 'server', ({ reason }) => reason),
  ...named('","id":"', 'server', ({ idNumber, idPrefix }) => (idNumber === 0 ? '' : idPrefix)),
  { kind: 'write', write: writeIdEnd },
  { kind: 'text', text: '"}' },
];

function named(text: string, kind: 'client' | 'server' | 'each', read: Read): Part[] {
  return [
    { kind: 'text', text },
    { kind, read },
  ];
}

function serversText({ servers }: AccessLine): string {
  return servers.map((server) => `"${safe(server)}"`).join(',');
}

/** Behind its prefix. The characters of an id need no escaping: recorder/request-ids.ts. */
function writeIdEnd(line: AccessLine, into: LineBuffer): void {
  const { idNumber } = line;
  if (idNumber === 0) into.text(line.id);
  else into.hexDigits(idNumber, ID_DIGITS);
}

export function writeId(line: AccessLine, into: LineBuffer): void {
  if (line.idNumber > 0) into.text(line.idPrefix);
  writeIdEnd(line, into);
}

/** Rounded to tenths; without a fraction where that is 0. */
function writeTenths(into: LineBuffer, ms: number): void {
  const tenths = Math.round(ms * 10);
  // Not %: of what is no small integer for V8 that is a slow call.
  const whole = Math.floor(tenths / 10);
  const fraction = tenths - whole * 10;
  into.digits(whole);
  if (fraction === 0) return;
  into.text('.');
  into.digits(fraction);
}

const UNSAFE_EACH = /["\\\x00-\x1f\x7f-\uffff]/g;

/** The text as it stands between the quotes of a JSON string, in ASCII. */
function safe(text: string): string {
  return text.replace(UNSAFE_EACH, escaped);
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
