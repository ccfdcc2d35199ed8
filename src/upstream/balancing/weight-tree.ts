// Sums of weights that change one by one: the weight at a place, the sum of all, and the place at which the
// weights, summed up to it, are above a number. Each costs the logarithm of the size.
//
// | weights 2, 0, 3 | sum 5 | find(1) = 0, find(2) = 2, find(4) = 2 |
//
// Source: Fenwick, "A New Data Structure for Cumulative Frequency Tables" (1994).

export class WeightTree {
  readonly #weights: Float64Array;
  /** At n (from 1): the sum of as many weights up to n as the lowest bit of n says. */
  readonly #sums: Float64Array;
  /** The highest power of two within the size. */
  readonly #top: number;
  #total = 0;

  constructor(weights: readonly number[]) {
    this.#weights = Float64Array.from(weights);
    this.#sums = new Float64Array(weights.length + 1);
    this.#top = weights.length === 0 ? 0 : 2 ** Math.floor(Math.log2(weights.length));
    for (let n = 1; n < this.#sums.length; n += 1) {
      const sum = (this.#sums[n] ?? 0) + (weights[n - 1] ?? 0);
      this.#sums[n] = sum;
      const above = n + (n & -n);
      if (above < this.#sums.length) this.#sums[above] = (this.#sums[above] ?? 0) + sum;
      this.#total += weights[n - 1] ?? 0;
    }
  }

  get total(): number {
    return this.#total;
  }

  set(place: number, weight: number): void {
    const more = weight - (this.#weights[place] ?? 0);
    if (more === 0) return;
    this.#weights[place] = weight;
    this.#total += more;
    for (let n = place + 1; n < this.#sums.length; n += n & -n) {
      this.#sums[n] = (this.#sums[n] ?? 0) + more;
    }
  }

  /** `from`: 0 … total, total excluded. */
  find(from: number): number {
    let place = 0;
    let left = from;
    for (let step = this.#top; step > 0; step >>>= 1) {
      const sum = this.#sums[place + step];
      if (sum === undefined || sum > left) continue;
      place += step;
      left -= sum;
    }
    return place;
  }
}
