export { type Daemon, startDaemon } from './daemon/start.ts';
