// One plan, close: its pictures large, both reports side by side, labels before and after.

const dialog = document.getElementById("close");
const SAID = ["", "absent", "uncertain", "present"];
let wanted = -1;

/** A report in pieces: what stays as text, what an edit touches as `mark(edit)`. */
function pieces(text, edits, mark) {
  const out = [];
  let at = 0;
  for (const [start, end, put] of edits) {
    out.push(text.slice(at, start), ...mark(text.slice(start, end), put));
    at = end;
  }
  return [...out, text.slice(at)];
}

/** A text inside of an element, the space around it outside. */
function wrapped(tag, text) {
  const inner = text.trim();
  if (!inner) return [text];
  const at = text.indexOf(inner);
  return [text.slice(0, at), make(tag, {}, inner), text.slice(at + inner.length)];
}

const withCuts = (text, edits) => pieces(text, edits, (cut) => wrapped("del", cut));
const withInserts = (text, edits) => pieces(text, edits, (_, put) => wrapped("ins", put));

function withSentence(text, sentence) {
  const at = text.indexOf(sentence);
  if (at < 0) return [text];
  return [text.slice(0, at), make("mark", {}, sentence), text.slice(at + sentence.length)];
}

/** Offsets in a dataset count characters as Python does; a character beyond the first 65,536 is two here. */
function fromPython(text, edits) {
  const characters = Array.from(text);
  if (characters.length === text.length) return edits;
  const units = (n) => characters.slice(0, n).join("").length;
  return edits.map(([start, end, put]) => [units(start), units(end), put]);
}

function report(title, children) {
  return make("article", { class: "text" }, make("h3", {}, title), make("p", {}, ...children));
}

function labelsTable([host, donor, mixed]) {
  const rows = data.findings.map((name, f) => [name, host[f], donor[f], mixed[f]]).filter((row) => row[1] || row[2] || row[3]);
  const cells = ([name, before, lent, after]) => make(
    "tr", {}, make("th", { scope: "row" }, name), make("td", {}, SAID[before] || "–"), make("td", {}, SAID[lent] || "–"),
    make("td", before === after ? {} : { class: "changed" }, SAID[after] || "–"),
  );
  const head = ["finding", "host", "donor", "mixed"].map((name) => make("th", { scope: "col" }, name));
  return make("table", { class: "labels" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows.map(cells)));
}

function figure(caption, words, content) {
  return make("figure", {}, make("span", { class: "shot" }, content), make("figcaption", {}, make("b", {}, caption), words));
}

/** The slider and the choice of map, which draw the mix anew. */
function turning(i, draw) {
  const kept = data.plans.kept[i];
  const told = make("output", { for: "turn" }, kept.toFixed(2));
  const slider = make("input", { id: "turn", type: "range", min: "0", max: "1", step: "0.01", value: String(kept) });
  const maps = ["donor", "union"].map((map) => make(
    "label", {}, make("input", { type: "radio", name: "map", value: map, checked: map === data.map }),
    map === "donor" ? " the donor's" : " host's and donor's",
  ));
  const bar = make(
    "div", { class: "turn" }, make("label", {}, "λ ", slider, " "), told,
    make("fieldset", {}, make("legend", {}, "Map"), ...maps),
    make("span", { class: "small" }, `stored: ${kept.toFixed(2)}; the loader draws another for each epoch`),
  );
  bar.addEventListener("input", () => {
    told.textContent = Number(slider.value).toFixed(2);
    draw(Number(slider.value), find("input[name=map]:checked", bar).value);
  });
  return bar;
}

function images(i, plan) {
  const { host, donor, presence, hostPresence, area } = data.plans;
  const canvas = (label) => make("canvas", { role: "img", "aria-label": label });
  const [over, mix] = [canvas("The donor's image with the map of the lent sentence over it"), canvas("The mixed image")];
  const draw = (kept, map) => drawMix(mix, plan.host, plan.donor, kept, plan.donorMap, map === "union" ? plan.hostMap : null);
  drawHeat(over, plan.donor, plan.donorMap);
  draw(data.plans.kept[i], data.map);
  return [
    make(
      "div", { class: "shots" },
      figure("Host", `${data.samples[host[i]]} · presence ${hostPresence[i].toFixed(2)}`, make("img", { src: plan.host.src, alt: "The host's image" })),
      figure("Donor", `${data.samples[donor[i]]} · presence ${presence[i].toFixed(2)}`, make("img", { src: plan.donor.src, alt: "The donor's image" })),
      figure("Donor's map", `covers ${percent(area[i])}; the line is at half its peak`, over),
      figure("Mix", "as a trainer would see it in pixels", mix),
    ),
    turning(i, draw),
  ];
}

function topBar(i) {
  const { finding, view, split, shard, id } = data.plans;
  const at = matching.indexOf(i);
  const step = (by, label, key) => make(
    "button", { type: "button", "data-by": String(by), disabled: matching[at + by] === undefined, title: key, onclick: () => move(by) }, label,
  );
  return make(
    "div", { class: "bar-top" },
    make("h2", { id: "close-title" }, `${data.findings[finding[i]]} `, make("span", {}, `${data.views[view[i]]} · ${data.splits[split[i]]} · shard ${data.shards[shard[i]]} · plan ${id[i]}`)),
    step(-1, "‹ before", "left arrow"), step(1, "next ›", "right arrow"),
    make("button", { type: "button", class: "leave", onclick: () => dialog.close() }, "Close"),
  );
}

async function look(i) {
  wanted = i;
  const plan = await loadPlan(i);
  if (wanted !== i) return; // another was asked for meanwhile
  const { host, donor, sentence } = data.plans;
  const { edits, labels } = plan.texts.plans[i];
  const text = plan.texts.samples[host[i]].text;
  const own = fromPython(text, edits);
  const held = document.activeElement?.dataset.by;
  find(".inner", dialog).replaceChildren(topBar(i), make(
    "div", { class: "body" }, ...images(i, plan),
    make(
      "div", { class: "texts" }, report("Host's report, what is cut", withCuts(text, own)),
      report("Mixed report, what is put in", withInserts(text, own)),
      report("Donor's report, what it lends", withSentence(plan.texts.samples[donor[i]].text, data.sentences[sentence[i]][0])),
    ),
    labelsTable(labels),
  ));
  dialog.dataset.plan = data.plans.id[i];
  if (!dialog.open) dialog.showModal();
  else (find(`[data-by="${held}"]:enabled`, dialog) ?? find(".leave", dialog)).focus();
  dialog.scrollTop = 0;
}

/** The plan before or after in the gallery's order; its page follows. */
function move(by) {
  const at = matching.indexOf(wanted) + by;
  if (matching[at] === undefined) return;
  look(matching[at]);
  if (Math.floor(at / PAGE_SIZE) !== page) {
    page = Math.floor(at / PAGE_SIZE);
    show("page");
  }
}

dialog.addEventListener("keydown", (event) => {
  if (event.target.type === "range" || event.target.type === "radio" || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") move(-1);
  if (event.key === "ArrowRight") move(1);
});

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => find(`.card[data-plan="${wanted}"]`)?.focus());
