// What the page of events says.

import { words } from '../../text.ts';

export const eventsText = words(
  {
    time: 'Time',
    who: 'Who',
    what: 'What',
    why: 'Why',
    change: 'Before → after',
    result: 'Result',
    allUpstreams: 'all upstreams',
    upstream: 'Upstream',
    onlyBad: 'refused and failed only',
    copyAll: (many: number) => `Copy ${many} as JSON`,
    copyOne: 'JSON',
    none: 'Nothing was changed yet.',
    noneFits: 'No event fits the filter.',
    newer: (many: number) => `${many} new`,
    older: 'Show more',
    unknownWho: 'no token',
  },
  {
    time: '时间',
    who: '谁',
    what: '做了什么',
    why: '原因',
    change: '之前 → 之后',
    result: '结果',
    allUpstreams: '全部上游',
    upstream: '上游',
    onlyBad: '只看被拒绝和失败的',
    copyAll: (many: number) => `复制 ${many} 条为 JSON`,
    copyOne: 'JSON',
    none: '还没有任何变更。',
    noneFits: '没有符合筛选的事件。',
    newer: (many: number) => `${many} 条新事件`,
    older: '显示更多',
    unknownWho: '无令牌',
  },
);
