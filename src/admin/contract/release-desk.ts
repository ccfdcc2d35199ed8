// Releases for whoever sits at a page: those of all services, and what the gateway runs `sluice` itself for: to
// start one, to tell what it would do, to show what an instance prints.

import { versionProblem } from '../../base/version-name.ts';
import { LOCK, RELEASE, type ReleaseKind } from './release-documents.ts';
import {
  type Body,
  newest,
  type Parameter,
  parseObject,
  parseOwnerText,
  usage,
} from './requests.ts';
import type { Route } from './route.ts';
import {
  either,
  fields,
  flag,
  list,
  nothing,
  number,
  object,
  text,
  type ValueOf,
  word,
} from './shape.ts';

/** What can be started. resume: goes on with one that ended early, or whose runner is gone. */
export type RunKind = Exclude<ReleaseKind, 'stop'> | 'resume';

const SERVICE = object({
  service: text,
  upstream: text,
  /** The configuration of this gateway has it. */
  isConfigured: flag,
  /** Nothing else says which version: it has no artifact. */
  needsVersion: flag,
  /** `host:port`, in the order of the release; empty when it is not configured. */
  instances: list(text),
  /** Null: it has never been taken. */
  lock: either(LOCK, nothing),
  stale: flag,
});

export const RELEASE_OVERVIEW = object({
  shared: flag,
  /** This gateway starts releases. */
  mayStart: flag,
  /** Why not, in words; ''. */
  whyNot: text,
  services: list(SERVICE),
  /** Of all services, newest first. */
  releases: list(object({ service: text, summary: RELEASE })),
  /** There are older ones. */
  more: flag,
});

export type ReleaseOverview = ValueOf<typeof RELEASE_OVERVIEW>;

export const RUN = object({
  service: text,
  /** none: this gateway has started none since its own start. */
  state: word<'none' | 'preparing' | 'running' | 'ended'>(),
  kind: word<RunKind>(),
  /** As asked for; '' = as the artifact or the history says. */
  version: text,
  by: text,
  why: text,
  /** '' = it has not begun one yet: it builds, or was refused. */
  release: text,
  pid: number,
  startedAtMs: number,
  /** 0: it has not ended. */
  endedAtMs: number,
  /** Of the process; -1 = not known, or not ended. */
  exit: number,
  /** Its last lines. */
  lines: list(text),
  /** With all of them, on the gateway's machine. */
  file: text,
  /** The same from a shell. */
  cli: text,
});

export type RunDocument = ValueOf<typeof RUN>;

export const RELEASE_PLAN = object({
  service: text,
  kind: word<RunKind>(),
  /** As `sluice plan --json` prints it. */
  plan: fields,
  /** What a deploy would end with now; 0 = it would run. */
  exit: number,
  cli: text,
});

export type ReleasePlanDocument = ValueOf<typeof RELEASE_PLAN>;

export const OUTPUT = object({
  instance: text,
  /** Where all of it is. */
  place: text,
  /** That it does not run, or why it is not known; ''. */
  trouble: text,
  lines: list(text),
  cli: text,
});

export type OutputDocument = ValueOf<typeof OUTPUT>;

export type StartRequest = {
  readonly kind: RunKind;
  readonly version: string;
  readonly why: string;
  readonly force: boolean;
  readonly allowDowntime: boolean;
  readonly skipBuild: boolean;
  /** Where no token says who asks; '' = nobody says it. */
  readonly owner: string;
};

const WHY_LENGTH_MAX = 1000;
const OUTPUT_DEFAULT = 200;
export const OUTPUT_LINES_MAX = 1000;
const RELEASES_DEFAULT = 100;
const RELEASES_MAX = 500;

const KINDS: Readonly<Record<RunKind, true>> = { deploy: true, rollback: true, resume: true };

export const START_BODY: Body<StartRequest> = {
  names: ['kind', 'version', 'why', 'force', 'allowDowntime', 'skipBuild', 'owner'],
  parse: (body) => {
    const keys = parseObject(body, START_BODY.names);
    const { kind, version = '', why = '', owner } = keys;
    if (!isKind(kind)) throw usage('kind', 'must be deploy, rollback or resume');
    // A NUL ends a word of a command line.
    if (typeof why !== 'string' || why.length > WHY_LENGTH_MAX || why.includes('\0')) {
      throw usage('why', `must be a text of at most ${WHY_LENGTH_MAX} characters`);
    }
    const allowed = ALLOWED[kind];
    const flagOf = (name: 'force' | 'allowDowntime' | 'skipBuild'): boolean => {
      const value = keys[name] ?? false;
      if (typeof value !== 'boolean') throw usage(name, 'must be true or false');
      if (value && !allowed.includes(name)) throw usage(name, `means nothing to a ${kind}`);
      return value;
    };
    const flags = {
      force: flagOf('force'),
      allowDowntime: flagOf('allowDowntime'),
      skipBuild: flagOf('skipBuild'),
    };
    const named = versionOf(version);
    if (kind === 'resume' && named !== '') throw usage('version', 'means nothing to a resume');
    if (kind === 'rollback' && why === '') throw usage('why', 'is needed: a rollback says why');
    return {
      ...{ kind, version: named, why, ...flags },
      owner: owner === undefined ? '' : parseOwnerText(owner),
    };
  },
};

const ALLOWED: Readonly<Record<RunKind, readonly string[]>> = {
  deploy: ['force', 'allowDowntime', 'skipBuild'],
  rollback: ['allowDowntime'],
  resume: [],
};

const VERSION: Parameter<string> = {
  parse: (given = '') => versionOf(given),
  format: String,
};

const PLAN_KIND: Parameter<'deploy' | 'rollback'> = {
  parse: (given = 'deploy') => {
    if (given === 'deploy' || given === 'rollback') return given;
    throw usage('kind', 'must be deploy or rollback');
  },
  format: String,
};

/** What `sluice`, run by the gateway, may end with; and that it is not run here. */
const RUN_ERRORS = [
  'forbidden',
  'not_found',
  'conflict',
  'preflight_failed',
  'timeout',
  'too_many',
] as const;

export const RELEASE_DESK_ROUTES = {
  releaseOverview: {
    method: 'GET',
    path: '/api/releases',
    role: 'read',
    query: { last: newest(RELEASES_DEFAULT, RELEASES_MAX, 1) },
    answer: RELEASE_OVERVIEW,
    errors: ['registry_unreachable', 'registry_refused'],
  },
  startRelease: {
    method: 'POST',
    path: '/api/releases/:service/start',
    role: 'release',
    body: START_BODY,
    answer: RUN,
    status: 202,
    errors: [...RUN_ERRORS, 'locked', 'guard_refused'],
  },
  releaseRun: {
    method: 'GET',
    path: '/api/releases/:service/run',
    role: 'operate',
    answer: RUN,
    errors: ['not_found'],
  },
  releasePlan: {
    method: 'GET',
    path: '/api/releases/:service/plan',
    role: 'release',
    query: { kind: PLAN_KIND, version: VERSION },
    answer: RELEASE_PLAN,
    errors: RUN_ERRORS,
  },
  instanceOutput: {
    method: 'GET',
    path: '/api/releases/:service/instances/:instance/output',
    role: 'operate',
    query: { last: newest(OUTPUT_DEFAULT, OUTPUT_LINES_MAX, 1) },
    answer: OUTPUT,
    errors: RUN_ERRORS,
  },
} as const satisfies Readonly<Record<string, Route>>;

function versionOf(given: unknown): string {
  if (given === '') return '';
  const problem = typeof given === 'string' ? versionProblem(given) : 'must be a text';
  if (typeof given === 'string' && problem === '') return given;
  throw usage('version', `is none: ${problem}`);
}

function isKind(value: unknown): value is RunKind {
  return typeof value === 'string' && Object.hasOwn(KINDS, value);
}
