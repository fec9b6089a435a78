import { createServer } from 'node:http';

/** A model API that answers from nowhere: `node upstream.js PORT`. Streams 20 chunks, 10 ms apart, each with the moment it was written. */
const BODY = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(800) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 500, completion_tokens: 200 },
});
const CHUNKS = 20;

createServer((req, res) => {
  let stream = false;
  req.on('data', (d: Buffer) => {
    stream ||= d.includes('"stream":true');
  });
  req.on('end', () => {
    if (!stream) {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length });
      res.end(BODY);
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    let n = 0;
    const clock = setInterval(() => {
      n += 1;
      const at = performance.timeOrigin + performance.now();
      res.write(
        `data: {"object":"chat.completion.chunk","at":${at.toFixed(3)},"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n`,
      );
      if (n === CHUNKS) {
        clearInterval(clock);
        res.end(
          'data: {"object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":500,"completion_tokens":20}}\n\ndata: [DONE]\n\n',
        );
      }
    }, 10);
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
