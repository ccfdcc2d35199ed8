// What the demo and the benches stand on: processes with an owner, and a whole Sluice in a temporary
// folder on free ports.

export { type AppConfig, appConfig, endApps, pidOfApp, startApp } from './stack/app.ts';
export { http, type Ports, PROJECT, Stack, type StackOptions } from './stack/gateway.ts';
export {
  type Child,
  Cleanup,
  cpuSeconds,
  listening,
  output,
  residentBytes,
  start,
  systemSeconds,
  temporaryFolder,
} from './stack/processes.ts';
