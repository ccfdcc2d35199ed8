// A whole Sluice started as a user would: `bin/sluice.js serve -c sluice.yaml` as a child process, in
// a temporary folder and on free ports, with the CLI and the registry's HTTP API at hand.

import { mkdir, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import type { StatusDocument } from '../../src/admin.ts';
import { freePorts } from '../../test/support/base/ports.ts';

import { type Child, type Cleanup, listening, start } from './processes.ts';

export const PROJECT = join(import.meta.dirname, '../..');
const COMMAND = 'bin/sluice.js';

export type Ports = { readonly gateway: number; readonly admin: number; readonly registry: number };

export type StackOptions = {
  readonly cleanup: Cleanup;
  readonly folder: string;
  /** The text of sluice.yaml for these ports. */
  readonly config: (ports: Ports) => string;
  /** Port of a Consul that is already running; default: the embedded registry. */
  readonly consulPort?: number;
  /** Put before the command, for instance to pin it to a core. */
  readonly prefix?: readonly string[];
  /** Another checkout of this project, whose program is to run. */
  readonly project?: string;
};

export class Stack {
  readonly ports: Ports;
  readonly configFile: string;
  readonly folder: string;
  readonly #program: string;
  #serve: Child;
  #commands = new Set<Child>();
  #isEnding = false;

  private constructor(
    { folder }: StackOptions,
    facts: { readonly ports: Ports; readonly configFile: string; readonly program: string },
    serve: Child,
  ) {
    this.folder = folder;
    this.ports = facts.ports;
    this.configFile = facts.configFile;
    this.#program = facts.program;
    this.#serve = serve;
  }

  /** Resolves when the gateway, the control API and the registry accept connections. */
  static async start(options: StackOptions): Promise<Stack> {
    const [gateway = 0, admin = 0, embedded = 0] = await freePorts(3);
    const ports = { gateway, admin, registry: options.consulPort ?? embedded };
    const configFile = join(options.folder, 'sluice.yaml');
    await mkdir(options.folder, { recursive: true });
    await writeFile(configFile, options.config(ports));
    const program = join(options.project ?? PROJECT, COMMAND);
    const command = [process.execPath, program, '-c', configFile, 'serve'];
    const [file = '', ...argv] = [...(options.prefix ?? []), ...command];
    const serve = start(file, argv);
    options.cleanup.add(() => serve.stop());
    await Promise.all(Object.values(ports).map((port) => listening(port, serve)));
    return new Stack(options, { ports, configFile, program }, serve);
  }

  /** Ends `sluice serve` and starts it anew. */
  async restart(cleanup: Cleanup, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#serve.stop(signal);
    const serve = start(process.execPath, [this.#program, '-c', this.configFile, 'serve']);
    this.#serve = serve;
    cleanup.add(() => serve.stop());
    await Promise.all(Object.values(this.ports).map((port) => listening(port, serve)));
  }

  get pid(): number {
    return this.#serve.pid;
  }

  /** Ends `sluice serve`; what else it stands on stays. */
  stop(): Promise<void> {
    return this.#serve.stop();
  }

  /** The last output of `sluice serve`. */
  tail(): string {
    return this.#serve.tail();
  }

  /** Runs a CLI verb to its end; the exit code and the lines that it printed. */
  async cli(
    argv: readonly string[],
    onLine: (line: string) => void = () => {},
  ): Promise<{ readonly code: number; readonly text: string }> {
    if (this.#isEnding) throw new Error('the stack is being ended');
    const lines: string[] = [];
    const child = start(process.execPath, [this.#program, '-c', this.configFile, ...argv], {
      env: { NO_COLOR: '1' },
      onLine: (line) => {
        lines.push(line);
        onLine(line);
      },
    });
    this.#commands.add(child);
    const code = await child.exited;
    this.#commands.delete(child);
    return { code, text: code === 0 ? lines.join('\n') : child.tail() };
  }

  /** Ends the CLI verbs that still run, and starts no more. */
  async endCommands(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([...this.#commands].map((child) => child.stop()));
  }

  /** The PUT of `curl -X PUT -d VALUE http://127.0.0.1:8500/v1/kv/KEY`. */
  async put(key: string, value: string): Promise<void> {
    const { status, text } = await http('PUT', this.ports.registry, `/v1/kv/${key}`, value);
    if (status !== 200 || text.trim() !== 'true') {
      throw new Error(`PUT ${key}: ${status} ${text.trim()}`);
    }
  }

  async status(): Promise<StatusDocument> {
    const { text } = await http('GET', this.ports.admin, '/api/status');
    // The document of our own control API, of the same version: taken as it is.
    return JSON.parse(text) as StatusDocument;
  }

  /** Resolves when so many servers of the upstream are eligible; rejects after 20 s. */
  async eligible(upstream: string, count: number): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const found = (await this.status()).upstreams.find(({ name }) => name === upstream);
      if (found?.eligible === count) return;
      if (Date.now() > deadline) {
        throw new Error(`${upstream}: ${found?.eligible ?? 0} eligible, not ${count}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

type Answer = {
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly text: string;
};

/** One request to 127.0.0.1, answered within ten seconds. */
export function http(method: string, port: number, path: string, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, timeout: 10_000 }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, fields: response.headers, text });
      });
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer in 10 s`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
