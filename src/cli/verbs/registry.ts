// `sluice registry`: the embedded registry alone, for several gateways on one machine.

import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { type Address, formatAddress, parseAddress } from '../../base/units.ts';
import { configOf, type GlobalOptions, reachable } from '../client/target.ts';
import { keepGoingWithoutReaders, remark, warn } from '../output.ts';
import { LongRun } from '../process-end.ts';
import { defineCopy } from './registry/copy.ts';
import { defineRepair } from './registry/repair.ts';
import { defineSnapshot } from './registry/snapshot.ts';

const CLOSE_MS = 5_000;

type RegistryOptions = GlobalOptions & { readonly listen?: Address; readonly dataDir?: string };

export function defineRegistry(verb: Command): void {
  defineCopy(verb.command('copy'));
  defineSnapshot(verb.command('snapshot'));
  defineRepair(verb.command('repair'));
  verb
    .summary('run the embedded registry alone; copy, save, restore, repair one')
    .description("Run the embedded registry alone: Consul's KV API on a durable store.")
    .option(
      '--listen <host:port>',
      'default: registry.embedded.listen, 127.0.0.1:8500',
      parseListen,
    )
    .option('--data-dir <folder>', 'default: registry.embedded.data_dir, .sluice/registry')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice registry --listen 127.0.0.1:8500 --data-dir /var/lib/sluice
  $ curl -X PUT -d '{"weight":1}' \\
      http://127.0.0.1:8500/v1/kv/upstreams/app/127.0.0.1:9001`,
    )
    .action(async (_: unknown, command: Command) =>
      runRegistry(command.optsWithGlobals<RegistryOptions>()),
    );
}

async function runRegistry(options: RegistryOptions): Promise<void> {
  keepGoingWithoutReaders();
  const run = new LongRun();
  const config = await configOf(options);
  const { createLog } = await import('../../base/log.ts');
  const { embeddedSettings, opennessOf } = await import('../../config.ts');
  const { openStore, serveConsulApi } = await import('../../registry.ts');
  const log = createLog(config.logLevel, { component: 'registry' });
  const { settings } = config.registry;
  const own = settings.kind === 'embedded' ? settings : embeddedSettings(config.stateDir);
  const listen = options.listen ?? own.listen;
  const dataDir = options.dataDir === undefined ? own.dataDir : resolve(options.dataDir);
  const { token, datacenter, nodeName } = own;
  const acl = token === '' ? undefined : { initialManagementToken: token };
  const open = opennessOf(listen, acl !== undefined);
  if (open !== '') warn(open);
  let store: ReturnType<typeof openStore> | undefined;
  let api: Awaited<ReturnType<typeof serveConsulApi>>;
  try {
    store = openStore({ dataDir, log });
    api = await serveConsulApi({
      ...{ store, ...listen, acl, datacenter, nodeName, log },
      alone: true,
    });
  } catch (error) {
    store?.close();
    throw inOptions(error, options);
  }
  const opened = store;
  // Signals are handled before it says that it is ready: whoever waits for that may send one at once.
  const ended = run.untilEnded({
    timeoutMs: CLOSE_MS,
    kill: () => {},
    close: async () => {
      await api.close();
      opened.close();
    },
  });
  remark(welcome(api.address, dataDir, config.registry.prefix, acl !== undefined));
  await ended;
}

/** Names the option instead of the config key where the option was given. */
function inOptions(error: unknown, { listen, dataDir }: RegistryOptions): unknown {
  if (!isSluiceError(error)) return error;
  let { message } = error;
  if (listen !== undefined) message = message.replace('registry.embedded.listen', '--listen');
  if (dataDir !== undefined) message = message.replace('registry.embedded.data_dir', '--data-dir');
  return new SluiceError(error.code, message, { cause: error, details: { ...error.details } });
}

export function welcome(
  address: Address,
  dataDir: string,
  prefix: string,
  asksToken: boolean,
): string {
  const here = formatAddress(reachable(address));
  const token = asksToken ? ' -H "X-Consul-Token: $TOKEN"' : '';
  return [
    `sluice registry: http://${formatAddress(address)}/v1/kv/ (data in ${dataDir})`,
    `try: curl -X PUT${token} -d '{"weight":1}' http://${here}/v1/kv/${prefix}app/127.0.0.1:9001`,
  ].join('\n');
}

function parseListen(text: string): Address {
  const address = parseAddress(text.replace(/:0$/, ':1'));
  if (address === undefined)
    throw new InvalidArgumentError('Write host:port, like 127.0.0.1:8500.');
  return text.endsWith(':0') ? { host: address.host, port: 0 } : address;
}
