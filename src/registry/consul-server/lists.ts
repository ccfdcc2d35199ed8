// How the lists of the catalog and of the health of services are answered: the parameters that they
// share, blocking, `?filter=`, and one rendered body for all who ask the same and wake together.

import { type FieldTree, filterOf } from './filter.ts';
import { prettyJson } from './go.ts';
import {
  type Answer,
  Body,
  encodeQuery,
  indexHeaders,
  JSON_TYPE,
  parameter,
  type Query,
  textAnswer,
  variedAnswer,
} from './http.ts';
import { inNamespace } from './namespaces.ts';
import type { Rights } from './rights.ts';
import type { ApiContext, Caller } from './routes.ts';

/** Rendered answers kept until the next change. */
const RENDERED_MAX = 64;

export type ListSpec = {
  /** A change of any of these wakes who waits. */
  readonly topics: readonly string[];
  readonly index: () => number;
  /** What is shown, as far as it may be read; `keeps` is what `?filter=` says of an item. */
  readonly view: (rights: Rights, keeps: (item: unknown) => boolean) => unknown;
  /** What a filter may name; without it there is no filter. */
  readonly fields?: FieldTree;
  /** False: it has no namespace, so that another one is not asked for. */
  readonly namespaced?: false;
  /** Consul answers it from its agent's cache where `?cached` asks for that; here it is as fresh as ever. */
  readonly cached?: true;
};

export class Lists {
  readonly #context: ApiContext;
  readonly #rendered = new Map<string, Body>();
  #renderedIndex = -1;

  constructor(context: ApiContext) {
    this.#context = context;
  }

  /** `name`: of the endpoint with what it is asked for. */
  answer(name: string, query: Query, caller: Caller, spec: ListSpec): Answer | Promise<Answer> {
    const refused = spec.namespaced === false ? undefined : inNamespace(query, caller);
    if (refused !== undefined) return refused;
    const options = this.#context.optionsOf(query);
    if ('status' in options) return failed(options);
    const filter =
      spec.fields === undefined ? KEEPS_ALL : filterOf(parameter(query, 'filter'), spec.fields);
    if ('refused' in filter) return failed(textAnswer(500, filter.refused));
    const render = (): Body => {
      const json = goJson(spec.view(caller.rights, filter.keeps));
      return new Body(options.pretty ? prettyJson(json) : json);
    };
    return this.#context.blocking.answer(
      {
        topics: spec.topics,
        index: spec.index,
        answer: (index) => {
          const isHit = caller.rights.unlimited && this.#isKept(name, query);
          const cache = spec.cached && query.has('cached') ? cacheHeaders(isHit) : [];
          return variedAnswer(
            200,
            [
              ...JSON_TYPE,
              ...['X-Consul-Effective-Consistency', consistencyOf(query)],
              ...indexHeaders(index),
              ...cache,
            ],
            caller.rights.unlimited ? this.#shared(name, query, render) : render(),
          );
        },
      },
      options,
      caller,
    );
  }

  #isKept(name: string, query: Query): boolean {
    return (
      this.#renderedIndex === this.#context.store.index && this.#rendered.has(keyOf(name, query))
    );
  }

  #shared(name: string, query: Query, render: () => Body): Body {
    const { index } = this.#context.store;
    if (this.#renderedIndex !== index || this.#rendered.size >= RENDERED_MAX) {
      this.#rendered.clear();
      this.#renderedIndex = index;
    }
    const key = keyOf(name, query);
    const kept = this.#rendered.get(key);
    if (kept !== undefined) return kept;
    const body = render();
    this.#rendered.set(key, body);
    return body;
  }
}

function keyOf(name: string, query: Query): string {
  const asked = [...query].filter(([parameterName]) => !VARYING.has(parameterName));
  return `${name}?${encodeQuery(new Map(asked))}`;
}

function cacheHeaders(isHit: boolean): readonly string[] {
  return ['X-Cache', isHit ? 'HIT' : 'MISS', ...(isHit ? ['Age', '0'] : [])];
}

const KEEPS_ALL = { keeps: () => true };
/** What does not change the body. */
const VARYING: ReadonlySet<string> = new Set(['index', 'wait', 'token', 'near']);

/** What fails inside of Consul's servers tells of an index as well. */
function failed(answer: Answer): Answer {
  if (answer.status < 500) return answer;
  return { ...answer, headers: [...answer.headers, ...NO_INDEX] };
}

const NO_INDEX = [
  ...['X-Consul-Index', '1'],
  ...['X-Consul-Knownleader', 'false'],
  ...['X-Consul-Lastcontact', '0'],
];

function consistencyOf(query: Query): string {
  if (query.has('stale')) return 'stale';
  return query.has('consistent') ? 'consistent' : 'leader';
}

/** JSON as Go's encoder writes it: safe inside HTML. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `?node-meta=name:value`, several of which must all hold. */
export function nodeMetaOf(
  query: Query,
): (meta: Readonly<Record<string, string>> | null) => boolean {
  const wanted = (query.get('node-meta') ?? []).map((pair) => {
    const colon = pair.indexOf(':');
    return colon === -1 ? [pair, ''] : [pair.slice(0, colon), pair.slice(colon + 1)];
  });
  return (meta) => wanted.every(([name = '', value]) => (meta?.[name] ?? undefined) === value);
}

/** `?tag=`, several of which must all be there; in any case of letters. */
export function tagsOf(query: Query): (tags: readonly string[] | null) => boolean {
  const wanted = (query.get('tag') ?? []).map((tag) => tag.toLowerCase());
  return (tags) => {
    if (wanted.length === 0) return true;
    const has = new Set((tags ?? []).map((tag) => tag.toLowerCase()));
    return wanted.every((tag) => has.has(tag));
  };
}
