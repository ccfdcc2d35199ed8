// The changes of an audit log as text: a row each, the newest last. Pure.

import type { EventDocument } from '../../admin.ts';
import { type Paint, table, visible } from '../output.ts';

export function eventsView(
  events: readonly EventDocument[],
  { paint, width }: { readonly paint: Paint; readonly width: number },
): string {
  const rows = events.map((event) => [
    visible(event.time.replace(/\.\d+Z$/, 'Z')),
    visible(whoOf(event)) || '-',
    visible(event.from),
    visible(event.upstream),
    visible(event.server) || '-',
    visible(changeOf(event)),
  ]);
  const head = ['TIME', 'WHO', 'FROM', 'UPSTREAM', 'SERVER', 'CHANGE'];
  const [title = '', ...body] = table([head, ...rows], width);
  const lines = body.map((line, at) => (events[at]?.result === 'ok' ? line : paint('red', line)));
  return `${[paint('dim', title), ...lines].join('\n')}\n`;
}

function whoOf({ token, owner }: EventDocument): string {
  return [token, owner].filter((text) => text !== '').join(', ');
}

function changeOf({ action, before, after, result, message, asked }: EventDocument): string {
  const reason = asked['reason'];
  const why = typeof reason === 'string' && reason !== '' ? ` (${reason})` : '';
  if (result !== 'ok') return `${action} refused: ${result}: ${message}`;
  const parts: string[] = [];
  if (before.state !== after.state) {
    parts.push(`${before.state || 'not there'} → ${after.state || 'not there'}`);
  }
  if (before.weight !== after.weight && before.state !== '' && after.state !== '') {
    parts.push(`weight ${before.weight} → ${after.weight}`);
  }
  // What other gateways or the registry have to confirm is seen a little later.
  return `${action}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}${why}`;
}
