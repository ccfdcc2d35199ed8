// One runner of a model: everything that it does to the world goes through its gate, at which it can be stopped
// for a while (as by SIGSTOP) or for good (as by SIGKILL).

export class Gate {
  isDead = false;
  isFrozen = false;
  #thawed = Promise.resolve();
  #thaw: () => void = () => {};

  freeze(): void {
    if (this.isFrozen) return;
    this.isFrozen = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#thawed = promise;
    this.#thaw = resolve;
  }

  thaw(): void {
    this.isFrozen = false;
    this.#thaw();
  }

  async pass(): Promise<void> {
    let was: Promise<void> | null = null;
    while (was !== this.#thawed) {
      was = this.#thawed;
      await was;
    }
    await this.alive();
  }

  async alive(): Promise<void> {
    if (this.isDead) await new Promise<never>(() => {});
  }
}
