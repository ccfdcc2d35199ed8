// What a driver needs of the machine on which an instance runs: run a command, start a process that
// outlives us, look at files, processes and sockets. Everything is asynchronous, because the next
// host is reached over a network. What a host cannot tell is said by an empty answer, never guessed; a host that cannot be
// reached is an error, never an answer.

import type { Readable } from 'node:stream';
import type { Address } from '../../base/units.ts';
import type { HostClaim } from './claim.ts';
import type { Keeper, KeeperOrder } from './shell/keeper.ts';

/** One process of the host, across reuse of its pid and across a reboot. */
export type ProcessName = { readonly pid: number; readonly identity: string };

export type HostProcess = ProcessName & {
  readonly parent: number;
  readonly session: number;
  /** The value of the variable that was asked for; '' when it is not set or not readable. */
  readonly value: string;
};

export type SignalName = 'TERM' | 'KILL' | 'INT' | 'QUIT' | 'HUP' | 'USR1' | 'USR2' | 'WINCH';

export type Command = {
  /** A path, or a name that is looked for on the PATH of `env`. */
  readonly file: string;
  /** The words after the program. */
  readonly args: readonly string[];
  /** What the program is told it is called by; default: `file`. */
  readonly name?: string;
  readonly cwd: string;
  /** All of it: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * What it reads, of any length; default: nothing. Of `run` only. A command may end before it has
   * read all of it: a stream is destroyed then. When a stream fails, so does `run`; the command is
   * ended, or only sees its input end early: what it made of it must be checked by other means.
   */
  readonly stdin?: Readable | string;
  /**
   * It changes something for a release: it begins under the claim, and what is run stays under it to its end.
   * Absent: it is for nobody to refuse.
   */
  readonly claim?: HostClaim | undefined;
};

export type CommandEnd = {
  /** Null when it was ended by a signal or by the time limit. */
  readonly code: number | null;
  /** stdout and stderr, the first 64 KB of each. */
  readonly stdout: string;
  readonly stderr: string;
};

export type Spawned = {
  readonly process: ProcessName;
  /** How it ended, in words; '' while it runs. */
  readonly ended: () => Promise<string>;
};

/** How an instance is started again when it ends. */
export type Keep = {
  /** By real paths: a link may lead elsewhere by then. */
  readonly again: Command;
  /** Before the first of several in a row; default 1. */
  readonly delayS?: number;
};

/** Of hosts that can leave somebody beside an instance who starts it again. */
export type Keepers = {
  /** Null when the log's instance was started without one. */
  ask(log: string): Promise<Keeper | null>;
  /**
   * Nothing where there is none. `fence`: 0 = not compared. `holdS`: how long `hold` holds.
   * @throws locked when a release with a higher fence was here
   */
  tell(
    log: string,
    order: KeeperOrder,
    options?: { readonly fence?: number; readonly holdS?: number },
  ): Promise<void>;
};

export type FileFacts = {
  readonly kind: 'file' | 'folder' | 'other';
  readonly isExecutable: boolean;
  /** With every link followed. */
  readonly realPath: string;
  readonly size: number;
};

export type FolderEntry = { readonly name: string; readonly kind: FileFacts['kind'] | 'link' };

/** The sockets that listen on an address, by the kernel's name, with their user's number. */
export type ListeningSockets = ReadonlyMap<string, number>;

/** What has a claim throws `locked`, and does nothing, when a release with a higher fence was there. */
export interface Host {
  /** True for the machine that we run on ourselves. */
  readonly isLocal: boolean;
  /** For messages: `this machine`, `host "app-1" (deploy@10.0.0.11)`. */
  readonly name: string;
  /** What its programs find in their environment; empty until it is connected. */
  readonly environment: Readonly<Record<string, string | undefined>>;

  /**
   * What is asked before it connects by itself, but a release wants to know at its beginning.
   * Every method of a host that is not this machine may throw host_unreachable.
   * @throws host_unreachable; preflight_failed when it lacks what is needed
   */
  connect(): Promise<void>;
  /** Ends what was opened, for good. */
  close(): Promise<void>;

  /**
   * Runs a command to its end, or until the time is over.
   * @throws as `spawn`; what the stream of its stdin failed with
   */
  run(command: Command, timeoutMs: number): Promise<CommandEnd>;
  /**
   * Starts a process in a session of its own, so that it outlives us and no signal for us reaches it.
   * It reads nothing; what it prints is appended to the log, which only its owner may read. With `keep`
   * it is started again when it ends, from the first order `on` on.
   * @throws an error with the system's code (ENOENT, EACCES); storage_full, storage_failed of the log
   */
  spawn(command: Command, log: string, keep?: Keep): Promise<Spawned>;
  /** Absent: `keep` of a spawn means nothing here. */
  readonly keepers?: Keepers;

  /** Null when there is no such thing. */
  look(path: string): Promise<FileFacts | null>;
  /** Changes when a file is written to or replaced, or a folder is replaced; '' = no such thing. */
  stamps(paths: readonly string[]): Promise<readonly string[]>;
  /** Empty when it cannot be read. */
  list(folder: string): Promise<readonly FolderEntry[]>;
  /** At most `most` bytes from `from` on; null when it cannot be read. */
  read(path: string, from: number, most: number): Promise<Buffer | null>;
  /** Writes the whole file, at once: a reader sees the old one or the new one. Owner-only. */
  put(path: string, content: string, claim?: HostClaim): Promise<void>;
  /** Sets a file aside under another name. */
  rename(from: string, to: string): Promise<void>;
  /** With those above it, owner-only; one that is there stays as it is. @throws storage_full, storage_failed */
  makeFolder(path: string): Promise<void>;
  /**
   * Says that a release with this fence is at work in the folder, which is made. A change has to be under
   * a claim of its own: this one says nothing of what comes after it. @throws locked when one with a higher fence was here
   */
  claim(folder: string, fence: number): Promise<void>;

  isAlive(process: ProcessName): Promise<boolean>;
  /** All living processes but this one, with a variable of each; null where they cannot be listed. */
  processes(variable: string): Promise<readonly HostProcess[] | null>;
  /** A variable of the environment that a process was started with; '' when unknown. */
  variableOf(pid: number, name: string): Promise<string>;
  /** True when it was sent: never to a process that has only the pid of the one meant. */
  signal(process: ProcessName, name: SignalName, claim?: HostClaim): Promise<boolean>;
  /** The command line of a process, for a message: shortened with `…`; '' when it is not known. */
  commandOf(pid: number): Promise<string>;
  /** Whose process it is, `user alice`; '' when it is our own. */
  ownerOf(pid: number): Promise<string>;
  userName(uid: number): Promise<string>;

  /** May be empty where it is not known. */
  sockets(address: Address): Promise<ListeningSockets>;
  /** The first of the processes (all when not given) that holds one of the sockets. */
  holderOf(sockets: ListeningSockets, among?: readonly number[]): Promise<number | undefined>;
  /** True when something accepts connections there. */
  isListening(address: Address): Promise<boolean>;
}
