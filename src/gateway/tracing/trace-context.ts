// The field `traceparent`, read and taken out of a head.
//
//   traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//                ver trace                            parent           flags (01: sampled)
//
// **Source:** W3C Trace Context (Recommendation), 3.2 and 4.3.

export type TraceParent = {
  readonly traceId: string;
  readonly parentId: string;
  readonly isSampled: boolean;
};

/** The version 00 has nothing behind the flags; later ones may. ff is no version. */
const FORM = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const LINE = /^traceparent: ([^\r]*)\r\n/gim;
const STATE_LINE = /^tracestate: [^\r]*\r\n/gim;

/** undefined: it is not valid, so that the trace begins anew. */
export function parseTraceparent(value: string): TraceParent | undefined {
  const [, version, traceId = '', parentId = '', flags = '', more] = FORM.exec(value) ?? [];
  if (version === undefined || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/**
 * Of lines `Name: value CRLF`: the parent, and the lines without it. Without a valid parent tracestate
 * means nothing, and goes with it. Of several parents none counts.
 */
export function takeParent(fields: string): {
  readonly parent: TraceParent | undefined;
  readonly rest: string;
} {
  const lines = [...fields.matchAll(LINE)];
  const [line] = lines;
  const parent = lines.length === 1 ? parseTraceparent(line?.[1] ?? '') : undefined;
  const without = lines.length === 0 ? fields : fields.replaceAll(LINE, '');
  return { parent, rest: parent === undefined ? without.replaceAll(STATE_LINE, '') : without };
}
