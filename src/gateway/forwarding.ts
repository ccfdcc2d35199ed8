// The fields in which the gateway tells a server about the client. A client that is no trusted
// proxy has no say in them.

import type { BlockList } from 'node:net';
import type { RequestHead } from './http1.ts';

export type ForwardingText = (head: RequestHead) => string;

/** For all requests of one client: the lines for each, with CRLF. */
export function forwardingText(
  remoteAddress: string,
  trusted: BlockList,
  isViaOn: boolean,
): ForwardingText {
  const address = remoteAddress.replace(/^::ffff:/, '');
  const via = isViaOn ? 'Via: 1.1 sluice\r\n' : '';
  if (!trusted.check(address, address.includes(':') ? 'ipv6' : 'ipv4')) {
    const lines = `X-Forwarded-For: ${address}\r\nX-Real-IP: ${address}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: `;
    return (head) => `${lines}${head.authority}\r\n${via}`;
  }
  return (head) => {
    const chain = head.forwardedFor === '' ? address : `${head.forwardedFor}, ${address}`;
    const [first = ''] = chain.split(',', 1);
    return (
      `X-Forwarded-For: ${chain}\r\nX-Real-IP: ${first.trim()}\r\n` +
      `X-Forwarded-Proto: ${head.forwardedProto || 'http'}\r\n` +
      `X-Forwarded-Host: ${head.forwardedHost || head.authority}\r\n${via}`
    );
  };
}
