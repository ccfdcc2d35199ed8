export type { CheckSpec, StatusClass, Verdict } from './health/spec.ts';
