// The face of the daemon module: the whole program in one call.

export { checkFiles } from './daemon/files.ts';
export { ServiceManager } from './daemon/service-manager.ts';
export { type Daemon, type DaemonOptions, startDaemon } from './daemon/start.ts';
export { type Inherited, Predecessor, Successor } from './daemon/succession.ts';
