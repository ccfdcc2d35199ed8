// For Node programs: joins this process, and leaves before it ends on SIGTERM.
//
//   const server = createServer(app).listen(9001);
//   await join({ upstream: 'app', server: '10.0.0.7:9001', path: '/ping', onLeft: () => server.close() });

import { hostname } from 'node:os';
import { createControlClient, readPem } from '../client.ts';
import { admit, withdraw } from './membership.ts';
import { answersAt } from './probe.ts';

export type JoinOptions = {
  readonly upstream: string;
  /** `host:port`, as the gateways reach it. */
  readonly server: string;
  /** As after `--control`. Default: SLUICE_CONTROL, else 127.0.0.1:8700. */
  readonly control?: string;
  /** Default: SLUICE_TOKEN. */
  readonly token?: string;
  /** A path that answers 2xx or 3xx when this process is healthy. Default: its port takes connections. */
  readonly path?: string;
  readonly weight?: number;
  /** To get in, ms. Default 60 s. */
  readonly timeoutMs?: number;
  /** To get out, ms. Default 30 s. */
  readonly leaveTimeoutMs?: number;
  /** Signals at which it leaves. Default: SIGTERM. */
  readonly signals?: readonly NodeJS.Signals[];
  /** After it has left on a signal: close the server here. Left out: the signal ends the process then. */
  readonly onLeft?: () => void | Promise<void>;
  /** When leaving failed; it goes on to the end. Default: a warning of the process. */
  readonly onTrouble?: (error: unknown) => void;
};

export type Joined = {
  /** Drains on all gateways, waits until nothing is in flight, deregisters. May be called again. */
  leave(): Promise<void>;
};

const CONTROL = 'http://127.0.0.1:8700';
const TIMEOUT_MS = 60_000;
const LEAVE_TIMEOUT_MS = 30_000;

/**
 * Resolves when every gateway sends this process requests (or a person has taken it out).
 * @throws timeout, and what the control API refuses; the process is registered and down then
 */
export async function join(options: JoinOptions): Promise<Joined> {
  const { upstream, server, path = '', weight, timeoutMs = TIMEOUT_MS } = options;
  const { SLUICE_CONTROL = '', SLUICE_TOKEN = '', SLUICE_CA = '' } = process.env;
  const control = createControlClient({
    url: options.control ?? (SLUICE_CONTROL || CONTROL),
    token: options.token ?? SLUICE_TOKEN,
    tls: SLUICE_CA === '' ? {} : { ca: readPem('SLUICE_CA', SLUICE_CA) },
  });
  const target = { control, upstream, server, owner: `instance:${hostname()}` };
  let leaving: Promise<void> | undefined;
  const leave = (): Promise<void> => {
    leaving ??= withdraw({ ...target, timeoutMs: options.leaveTimeoutMs ?? LEAVE_TIMEOUT_MS }).then(
      () => forget(),
    );
    // One that failed may be tried again.
    leaving.catch(() => {
      leaving = undefined;
    });
    return leaving;
  };
  const { signals = ['SIGTERM'] } = options;
  const forget = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  let isEnding = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    // The second one ends it at once.
    if (isEnding) return endBy(signal);
    isEnding = true;
    void leave()
      .catch((error: unknown) => (options.onTrouble ?? warn)(error))
      .then(options.onLeft ?? (() => endBy(signal)))
      .finally(forget);
  };
  const endBy = (signal: NodeJS.Signals): void => {
    forget();
    // Whoever else listens to it ends the process; else the system does.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  // From before it takes requests: what comes meanwhile ends what was begun.
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await admit({
      ...{ ...target, timeoutMs, answers: answersAt(server, path) },
      ...(weight === undefined ? {} : { weight }),
    });
  } catch (error) {
    forget();
    throw error;
  }
  return { leave };
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
