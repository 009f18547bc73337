// The gallery: which plans, in which order, a page of them at a time.

const PAGE_SIZE = 24;
const find = (selector, from = document) => from.querySelector(selector);

/** A new element. Text of reports goes in as text, never as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && name !== "list" && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
const thousands = (n) => n.toLocaleString("en");

/* What has arrived: the index, and the shards' texts and maps. */

let data = null;
const shards = new Map();

/** A shard's texts and maps, by a script of its own: a page from a disk may not fetch. */
function loadShard(number) {
  const name = data.shards[number];
  if (!shards.has(name)) {
    let arrived;
    const promise = new Promise((resolve, reject) => {
      arrived = resolve;
      document.head.append(make("script", { src: `shards/${name}.js`, onerror: () => reject(new Error(name)) }));
    });
    shards.set(name, { promise, arrived });
  }
  return shards.get(name).promise;
}

const pictures = new Map();

/** A sample's picture, decoded; the last few hundred are kept. */
function loadPicture(sample) {
  if (!pictures.has(sample)) {
    const picture = new Image();
    picture.src = data.pictures[sample];
    pictures.set(sample, picture.decode().then(() => picture));
    if (pictures.size > 300) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(sample);
}

/** All that a plan's pictures are drawn from. */
async function loadPlan(i) {
  const { host, donor, hostMap, donorMap, shard } = data.plans;
  const [texts, ...both] = await Promise.all([loadShard(shard[i]), loadPicture(host[i]), loadPicture(donor[i])]);
  return {
    texts, host: both[0], donor: both[1],
    hostMap: readMap(texts.samples[host[i]].maps[hostMap[i]]),
    donorMap: readMap(texts.samples[donor[i]].maps[donorMap[i]]),
  };
}

/* Orders. Each is worked out once, when it is first asked for. */

const orders = new Map();

function sorted(key) {
  const keys = Array.from(data.plans.id, (_, i) => key(i));
  return keys.map((_, i) => i).sort((a, b) => keys[a] - keys[b] || a - b);
}

function frequency(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** A donor's map that is odd is so in all of its plans: one of them comes first, then the second of each … */
function eachDonorOnce(list) {
  const met = new Map();
  const rounds = list.map((i) => {
    const map = data.plans.donor[i] * 1000 + data.plans.donorMap[i];
    const round = (met.get(map) ?? -1) + 1;
    met.set(map, round);
    return round;
  });
  return list.map((_, at) => at).sort((a, b) => rounds[a] - rounds[b] || a - b).map((at) => list[at]);
}

/** The oddest in turn: lowest presence, largest map, rarest finding; each plan once, with its reason. */
function oddFirst() {
  const turns = [["presence", "lowest presence"], ["area", "largest map"], ["rare", "rarest finding"]];
  const lists = turns.map(([name]) => eachDonorOnce(order(name)));
  const seen = new Set();
  const next = [0, 0, 0];
  const out = [];
  data.odd = new Map();
  while (out.length < data.plans.id.length) {
    lists.forEach((list, turn) => {
      while (next[turn] < list.length && seen.has(list[next[turn]])) next[turn] += 1;
      const plan = list[next[turn]];
      if (plan === undefined) return;
      seen.add(plan);
      if (out.length < 300) data.odd.set(plan, turns[turn][1]);
      out.push(plan);
    });
  }
  return out;
}

const ORDERS = {
  odd: oddFirst,
  presence: () => sorted((i) => data.plans.presence[i]),
  "presence-high": () => sorted((i) => -data.plans.presence[i]),
  area: () => sorted((i) => -data.plans.area[i]),
  "area-small": () => sorted((i) => data.plans.area[i]),
  rare: () => {
    const plans = frequency(data.plans.finding);
    return sorted((i) => plans.get(data.plans.finding[i]));
  },
  reused: () => sorted((i) => -data.sentences[data.plans.sentence[i]][1]),
  kept: () => sorted((i) => data.plans.kept[i]),
  // ids are hashes: their order is as good as chance, and the same each time
  chance: () => data.plans.id.map((_, i) => i).sort((a, b) => (data.plans.id[a] < data.plans.id[b] ? -1 : 1)),
  stored: () => data.plans.id.map((_, i) => i),
};

function order(name) {
  if (!orders.has(name)) orders.set(name, ORDERS[name]());
  return orders.get(name);
}

/* Filters. */

const state = { finding: "", view: "", split: "", q: "", low: "", high: "", sort: "odd" };
let matching = [];
let page = 0;

/** Sentences and samples that hold what is searched for, so that each is looked at once and not for every plan. */
function searcher(query) {
  const wanted = query.trim().toLowerCase();
  if (!wanted) return () => true;
  const sentences = data.sentences.map(([text]) => text.toLowerCase().includes(wanted));
  const samples = data.samples.map((id) => id.toLowerCase().includes(wanted));
  const { id, sentence, host, donor } = data.plans;
  return (i) => sentences[sentence[i]] || samples[host[i]] || samples[donor[i]] || id[i].startsWith(wanted);
}

function filtered() {
  const among = (column, names, name) => {
    if (!name) return () => true;
    const wanted = names.indexOf(name);
    return (i) => column[i] === wanted;
  };
  const { finding, view, split, presence } = data.plans;
  const low = state.low === "" ? -1 : Number(state.low);
  const high = state.high === "" ? 2 : Number(state.high);
  const tests = [
    among(finding, data.findings, state.finding), among(view, data.views, state.view),
    among(split, data.splits, state.split), searcher(state.q), (i) => presence[i] >= low && presence[i] <= high,
  ];
  return order(state.sort).filter((i) => tests.every((test) => test(i)));
}

/* Cards. */

function shot(caption, content) {
  return make("span", { class: "shot" }, content, make("b", { "aria-hidden": "true" }, caption));
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    drawCard(target);
  }
}, { rootMargin: "400px" });

let drawing = Promise.resolve();

/** Draw a card when it is its turn: one at a time, so that a key or a click is never kept waiting for more than one. */
async function drawCard(card) {
  const i = Number(card.dataset.plan);
  const plan = await loadPlan(i);
  drawing = drawing.then(() => new Promise((next) => setTimeout(next)));
  await drawing;
  if (!card.isConnected) return;
  const [over, mix] = card.querySelectorAll("canvas");
  drawHeat(over, plan.donor, plan.donorMap);
  drawMix(mix, plan.host, plan.donor, data.plans.kept[i], plan.donorMap, data.map === "union" ? plan.hostMap : null);
  card.dataset.drawn = "yes";
}

function cardOf(i) {
  const { finding, view, split, presence, area, kept, host, sentence } = data.plans;
  const [text, uses] = data.sentences[sentence[i]];
  const reason = state.sort === "odd" ? data.odd.get(i) : null;
  const told = [`presence ${presence[i].toFixed(2)}`, `map ${percent(area[i])}`, `λ ${kept[i].toFixed(2)}`];
  if (uses > 1) told.push(`sentence in ${thousands(uses)} plans`);
  const figs = told.flatMap((text, at) => [at ? " · " : "", make("span", {}, text)]);
  const card = make(
    "button", { type: "button", class: "card", "data-plan": String(i) },
    make(
      "span", { class: "trio" },
      shot("host", make("img", { src: data.pictures[host[i]], alt: "", loading: "lazy", decoding: "async" })),
      shot("donor + map", make("canvas", { width: 1, height: 1, "aria-hidden": "true" })),
      shot("mix", make("canvas", { width: 1, height: 1, "aria-hidden": "true" })),
    ),
    make(
      "span", { class: "told" },
      make("span", { class: "head" }, data.findings[finding[i]], make("span", {}, `${data.views[view[i]]} · ${data.splits[split[i]]}`)),
      make("span", { class: "lent" }, text),
      make("span", { class: "figs" }, ...(reason ? [make("span", { class: "odd" }, reason)] : []), ...figs),
    ),
  );
  watcher.observe(card);
  return make("li", {}, card);
}

/** Show the page's plans anew. `why` names the measurement that the browser's performance tools keep from `since`. */
function show(why, since = performance.now()) {
  if (why !== "page") {
    matching = filtered();
    page = 0;
  }
  const pages = Math.max(1, Math.ceil(matching.length / PAGE_SIZE));
  page = Math.min(pages - 1, Math.max(0, page));
  watcher.disconnect();
  find("#cards").replaceChildren(...matching.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE).map(cardOf));
  const all = data.plans.id.length;
  find("#count").textContent = matching.length === all
    ? `${thousands(all)} plans` : `${thousands(matching.length)} of ${thousands(all)} plans`;
  find("#pages").hidden = pages === 1;
  find("#where").textContent = `page ${thousands(page + 1)} of ${thousands(pages)}`;
  for (const button of document.querySelectorAll("#pages button")) {
    const back = ["first", "-1"].includes(button.dataset.step);
    button.disabled = back ? page === 0 : page === pages - 1;
  }
  // what a person waits for ends when the next frame is painted
  requestAnimationFrame(() => setTimeout(() => performance.measure(why, { start: since, end: performance.now() })));
}
