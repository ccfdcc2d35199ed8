// What is said of a request that has ended: the line of the access log, and a story where it is worth one.

import type { StoryAttempt, StoryKind } from '../../model.ts';
import type { Server, Upstream } from '../../upstream.ts';
import type { RequestHead } from '../message.ts';
import type { Result } from './account.ts';
import type { Attempts } from './attempts.ts';
import type { ClientStream } from './client-stream.ts';
import type { ExchangeContext } from './context.ts';
import { EndedLine } from './ended-line.ts';
import type { RequestBody } from './request-body.ts';
import { spansOf } from './spans.ts';
import { refusalStory, storyOf } from './story.ts';

/** A request, and all that had to do with it. */
export type EndedRequest = {
  readonly gateway: Pick<ExchangeContext, 'accessLog' | 'ids' | 'recorder' | 'routes' | 'tracer'>;
  readonly client: Pick<
    ClientStream,
    'forwarding' | 'keeper' | 'connection' | 'entrance' | 'bytesSent' | 'bytesOf'
  >;
  readonly head: RequestHead;
  readonly body: Pick<RequestBody, 'bytes'>;
  readonly attempts: Attempts;
  readonly upstream: Upstream | undefined;
  /** The one that had it at the end. */
  readonly server: Server | undefined;
};

export type HowEnded = {
  /** '' = no story. */
  readonly kind: StoryKind | '';
  readonly last: StoryAttempt | undefined;
  readonly result: Result;
  readonly reason: string;
  readonly nowMs: number;
};

export type Ended = EndedRequest & HowEnded;

/** Two objects and not one: to join them costs as much as a part of a line. */
export function tell(request: EndedRequest, how: HowEnded): void {
  const { gateway, head, attempts, upstream } = request;
  const { kind, nowMs } = how;
  const line = new EndedLine(request, how);
  gateway.accessLog?.write(line);
  const { trace } = attempts;
  if (trace?.isSampled === true)
    gateway.tracer?.end(spansOf({ ...request, ...how }, trace, line.id));
  if (kind === '') return;
  const route = gateway.routes.nameOf(head.host, head.target);
  const of = { kind, line, head, route, attempts, upstream, last: how.last, nowMs };
  gateway.recorder.keep(storyOf({ ...of, bytesIn: request.body.bytes }));
}

/** Of a request that came to no exchange; its id. `head`: undefined where it was not even a head. */
export function tellRefusal(
  { ids, recorder }: ExchangeContext,
  { forwarding, entrance }: Pick<ClientStream, 'forwarding' | 'entrance'>,
  { status, reason, head }: Refused,
): string {
  const id = ids.idOf(head?.requestId ?? '');
  if (recorder.admits('failed', '', status)) {
    const client = head === undefined ? forwarding.peer : forwarding.client(head);
    const listener = entrance.id;
    recorder.keep(refusalStory({ id, client, listener, status, reason }, head));
  }
  return id;
}

type Refused = {
  readonly status: number;
  readonly reason: string;
  readonly head: RequestHead | undefined;
};
