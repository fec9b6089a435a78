import { probability } from '../campaigns/stats.ts';
import type { Dossier, Evidence, Finding } from '../model/dossier.ts';
import { odds, sure } from '../model/odds.ts';
import { html as e } from './inert.ts';
import { BESIDE, bound, count } from './words.ts';

const pct = (x: number): string => `${(100 * x).toFixed(x < 0.1 ? 1 : 0)} %`;

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2330;--soft:#5a6478;--line:#d9dde6;--bg:#fff;--card:#f6f7fa;--up:#1f6f8b;--down:#b4552d;--mark:#c2334d}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9f0;--soft:#9aa4b8;--line:#333b4d;--bg:#12151c;--card:#1a1f2a;--up:#5fb7d4;--down:#e2926c;--mark:#ff6b85}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1060px;padding:28px 20px 60px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg)}
h1{font-size:24px;margin:0 0 4px}h2{font-size:20px;margin:36px 0 6px}h3{font-size:15px;margin:22px 0 8px}p{margin:6px 0}.soft{color:var(--soft)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 18px;margin:10px 0}.warn{border-color:var(--mark)}
table{border-collapse:collapse;width:100%;font-size:13.5px}th,td{text-align:left;padding:4px 8px;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.axes{display:flex;gap:12px;flex-wrap:wrap}.axes div{flex:1 1 150px}.big{font-size:24px;font-weight:650}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}svg .s{fill:var(--soft)}.up{fill:var(--up)}.down{fill:var(--down)}.zero{stroke:var(--line)}
.mask summary{cursor:pointer;color:var(--soft)}pre{white-space:pre-wrap;word-break:break-word;background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:8px;max-height:240px;overflow:auto}
details>summary{cursor:pointer}.scroll{max-height:420px;overflow:auto}code{font-size:13px}td a,td:first-child{white-space:nowrap}
@media print{.scroll{max-height:none}body{max-width:none}section{break-before:page}.mask>:not(summary){display:none}details:not(.mask)::details-content{content-visibility:visible;display:block;height:auto}}`;

/** Bits that add up to each confidence, as a waterfall: where a row starts is what the rows above it came to. */
function waterfall(list: readonly Evidence[]): string {
  const rows = list.filter((x) => x.bits !== 0);
  let at = 0;
  let low = 0;
  let high = 0;
  for (const r of rows) {
    at += r.bits;
    low = Math.min(low, at);
    high = Math.max(high, at);
  }
  const W = 760;
  const left = 190;
  const x = (b: number) => left + ((b - low) / Math.max(1, high - low)) * (W - left - 60);
  let sum = 0;
  const bars = rows.map((r, i) => {
    const from = sum;
    sum += r.bits;
    const a = x(Math.min(from, sum));
    const b = x(Math.max(from, sum));
    const y = 8 + i * 22;
    return `<g><title>${e(r.reason)}</title><text x="${left - 8}" y="${y + 12}" text-anchor="end">${e(r.signal)}</text><rect class="${r.bits > 0 ? 'up' : 'down'}" x="${a.toFixed(1)}" y="${y}" width="${Math.max(1.5, b - a).toFixed(1)}" height="15" rx="2"/><text class="s" x="${(b + 5).toFixed(1)}" y="${y + 12}">${r.bits > 0 ? '+' : ''}${r.bits.toFixed(2)}</text></g>`;
  });
  const h = rows.length * 22 + 34;
  return `<svg viewBox="0 0 ${W} ${h}" width="100%" role="img" aria-label="evidence in bits"><line class="zero" x1="${x(0)}" x2="${x(0)}" y1="0" y2="${h - 22}"/>${bars.join('')}<text x="${left - 8}" y="${h - 8}" text-anchor="end" font-weight="650">sum</text><text x="${Math.min(x(sum) + 5, W - 240).toFixed(1)}" y="${h - 8}">${sum.toFixed(2)} bits, probability ${odds(probability(sum), 3)}</text></svg>`;
}

function timeline(f: Finding): string {
  const days = f.timeline;
  const most = Math.max(1, ...days.map((d) => d.exchanges));
  const W = 760;
  const step = (W - 60) / Math.max(1, days.length);
  const bars = days.map((d, i) => {
    const h = (d.exchanges / most) * 90;
    const mark =
      d.closed > 0 ? `<text x="${(50 + i * step + step / 2).toFixed(1)}" y="10" text-anchor="middle" class="s">${d.closed}×</text>` : '';
    return `<g><title>${e(d.day)}: ${d.exchanges} exchanges, ${d.accounts} accounts, ${d.joined} joined, ${d.closed} closed</title><rect class="up" x="${(50 + i * step).toFixed(1)}" y="${(106 - h).toFixed(1)}" width="${Math.max(1, step - 2).toFixed(1)}" height="${h.toFixed(1)}"/>${mark}</g>`;
  });
  return `<svg viewBox="0 0 ${W} 128" width="100%" role="img" aria-label="exchanges a day"><text class="s" x="44" y="24" text-anchor="end">${most}</text>${bars.join('')}<text class="s" x="50" y="124">${e(days[0]?.day ?? '')}</text><text class="s" x="${W - 10}" y="124" text-anchor="end">${e(days.at(-1)?.day ?? '')}</text></svg>`;
}

function mix(f: Finding): string {
  const keys = [...new Set([...Object.keys(f.capabilities), ...Object.keys(f.population_capabilities)])];
  if (keys.length === 0) return '<p class="soft">No text was at hand to classify.</p>';
  return `<table><tr><th>capability</th><th class="n">these accounts</th><th class="n">population</th></tr>${keys.map((k) => `<tr><td>${e(k)}</td><td class="n">${pct(f.capabilities[k] ?? 0)}</td><td class="n">${pct(f.population_capabilities[k] ?? 0)}</td></tr>`).join('')}</table><p class="soft">Told by a small linear model, right for four in ten prompts of sources it never saw; no confidence rests on it.</p>`;
}

/** A figure in three digits, as people write numbers. */
const figure = (v: number | null | undefined): string =>
  v === null || v === undefined || !Number.isFinite(v)
    ? ''
    : Math.abs(v) >= 1000
      ? count(Math.round(v))
      : Math.abs(v) < 5e-5
        ? '0'
        : String(Number(v.toPrecision(3)));

function evidenceTable(list: readonly Evidence[]): string {
  return `<table><tr><th>axis</th><th>signal</th><th>family</th><th class="n">bits</th><th class="n">figure</th><th class="n">honest 5 % – median – 95 %</th><th>reason</th></tr>${list
    .map((x) => {
      const r = x.reference;
      const ref = r.median === null ? '' : `${figure(r.low)} – ${figure(r.median)} – ${figure(r.high)}`;
      const outcome = x.outcome === 'fired' || x.outcome === 'quiet' ? '' : ` <em>(${x.outcome})</em>`;
      return `<tr><td>${e(x.axis)}</td><td>${e(x.signal)}</td><td>${e(x.family)}</td><td class="n">${x.bits.toFixed(2).replace(/^-0\.00$/, '0.00')}</td><td class="n">${figure(x.figure)}</td><td class="n">${ref}</td><td>${e(x.reason)}${outcome} <span class="soft">[${x.kind}]</span></td></tr>`;
    })
    .join('')}</table>`;
}

const lines = (text: string): string => e(text).replaceAll('\\u000a', '\n');

function exemplars(f: Finding): string {
  // Ids are an account's own: two accounts may use one.
  const seen = new Map(f.evidence.flatMap((x) => x.exemplars).map((x) => [`${x.account}\0${x.exchange}`, x]));
  if (seen.size === 0) return '<p class="soft">None kept.</p>';
  return [...seen.values()]
    .map(
      (x) =>
        `<details class="mask"><summary>${e(x.exchange)} · ${e(x.account)} · ${e(x.time)} — ${x.text === undefined ? 'text not retained' : 'masked; click to reveal'}</summary>${x.system ? `<p class="soft">system</p><pre>${lines(x.system)}</pre><p class="soft">user</p>` : ''}${x.text === undefined ? '' : `<pre>${lines(x.text)}</pre>`}</details>`,
    )
    .join('');
}

function beside(f: Finding): string {
  if (!f.beside) return '';
  return `<h3>Not named: accounts that draw on the pool or send its sentence, beside work of their own or with nothing that ties them (${f.beside.length})</h3><p class="soft">${BESIDE} Ask the owner before anything is done.</p><div class="scroll"><table><tr><th>account</th><th class="n">exchanges</th><th class="n">share (95 %)</th></tr>${f.beside.map((a) => `<tr><td><code>${e(a.account)}</code></td><td class="n">${a.exchanges}</td><td class="n">${a.share.toFixed(2)} (${a.share_low.toFixed(2)}–${a.share_high.toFixed(2)})</td></tr>`).join('')}</table></div>`;
}

function section(f: Finding, missing: readonly string[] = []): string {
  const by = (axis: string) => f.evidence.filter((x) => x.axis === axis);
  return `<section id="${e(f.id)}"><h2>${e(f.id)}: ${e(f.title)}</h2><p>${e(f.summary)}</p>${missing.length > 0 ? `<div class="card warn"><b>Undecided.</b> What is missing:<ul>${missing.map((m) => `<li>${e(m)}</li>`).join('')}</ul></div>` : ''}
<div class="axes"><div class="card"><div class="soft">confidence</div><div class="big">${sure(f.confidence)}</div><div class="soft">coordination × extraction</div></div><div class="card"><div class="soft">coordination</div><div class="big">${odds(f.axes.coordination)}</div></div><div class="card"><div class="soft">extraction</div><div class="big">${odds(f.axes.extraction)}</div></div><div class="card"><div class="soft">concealment (enters nothing)</div><div class="big">${odds(f.axes.concealment)}</div></div></div>
<p class="soft">Calibrated on ${e(f.calibrated_on)}. ${e(f.kind)}.</p>
<h3>Why these accounts are thought to be one hand</h3>${waterfall(by('coordination'))}
<h3>Why what they take is thought fit to train a model</h3>${waterfall(by('extraction'))}
<details><summary>Every signal, with its figure and what honest cohorts show</summary>${evidenceTable(f.evidence)}</details>
<h3>Innocent explanations tested</h3><table>${f.explanations.map((x) => `<tr><td>${e(x.kind)}</td><td>${x.fits ? '<b>fits</b>' : 'does not fit'}</td><td>${e(x.reason)}</td></tr>`).join('')}</table>
<h3>Timeline</h3>${timeline(f)}
<h3>What was taken</h3><p>By each account's share: ${count(f.loot.exchanges)} exchanges, ${count(f.loot.distinct_items)} distinct items, ${count(f.loot.output_tokens)} output tokens${f.loot.reasoning_tokens > 0 ? `, ${count(f.loot.reasoning_tokens)} reasoning tokens` : ''}, ${f.loot.days} days; models: ${Object.entries(
    f.models,
  )
    .map(([m, n]) => `${e(m)} (${count(n)})`)
    .join(', ')}.</p>${mix(f)}
<h3>Indicators</h3>${f.indicators.some((i) => i.text !== undefined) ? '<p class="soft">Sentences stand as they are compared: in lower case, every digit as 0. Others: accounts outside of this finding that show the value, of whatever kind they are.</p>' : ''}${f.indicators.length === 0 ? '<p class="soft">None of their own.</p>' : `<table><tr><th>kind</th><th>value</th><th class="n">members</th><th class="n">others</th><th class="n">bits of rarity</th></tr>${f.indicators.map((i) => `<tr><td>${e(i.kind)}</td><td>${i.text === undefined ? `<code>${e(i.value)}</code>` : `<details class="mask"><summary><code>${e(i.value)}</code> — masked; click to reveal</summary><pre>${lines(i.text)}</pre></details>`}</td><td class="n">${i.accounts}</td><td class="n">${i.others}${i.untold === undefined ? '' : ` (${i.untold} without text)`}</td><td class="n">${i.bits}</td></tr>`).join('')}</table>`}
<h3>Exemplar exchanges</h3>${exemplars(f)}
<h3>Accounts (${f.accounts.length})</h3><div class="scroll"><table><tr><th>account</th><th class="n">membership</th><th class="n">exchanges</th><th class="n">share (95 %)</th><th>first seen</th><th>last seen</th></tr>${f.accounts.map((a) => `<tr><td><code>${e(a.account)}</code></td><td class="n">${odds(a.membership, 3)}</td><td class="n">${a.exchanges}</td><td class="n">${a.share.toFixed(2)} (${a.share_low.toFixed(2)}–${a.share_high.toFixed(2)})</td><td>${e(a.first_seen.slice(0, 16))}</td><td>${e(a.last_seen.slice(0, 16))}</td></tr>`).join('')}</table></div>
${beside(f)}<h3>Recommended</h3><p>${e(f.recommended.action)}. ${missing.length > 0 ? 'Acting on all of them' : 'It'} would touch ${count(f.recommended.blast_radius.accounts)} accounts and ${count(f.recommended.blast_radius.exchanges)} exchanges, about ${count(f.recommended.blast_radius.innocent_exchanges_estimated)} of them ${missing.length > 0 ? 'innocent, at these odds' : "not the campaign's"}.</p></section>`;
}

/** One self-contained page: opens from disk, prints, loads nothing. */
export function html(d: Dossier): string {
  const c = d.coverage;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>Stillwatch: ${d.campaigns.length} ${d.campaigns.length === 1 ? 'campaign' : 'campaigns'}</title><style>${STYLE}</style></head><body><main>
<h1>Stillwatch dossier</h1><p class="soft">${e(d.generated)} · ${count(c.exchanges)} exchanges of ${count(c.accounts)} accounts${d.window.from ? ` · ${e(d.window.from.slice(0, 10))} to ${e(d.window.to?.slice(0, 10) ?? '')}` : ''} · ${d.tested.cohorts} cohorts tested against ${d.tested.null_cohorts} null cohorts</p>
${c.complete ? '' : '<div class="card warn"><b>Incomplete:</b> some input could not be read. See coverage.</div>'}
<div class="card">The tool suspects, a person decides, the subject can answer. Facts are marked apart from inferences; confidence says what it was calibrated on. ${e(bound(d))}</div>
${d.campaigns.length === 0 ? '<p><b>No campaign found.</b></p>' : `<table><tr><th>campaign</th><th class="n">confidence</th><th class="n">accounts</th><th class="n">exchanges</th><th>since</th><th>summary</th></tr>${d.campaigns.map((f) => `<tr><td><a href="#${e(f.id)}">${e(f.id)}</a></td><td class="n">${sure(f.confidence)}</td><td class="n">${f.accounts.length}</td><td class="n">${count(f.exchanges)}</td><td>${e(f.first_seen.slice(0, 10))}</td><td>${e(f.summary)}</td></tr>`).join('')}</table>`}
${d.campaigns.map((f) => section(f)).join('')}
${d.undecided.length === 0 ? '' : `<h2>Undecided (${d.undecided.length})</h2><p class="soft">Not enough to name anyone; what is missing stands with each. The first are those that most may hang on: confidence times output tokens.</p>${d.undecided.map((u) => `<details><summary>${e(u.id)}: ${e(u.title)}, confidence ${sure(u.confidence)}</summary>${section(u as unknown as Finding, u.missing)}</details>`).join('')}`}
<h2>Cleared, or of another kind (${d.look_alikes.length})</h2><table><tr><th>cohort</th><th class="n">accounts</th><th class="n">exchanges</th><th>kind</th><th>what cleared it</th></tr>${d.look_alikes.map((l) => `<tr><td>${e(l.id)}</td><td class="n">${l.accounts.length}</td><td class="n">${count(l.exchanges)}</td><td>${e(l.kind)}</td><td>${e(l.explanation)}</td></tr>`).join('')}</table>
<h2>Coverage</h2><table><tr><th>file</th><th>format</th><th>state</th><th class="n">lines</th><th class="n">accepted</th><th class="n">rejected</th><th class="n">duplicates</th><th>note</th></tr>${c.files.map((f) => `<tr><td>${e(f.name)}</td><td>${e(f.format)}</td><td>${e(f.state)}</td><td class="n">${f.lines}</td><td class="n">${f.accepted}</td><td class="n">${f.rejected}</td><td class="n">${f.duplicates}</td><td>${e(f.note)}</td></tr>`).join('')}</table>
<p>${count(c.rejected)} rejected${c.reasons.length > 0 ? `: ${c.reasons.map((r) => `${e(r.reason)} ${r.lines}`).join(', ')}` : ''}. ${pct(c.with_text)} of exchanges bring new text of a user (a step that hands back a tool's result brings none).</p>
<ul>${c.not_applicable.map((x) => `<li>${e(x.signal)}: not applicable, ${e(x.because)}</li>`).join('')}${c.lost.map((l) => `<li><b>lost data:</b> ${e(l)}</li>`).join('')}</ul></main></body></html>
`;
}
