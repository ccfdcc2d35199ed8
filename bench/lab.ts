// The bench's tools: proxies to compare, other checkouts, wrk, medians and tables.

export { checkout } from './lab/checkout.ts';
export {
  basicConfig,
  CONTENDERS,
  type Contender,
  type Lab,
  startServers,
  startSluice,
} from './lab/contenders.ts';
export { startNginx } from './lab/nginx.ts';
export { BROWSER, posts, puts, thinking } from './lab/requests.ts';
export { machine, median, megabytes, table, whole } from './lab/text.ts';
export { runWrk, type WrkResult } from './lab/wrk.ts';
