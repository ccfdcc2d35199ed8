// Hands sockets from one process to another that is not its child, over a unix socket. Node does that for children
// alone, with pipes that carry handles; the same pipes are used here. They are not documented, so all is looked at
// before it is used: where something is missing nothing is handed over, and a new process binds its sockets itself.

import type { Socket } from 'node:net';

type Pipe = {
  pendingHandle: object | null;
  onread: (data: ArrayBuffer | undefined) => void;
  open(fd: number): number;
  connect(request: object, path: string): number;
  readStart(): number;
  writeUtf8String(request: object, text: string, handle?: object): number;
  close(): void;
};

type Class<Instance> = new (kind?: number) => Instance;

type Binding = {
  readonly Pipe: Class<Pipe>;
  readonly Connect: Class<{ oncomplete: (status: number) => void }>;
  readonly Write: Class<{ oncomplete: (status: number) => void }>;
  readonly ipc: number;
};

let opened: Binding | undefined | null = null;

/** Undefined: this Node has it not, or another thing. */
function open(): Binding | undefined {
  if (opened === null) opened = look();
  return opened;
}

function look(): Binding | undefined {
  try {
    const binding: unknown = Reflect.get(process, 'binding');
    if (typeof binding !== 'function') return undefined;
    const [pipes, streams]: unknown[] = [
      binding.call(process, 'pipe_wrap'),
      binding.call(process, 'stream_wrap'),
    ];
    if (!isObject(pipes) || !isObject(streams) || !isObject(pipes['constants'])) return undefined;
    const { Pipe: PipeClass, PipeConnectWrap: Connect, constants } = pipes;
    const { WriteWrap: Write } = streams;
    const ipc = constants['IPC'];
    const classes = [PipeClass, Connect, Write];
    if (typeof ipc !== 'number' || classes.some((one) => typeof one !== 'function')) {
      return undefined;
    }
    // Checked as far as they can be without making one.
    return { Pipe: PipeClass, Connect, Write, ipc } as Binding;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Sockets can be handed over on this system and with this Node. */
export function canHandOver(): boolean {
  return process.platform === 'linux' && open() !== undefined;
}

/** Kept as long as the process lives: both ends of the pair below own one descriptor. */
const given: unknown[] = [];

/**
 * Sends each with its name, over an accepted connection that has not been read from and is not used for anything else
 * from then on. It is open as long as the process lives.
 */
export function sendHandles(socket: Socket, handles: ReadonlyMap<string, object>): void {
  const binding = open();
  const fd: unknown = Reflect.get(Reflect.get(socket, '_handle') ?? {}, 'fd');
  if (binding === undefined || typeof fd !== 'number' || fd < 0) return void socket.destroy();
  const pipe = new binding.Pipe(binding.ipc);
  given.push(socket, pipe);
  if (pipe.open(fd) !== 0) return;
  for (const [name, handle] of [...handles, [END, undefined] as const]) {
    const request = new binding.Write();
    request.oncomplete = () => {};
    given.push(request);
    pipe.writeUtf8String(request, `${name}\n`, handle);
  }
}

/** What no name is: nothing comes after it. */
const END = '.';

/** By name; those that came within the time. */
export function receiveHandles(
  path: string,
  deadlineMs: number,
): Promise<ReadonlyMap<string, object>> {
  const received = new Map<string, object>();
  const binding = open();
  if (binding === undefined) return Promise.resolve(received);
  return new Promise((resolve) => {
    const pipe = new binding.Pipe(binding.ipc);
    const finish = (): void => {
      clearTimeout(timer);
      pipe.onread = () => {};
      pipe.close();
      resolve(received);
    };
    const timer = setTimeout(finish, deadlineMs);
    let text = '';
    const waiting: object[] = [];
    pipe.pendingHandle = null;
    pipe.onread = (data) => {
      if (data === undefined) return finish();
      if (pipe.pendingHandle !== null) waiting.push(pipe.pendingHandle);
      pipe.pendingHandle = null;
      text += Buffer.from(data).toString();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const name of lines) {
        if (name === END) return finish();
        const handle = waiting.shift();
        if (handle !== undefined) received.set(name, handle);
      }
    };
    const request = new binding.Connect();
    request.oncomplete = (status) => (status === 0 ? void pipe.readStart() : finish());
    if (pipe.connect(request, path) !== 0) finish();
  });
}
