// `sluice registry`: the embedded registry alone, for several gateways on one machine.

import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { type Address, formatAddress, parseAddress } from '../base/units.ts';
import { keepGoingWithoutReaders, note } from './output.ts';
import { untilEnded } from './process-end.ts';
import { configOf, type GlobalOptions } from './target.ts';

const CLOSE_MS = 5_000;

type RegistryOptions = GlobalOptions & { readonly listen?: Address; readonly dataDir?: string };

export function addRegistry(program: Command): void {
  program
    .command('registry')
    .summary('run the embedded registry alone')
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
  const config = await configOf(options);
  const { createLog } = await import('../base/log.ts');
  const { openStore, serveConsulApi } = await import('../registry.ts');
  const log = createLog(config.logLevel, { component: 'registry' });
  const listen = options.listen ?? config.registry.listen;
  const dataDir =
    options.dataDir === undefined ? config.registry.dataDir : resolve(options.dataDir);
  const store = openStore({ dataDir, log });
  let api: Awaited<ReturnType<typeof serveConsulApi>>;
  try {
    api = await serveConsulApi({ store, ...listen, log });
  } catch (error) {
    store.close();
    throw error;
  }
  const address = formatAddress(api.address);
  // Before it says that it is ready: whoever waited for that may end it at once.
  const ended = untilEnded({
    timeoutMs: CLOSE_MS,
    kill: () => {},
    close: async () => {
      await api.close();
      store.close();
    },
  });
  note(
    [
      `sluice registry: http://${address}/v1/kv/ (data in ${dataDir})`,
      `try: curl -X PUT -d '{"weight":1}' http://${address}/v1/kv/upstreams/app/127.0.0.1:9001`,
    ].join('\n'),
  );
  await ended;
}

function parseListen(text: string): Address {
  const address = parseAddress(text.replace(/:0$/, ':1'));
  if (address === undefined)
    throw new InvalidArgumentError('Write host:port, like 127.0.0.1:8500.');
  return text.endsWith(':0') ? { host: address.host, port: 0 } : address;
}
