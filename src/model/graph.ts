/** The picture of what accounts share, as the console draws it. */
export interface GraphNode {
  readonly id: string;
  readonly kind: 'value' | 'group' | 'account';
  readonly label: string;
  /** Accounts it stands for, or that show the value. */
  readonly accounts: number;
  readonly bits: number;
  readonly x: number;
  readonly y: number;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** Pairs of places in `nodes`. */
  readonly edges: readonly (readonly [number, number])[];
  readonly kinds: readonly string[];
  /** Groups that stand open, and which of their accounts are drawn. */
  readonly opened: readonly { readonly id: string; readonly accounts: number; readonly from: number; readonly shown: number }[];
  /** Accounts that show none of the values, which are not drawn. */
  readonly untied: number;
  /** Nodes beyond the limit, which are not drawn. */
  readonly leftOut: number;
}
