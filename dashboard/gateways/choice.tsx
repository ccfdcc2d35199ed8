// Chooses whose figures are shown. Nothing where there is one gateway alone.

import { useOverview } from '../live/stream.ts';
import { place, setQuery } from '../router.tsx';
import { words } from '../text.ts';
import type { Choice } from './seen.ts';

const choiceText = words(
  {
    label: 'Figures of',
    all: (heard: number, many: number) =>
      heard === many ? `all ${many} gateways` : `${heard} of ${many} gateways`,
    own: 'this gateway',
    unheard: (names: string) => `Not heard, in no sum: ${names}`,
    notHeard: 'not heard',
  },
  {
    label: '数据来自',
    all: (heard: number, many: number) =>
      heard === many ? `全部 ${many} 个网关` : `${many} 个网关中的 ${heard} 个`,
    own: '此网关',
    unheard: (names: string) => `无响应，不计入总和：${names}`,
    notHeard: '无响应',
  },
);

export function chosen(): Choice {
  return place.value.query.get('gateway') ?? '';
}

export function GatewayChoice() {
  const text = choiceText();
  const overview = useOverview().value;
  if (overview === undefined) return null;
  const [, ...others] = Object.entries(overview.gateways).filter(
    ([, { state }]) => state === 'live',
  );
  if (others.length === 0) return null;
  const { unheard } = overview;
  const many = others.length + 1;
  return (
    <span class="gateway-choice">
      <label>
        <span class="muted">{text.label}</span>{' '}
        <select
          value={chosen()}
          onChange={({ currentTarget }) => setQuery('gateway', currentTarget.value)}
        >
          <option value="">{text.all(many - unheard.length, many)}</option>
          <option value="own">{text.own}</option>
          {others.map(([id, { name }]) => (
            <option key={id} value={id}>
              {name}
              {unheard.includes(name) ? ` (${text.notHeard})` : ''}
            </option>
          ))}
        </select>
      </label>
      <Unheard names={unheard} />
    </span>
  );
}

export function Unheard({ names }: { readonly names: readonly string[] }) {
  if (names.length === 0) return null;
  return <span class="warn any">{choiceText().unheard(names.join(', '))}</span>;
}
