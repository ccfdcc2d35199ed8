// One look of a check: what an HTTP, TCP or script check finds. The probe of the upstreams' checks is another
// one on purpose: that one asks a server as the gateway does, this one asks any URL as Consul does, with
// TLS, a body, redirects, and what the answer said.

import { spawn } from 'node:child_process';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import type { CheckDefinition } from '../catalog.ts';

export type Found = {
  readonly status: 'passing' | 'warning' | 'critical';
  readonly output: string;
};

/** How long a look may take when the check does not say. */
const TIMEOUT_MS = 10_000;
const SCRIPT_TIMEOUT_MS = 30_000;
const REDIRECTS_MAX = 10;
export const OUTPUT_BYTES_MAX = 4096;
const NS_PER_MS = 1e6;

/** The signal ends it; what it then finds is nobody's matter. Never rejects. */
export function look(definition: CheckDefinition, signal: AbortSignal): Promise<Found> {
  const defaultMs = isScript(definition) ? SCRIPT_TIMEOUT_MS : TIMEOUT_MS;
  const timeoutMs = definition.Timeout > 0 ? definition.Timeout / NS_PER_MS : defaultMs;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(timeoutMs))]);
  const looked = isScript(definition)
    ? lookScript(definition, deadline)
    : definition.HTTP === ''
      ? lookTcp(definition.TCP, deadline)
      : lookHttp(definition, deadline);
  return looked.catch((error: unknown) => ({
    status: 'critical',
    output: deadline.aborted
      ? `no answer from ${definition.HTTP}${definition.TCP}${definition.ScriptArgs ?? ''} within ${timeoutMs}ms`
      : messageOf(error),
  }));
}

async function lookHttp(definition: CheckDefinition, signal: AbortSignal): Promise<Found> {
  const method = definition.Method === '' ? 'GET' : definition.Method;
  const { response, body } = await follow(definition, method, signal);
  const code = response.statusCode ?? 0;
  const said = `HTTP ${method} ${definition.HTTP}: ${code} ${response.statusMessage} Output: ${body}`;
  if (code >= 200 && code <= 299) return { status: 'passing', output: said };
  return { status: code === 429 ? 'warning' : 'critical', output: said };
}

async function follow(
  definition: CheckDefinition,
  method: string,
  signal: AbortSignal,
): Promise<{ readonly response: IncomingMessage; readonly body: string }> {
  let url = new URL(definition.HTTP);
  for (let redirects = 0; ; redirects++) {
    const answer = await ask(definition, url, method, signal);
    const { location } = answer.response.headers;
    const isMoved = [301, 302, 303, 307, 308].includes(answer.response.statusCode ?? 0);
    if (!isMoved || location === undefined || !['GET', 'HEAD'].includes(method)) return answer;
    if (redirects === REDIRECTS_MAX) throw new Error(`stopped after ${redirects} redirects`);
    url = new URL(location, url);
  }
}

function ask(
  definition: CheckDefinition,
  url: URL,
  method: string,
  signal: AbortSignal,
): Promise<{ readonly response: IncomingMessage; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      ...{ method, signal, agent: false, headers: headersOf(definition) },
      ...(definition.TLSSkipVerify ? { rejectUnauthorized: false } : {}),
    };
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        // What it says at the end counts, as with Consul; what is before is let go.
        while (bytes - (chunks[0]?.length ?? 0) >= OUTPUT_BYTES_MAX) {
          bytes -= chunks.shift()?.length ?? 0;
        }
      });
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).subarray(-outputBytes(definition)).toString();
        resolve({ response, body: body.toWellFormed() });
      });
    });
    request.on('error', reject);
    request.end(definition.Body);
  });
}

export function outputBytes({ OutputMaxSize }: CheckDefinition): number {
  return OutputMaxSize > 0 ? Math.min(OutputMaxSize, OUTPUT_BYTES_MAX) : OUTPUT_BYTES_MAX;
}

function headersOf({ Header, Body }: CheckDefinition): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {
    'User-Agent': 'Consul Health Check',
    Accept: 'text/plain, text/*, */*',
  };
  if (Body !== '') headers['Content-Length'] = String(Buffer.byteLength(Body));
  for (const [name, values] of Object.entries(Header ?? {})) {
    const known = Object.keys(headers).find((each) => each.toLowerCase() === name.toLowerCase());
    if (values !== null && values.length > 0) {
      headers[known ?? name] = name.toLowerCase() === 'host' ? (values[0] ?? '') : [...values];
    }
  }
  return headers;
}

function isScript({ ScriptArgs }: CheckDefinition): boolean {
  return (ScriptArgs ?? []).length > 0;
}

/** Its exit decides: 0 passes, 1 warns, everything else is critical. */
function lookScript(definition: CheckDefinition, signal: AbortSignal): Promise<Found> {
  const [program = '', ...words] = definition.ScriptArgs ?? [];
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-outputBytes(definition));
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => {
      const status = code === 0 ? 'passing' : code === 1 ? 'warning' : 'critical';
      resolve({ status, output });
    });
  });
}

function lookTcp(target: string, signal: AbortSignal): Promise<Found> {
  return new Promise((resolve, reject) => {
    const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]*)):(\d+)$/.exec(target) ?? [];
    if (port === undefined || Number(port) > 65_535) {
      reject(new Error(`address ${target}: missing port in address`));
      return;
    }
    const socket = connect({ host: bracketed ?? plain ?? '', port: Number(port), signal });
    socket.on('error', reject);
    socket.on('connect', () => {
      socket.destroy();
      resolve({ status: 'passing', output: `TCP connect ${target}: Success` });
    });
  });
}
