import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** A model provider's API as its own client libraries expect it, answering from nowhere. */
export interface Upstream {
  readonly url: string;
  readonly seen: {
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: Record<string, unknown>;
    readonly raw: string;
  }[];
  close(): Promise<void>;
}

const sse = (res: ServerResponse, events: readonly (readonly [string, unknown])[], named: boolean) => {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [type, data] of events)
    res.write(`${named ? `event: ${type}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  res.end();
};

function anthropic(res: ServerResponse, body: Record<string, unknown>): void {
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: body['model'],
    content: [{ type: 'text', text: 'Hello there' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 12, output_tokens: 34 },
  };
  if (body['stream'] !== true) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(message));
    return;
  }
  sse(
    res,
    [
      [
        'message_start',
        { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 12, output_tokens: 1 } } },
      ],
      ['content_block_start', { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }],
      ['content_block_delta', { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } }],
      ['content_block_delta', { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' there' } }],
      ['content_block_stop', { type: 'content_block_stop', index: 0 }],
      ['message_delta', { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 34 } }],
      ['message_stop', { type: 'message_stop' }],
    ],
    true,
  );
}

function chat(res: ServerResponse, body: Record<string, unknown>): void {
  const base = { id: 'chatcmpl-1', created: 1, model: body['model'] };
  const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46, completion_tokens_details: { reasoning_tokens: 20 } };
  if (body['stream'] !== true) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(
      JSON.stringify({
        ...base,
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
        usage,
      }),
    );
    return;
  }
  const part = (delta: unknown, finish: string | null) => ({
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  sse(
    res,
    [
      ['', part({ role: 'assistant', content: 'Hello' }, null)],
      ['', part({ content: ' there' }, null)],
      ['', part({}, 'stop')],
      ['', { ...base, object: 'chat.completion.chunk', choices: [], usage }],
      ['', '[DONE]'],
    ],
    false,
  );
}

function responses(res: ServerResponse, body: Record<string, unknown>): void {
  const response = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    status: 'completed',
    model: body['model'],
    output: [
      {
        type: 'message',
        id: 'm1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Hello there', annotations: [] }],
      },
    ],
    usage: { input_tokens: 12, output_tokens: 34, total_tokens: 46, output_tokens_details: { reasoning_tokens: 20 } },
  };
  if (body['stream'] !== true) {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(response));
    return;
  }
  sse(
    res,
    [
      [
        'response.created',
        { type: 'response.created', sequence_number: 0, response: { ...response, status: 'in_progress', output: [], usage: null } },
      ],
      [
        'response.output_text.delta',
        { type: 'response.output_text.delta', sequence_number: 1, item_id: 'm1', output_index: 0, content_index: 0, delta: 'Hello there' },
      ],
      ['response.completed', { type: 'response.completed', sequence_number: 2, response }],
    ],
    true,
  );
}

const THOUGHT = 'the secret thought';

/** An API whose bodies use names of their own: contents made of parts, usage in metadata, streamed as events. */
function ofParts(res: ServerResponse, stream: boolean): void {
  const candidate = (list: readonly unknown[], finish?: string) => ({
    candidates: [{ content: { role: 'model', parts: list }, ...(finish ? { finishReason: finish } : {}) }],
    ...(finish ? { usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 34, thoughtsTokenCount: 20 } } : {}),
  });
  const thought = { text: THOUGHT, thought: true };
  if (stream)
    sse(
      res,
      [
        ['', candidate([thought])],
        ['', candidate([{ text: 'Hello' }])],
        ['', candidate([{ text: ' there' }], 'STOP')],
      ],
      false,
    );
  else
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(candidate([thought, { text: 'Hello there' }], 'STOP')));
}

/** An API that streams one object a line. */
function byLines(res: ServerResponse, model: unknown): void {
  res.writeHead(200, { 'content-type': 'application/x-ndjson' });
  res.write(`${JSON.stringify({ model, message: { role: 'assistant', content: '', thinking: THOUGHT }, done: false })}\n`);
  res.write(`${JSON.stringify({ model, message: { role: 'assistant', content: 'Hello there' }, done: false })}\n`);
  res.end(`${JSON.stringify({ model, done: true, done_reason: 'stop', prompt_eval_count: 12, eval_count: 34 })}\n`);
}

/** A model that sends its thoughts whatever it is asked. */
function thinks(res: ServerResponse, url: string, body: Record<string, unknown>): void {
  const whole = (j: unknown) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(j));
  if (url.startsWith('/v1/messages')) {
    const text = { type: 'text', text: 'Hello there' };
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'thinks',
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 12, output_tokens: 34 },
    };
    if (body['stream'] !== true) {
      whole({ ...message, content: [{ type: 'thinking', thinking: THOUGHT, signature: 'x' }, text] });
      return;
    }
    sse(
      res,
      [
        ['message_start', { type: 'message_start', message: { ...message, content: [], stop_reason: null } }],
        [
          'content_block_start',
          { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
        ],
        ['content_block_delta', { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: THOUGHT } }],
        ['content_block_stop', { type: 'content_block_stop', index: 0 }],
        ['content_block_start', { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } }],
        ['content_block_delta', { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Hello there' } }],
        ['content_block_stop', { type: 'content_block_stop', index: 1 }],
        ['message_delta', { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 34 } }],
        ['message_stop', { type: 'message_stop' }],
      ],
      true,
    );
    return;
  }
  if (url.startsWith('/v1/responses')) {
    const message = {
      type: 'message',
      id: 'm1',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'Hello there', annotations: [] }],
    };
    const reasoning = { type: 'reasoning', id: 'r1', summary: [{ type: 'summary_text', text: THOUGHT }] };
    const response = {
      id: 'resp_1',
      object: 'response',
      created_at: 1,
      status: 'completed',
      model: 'thinks',
      output: [reasoning, message],
      usage: { input_tokens: 12, output_tokens: 34, total_tokens: 46 },
    };
    if (body['stream'] !== true) {
      whole(response);
      return;
    }
    sse(
      res,
      [
        ['response.output_item.added', { type: 'response.output_item.added', output_index: 0, item: reasoning }],
        ['response.reasoning_summary_text.delta', { type: 'response.reasoning_summary_text.delta', output_index: 0, delta: THOUGHT }],
        ['response.output_item.done', { type: 'response.output_item.done', output_index: 0, item: reasoning }],
        [
          'response.output_text.delta',
          { type: 'response.output_text.delta', item_id: 'm1', output_index: 1, content_index: 0, delta: 'Hello there' },
        ],
        ['response.completed', { type: 'response.completed', response }],
      ],
      true,
    );
    return;
  }
  const base = { id: 'chatcmpl-1', created: 1, model: 'thinks' };
  const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 };
  if (body['stream'] !== true) {
    whole({
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there', reasoning_content: THOUGHT }, finish_reason: 'stop' }],
      usage,
    });
    return;
  }
  const part = (delta: unknown, finish: string | null) => ({
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  sse(
    res,
    [
      ['', part({ role: 'assistant', reasoning_content: THOUGHT }, null)],
      ['', part({ content: 'Hello there', reasoning: THOUGHT }, null)],
      ['', part({}, 'stop')],
      ['', { ...base, object: 'chat.completion.chunk', choices: [], usage }],
      ['', '[DONE]'],
    ],
    false,
  );
}

export async function upstream(delayMs = 0): Promise<Upstream> {
  const seen: Upstream['seen'] = [];
  const server: Server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (p: Buffer) => parts.push(p));
    req.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
      seen.push({ path: req.url ?? '', headers: req.headers, body, raw: text });
      const answer = () => {
        const path = req.url ?? '';
        if (path.startsWith('/v1beta/models/')) {
          ofParts(res, path.includes(':stream'));
          return;
        }
        if (path === '/api/chat') {
          byLines(res, body['model']);
          return;
        }
        if (path.endsWith('/count_tokens')) {
          res.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":14}');
          return;
        }
        if (body['model'] === 'busy') {
          res.writeHead(429, { 'content-type': 'application/json' }).end('{"type":"error"}');
          return;
        }
        if (body['model'] === 'slow') {
          // Never comes to its end by itself.
          res.writeHead(200, { 'content-type': 'text/event-stream' });
          const clock = setInterval(
            () =>
              res.write(
                `event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"words"}}\n\n`,
              ),
            20,
          );
          res.on('close', () => clearInterval(clock));
          return;
        }
        if (body['model'] === 'untold') {
          // As a stream ends of which nobody asked what it used.
          res.writeHead(200, { 'content-type': 'text/event-stream' });
          res.end('data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n');
          return;
        }
        if (body['model'] === 'thinks') {
          thinks(res, req.url ?? '', body);
          return;
        }
        if (body['model'] === 'long') {
          // As much as anybody takes.
          res.writeHead(200, { 'content-type': 'application/octet-stream' });
          const more = () => {
            while (!res.destroyed && res.write(Buffer.alloc(1 << 20)));
          };
          res.on('drain', more);
          more();
          return;
        }
        if (req.url?.startsWith('/v1/messages')) anthropic(res, body);
        else if (req.url?.startsWith('/v1/chat/completions')) chat(res, body);
        else if (req.url?.startsWith('/v1/responses')) responses(res, body);
        else {
          res.writeHead(200, { 'content-type': 'application/json' });
          res.end(JSON.stringify({ object: 'list', data: [{ id: 'm-1', object: 'model' }] }));
        }
      };
      if (delayMs > 0) setTimeout(answer, delayMs);
      else answer();
    });
  });
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    close: () => {
      server.closeAllConnections();
      return new Promise((r) => server.close(() => r()));
    },
  };
}
