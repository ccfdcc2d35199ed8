// The face of routing: where a request goes, and what the gateway answers where no server does.

export { OwnAnswers } from './routing/own-answers.ts';
export { answerPage, type PageRoute, type ReadPage } from './routing/pages.ts';
export { RouteTable } from './routing/route.ts';
