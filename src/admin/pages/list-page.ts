// `/upstream_list`: the page of upsync's `upstream_show`, byte for byte, because scripts parse it.
// It shows what the registry and operators said; the checks' verdicts are not on it, nor are backup
// servers.
//
// **Source:** nginx-upsync-module, `upstream_show`.

import type { TextAnswer } from '../../model.ts';
import type { ServerDocument, StatusDocument, UpstreamDocument } from '../contract.ts';

/** As with upsync, the whole raw query is the name. */
export function listPage({ upstreams }: StatusDocument, query: string): TextAnswer {
  return { contentType: 'text/plain', body: listOf(upstreams, query) };
}

/** `name` '' = all upstreams, each with a blank line after it; names match in any case. */
function listOf(upstreams: readonly UpstreamDocument[], name: string): string {
  if (upstreams.length === 0) return 'No upstreams defined';
  if (name === '') return upstreams.map((upstream) => `${section(upstream)}\n`).join('');
  const wanted = name.toLowerCase();
  const found = upstreams.find((upstream) => upstream.name.toLowerCase() === wanted);
  return found === undefined
    ? 'The upstream you requested does not exist. Please double-check the name'
    : section(found);
}

function section(upstream: UpstreamDocument): string {
  const servers = upstream.servers.filter((server) => !server.backup);
  const title = `Upstream name: ${upstream.name}; Backend server count: ${servers.length}\n`;
  return title + servers.map((server) => `        ${line(server)}\n`).join('');
}

function line(server: ServerDocument): string {
  const seconds = Math.ceil(server.failTimeoutMs / 1000);
  const down = server.admin.state === 'ready' ? '' : ' down';
  return `server ${server.id} weight=${server.weight} max_fails=${server.maxFails} fail_timeout=${seconds}s${down};`;
}
