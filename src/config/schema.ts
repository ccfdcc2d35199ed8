// The file's shape: every key, its default and its sentence of documentation, here and in the
// sections/ beside it. The only source of defaults, of docs/config.md and of the JSON Schema.
// Rules between keys are in rules/; build.ts leads from here to the shape that the program uses.

import { z } from 'zod';
import { admin } from './sections/admin.ts';
import { limits, proxy, timeouts } from './sections/gateway.ts';
import { hostSchema } from './sections/hosts.ts';
import { listenerSchema } from './sections/listen.ts';
import { registry } from './sections/registry.ts';
import { serviceSchema } from './sections/service.ts';
import { folder, list, record } from './sections/shapes.ts';
import { tracing } from './sections/tracing.ts';
import { routeSchema, upstreamSchema } from './sections/upstream.ts';
import { choice, duration, onOff, show } from './sections/values.ts';

const wrongWorkers = ({ input }: { input?: unknown }): string =>
  `${show(input)} is not a number of workers; write one from 1 to 256, or auto`;

const workers = z
  .union([z.literal('auto'), z.number()], { error: wrongWorkers })
  .refine((value) => value === 'auto' || (Number.isInteger(value) && value >= 1 && value <= 256), {
    error: wrongWorkers,
  })
  .prefault(1)
  .meta({ description: 'Worker processes; `auto` = one per processor.', 'x-value': '1–256, auto' });

/** Top-level keys in the order of the documentation. */
export const SECTIONS = {
  state_dir: folder(
    'Snapshot, registry data and what operators set; relative to this file.',
    '.sluice',
  ),
  workers,
  shutdown_timeout: duration({
    about: 'For what is in flight when we are told to end.',
    initial: '30s',
    least: '0',
  }),
  orphan_timeout: duration({
    about:
      'How long workers serve on when their primary process was killed, for the next one to take over; 0: they finish at once.',
    initial: '60s',
    least: '0',
  }),
  log_level: choice({
    about: 'Least level that is logged (JSON lines on standard error).',
    initial: 'info',
    words: ['debug', 'info', 'warn', 'error', 'silent'],
  }),
  reload_on_change: onOff({
    about: 'Read this file again when it changes, as `sluice reload` does.',
    initial: 'off',
  }),
  listen: list(
    'Where the gateway listens: one or a list; each an address, or a map with one: [TLS](tls.md).',
    listenerSchema,
    1,
  ).prefault(['127.0.0.1:8080']),
  admin: admin.prefault({}),
  registry: registry.prefault({}),
  registries: record(
    'More registries, by a name that upstreams follow them by; `embedded` and `none` are for `registry` alone.',
    registry,
  )
    .prefault({})
    .meta({ 'x-value': 'map of names, each with the keys of `registry`', 'x-like': 'registry' }),
  upstreams: record(
    'By name. Default: one upstream `app` with no servers of its own.',
    upstreamSchema,
  ).prefault({ app: {} }),
  routes: list(
    'No route to an upstream, and one upstream: everything but the pages goes there.',
    routeSchema,
  ).prefault([]),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  proxy: proxy.prefault({}),
  tracing: tracing.prefault({}),
  hosts: record('Machines on which instances of services run, by name.', hostSchema).prefault({}),
  services: record('What `sluice deploy` releases, by name.', serviceSchema).prefault({}),
};

export const fileSchema = z.strictObject(SECTIONS, {
  error: (issue) =>
    issue.code === 'unrecognized_keys'
      ? Object.keys(SECTIONS).join(' ')
      : `${Array.isArray(issue.input) ? 'a list' : 'text'} where the configuration belongs; write lines like "listen: 127.0.0.1:8080"${Array.isArray(issue.input) ? '' : ', with a blank after the colon'}`,
});

/** The file after its values were read, before the rules between them. */
export type ConfigFile = z.output<typeof fileSchema>;
