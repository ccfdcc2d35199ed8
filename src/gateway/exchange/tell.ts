// What is said of a request that has ended: the line of the access log, and a story where it is worth one.

import type { StoryAttempt, StoryKind } from '../../model.ts';
import type { Server, Upstream } from '../../upstream.ts';
import type { RequestHead } from '../message.ts';
import { idsOf, type Result } from './account.ts';
import type { Attempts } from './attempts.ts';
import type { ClientStream } from './client-stream.ts';
import type { ExchangeContext } from './context.ts';
import { EndedDetails } from './ended-details.ts';
import type { RequestBody } from './request-body.ts';
import { spansOf } from './spans.ts';
import { refusalStory, storyOf } from './story.ts';

export type Ended = {
  readonly gateway: ExchangeContext;
  readonly client: ClientStream;
  readonly head: RequestHead;
  readonly body: RequestBody;
  readonly attempts: Attempts;
  readonly upstream: Upstream | undefined;
  /** The one that had it at the end. */
  readonly server: Server | undefined;
  /** '' = no story. */
  readonly kind: StoryKind | '';
  readonly last: StoryAttempt | undefined;
  readonly result: Result;
  readonly reason: string;
  readonly nowMs: number;
};

export function tell(ended: Ended): void {
  const { gateway, client, head, attempts, upstream, kind, nowMs } = ended;
  const line = {
    id: attempts.idFrom(gateway.ids),
    client: client.forwarding.client(head),
    listener: client.listener,
    request: head,
    status: attempts.status,
    bytes: attempts.bytes,
    ms: nowMs - attempts.beganMs,
    upstream: upstream?.name ?? '',
    servers: idsOf(attempts.tried, ended.server),
    ...{ result: ended.result, reason: ended.reason },
  };
  gateway.accessLog?.write(line, new EndedDetails(ended));
  const { trace } = attempts;
  if (trace?.isSampled === true) gateway.tracer?.end(spansOf(ended, trace, line.id));
  if (kind === '') return;
  const route = gateway.routes.nameOf(head.host, head.target);
  const of = { kind, line, head, route, attempts, upstream, last: ended.last, nowMs };
  gateway.recorder.keep(storyOf({ ...of, bytesIn: ended.body.bytes }));
}

/** Of a request that came to no exchange; its id. `head`: undefined where it was not even a head. */
export function tellRefusal(
  { ids, recorder }: ExchangeContext,
  { forwarding, listener }: Pick<ClientStream, 'forwarding' | 'listener'>,
  { status, reason, head }: Refused,
): string {
  const id = ids.idOf(head?.requestId ?? '');
  if (recorder.admits('failed', '', status)) {
    const client = head === undefined ? forwarding.peer : forwarding.client(head);
    recorder.keep(refusalStory({ id, client, listener, status, reason }, head));
  }
  return id;
}

type Refused = {
  readonly status: number;
  readonly reason: string;
  readonly head: RequestHead | undefined;
};
