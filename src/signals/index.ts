import { breadthSignal } from './breadth.ts';
import { clientSignal } from './client.ts';
import { deckSignal } from './deck.ts';
import { elicitationSignal } from './elicitation.ts';
import { formSignal } from './form.ts';
import { freshSignal } from './fresh.ts';
import { haulSignal } from './haul.ts';
import { identitySignal } from './identity.ts';
import { lockstepSignal } from './lockstep.ts';
import { networkSignal } from './network.ts';
import { outputSignal } from './output.ts';
import { partitionSignal } from './partition.ts';
import { pivotSignal } from './pivot.ts';
import { ratesSignal } from './rates.ts';
import { relaySignal } from './relay.ts';
import { scaffoldSignal } from './scaffold.ts';
import { sessionsSignal } from './sessions.ts';
import type { Signal } from './signal.ts';
import { signupSignal } from './signup.ts';
import { singleUseSignal } from './single-use.ts';
import { sleeplessSignal } from './sleepless.ts';
import { successionSignal } from './succession.ts';
import { togetherSignal } from './together.ts';

/** Every signal that earns bits. Order is the order of the ledger. */
export const SIGNALS: readonly Signal<never>[] = [
  deckSignal,
  partitionSignal,
  scaffoldSignal,
  networkSignal,
  clientSignal,
  formSignal,
  identitySignal,
  relaySignal,
  signupSignal,
  ratesSignal,
  sessionsSignal,
  sleeplessSignal,
  lockstepSignal,
  togetherSignal,
  successionSignal,
  pivotSignal,
  elicitationSignal,
  singleUseSignal,
  outputSignal,
  haulSignal,
  breadthSignal,
  freshSignal,
] as unknown as readonly Signal<never>[];
