// The bench's tools: proxies to compare, wrk, medians and tables.

export { CONTENDERS, type Contender, type Lab, startServers } from './lab/contenders.ts';
export { machine, median, megabytes, table, whole } from './lab/text.ts';
export { runWrk, type WrkResult } from './lab/wrk.ts';
