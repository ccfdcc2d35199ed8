// `/upstream_status`: the check module's page as html, csv and json, in the shapes that scripts
// parse. One difference: its JSON is valid also when the last server is filtered out (the module
// leaves a comma there). Checked servers only; the admin state is not on it.
//
// **Source:** nginx_upstream_check_module, `check_status`.

import type { TextAnswer } from '../../model.ts';
import type { ServerDocument, StatusDocument } from '../contract.ts';

type Row = {
  /** Position among all checked servers, also when others are filtered out. */
  readonly index: number;
  readonly upstream: string;
  readonly status: 'up' | 'down';
  readonly server: ServerDocument;
};

/** The module counts loads of its configuration here; ours is loaded once in a process's life. */
const GENERATION = 1;

type Format = { readonly contentType: string; readonly write: (rows: readonly Row[]) => string };

const HTML: Format = { contentType: 'text/html', write: html };
const FORMATS: ReadonlyMap<string, Format> = new Map([
  ['html', HTML],
  ['csv', { contentType: 'text/plain', write: csv }],
  ['json', { contentType: 'application/json', write: json }],
]);

/** Values in any case; an unknown format is html, an unknown status filters nothing, as in the module. */
export function statusPage(document: StatusDocument, query: string): TextAnswer {
  // The module finds its parameters in any case of letters, the first of a name.
  const parameters = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (!parameters.has(key.toLowerCase())) parameters.set(key.toLowerCase(), value.toLowerCase());
  }
  const wanted = parameters.get('status');
  const rows = checkedRows(document).filter(
    (row) => (wanted !== 'up' && wanted !== 'down') || row.status === wanted,
  );
  const { contentType, write } = FORMATS.get(parameters.get('format') ?? '') ?? HTML;
  return { contentType, body: write(rows) };
}

function checkedRows(document: StatusDocument): Row[] {
  return document.upstreams
    .flatMap(({ name, servers }) =>
      // Backups behind the others, where nginx keeps them.
      servers
        .toSorted((left, right) => Number(left.backup) - Number(right.backup))
        .map((server) => ({ upstream: name, server })),
    )
    .filter(({ server }) => server.checkType !== 'none')
    .map(({ upstream, server }, index) => ({ index, upstream, status: verdictOf(server), server }));
}

function verdictOf(server: ServerDocument): 'up' | 'down' {
  // The page knows up and down only.
  if (server.checks === 'up' || server.checks === 'down') return server.checks;
  return server.mustPass ? 'down' : 'up';
}

function cells({ index, upstream, status, server }: Row): readonly (string | number)[] {
  return [
    index,
    upstream,
    server.id,
    status,
    server.riseCount,
    server.fallCount,
    server.checkType,
    server.checkPort,
  ];
}

function csv(rows: readonly Row[]): string {
  return rows.map((row) => `${cells(row).join(',')}\n`).join('');
}

function json(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ index, upstream, status, server }) =>
      `    {"index": ${index}, "upstream": ${JSON.stringify(upstream)}, ` +
      `"name": ${JSON.stringify(server.id)}, "status": "${status}", ` +
      `"rise": ${server.riseCount}, "fall": ${server.fallCount}, ` +
      `"type": "${server.checkType}", "port": ${server.checkPort}}`,
  );
  const list = lines.length === 0 ? '' : `${lines.join(',\n')}\n`;
  return `{"servers": {\n  "total": ${rows.length},\n  "generation": ${GENERATION},\n  "server": [\n${list}  ]\n}}\n`;
}

const HEADINGS = [
  'Index',
  'Upstream',
  'Name',
  'Status',
  'Rise counts',
  'Fall counts',
  'Check type',
  'Check port',
];

function html(rows: readonly Row[]): string {
  const heading = HEADINGS.map((text) => `    <th>${text}</th>\n`).join('');
  const table = rows.map((row) => {
    const color = row.status === 'down' ? ' bgcolor="#FF0000"' : '';
    const columns = cells(row).map((cell) => `    <td>${escapeHtml(String(cell))}</td>\n`);
    return `  <tr${color}>\n${columns.join('')}  </tr>\n`;
  });
  return `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
  <title>Nginx http upstream check status</title>
</head>
<body>
<h1>Nginx http upstream check status</h1>
<h2>Check upstream server number: ${rows.length}, generation: ${GENERATION}</h2>
<table style="background-color:white" cellspacing="0"        cellpadding="3" border="1">
  <tr bgcolor="#C0C0C0">
${heading}  </tr>
${table.join('')}</table>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
