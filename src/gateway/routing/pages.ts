// Pages of our own on a route: who may see one, and the way to whoever renders it. The data plane
// has no table of its own to show; it asks (`ReadPage`) and goes on with other requests meanwhile.

import type { PageName, TextAnswer } from '../../model.ts';
import type { AddressSet, Forwarding } from '../forwarding.ts';
import type { RequestHead } from '../message.ts';

/** `query` as it came, without `?`. Rejects when there is no page in time. */
export type ReadPage = (name: PageName, query: string) => Promise<TextAnswer>;

export type PageRoute = { readonly page: PageName; readonly allow: AddressSet };

/** What the client gets: a page, or why not. */
export type PageAnswer = {
  readonly status: 200 | 403 | 405 | 503;
  readonly reason: string;
  readonly page?: TextAnswer;
};

export type PageRequest = {
  readonly head: RequestHead;
  readonly client: { readonly forwarding: Pick<Forwarding, 'isAmong'> };
  readonly gateway: { readonly readPage: ReadPage | undefined };
};

export async function answerPage(route: PageRoute, request: PageRequest): Promise<PageAnswer> {
  const { head, client, gateway } = request;
  // Who may not see it does not learn which methods there are either.
  if (!client.forwarding.isAmong(route.allow, head)) {
    return { status: 403, reason: `page ${route.page}: not for this client` };
  }
  if (head.method !== 'GET' && head.method !== 'HEAD') {
    return { status: 405, reason: 'a page is for GET and HEAD' };
  }
  const start = head.target.indexOf('?');
  const query = start === -1 ? '' : head.target.slice(start + 1);
  try {
    const page = await gateway.readPage?.(route.page, query);
    if (page !== undefined) return { status: 200, reason: '', page };
  } catch {
    // What kept it is the renderer's to log.
  }
  const page = { contentType: 'text/plain', body: 'sluice: no page yet, please try again\n' };
  return { status: 503, reason: `page ${route.page}: the control plane gave none in time`, page };
}
