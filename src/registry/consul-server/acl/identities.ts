// Who a request is, by its token, and what that may do. A token is looked up at every question, so that
// one that was revoked, changed or has expired stops at once, also for a query that waits.

import { createHash } from 'node:crypto';
import type { KeyTable, Store, Stored } from '../../embedded.ts';
import type { Clock } from '../http.ts';
import { Refusal, textAnswer } from '../http.ts';
import type { Rights } from '../rights.ts';
import { rulesOfBundle } from './bundles.ts';
import { MANAGEMENT_ID, POLICIES } from './policies.ts';
import { ROLES } from './roles.ts';
import { parseRules, type Rule, RuleSet } from './rules.ts';
import { ANONYMOUS_SECRET, isExpired, listTokens, NOTHING, TOKENS, type Token } from './tokens.ts';

export type AclSettings = {
  /** May do everything, and is not in the store: who changes it in the configuration ends the old one. */
  readonly initialManagementToken: string;
  /** What no rule names is allowed to everybody; by default it is denied. */
  readonly allowByDefault?: boolean;
  /** A file with the index that a refused bootstrap names allows another one. */
  readonly resetFile?: string;
};

type Identity = {
  readonly token: Stored<Token>;
  readonly rules: RuleSet;
  readonly isManagement: boolean;
};

export class Identities {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #datacenter: string;
  readonly #allowByDefault: boolean;
  /** The token of the configuration, as if it were one of the others; undefined when it has none. */
  readonly initial: Stored<Token> | undefined;
  readonly resetFile: string | undefined;
  readonly #stopListening: () => void;
  #tokens: ReadonlyMap<string, Stored<Token>> | undefined;
  readonly #identities = new Map<string, Identity>();
  /** Rises whenever somebody's rights may have changed. */
  #version = 0;

  constructor(store: Store, clock: Clock, datacenter: string, settings: AclSettings) {
    this.#store = store;
    this.#clock = clock;
    this.#datacenter = datacenter;
    this.#allowByDefault = settings.allowByDefault ?? false;
    this.resetFile = settings.resetFile;
    this.initial = initialToken(settings.initialManagementToken);
    this.#stopListening = store.onChange((changes) => {
      const isTouched = changes === 'all' || changes.some(({ family }) => KINDS.has(family));
      if (isTouched) this.#forget();
    });
  }

  close(): void {
    this.#stopListening();
  }

  get table(): KeyTable {
    return this.#store.table;
  }

  /** Every token that is valid now, the one of the configuration first. */
  list(): readonly Stored<Token>[] {
    const kept = listTokens(this.#store.table);
    const all = this.initial === undefined ? kept : [this.initial, ...kept];
    const wallMs = this.#clock.wallMs();
    return all.filter((token) => !isExpired(token, wallMs));
  }

  /** The token of a secret; '' is the anonymous one. */
  tokenOf(secret: string): Stored<Token> | undefined {
    this.#tokens ??= new Map(this.list().map((token) => [digest(token.value.secretId), token]));
    const token = this.#tokens.get(digest(secret === '' ? ANONYMOUS_SECRET : secret));
    return token === undefined || isExpired(token, this.#clock.wallMs()) ? undefined : token;
  }

  /** @throws Refusal `ACL not found` for a secret that nobody has */
  rightsOf(secret: string): Rights {
    if (this.#identity(secret) === undefined) throw notFound();
    const identity = (): Identity | undefined => this.#identity(secret);
    const version = (): number => this.#version;
    return {
      allows: (resource, access, name) => identity()?.rules.allows(resource, access, name) ?? false,
      allowsAll: (resource, access, prefix) =>
        identity()?.rules.allowsAll(resource, access, prefix) ?? false,
      get unlimited() {
        return identity()?.isManagement ?? false;
      },
      get name() {
        const known = identity();
        if (known?.isManagement === true) return '';
        return `${version()} ${known?.token.id ?? 'nobody'}`;
      },
    };
  }

  #identity(secret: string): Identity | undefined {
    const token = this.tokenOf(secret);
    if (token === undefined) return undefined;
    let identity = this.#identities.get(token.id);
    if (identity === undefined) {
      const rules = new RuleSet(this.#rulesOf(token.value), this.#allowByDefault);
      const isManagement = isManager(this.#store.table, token.value);
      identity = { token, rules, isManagement };
      this.#identities.set(token.id, identity);
    }
    return identity;
  }

  *#rulesOf(token: Token): Generator<Rule> {
    const { table } = this.#store;
    yield* rulesOfBundle(table, token, this.#datacenter);
    for (const id of token.roles) {
      const role = ROLES.find(table, id);
      if (role !== undefined) yield* rulesOfBundle(table, role.value, this.#datacenter);
    }
    if (token.legacy !== undefined) yield* parseRules(token.legacy.rules, 'prefixes');
  }

  #forget(): void {
    this.#tokens = undefined;
    this.#identities.clear();
    this.#version++;
  }
}

const KINDS: ReadonlySet<string> = new Set([TOKENS.name, POLICIES.name, ROLES.name]);

function isManager(table: KeyTable, { policies, roles }: Token): boolean {
  if (policies.includes(MANAGEMENT_ID)) return true;
  return roles.some((id) => ROLES.find(table, id)?.value.policies.includes(MANAGEMENT_ID));
}

export function notFound(): Refusal {
  return new Refusal(textAnswer(403, 'ACL not found'));
}

/** Secrets are compared by their digests: how long that takes says nothing about them. */
function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}

function initialToken(secretId: string): Stored<Token> | undefined {
  if (secretId === '') return undefined;
  const hex = createHash('sha256').update(`accessor of ${secretId}`).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return {
    id: [...parts, hex.slice(20, 32)].join('-'),
    value: {
      ...NOTHING,
      ...{ secretId, description: 'Master Token', policies: [MANAGEMENT_ID] },
    },
    createIndex: 1,
    modifyIndex: 1,
  };
}
