// Sources that are asked for the list of one upstream at a time: Consul's services.

export { type ServicesOptions, servicesSource } from './lists/services.ts';
