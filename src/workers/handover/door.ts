// The worker's side of a handover: the next primary finds it here when the one before is gone.

import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { canHandOver, sendHandles } from './handles.ts';
import { createPlaces, type Place, placeOf } from './place.ts';

export type DoorOptions = {
  /** Of the state_dir. */
  readonly folder: string;
  readonly log: Log;
  /** What the primary gets first, as JSON. */
  readonly hello: () => object;
  /** By the ids of their listeners. */
  readonly sockets: () => ReadonlyMap<string, object>;
  readonly onPrimary: (socket: Socket) => void;
};

export class Door {
  readonly #options: DoorOptions;
  readonly #place: Place | undefined;
  readonly #servers: Server[] = [];

  constructor(options: DoorOptions) {
    this.#options = options;
    if (!canHandOver()) return;
    try {
      createPlaces(options.folder);
      const place = placeOf(options.folder, process.pid);
      this.#place = place;
      this.#forget(place);
      this.#open(place.link, false, (socket) => {
        socket.on('error', () => {});
        socket.write(`${JSON.stringify(options.hello())}\n`);
        options.onPrimary(socket);
      });
      this.#open(place.fds, true, (socket) => sendHandles(socket, options.sockets()));
    } catch (error) {
      this.#failed(error);
    }
  }

  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
    if (this.#place !== undefined) this.#forget(this.#place);
  }

  #open(path: string, pauseOnConnect: boolean, onConnection: (socket: Socket) => void): void {
    const server = createServer({ pauseOnConnect }, onConnection);
    server.on('error', (error) => this.#failed(error));
    server.listen(path);
    server.unref();
    this.#servers.push(server);
  }

  #forget({ link, fds }: Place): void {
    for (const path of [link, fds]) rmSync(path, { force: true });
  }

  #failed(error: unknown): void {
    const fields = { folder: this.#options.folder, error: messageOf(error) };
    this.#options.log.warn(fields, 'no handover: the next primary will not find this worker');
  }
}
