// `sluice why`: what happened to a request, by its id; without one, which requests are worth the question.

import { type Command, InvalidArgumentError } from 'commander';
import {
  type RequestsDocument,
  STORIES_LAST_MAX,
  STORY_CHOICES,
  type StoryChoice,
} from '../../admin/contract.ts';
import { SluiceError } from '../../base/errors.ts';
import { notHeard } from '../../base/scope.ts';
import { controlOf, type GlobalOptions } from '../client/target.ts';
import { paint, print, printJson, remark, visible, widthOf } from '../output.ts';
import { storiesView, storyView } from '../views/story-view.ts';

const LAST = 20;

type WhyOptions = GlobalOptions & {
  readonly upstream?: string;
  readonly kind?: StoryChoice;
  readonly last: number;
};

export function defineWhy(verb: Command): void {
  verb
    .summary('tell what happened to a request')
    .description(
      'Tell what happened to a request: who was tried, what came of it, and what\nthe servers were then. Without an id, list the requests that are kept.',
    )
    .argument('[id]', 'of the request: X-Request-Id of the answer, id in the access log')
    .option('--upstream <name>', 'only requests of this upstream')
    .option('--kind <kind>', STORY_CHOICES.join(', '), parseKind)
    .option('-n, --last <n>', `the newest so many, at most ${STORIES_LAST_MAX}`, parseLast, LAST)
    .option('--json', 'print the document of the control API')
    .addHelpText(
      'after',
      `
Kept are requests that failed, that were tried again, the slowest, and now
and then an ordinary one; docs/requests.md says how many and how long. The id
may also be the client's own, or that of the trace.

Examples:
  $ sluice why
  $ sluice why 65a3da4eff36af2e00000001
  $ sluice why --kind slow --upstream app`,
    )
    .action(async (id: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<WhyOptions>();
      const { upstream = '', kind = 'all', last, json } = options;
      const control = await controlOf(options);
      const found = await control.requests({ upstream, kind, id: id ?? '', last });
      if (id !== undefined && found.requests.length === 0) throw notKept(id, found);
      if (json === true) return printJson(found);
      const view = { nowMs: Date.now(), paint, width: widthOf(process.stdout) };
      if (id === undefined) print(storiesView(found, view));
      else print(found.requests.map((story) => storyView(story, view)).join('\n'));
      const others = notHeard(found.scope);
      if (others !== '') remark(`${others}; what they keep is missing`);
    });
}

function notKept(id: string, { scope, sampling, sinceMs }: RequestsDocument): SluiceError {
  const since = sinceMs === 0 ? 'no failure' : `failures since ${new Date(sinceMs).toISOString()}`;
  const unheard = notHeard(scope);
  const others = unheard === '' ? '' : `\n${unheard}; ask them with --control`;
  const asked = [scope.gateway, ...scope.heard].join(' nor on ');
  return new SluiceError(
    'not_found',
    `request "${visible(id)}": not kept on ${asked}; kept there: ${since}. An ordinary request has no story; look for it in the access log.\nkept are: ${sampling}${others}`,
  );
}

function parseKind(text: string): StoryChoice {
  const kind = STORY_CHOICES.find((known) => known === text);
  if (kind !== undefined) return kind;
  throw new InvalidArgumentError(`It is one of ${STORY_CHOICES.join(', ')}.`);
}

function parseLast(text: string): number {
  const count = Number(text);
  if (/^\d{1,4}$/.test(text) && count >= 1 && count <= STORIES_LAST_MAX) return count;
  throw new InvalidArgumentError(`It is a whole number from 1 to ${STORIES_LAST_MAX}.`);
}
