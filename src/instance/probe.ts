// Whether the instance answers, from here: its port takes a connection, or a path of it answers with 2xx
// or 3xx. The gateways' own checks look besides.

import { get } from 'node:http';
import { connect } from 'node:net';
import { SluiceError } from '../base/errors.ts';
import { parseAddress } from '../base/units.ts';

const ANSWER_MS = 2000;

/** `path` '' = a connection is enough. @throws usage */
export function answersAt(server: string, path: string): () => Promise<boolean> {
  const address = parseAddress(server);
  if (address === undefined) throw new SluiceError('usage', `server "${server}" is not host:port`);
  const { host, port } = address;
  if (path === '') return () => accepts(host, port);
  return () =>
    new Promise((resolve) => {
      const headers = { host: server, connection: 'close' };
      const request = get({ host, port, path, headers, agent: false, timeout: ANSWER_MS });
      request.on('response', ({ statusCode = 0 }) => {
        resolve(statusCode >= 200 && statusCode < 400);
        request.destroy();
      });
      request.on('timeout', () => request.destroy());
      request.on('error', () => resolve(false));
      request.on('close', () => resolve(false));
    });
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ANSWER_MS });
    const end = (isOpen: boolean) => (): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on('connect', end(true));
    socket.on('timeout', end(false));
    socket.on('error', end(false));
  });
}
