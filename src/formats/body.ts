import { asMessages, type Column } from './format.ts';

/** Parts of a text in Gemini's way. */
const PARTS = 'parts Array(Tuple(text String))';
const joined = (parts: string): string => `arrayStringConcat(arrayFilter(t -> t != '', arrayMap(p -> p.text, ${parts})), '\\n')`;

/**
 * What providers' APIs are sent, as one tuple: Anthropic Messages, OpenAI Chat Completions, Responses and (legacy) Completions, Gemini's `generateContent`.
 * @param json SQL of the body as JSON text
 */
export const bodyOf = (json: string): string =>
  `JSONExtract(${json}, 'Tuple(model String, system String, instructions String, tools String, temperature Nullable(Float64), top_p Nullable(Float64), max_tokens Nullable(UInt64), max_completion_tokens Nullable(UInt64), max_output_tokens Nullable(UInt64), thinking String, reasoning String, messages Array(Tuple(role String, content String)), input String, prompt String, contents Array(Tuple(role String, ${PARTS})), systemInstruction Tuple(${PARTS}), system_instruction Tuple(${PARTS}), generationConfig String, conversation String, previous_response_id String)')`;

/** Contents as Gemini's API takes them. */
export const contents = (list: string): string => `arrayMap(c -> (if(c.role = '', 'user', c.role), ${joined('c.parts')}), ${list})`;
export const CONTENTS = `Array(Tuple(role String, ${PARTS}))`;

/** A prompt of the older API, or several of them; numbers are tokens, which nobody reads. */
const prompts = (text: string): string =>
  `if(startsWith(${text}, '['), arrayFilter(m -> m.2 != '', arrayMap(p -> ('user', p), JSONExtract(${text}, 'Array(String)'))), ${asMessages(text)})`;

/** Canonical columns out of such a tuple. */
export const askedIn = (
  q: string,
): Readonly<Record<'messages' | 'system' | 'tools' | 'params', string>> & Partial<Record<Column, string>> => ({
  messages: `multiIf(notEmpty(${q}.messages), ${q}.messages, notEmpty(${q}.contents), ${contents(`${q}.contents`)}, ${q}.input != '', ${asMessages(`${q}.input`)}, ${prompts(`${q}.prompt`)})`,
  system: `multiIf(${q}.system != '', ${q}.system, ${q}.instructions != '', ${q}.instructions, notEmpty(${q}.systemInstruction.parts), ${joined(`${q}.systemInstruction.parts`)}, ${joined(`${q}.system_instruction.parts`)})`,
  tools: `${q}.tools`,
  params: `concat(${['temperature', 'top_p', 'max_tokens', 'max_completion_tokens', 'max_output_tokens']
    .map((name) => `ifNull(toString(${q}.${name}), '')`)
    .join(", '|', ")}, '|', ${q}.thinking, '|', ${q}.reasoning, ${q}.generationConfig)`,
});

/** Calls of an API that ask no model for an answer, by the path they went to or their model. */
export const NO_ANSWER =
  'embedding|image|moderation|rerank|transcription|translations|speech|/audio|/files|/batches|vector_store|dall-e|whisper';
