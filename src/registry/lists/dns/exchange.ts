// One question to one DNS server: by UDP from a port that the system chooses, and by TCP when the answer
// did not fit. What answers another question, or comes from elsewhere, is not heard.

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { systemCode } from '../../../base/errors.ts';
import type { Address } from '../../../base/units.ts';
import {
  type DnsAnswer,
  decodeAnswer,
  encodeQuestion,
  type Question,
  type QuestionType,
} from './message.ts';

export type ExchangeOptions = {
  readonly server: Address;
  readonly name: string;
  readonly type: QuestionType;
  /** For each of the two ways. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** The answer, or why there is none. */
export async function askServer(options: ExchangeOptions): Promise<DnsAnswer | string> {
  const { name, type } = options;
  const answer = await byUdp(options, { id: randomInt(0x1_0000), name, type });
  if (typeof answer === 'string' || !answer.isCut) return answer;
  return byTcp(options, { id: randomInt(0x1_0000), name, type });
}

type Finish = (result: DnsAnswer | string) => void;

/** Calls `finish` at most once, in time. */
function once(
  { timeoutMs, signal }: ExchangeOptions,
  begin: (finish: Finish) => () => void,
): Promise<DnsAnswer | string> {
  return new Promise((resolve) => {
    let end: () => void = () => {};
    let isOver = false;
    const finish: Finish = (result) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      end();
      resolve(result);
    };
    const abort = (): void => finish('given up');
    const timer = setTimeout(() => finish(`no answer within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener('abort', abort);
    end = begin(finish);
    if (signal.aborted) abort();
  });
}

function byUdp(options: ExchangeOptions, question: Question): Promise<DnsAnswer | string> {
  const { host, port } = options.server;
  return once(options, (finish) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.on('error', (error) => finish(systemCode(error) || error.message));
    socket.on('message', (bytes) => hear(bytes, question, finish));
    // Connected: what comes from elsewhere is dropped, and a closed port is an error at once.
    socket.connect(port, host, () => socket.send(encodeQuestion(question)));
    return () => socket.close();
  });
}

function byTcp(options: ExchangeOptions, question: Question): Promise<DnsAnswer | string> {
  const { host, port } = options.server;
  return once(options, (finish) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port });
    socket.on('connect', () => {
      const bytes = encodeQuestion(question);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
    });
    socket.on('error', (error) => finish(systemCode(error) || error.message));
    socket.on('close', () => finish('connection closed'));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      // A message has at most 64 KiB by its length field.
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      hear(bytes.subarray(2, 2 + bytes.readUInt16BE(0)), question, finish);
      finish('answer to another question');
    });
    return () => socket.destroy();
  });
}

function hear(bytes: Buffer, question: Question, finish: Finish): void {
  try {
    const answer = decodeAnswer(bytes, question);
    if (answer !== undefined) finish(answer);
  } catch (error) {
    finish(`answer that cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
}
