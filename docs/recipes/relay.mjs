// A relay between Stillwatch's webhooks and what a team works in. Node 20.19 or later, nothing to install.
//
//   STILLWATCH_HOOK_SECRET=...            the secret of the webhook in stillwatch.yaml; calls that are not signed with it are refused
//   PORT=8095                             where it listens (127.0.0.1); webhooks: [{url: "http://127.0.0.1:8095/", secret_file: ...}]
//   SLACK_URL=https://hooks.slack.com/... an incoming webhook
//   JIRA_URL=https://x.atlassian.net JIRA_AUTH="mail:token" JIRA_PROJECT=TS
//   SIEM_FILE=/var/log/stillwatch.ndjson  one event a line (or SIEM_URL, to which each event is posted)
//
// A call is answered with 200 only when everything it was to be passed to has taken it: otherwise Stillwatch sends it again. What was passed on already is not
// passed on twice: entries carry an idempotency key.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const env = process.env;
const SECRET = env.STILLWATCH_HOOK_SECRET ?? '';
const OLDEST_MS = 5 * 60_000;
if (SECRET === '') throw new Error('STILLWATCH_HOOK_SECRET is not set');

/** Places that took an entry already. */
const done = new Map();

function signed(header, body, now) {
  const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header ?? '');
  if (!m || Math.abs(now - Number(m[1])) > OLDEST_MS) return false;
  const own = createHmac('sha256', SECRET).update(`${m[1]}.${body}`).digest();
  return timingSafeEqual(own, Buffer.from(m[2], 'hex'));
}

/** What happened, as a sentence. */
function sentence(e) {
  const c = typeof e.case === 'object' ? e.case : null;
  const b = typeof e.barrier === 'object' ? e.barrier : null;
  const about = c ? `${c.title} (case ${c.id}, confidence ${Number(c.confidence).toFixed(2)})` : b ? `${b.action} on ${b.accounts.length} accounts (barrier ${b.id})` : '';
  return `${e.type.replace('.', ' ')}: ${about || e.gate?.reason || e.about || e.id} by ${e.by}${e.reason ? `: ${e.reason}` : ''}`;
}

async function call(url, body, headers = {}) {
  const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
  if (!r.ok) throw new Error(`${new URL(url).host} answered ${r.status}`);
}

// `&`, `<` and `>` are markup in Slack; text of cases is a person's or a log's.
const slackText = (s) => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const PLACES = {
  slack: async (e) => {
    if (env.SLACK_URL && ['case.opened', 'barrier.proposed', 'barrier.approved', 'appeal.filed'].includes(e.type))
      await call(env.SLACK_URL, { text: slackText(sentence(e)) });
  },
  jira: async (e) => {
    if (!env.JIRA_URL || e.type !== 'case.opened') return;
    const fields = {
      project: { key: env.JIRA_PROJECT ?? 'TS' },
      issuetype: { name: 'Task' },
      summary: sentence(e).slice(0, 250),
      description: { type: 'doc', version: 1, content: [{ type: 'paragraph', content: [{ type: 'text', text: JSON.stringify(e.case?.id ?? e.id) }] }] },
      labels: ['stillwatch', String(e.case?.id ?? e.id)],
    };
    await call(`${env.JIRA_URL}/rest/api/3/issue`, { fields }, { authorization: `Basic ${Buffer.from(env.JIRA_AUTH ?? '').toString('base64')}` });
  },
  siem: async (e) => {
    if (env.SIEM_FILE) appendFileSync(env.SIEM_FILE, `${JSON.stringify(e)}\n`);
    if (env.SIEM_URL) await call(env.SIEM_URL, e);
  },
};

createServer((req, res) => {
  const parts = [];
  req.on('data', (p) => parts.push(p));
  req.on('end', async () => {
    const body = Buffer.concat(parts).toString('utf8');
    if (!signed(req.headers['stillwatch-signature'], body, Date.now())) return void res.writeHead(401).end();
    const e = JSON.parse(body);
    const had = done.get(e.id) ?? new Set();
    done.set(e.id, had);
    if (done.size > 10_000) done.delete(done.keys().next().value);
    try {
      for (const [name, pass] of Object.entries(PLACES)) {
        if (had.has(name)) continue;
        await pass(e);
        had.add(name);
      }
      res.writeHead(200).end();
    } catch (error) {
      console.error(`${e.type} ${e.id}: ${error.message}`);
      res.writeHead(502).end();
    }
  });
}).listen(Number(env.PORT ?? 8095), '127.0.0.1', function () {
  console.error(`relay on 127.0.0.1:${this.address().port}`);
});
