// The cheapest client of an HTTP API that reads whole answers: one connection, one request in flight.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/base/units.ts';

export class Line {
  readonly #socket: Socket;
  #text = '';
  #done: (text: string) => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#read(chunk));
    socket.on('error', (error) => this.#failed(error));
  }

  static async open({ host, port }: Address): Promise<Line> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return new Line(socket);
  }

  ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#text += chunk;
    const headEnd = this.#text.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const length = Number(/\r\nContent-Length: (\d+)/i.exec(this.#text)?.[1] ?? 0);
    if (this.#text.length < headEnd + 4 + length) return;
    const text = this.#text;
    this.#text = '';
    if (!text.startsWith('HTTP/1.1 200')) this.#failed(new Error(text.slice(0, 200)));
    else this.#done(text);
  }
}

export function get(target: string): string {
  return `GET /v1/kv/${target} HTTP/1.1\r\nHost: x\r\n\r\n`;
}

export function put(target: string, value: string): string {
  return `PUT /v1/kv/${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${value.length}\r\n\r\n${value}`;
}
