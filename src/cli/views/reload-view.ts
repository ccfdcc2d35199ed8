// What a reload changed, or would change, as text. Pure.

import type { ReloadedDocument } from '../../admin.ts';
import { type Paint, table, visible } from '../output.ts';

export function reloadView(reloaded: ReloadedDocument, paint: Paint): string {
  const { changes, kept, upstreams } = reloaded;
  const rows = changes.map(({ path, from, to }) => [
    ...(from === ''
      ? [paint('green', '+'), visible(path), visible(to)]
      : to === ''
        ? [paint('red', '-'), visible(path), visible(from)]
        : [paint('yellow', '~'), visible(path), `${visible(from)} → ${visible(to)}`]),
  ]);
  const shown = new Set(changes.map(({ path }) => path));
  // What a file or a variable holds that the configuration refers to.
  for (const key of reloaded.keys) {
    const isShown = [...shown].some((path) => isWithin(path, key) || isWithin(key, path));
    if (!isShown && !key.includes('*')) rows.push([paint('yellow', '~'), key, 'another value']);
  }
  const lines = [headOf(reloaded, rows.length > 0), ...table(rows).map((line) => `  ${line}`)];
  const names = Object.entries(upstreams).filter(([, list]) => list.length > 0);
  for (const [what, list] of names) {
    lines.push(`  upstreams ${what}: ${list.map(visible).join(', ')}`);
  }
  for (const { key, reason } of kept) {
    const text = `${key} keeps its value until the next start: ${reason}`;
    lines.push(`  ${paint('yellow', visible(text))}`);
  }
  return lines.join('\n');
}

function isWithin(path: string, key: string): boolean {
  return path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`);
}

function headOf({ file, dryRun, inForce, generation }: ReloadedDocument, isOther: boolean): string {
  const name = file === '' ? 'the defaults (no file)' : visible(file);
  if (dryRun) return `${name}: good; a reload would change ${isOther ? 'this:' : 'nothing'}`;
  const what = isOther ? 'read again; changed:' : 'read again; nothing has changed';
  const where = inForce
    ? `in force in every worker (generation ${generation})`
    : `on its way (generation ${generation}): a worker has not taken it yet, see sluice status`;
  return `${name}: ${where}, ${what}`;
}
