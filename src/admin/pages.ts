// What is read as text and not as a document: the pages of nginx's modules by name and raw query, as the
// control API and the gateway's routes both answer with them, and the metrics.

import type { PageName } from '../model.ts';
import type { StatusDocument } from './contract/documents.ts';
import { upstreamListPage } from './pages/list-page.ts';
import { type StatusFormat, upstreamStatusPage } from './pages/status-page.ts';

export { type MetricsSource, renderMetrics, type SocketMetrics } from './pages/metrics.ts';

export type RenderedPage = { readonly contentType: string; readonly body: string };

const CONTENT_TYPES: Readonly<Record<StatusFormat, string>> = {
  html: 'text/html',
  csv: 'text/plain',
  json: 'application/json',
};

/** `query` as it came, without `?`. */
export function renderPage(name: PageName, query: string, status: StatusDocument): RenderedPage {
  if (name === 'upstream_list') {
    // As with upsync, the whole raw query string is the name.
    return { contentType: 'text/plain', body: upstreamListPage(status.upstreams, query) };
  }
  // The module finds its parameters in any case of letters, the first of a name.
  const parameters = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (!parameters.has(key.toLowerCase())) parameters.set(key.toLowerCase(), value);
  }
  const { format, body } = upstreamStatusPage(status, {
    format: parameters.get('format') ?? '',
    status: parameters.get('status') ?? '',
  });
  return { contentType: CONTENT_TYPES[format], body };
}
