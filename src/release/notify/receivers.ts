// The kinds of receiver: what is sent, how it is signed, and what answer means that it was taken. One
// entry each, in one table.
//
//   webhook   header X-Sluice-Signature: sha256=hex(HMAC(secret, timestamp + "." + body))
//   dingtalk  query   timestamp (ms), sign = base64(HMAC(secret, timestamp + "\n" + secret))
//   feishu    body    timestamp (s),  sign = base64(HMAC(timestamp + "\n" + secret, ""))
//
// **Source:** the documents of the three robots: DingTalk "custom robot security settings", Feishu "custom
// bot usage guide", WeCom "group robot configuration"; Slack "incoming webhooks".

import { createHmac } from 'node:crypto';
import type { ReceiverConfig } from '../../config.ts';
import { type Message, textOf, titleOf } from './message.ts';

export type Outgoing = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type Sending = {
  readonly url: string;
  /** '' = not signed. */
  readonly secret: string;
  readonly message: Message;
  /** The same in each try. */
  readonly id: string;
  readonly nowMs: number;
};

type Receiver = {
  readonly render: (sending: Sending) => Outgoing;
  /** Why it was not taken although the status was good; '' when it was. `body` is JSON or undefined. */
  readonly refusal: (body: unknown) => string;
};

export const RECEIVERS: { readonly [Kind in ReceiverConfig['kind']]: Receiver } = {
  webhook: { render: webhook, refusal: () => '' },
  dingtalk: {
    render: ({ url, secret, message, nowMs }) => {
      const text = textOf(message).join('\n\n');
      const markdown = { title: titleOf(message), text };
      const signed = new URL(url);
      if (secret !== '') {
        const timestamp = String(nowMs);
        signed.searchParams.set('timestamp', timestamp);
        signed.searchParams.set('sign', hmac(secret, `${timestamp}\n${secret}`).toString('base64'));
      }
      return json(signed.href, { msgtype: 'markdown', markdown });
    },
    refusal: (body) => codeRefusal(body, 'errcode'),
  },
  feishu: {
    render: ({ url, secret, message, nowMs }) => {
      const text = textOf(message).join('\n');
      const timestamp = String(Math.floor(nowMs / 1000));
      const sign = hmac(`${timestamp}\n${secret}`, '').toString('base64');
      const signed = secret === '' ? {} : { timestamp, sign };
      return json(url, { ...signed, msg_type: 'text', content: { text } });
    },
    // An older answer has StatusCode.
    refusal: (body) => codeRefusal(body, has(body, 'code') ? 'code' : 'StatusCode'),
  },
  wecom: {
    render: ({ url, message }) => {
      return json(url, { msgtype: 'markdown', markdown: { content: textOf(message).join('\n') } });
    },
    refusal: (body) => codeRefusal(body, 'errcode'),
  },
  slack: {
    render: ({ url, message }) => {
      return json(url, { text: textOf(message).join('\n').replaceAll('&', '&amp;') });
    },
    refusal: () => '',
  },
};

function webhook({ url, secret, message, id, nowMs }: Sending): Outgoing {
  const { headers, body } = json(url, message);
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = hmac(secret, `${timestamp}.${body}`).toString('hex');
  return {
    url,
    headers: {
      ...headers,
      'x-sluice-event': message.event,
      'x-sluice-delivery': id,
      'x-sluice-timestamp': timestamp,
      ...(secret === '' ? {} : { 'x-sluice-signature': `sha256=${signature}` }),
    },
    body,
  };
}

function json(url: string, document: unknown): Outgoing {
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return { url, headers, body: JSON.stringify(document) };
}

function hmac(key: string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function has(body: unknown, name: string): boolean {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, name);
}

/** The number alone: the text beside it may quote what was sent. */
function codeRefusal(body: unknown, name: string): string {
  const code: unknown =
    typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  if (code === 0) return '';
  return code === undefined
    ? 'gave an answer that is not understood'
    : `refused it: ${name} ${Number(code)}`;
}
