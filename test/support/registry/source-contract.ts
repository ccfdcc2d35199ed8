// What every source of servers must do, whatever stands behind it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type {
  Follower,
  FollowOptions,
  Membership,
  MembershipSource,
} from '../../../src/registry.ts';

/** Attributes by `host:port`, by upstream. */
export type Servers = Readonly<Record<string, Readonly<Record<string, object>>>>;

export type StartedSource = {
  readonly source: MembershipSource;
  /** Makes these the only servers that are written down. */
  write(servers: Servers): Promise<void>;
  /** Takes it away from the source, and gives it back; what is written goes on meanwhile. */
  readonly away?: { begin(): Promise<void>; end(): Promise<void> };
  /** Writes down in `app` what is no server at all, beside those that are. */
  readonly addNoServer?: () => Promise<void>;
};

/** Starts a source of no servers; undefined when the test is skipped. */
export type StartSource = (t: TestContext) => Promise<StartedSource | undefined>;

const A = '127.0.0.1:1';
const B = '[::1]:2';
const WEIGHTS_ALONE = 'its servers have weights and are backups, and that is all';

/** What a source cannot say; left out: everything. */
export type Limits = {
  /** Its servers have weights and are backups, and that is all. */
  readonly weightsAlone: boolean;
  /** Its servers are addresses. */
  readonly third: string;
};

export function sourceContract(
  name: string,
  start: StartSource,
  { weightsAlone, third: C }: Limits = { weightsAlone: false, third: 'localhost:3' },
): void {
  const down = weightsAlone ? {} : { down: 1 };
  /** As it is shown. */
  const DOWN = weightsAlone ? '' : '-down';
  const check = (
    what: string,
    run: (started: StartedSource, t: TestContext) => Promise<void>,
  ): void => {
    test(`${name}: ${what}`, async (t) => {
      const started = await start(t);
      if (started !== undefined) await run(started, t);
    });
  };

  check('tells who is there at the start, and every change', async ({ source, write }, t) => {
    await write({ app: { [A]: {}, [B]: { weight: 3 } } });
    const told = new Told(t, source);
    await told.until(`app: ${A} ${B}*3`);
    await write({ app: { [A]: {}, [B]: { weight: 5, ...down } } });
    await told.until(`app: ${A} ${B}*5${DOWN}`);
    await write({ app: { [A]: {}, [C]: { backup: 1 } } });
    await told.until(`app: ${A} ${C}-backup`);
    await write({ app: { [C]: {} }, web: { [A]: { max_conns: 7 } } });
    await told.until(`app: ${C}; web: ${A}`);
    if (!weightsAlone) assert.equal(told.last.services.get('web')?.[0]?.maxConns, 7);
    assert.deepEqual(told.last.problems, []);
  });

  check('gives every attribute what a record gives it', async ({ source, write }, t) => {
    if (weightsAlone) return t.skip(WEIGHTS_ALONE);
    const attributes = { weight: '4', max_fails: 5, fail_timeout: 6, max_conns: 7, backup: true };
    await write({ app: { [A]: {}, [B]: attributes } });
    const told = new Told(t, source);
    await told.until(`app: ${A} ${B}*4-backup`);
    const list = told.last.services.get('app') ?? [];
    const plain = { weight: 1, maxFails: 2, failTimeoutMs: 10_000, down: false, backup: false };
    assert.deepEqual(
      list.find(({ id }) => id === A),
      { id: A, service: 'app', host: '127.0.0.1', port: 1, ...plain },
    );
    const all = { weight: 4, maxFails: 5, failTimeoutMs: 6000, maxConns: 7, down: false };
    assert.deepEqual(
      list.find(({ id }) => id === B),
      { id: B, service: 'app', host: '::1', port: 2, ...all, backup: true },
    );
  });

  check('keeps the last good of what cannot be read, and names it', async (started, t) => {
    const { source, write } = started;
    if (weightsAlone) return t.skip(WEIGHTS_ALONE);
    await write({ app: { [A]: { down: 1 }, [B]: {} } });
    const told = new Told(t, source);
    await told.until(`app: ${A}-down ${B}`);
    await write({ app: { [A]: { down: 'perhaps' }, [B]: { weight: 2 } } });
    await told.until(`app: ${A}-down ${B}*2`);
    const [problem, ...more] = told.last.problems;
    assert.deepEqual(more, []);
    assert.equal(problem?.service, 'app');
    assert.equal(problem?.server, '127.0.0.1:1');
    assert.match(problem?.key ?? '', /app\/127\.0\.0\.1:1$/);
    assert.match(problem?.message ?? '', /"perhaps" is neither 0 nor 1/);
    await write({ app: { [A]: {}, [B]: { weight: 2 } } });
    await told.until(`app: ${A} ${B}*2`);
    assert.deepEqual(told.last.problems, []);
  });

  check('a list that is empty at the start is the one that was known', async (it, t) => {
    const { source, write } = it;
    await write({ app: { [A]: { weight: 3 } }, web: { [B]: {} } });
    const before = new Told(t, source);
    await before.until(`app: ${A}*3; web: ${B}`);
    await write({ web: { [B]: {} } });
    const told = new Told(t, source, { initial: before.last });
    await told.untilHeld('app');
    assert.equal(told.shown, `app: ${A}*3; web: ${B}`);
  });

  check('holds a list that empties or vanishes, until somebody is there', async (started, t) => {
    const { source, write } = started;
    await write({ app: { [A]: {} }, web: { [B]: {} } });
    const told = new Told(t, source);
    await told.until(`app: ${A}; web: ${B}`);
    await write({ app: {}, web: { [B]: { weight: 2 } } });
    await told.untilHeld('app');
    await told.until(`app: ${A}; web: ${B}*2`);
    assert.equal(told.last.problems[0]?.service, 'app');
    await write({});
    await told.untilHeld('app,web');
    await write({ app: { [C]: {} } });
    await told.until(`app: ${C}; web: ${B}*2`);
    assert.deepEqual(told.last.held, ['web']);
  });

  check('takes an emptied list as it is where that is allowed', async ({ source, write }, t) => {
    await write({ app: { [A]: {} }, web: { [A]: {} } });
    const told = new Told(t, source, { allowEmpty: (service) => service === 'app' });
    await told.until(`app: ${A}; web: ${A}`);
    await write({ web: { [A]: {} } });
    await told.until(`web: ${A}`);
    assert.deepEqual(told.last.held, []);
  });

  check('what was known before the start counts as last good', async ({ source, write }, t) => {
    if (weightsAlone) return t.skip(WEIGHTS_ALONE);
    await write({ app: { [A]: { down: 1 } } });
    const before = new Told(t, source);
    await before.until(`app: ${A}-down`);
    await write({ app: { [A]: { down: 'perhaps' } } });
    const told = new Told(t, source, { initial: before.last });
    await told.until(`app: ${A}-down`);
    assert.equal(told.last.problems.length, 1);
    await write({});
    await told.untilHeld('app');
    assert.equal(told.shown, `app: ${A}-down`);
  });

  check('a list that did not change is the same array', async ({ source, write }, t) => {
    await write({ app: { [A]: {} }, web: { [B]: {} } });
    const told = new Told(t, source);
    await told.until(`app: ${A}; web: ${B}`);
    const web = told.last.services.get('web');
    await write({ app: { [A]: { weight: 2 } }, web: { [B]: {} } });
    await told.until(`app: ${A}*2; web: ${B}`);
    assert.equal(told.last.services.get('web'), web);
  });

  check('each follower is told, and one that closed is not', async ({ source, write }, t) => {
    await write({ app: { [A]: {} } });
    const [one, two] = [new Told(t, source), new Told(t, source)];
    await Promise.all([one.until(`app: ${A}`), two.until(`app: ${A}`)]);
    one.close();
    await write({ app: { [B]: {} } });
    await two.until(`app: ${B}`);
    assert.equal(one.shown, `app: ${A}`);
  });

  check('what is away changes nothing, and what changed meanwhile comes with it', async (it, t) => {
    const { source, write, away } = it;
    if (away === undefined) return t.skip('it is never away');
    await write({ app: { [A]: {} }, web: { [B]: down } });
    const told = new Told(t, source);
    await told.until(`app: ${A}; web: ${B}${DOWN}`);
    const before = told.last;
    await away.begin();
    await told.untilHealth(false);
    assert.equal(told.last, before, 'nothing was told');
    assert.notEqual(source.health().trouble, '');
    assert.equal(source.health().reachable, false);
    await write({ app: { [C]: {} }, web: { [B]: down } });
    await away.end();
    await told.until(`app: ${C}; web: ${B}${DOWN}`);
    await told.untilHealth(true);
    assert.equal(told.last.services.get('web'), before.services.get('web'));
    assert.deepEqual([source.health().reachable, source.health().trouble], [true, '']);
    assert.deepEqual(told.health.filter((reachable) => !reachable).length, 1);
  });

  check('what is away at the start leaves what was known', async (it, t) => {
    const { source, write, away } = it;
    if (away === undefined) return t.skip('it is never away');
    await write({ app: { [A]: {} } });
    const before = new Told(t, source);
    await before.until(`app: ${A}`);
    await away.begin();
    const told = new Told(t, source, { initial: before.last });
    await told.untilHealth(false);
    assert.equal(told.isSilent, true, 'it says nothing that it does not know');
    await away.end();
    await told.until(`app: ${A}`);
    assert.equal(told.last.services.get('app')?.[0]?.id, A);
    assert.deepEqual(told.last.held, []);
  });

  check('what is no server is named and touches no other', async (it, t) => {
    const { source, write, addNoServer } = it;
    if (addNoServer === undefined) return t.skip('it has servers alone');
    await write({ app: { [A]: {} }, web: { [B]: {} } });
    const told = new Told(t, source);
    await told.until(`app: ${A}; web: ${B}`);
    await addNoServer();
    await told.untilProblem(/is not host:port/);
    assert.equal(told.shown, `app: ${A}; web: ${B}`);
    assert.deepEqual(
      told.last.problems.map(({ service }) => service),
      ['app'],
    );
  });

  check('says that it is well, once', async ({ source, write }, t) => {
    await write({ app: { [A]: {} } });
    const told = new Told(t, source);
    await told.until(`app: ${A}`);
    await write({ app: { [B]: {} } });
    await told.until(`app: ${B}`);
    assert.ok(told.health.every((reachable) => reachable));
    assert.ok(told.health.length <= 1);
    const { reachable, trouble, lastContactMs, address } = source.health();
    assert.deepEqual([reachable, trouble], [true, '']);
    assert.ok(lastContactMs > 0);
    assert.notEqual(address, '');
  });
}

/** What a follower was told, and a way to await it. */
export class Told {
  readonly health: boolean[] = [];
  /** As it was told last. */
  trouble = '';
  #membership: Membership | undefined;
  #arrived: () => void = () => {};
  readonly #follower: Follower;

  constructor(t: TestContext, source: MembershipSource, options: Partial<FollowOptions> = {}) {
    this.#follower = source.follow({
      services: new Map([
        ['app', 'app'],
        ['web', 'web'],
      ]),
      ...options,
      onMembership: (membership) => {
        this.#membership = membership;
        this.#arrived();
      },
      onHealth: ({ reachable, trouble }) => {
        this.trouble = trouble;
        this.health.push(reachable);
        this.#arrived();
      },
    });
    t.after(() => this.close());
  }

  /** Nothing was told yet. */
  get isSilent(): boolean {
    return this.#membership === undefined;
  }

  get last(): Membership {
    return this.#membership ?? assert.fail('nothing was told');
  }

  /** `app: 127.0.0.1:1*2-down; web: …`, sorted. */
  get shown(): string {
    const lists = [...(this.#membership?.services ?? [])].filter(([, list]) => list.length > 0);
    return lists
      .map(([service, list]) => {
        const servers = list.map(({ id, weight, down, backup }) =>
          [id, weight === 1 ? '' : `*${weight}`, down ? '-down' : '', backup ? '-backup' : ''].join(
            '',
          ),
        );
        return `${service}: ${servers.toSorted(bySize).join(' ')}`;
      })
      .toSorted()
      .join('; ');
  }

  until(shown: string): Promise<void> {
    return this.#await(() => this.shown === shown);
  }

  untilHeld(services: string): Promise<void> {
    return this.#await(() => this.#membership?.held.join() === services);
  }

  untilCount(service: string, count: number): Promise<void> {
    return this.#await(() => this.#membership?.services.get(service)?.length === count);
  }

  untilProblem(message: RegExp): Promise<void> {
    return this.#await(() => message.test(this.#membership?.problems[0]?.message ?? ''));
  }

  untilHealth(reachable: boolean): Promise<void> {
    return this.#await(() => this.health.at(-1) === reachable);
  }

  setServices(services: Readonly<Record<string, string>>): void {
    this.#follower.setServices?.(new Map(Object.entries(services)));
  }

  close(): void {
    this.#follower.close();
  }

  async #await(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

/** By the port, which all three have another one of. */
function bySize(a: string, b: string): number {
  const port = (text: string): number => Number(/:(\d+)(?:[*-].*)?$/.exec(text)?.[1]);
  return port(a) - port(b);
}
