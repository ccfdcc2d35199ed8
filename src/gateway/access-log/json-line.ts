// The access log's own format: one JSON object per exchange, in pure ASCII. Whatever a client may have sent,
// a quote or a byte beyond ASCII, stands there escaped, so that each line is valid JSON in valid UTF-8.

import type { AccessLine } from '../access-log.ts';

export function jsonLine(line: AccessLine): string {
  const { method, host, target } = line.request;
  const tenths = Math.round(line.ms * 10);
  const fraction = tenths % 10;
  // One expression: V8 joins the pieces once, when they are copied into the block.
  return `{"time":"${timeText()}","client":"${safe(line.client)}","listener":"${safe(line.listener)}","method":"${safe(method)}","host":"${safe(host)}","target":"${safe(target)}","ms":${(tenths - fraction) / 10}${fraction === 0 ? '' : `.${fraction}`},"status":${line.status},"bytes":${line.bytes},"upstream":"${safe(line.upstream)}","servers":[${serversText(line.servers)}],"result":"${safe(line.result)}","reason":"${safe(line.reason)}","id":"${safe(line.id)}"}\n`;
}

function serversText(servers: readonly string[]): string {
  let text = '';
  for (const server of servers) text += text === '' ? `"${safe(server)}"` : `,"${safe(server)}"`;
  return text;
}

const UNSAFE = /["\\\x00-\x1f\x7f-\uffff]/;
const UNSAFE_EACH = new RegExp(UNSAFE, 'g');

/** The text as it stands between the quotes of a JSON string, in ASCII. */
export function safe(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_EACH, escaped) : text;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

let nowMs = 0;
let nowText = '';

/** Made once per millisecond: under load many lines have the same. */
function timeText(): string {
  const ms = Date.now();
  if (ms !== nowMs) {
    nowMs = ms;
    nowText = new Date(ms).toISOString();
  }
  return nowText;
}
