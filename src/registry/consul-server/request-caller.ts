// Whoever sent a request, as the endpoints see it: its token and what follows from it, its body, its
// leaving. The same for a request that node:http read and for a plain one; their bodies differ.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { SluiceError } from '../../base/errors.ts';
import type { Identities } from './acl.ts';
import { expectsContinue, type Pipeline, parameter, type Query } from './http.ts';
import { ALL_RIGHTS, type Rights } from './rights.ts';
import type { Caller } from './routes.ts';

/** How much of a refused body is read and dropped, so that the client sees the answer. */
const DROPPED_BYTES_MAX = 16 * 1024 * 1024;

export type RequestHead = {
  readonly method: string;
  readonly url: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
};

/** Where the body of a request comes from, and who tells that its client left. */
export type Arrival = {
  readBody: (bytesMax: number, declaredBytes: number) => ReturnType<Caller['readBody']>;
  bodyStream(): AsyncIterable<Uint8Array>;
  onGone(callback: () => void): () => void;
};

/** The token of a request: in its query, in Consul's field, or as a bearer. */
export function secretOf({ headers }: RequestHead, query: Query): string {
  const given = parameter(query, 'token') || headers['x-consul-token'];
  if (typeof given === 'string' && given !== '') return given;
  const { authorization } = headers;
  if (typeof authorization !== 'string') return '';
  return /^Bearer +(\S+)\s*$/i.exec(authorization)?.[1] ?? '';
}

export class RequestCaller implements Caller {
  readonly secret: string;
  readonly #head: RequestHead;
  readonly #arrival: Arrival;
  readonly #identities: Identities | undefined;

  constructor(
    secret: string,
    { head, arrival }: { readonly head: RequestHead; readonly arrival: Arrival },
    identities: Identities | undefined,
  ) {
    this.secret = secret;
    this.#head = head;
    this.#arrival = arrival;
    this.#identities = identities;
  }

  get declaredBytes(): number {
    return Number(this.#head.headers['content-length'] ?? 0);
  }

  get rights(): Rights {
    return this.#identities === undefined ? ALL_RIGHTS : this.#identities.rightsOf(this.secret);
  }

  get accepts(): string {
    return textOf(this.#head.headers['accept']);
  }

  get namespace(): string {
    return textOf(this.#head.headers['x-consul-namespace']);
  }

  readBody(bytesMax: number): ReturnType<Caller['readBody']> {
    return this.#arrival.readBody(bytesMax, this.declaredBytes);
  }

  bodyStream(): AsyncIterable<Uint8Array> {
    return this.#arrival.bodyStream();
  }

  onGone(callback: () => void): () => void {
    return this.#arrival.onGone(callback);
  }
}

function textOf(field: string | readonly string[] | undefined): string {
  return typeof field === 'string' ? field : '';
}

/** A request that node:http read. */
export class HttpArrival implements Arrival {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #pipeline: Pipeline;

  constructor(request: IncomingMessage, response: ServerResponse, pipeline: Pipeline) {
    this.#request = request;
    this.#response = response;
    this.#pipeline = pipeline;
  }

  readBody(bytesMax: number, declaredBytes: number): Promise<Buffer | undefined> {
    if (expectsContinue(this.#request) && declaredBytes <= bytesMax) this.#response.writeContinue();
    return readBody(this.#request, declaredBytes, bytesMax);
  }

  bodyStream(): AsyncIterable<Uint8Array> {
    if (expectsContinue(this.#request)) this.#response.writeContinue();
    return this.#request;
  }

  onGone(callback: () => void): () => void {
    return this.#pipeline.onGone(this.#request.socket, callback);
  }
}

/** The body, or undefined as soon as it is known to be over the limit; the rest is then dropped. */
function readBody(
  request: IncomingMessage,
  declaredBytes: number,
  bytesMax: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let refused = declaredBytes > bytesMax;
    if (refused) resolve(undefined);
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (!refused && bytes > bytesMax) {
        refused = true;
        chunks.length = 0;
        resolve(undefined);
      }
      if (!refused) chunks.push(chunk);
      else if (bytes > DROPPED_BYTES_MAX) request.destroy();
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    // Every request closes, most of them long after their body: the error is built for the others.
    const gone = (): void => {
      if (refused || request.readableEnded) return;
      reject(new SluiceError('internal', 'registry: the client went away before its body ended'));
    };
    request.on('error', gone);
    request.on('close', gone);
  });
}
