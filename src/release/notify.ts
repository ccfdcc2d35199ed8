// Who hears of a release: told when it begins and when it ends. A message that cannot be delivered is a
// note of the release and never its failure, and no release waits long for it: at its beginning not at
// all, at its end for as long as a job that is being cancelled has.

import type { ReceiverConfig } from '../config.ts';
import { formsOf, masked } from './masking.ts';
import { deliver } from './notify/deliver.ts';
import { jobOf, type Message, type NotifyEvent } from './notify/message.ts';
import { resolveReference } from './references.ts';
import type { Interrupts } from './wait.ts';

export type { Message, NotifyEvent } from './notify/message.ts';

/** All tries of all receivers together, at the end of a release. */
const BUDGET_MS = 10_000;
/** The same after an interrupt, when the process may be killed soon. */
const BUDGET_INTERRUPTED_MS = 2000;

type Told = Pick<Message, 'service' | 'release' | 'version' | 'from' | 'result' | 'approval'>;

export class Notifier {
  readonly #receivers: readonly ReceiverConfig[];
  readonly #interrupts: Interrupts;
  /** What must not be shown; the URLs and keys that are used are added. */
  readonly #secrets: Set<string>;
  readonly #underWay: Promise<readonly string[]>[] = [];
  readonly #over = new AbortController();

  constructor(
    receivers: readonly ReceiverConfig[],
    options: { readonly interrupts: Interrupts; readonly secrets: Set<string> },
  ) {
    this.#receivers = receivers;
    this.#interrupts = options.interrupts;
    this.#secrets = options.secrets;
  }

  /** Begins to tell it; `close` waits for the end. */
  tell(event: NotifyEvent, told: Told): void {
    const message = masked<Message>(
      { v: 1, event, ts: new Date().toISOString(), job: jobOf(process.env), ...told },
      this.#secrets,
    );
    this.#underWay.push(
      Promise.all(
        this.#receivers
          .map((receiver, index) => ({ receiver, name: `notify[${index}] (${receiver.kind})` }))
          .filter(({ receiver }) => receiver.on.includes(event))
          .map(async ({ receiver, name }) => {
            const trouble = await this.#send(receiver, message);
            return trouble === '' ? '' : `${name} was not told of "${event}": ${trouble}`;
          }),
      ),
    );
  }

  /** What could not be delivered, in words. */
  async close(): Promise<readonly string[]> {
    const { soft, hard } = this.#interrupts;
    const end = (): void => this.#over.abort();
    const timer = setTimeout(end, soft.aborted ? BUDGET_INTERRUPTED_MS : BUDGET_MS);
    hard.addEventListener('abort', end);
    if (hard.aborted) end();
    const troubles = await Promise.all(this.#underWay);
    clearTimeout(timer);
    hard.removeEventListener('abort', end);
    return troubles.flat().filter(Boolean);
  }

  async #send(receiver: ReceiverConfig, message: Message): Promise<string> {
    const url = await resolved(receiver.url);
    const secret = receiver.secret === '' ? { value: '' } : await resolved(receiver.secret);
    if ('problem' in url) return url.problem;
    if ('problem' in secret) return secret.problem;
    // The URL of a webhook that stands in the file is no secret; what it refers to is.
    const hidden = [url.value === receiver.url ? '' : url.value, secret.value];
    for (const form of hidden.flatMap(formsOf)) this.#secrets.add(form);
    const target = { url: url.value.trim(), secret: secret.value };
    if (!/^https?:$/.test(URL.parse(target.url)?.protocol ?? '')) {
      return 'its URL is none of http:// or https://';
    }
    return deliver(receiver, target, message, this.#over.signal);
  }
}

function resolved(text: string): ReturnType<typeof resolveReference> {
  return /^(env|file|cmd):/.test(text) ? resolveReference(text) : Promise.resolve({ value: text });
}
