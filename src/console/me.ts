import { get } from './api.ts';
import { useAsked } from './bits.tsx';
import type { Me } from './types.ts';

/** Who sits here; null until the server has said. */
export const useMe = (): Me | null => useAsked(() => get<Me>('/v1/me'), []).value;
