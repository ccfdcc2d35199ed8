// The face of tracing: which trace a request belongs to, and what is sent of it to a server.

export { parseTraceparent } from './tracing/trace-context.ts';
export { type TraceOfRequest, Tracer } from './tracing/tracer.ts';
