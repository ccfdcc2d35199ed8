// The key `registry` of an upstream: which of the file's registries it follows, first the one that counts
// where two have the same server, and under which name it stands there.
//
//   registry: on                          the section `registry`, which is named `default`
//   registry: east                        one of the section `registries`
//   registry: [east, default]
//   registry: { dns: app.internal:8080 }  there it has another name than the upstream's
//   registry: [east, { dns: … }]

import { z } from 'zod';
import { show } from './values.ts';

/** The name of the section `registry` beside those of `registries`. */
export const DEFAULT_REGISTRY = 'default';

/** Words that a registry cannot be named, because they say something here. */
export const NO_REGISTRY_NAMES: ReadonlySet<string> = new Set([
  ...['on', 'off', 'yes', 'no', 'true', 'false', 'none', DEFAULT_REGISTRY],
]);

export type FollowsFile = {
  readonly registry: string;
  /** As the file says it; undefined: the upstream's own. */
  readonly service: string | undefined;
};

const ITEM = z.union([z.boolean(), z.string(), z.record(z.string(), z.string())]);
type Item = z.output<typeof ITEM>;

const EXAMPLES = 'on, off, the name of a registry, { name: service }, or a list of these';

export const follows = z
  .union([ITEM, z.array(ITEM)], {
    error: ({ input }) => `${show(input)} does not say which registry to follow; write ${EXAMPLES}`,
  })
  .transform((value, context): readonly FollowsFile[] => {
    const items = Array.isArray(value) ? value : [value];
    const found = items.flatMap(readItem);
    const isSwitch = (word: Item): boolean => word === false || word === 'off';
    if (items.some(isSwitch) && items.length > 1)
      context.addIssue({ code: 'custom', message: 'has off beside names; write off alone' });
    const twice = found.find(({ registry }, at) =>
      found.slice(0, at).some((other) => other.registry === registry),
    );
    if (twice !== undefined) {
      const message = `names ${show(twice.registry)} twice; keep one`;
      context.addIssue({ code: 'custom', message });
    }
    return found;
  })
  .prefault('on')
  .meta({
    description:
      'Which registries it follows: `on` = the section `registry`, which is named `default`; a name of `registries`; `{ name: service }` where it has another name there than here; or a list, the first that has a server counts. A server there wins over one of the same address here.',
    'x-value': 'on, off, name, { name: service }, list of these',
  });

function readItem(item: Item): FollowsFile[] {
  if (item === false || item === 'off') return [];
  if (item === true || item === 'on') return [{ registry: DEFAULT_REGISTRY, service: undefined }];
  if (typeof item === 'string') return [{ registry: item, service: undefined }];
  return Object.entries(item).map(([registry, service]) => ({ registry, service }));
}
