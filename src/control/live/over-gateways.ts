// What this gateway remembers together with what the others do, who are asked for it.

import {
  HISTORY,
  HISTORY_QUESTION,
  type HistoryDocument,
  type HistoryQuestion,
  REQUESTS,
  type RequestsDocument,
  STORIES_LAST_MAX,
  STORY_QUESTION,
  type StoryDocument,
  type StoryQuestion,
} from '../../admin.ts';
import { SluiceError } from '../../base/errors.ts';
import type { Scope } from '../../base/scope.ts';
import type { Gateways, OtherGateway, Questions } from '../../gateways.ts';
import { byOurClock, sumOfHistories } from './history-sum.ts';
import { entriesOf, fromJson } from './traffic.ts';

/** An answer through the registry takes some ms; who has none by then is not heard. */
const ANSWER_MS = 1500;
/** Pages ask every two seconds, several of them at once. */
const FRESH_MS = 3000;
/** Servers in one answer. */
const SERVERS_MAX = 500;

export type OverGatewaysOptions = {
  readonly beside:
    | {
        readonly questions: Pick<Questions, 'ask' | 'answerWith'>;
        readonly others: Gateways['others'];
      }
    | undefined;
  readonly scope: () => Scope;
  /** Of this gateway, with no more servers than that. @throws not_found */
  readonly history: (question: HistoryQuestion, most: number) => Omit<HistoryDocument, 'scope'>;
  readonly requests: (question: StoryQuestion) => Promise<Omit<RequestsDocument, 'scope'>>;
};

type Heard<Document> = {
  readonly documents: readonly Document[];
  readonly scope: Scope;
};

export class OverGateways {
  readonly #options: OverGatewaysOptions;
  /** By gateway and question. */
  readonly #said = new Map<string, Promise<string | undefined>>();

  constructor(options: OverGatewaysOptions) {
    this.#options = options;
    options.beside?.questions.answerWith((question, share) => this.#answer(question, share));
  }

  /** `gateway`: '' = the sum of all, `own`, or the id of another one. @throws not_found */
  async history(question: HistoryQuestion, gateway: string): Promise<HistoryDocument> {
    const read = this.#options.history(question, SERVERS_MAX);
    if (gateway === 'own') return { ...read, scope: this.#alone() };
    const asked = this.#asked(question.upstream, gateway);
    if (asked.length === 0) return { ...read, scope: this.#options.scope() };
    const text = JSON.stringify({ history: question });
    const { documents, scope } = await this.#ask(asked, text, (said) => readHistory(said, read));
    const own = { ...read, scope };
    const heard = documents.map((document) => byOurClock({ ...document, scope }, own));
    if (gateway === '') return sumOfHistories(own, heard);
    return heard[0] ?? { ...own, slots: 0, series: [], marks: [], complete: false };
  }

  /** @throws not_found */
  async requests(question: StoryQuestion): Promise<RequestsDocument> {
    const own = await this.#options.requests(question);
    const asked = this.#asked(question.upstream, '');
    const text = JSON.stringify({ requests: question });
    const { documents, scope } = await this.#ask(asked, text, readRequests);
    const all = [own, ...documents];
    const bySlow = question.kind === 'slow';
    const requests = all
      .flatMap((document) => document.requests)
      .toSorted((a, b) => (bySlow ? waitOf(b) - waitOf(a) : 0) || b.timeMs - a.timeMs);
    return {
      requests: requests.slice(0, question.last),
      leftOut: all.reduce((sum, { leftOut }) => sum + leftOut, 0),
      // Since then nothing is missing that any of them keeps.
      sinceMs: Math.max(...all.map(({ sinceMs }) => sinceMs)),
      ...{ sampling: own.sampling, scope },
    };
  }

  #alone(): Scope {
    return { gateway: this.#options.scope().gateway, heard: [], unheard: [] };
  }

  /** @throws not_found */
  #asked(upstream: string, gateway: string): readonly OtherGateway[] {
    const others = this.#options.beside?.others ?? [];
    if (gateway === '') {
      return others.filter(
        ({ state, upstreams }) =>
          state === 'live' && (upstream === '' || upstreams.includes(upstream)),
      );
    }
    const other = others.find(({ id }) => id === gateway);
    if (other !== undefined) return [other];
    const known = ['own', ...others.map(({ id }) => id)].join(', ');
    throw new SluiceError('not_found', `gateway "${gateway}": unknown; known: ${known}`);
  }

  async #ask<Document>(
    asked: readonly OtherGateway[],
    question: string,
    read: (text: string) => Document | undefined,
  ): Promise<Heard<Document>> {
    const answers = await Promise.all(
      asked.map(async (gateway) => {
        const text = await this.#textOf(gateway.id, question);
        return { gateway, document: text === undefined ? undefined : read(text) };
      }),
    );
    const { gateway, unheard } = this.#options.scope();
    const heard = answers.flatMap(({ gateway, document }) =>
      document === undefined ? [] : [{ name: gateway.name, document }],
    );
    const late = answers.filter(({ document }) => document === undefined);
    return {
      documents: heard.map(({ document }) => document),
      scope: {
        gateway,
        heard: heard.map(({ name }) => name),
        unheard: [...late.map(({ gateway: { name } }) => `${name} (no answer)`), ...unheard],
      },
    };
  }

  /** The same question by several pages is asked once. */
  #textOf(gateway: string, question: string): Promise<string | undefined> {
    const key = `${gateway} ${question}`;
    const known = this.#said.get(key);
    if (known !== undefined) return known;
    const questions = this.#options.beside?.questions;
    const text =
      questions?.ask(gateway, question, ANSWER_MS) ?? Promise.resolve<undefined>(undefined);
    this.#said.set(key, text);
    setTimeout(() => this.#said.delete(key), FRESH_MS).unref();
    return text;
  }

  async #answer(text: string, share: number): Promise<string | undefined> {
    const { history, requests } = Object.fromEntries(entriesOf(fromJson(text)));
    const scope = this.#alone();
    if (HISTORY_QUESTION.fits(history)) {
      const document = this.#options.history(history, Math.ceil(SERVERS_MAX * share));
      return JSON.stringify({ ...document, scope });
    }
    if (!STORY_QUESTION.fits(requests)) return undefined;
    const last = Math.ceil(Math.min(requests.last, STORIES_LAST_MAX) * share);
    return JSON.stringify({ ...(await this.#options.requests({ ...requests, last })), scope });
  }
}

function waitOf({ waitMs }: StoryDocument): number {
  return waitMs ?? 0;
}

/** Of the same times as ours. */
function readHistory(
  text: string,
  { span, stepMs }: Omit<HistoryDocument, 'scope'>,
): HistoryDocument | undefined {
  const said = fromJson(text);
  return HISTORY.fits(said) && said.span === span && said.stepMs === stepMs ? said : undefined;
}

function readRequests(text: string): RequestsDocument | undefined {
  const said = fromJson(text);
  return REQUESTS.fits(said) ? said : undefined;
}
