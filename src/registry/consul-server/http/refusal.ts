// An answer that ends a request from wherever it is known that it must end.

import type { Answer } from './http-answer.ts';

export class Refusal extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super('request refused');
    this.answer = answer;
  }
}
