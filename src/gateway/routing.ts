// The face of routing: where a request goes, and what the gateway answers where no server does.

export { OwnAnswers, type OwnParts } from './routing/own-answers.ts';
export { answerPage, type PageRoute, type ReadPage } from './routing/pages.ts';
export { redirectOf } from './routing/redirect.ts';
export { RouteTable } from './routing/route.ts';
