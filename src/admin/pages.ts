// What is read as text and not as a document: the pages of nginx's modules by name and raw query, as the
// control API and the gateway's routes both answer with them, and the metrics.

import type { PageName, TextAnswer } from '../model.ts';
import type { StatusDocument } from './contract.ts';
import { listPage } from './pages/list-page.ts';
import { statusPage } from './pages/status-page.ts';

export {
  type MetricsSource,
  renderMetrics,
  type SocketMetrics,
  type ToldRequest,
} from './pages/metrics.ts';
export {
  METRICS_CONTENT_TYPES,
  type MetricsFormat,
  metricsFormat,
} from './pages/metrics-format.ts';

const PAGES: Readonly<Record<PageName, (status: StatusDocument, query: string) => TextAnswer>> = {
  upstream_list: listPage,
  upstream_status: statusPage,
};

/** `query` as it came, without `?`. */
export function renderPage(name: PageName, query: string, status: StatusDocument): TextAnswer {
  return PAGES[name](status, query);
}
