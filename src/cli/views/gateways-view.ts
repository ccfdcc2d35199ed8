// The gateways of one registry as text: a row each. Pure: document and clock in, lines out.

import type { GatewayDocument, StatusDocument } from '../../admin.ts';
import { formatDuration } from '../../base/units.ts';
import { table, visible } from '../output.ts';
import type { ViewOptions } from './status-view.ts';

export function gatewaysView(status: StatusDocument, options: ViewOptions): string {
  const { nowMs, paint, width } = options;
  const { gateways, scope } = status;
  const rows = gateways.map((gateway) => [
    visible(gateway.name),
    gateway.state,
    formatDuration(Math.max(0, nowMs - gateway.sinceMs)),
    visible(gateway.version),
    visible(gateway.control),
    lagOf(gateway, status),
  ]);
  const head = ['GATEWAY', 'STATE', 'SINCE', 'VERSION', 'CONTROL', 'LAG'];
  const [title = '', ...body] = table([head, ...rows], width);
  const lines = body.map((line, index) =>
    gateways[index]?.state === 'silent' ? paint('red', line) : line,
  );
  const listed = new Set(gateways.map(({ name }) => name));
  // The silent ones have their rows; others are known by what was said of them alone.
  const others = scope.unheard.filter((text) => ![...listed].some((name) => text.startsWith(name)));
  const notes = others.map((text) => paint('yellow', `not heard: ${visible(text)}`));
  return `${[paint('dim', title), ...lines, ...notes].join('\n')}\n`;
}

function lagOf(gateway: GatewayDocument, { gateways, scope }: StatusDocument): string {
  if (gateway.state === 'silent') return 'not known';
  // A live one is not heard where the registry is away: what it said last may be long over.
  const start = `${gateway.name} (`;
  const unheard = scope.unheard.find((text) => text.startsWith(start));
  if (unheard !== undefined) return `not known: ${visible(unheard.slice(start.length, -1))}`;
  const behind = Math.max(0, (gateways[0]?.index ?? 0) - gateway.index);
  const since = gateway.lagMs === 0 ? '' : ` for ${formatDuration(gateway.lagMs)}`;
  const servers = gateway.index === 0 ? '' : behind === 0 ? 'none' : `${behind} behind${since}`;
  return gateway.current ? servers || 'not known' : `has not confirmed the last change${since}`;
}
