// `sluice kv get|put|ls|…`: the registry's records, through the client that gateways use.

import type { Command } from 'commander';
import { defineEdit } from './kv/edit.ts';
import { defineExport, defineImport } from './kv/export.ts';
import { defineGet } from './kv/get.ts';
import { defineLs } from './kv/ls.ts';
import { definePut } from './kv/put.ts';
import { defineRm } from './kv/rm.ts';
import { defineTree } from './kv/tree.ts';
import { defineWatch } from './kv/watch.ts';

const VERBS: Readonly<Record<string, (verb: Command) => void>> = {
  get: defineGet,
  put: definePut,
  ls: defineLs,
  rm: defineRm,
  edit: defineEdit,
  tree: defineTree,
  watch: defineWatch,
  export: defineExport,
  import: defineImport,
};

export function defineKv(kv: Command): void {
  kv.summary('read and write the records of the registry')
    .description("Read and write the registry's records.")
    .addHelpText(
      'after',
      `
A server is the record upstreams/<upstream>/<host:port> (upstreams/ stands for
registry.prefix, where the configuration has another); its value is JSON with
weight, max_fails, fail_timeout (seconds), max_conns, down, backup,
all optional; what gateways do not read is said.

Examples:
  $ sluice kv put upstreams/app/127.0.0.1:9001 '{"weight":2}'
  $ sluice kv put upstreams/app/127.0.0.1:9001 '{"weight":2,"down":1}'
  $ sluice kv ls upstreams/
  $ sluice kv rm upstreams/app/127.0.0.1:9001`,
    );
  for (const [name, define] of Object.entries(VERBS)) define(kv.command(name));
}
