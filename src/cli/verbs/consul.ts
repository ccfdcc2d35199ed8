// `sluice consul`: the embedded registry under the name and with the flags of Consul's own program, for
// test harnesses and scripts that start one.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { SluiceError } from '../../base/errors.ts';
import { formatAddress } from '../../base/units.ts';
import { type AgentSettings, readAgentConfig } from '../consul/agent-config.ts';
import { parseAgentFlags } from '../consul/agent-flags.ts';
import { keepGoingWithoutReaders, print, warn } from '../output.ts';
import { LongRun } from '../process-end.ts';

const CLOSE_MS = 5_000;
/** The version of Consul whose API this is. */
const VERSION_TEXT = 'Consul v1.8.7\nProtocol 2 spoken by default, understands 2 to 3';

export function defineConsul(verb: Command): void {
  verb
    .summary("run the embedded registry with Consul's flags")
    .description(
      "Run the embedded registry with the flags and JSON files of Consul's program, for harnesses that start one.",
    )
    .argument('<words...>', 'agent with flags, or version')
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Examples:
  $ sluice consul agent -dev -http-port 8500
  $ sluice consul agent -config-file consul.json -data-dir /var/lib/sluice
  $ printf '#!/bin/sh\\nexec sluice consul "$@"\\n' > consul && chmod +x consul`,
    )
    .action((words: readonly string[]) => runConsul(words));
}

async function runConsul([verb = '', ...flags]: readonly string[]): Promise<void> {
  if (verb === 'version') {
    print(VERSION_TEXT);
    return;
  }
  if (verb !== 'agent') {
    throw new SluiceError(
      'usage',
      `consul ${verb}: offered are "agent" and "version"; ask the agent's HTTP API for the rest`,
    );
  }
  const parsed = parseAgentFlags(flags);
  if ('wrong' in parsed) throw new SluiceError('usage', `consul agent: ${parsed.wrong}`);
  if (parsed.ignored.length > 0) {
    warn(
      `consul agent: one server needs no ${[...new Set(parsed.ignored)].join(', ')}: passed over`,
    );
  }
  await runAgent(() => readAgentConfig(parsed));
}

/** `read`: again at each reload, for the services and checks that stand there. */
async function runAgent(read: () => AgentSettings): Promise<void> {
  const settings = read();
  keepGoingWithoutReaders();
  const run = new LongRun();
  const { createLog } = await import('../../base/log.ts');
  const { openStore, serveConsulApi } = await import('../../registry.ts');
  const log = createLog(LEVELS[settings.logLevel] ?? 'info', { component: 'registry' });
  const temporary =
    settings.dataDir === undefined ? mkdtempSync(join(tmpdir(), 'sluice-consul-')) : undefined;
  const dataDir = temporary ?? resolve(settings.dataDir ?? '', 'registry');
  const store = openStore({ dataDir, log });
  const { host, port, datacenter, nodeName, nodeId, nodeMeta, scripts, acl } = settings;
  const { serverAddress, socket } = settings;
  try {
    const api = await serveConsulApi({
      alone: true,
      ...{ store, host, port, log, datacenter, nodeMeta, scripts, serverAddress },
      definitions: read,
      standsIn: true,
      acl: acl.enabled
        ? {
            initialManagementToken: acl.masterToken,
            allowByDefault: acl.allowByDefault,
            resetFile: resolve(settings.dataDir ?? '', 'acl-bootstrap-reset'),
          }
        : undefined,
      ...(socket === undefined ? {} : { socket }),
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(nodeId === undefined ? {} : { nodeId }),
    });
    const ended = run.untilEnded({
      timeoutMs: CLOSE_MS,
      kill: () => {},
      close: async () => {
        await api.close();
        store.close();
        if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
      },
    });
    if (settings.pidFile !== undefined) writeFileSync(settings.pidFile, `${process.pid}\n`);
    const at = socket ?? `http://${formatAddress(api.address)}`;
    print(`==> Consul agent running! (sluice, ${at})`);
    await ended;
  } catch (error) {
    store.close();
    throw error;
  }
}

type Level = Parameters<typeof import('../../base/log.ts').createLog>[0];

/** Consul's words for ours. */
const LEVELS: Readonly<Record<string, Level>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  err: 'error',
  error: 'error',
};
