// A number and what it counts.

export type FigureProps = {
  readonly value: string;
  readonly label: string;
  readonly isBad?: boolean;
};

export function Figure({ value, label, isBad = false }: FigureProps) {
  return (
    <span class="figure">
      <b class={isBad ? 'bad' : ''}>{value}</b> <span class="muted">{label}</span>
    </span>
  );
}
