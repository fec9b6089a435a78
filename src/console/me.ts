import { useEffect } from 'preact/hooks';
import { get } from './api.ts';
import { useAsked, useFresh } from './bits.tsx';
import type { Me } from './types.ts';

/** Who sits here, and whether anything is enforced, which somebody may switch meanwhile; null until the server has said. */
export function useMe(): Me | null {
  const asked = useAsked(() => get<Me>('/v1/me'), []);
  useFresh(asked.again);
  useEffect(() => {
    addEventListener('mode', asked.again);
    return () => removeEventListener('mode', asked.again);
  });
  return asked.value;
}
