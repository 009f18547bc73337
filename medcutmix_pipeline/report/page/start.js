// The page's start: what arrives is taken in, controls and the address are listened to.

const form = document.getElementById("filters");

globalThis.medcutmix = {
  index(content) {
    data = content;
    const fill = (name, values) => form.elements[name].append(...values.map((v) => make("option", { value: v }, v)));
    const used = new Set(data.plans.finding);
    fill("finding", data.findings.filter((_, f) => used.has(f)));
    fill("view", data.views);
    fill("split", data.splits);
    form.hidden = false;
    if (!fromAddress()) show("open");
  },
  shard(name, content) {
    const waiting = shards.get(name);
    waiting.arrived(content);
  },
};

/** Take the filters from an address like #gallery?finding=Edema&sort=presence; false where it has none. */
function fromAddress() {
  const [place, query] = location.hash.split("?");
  if (place !== "#gallery" || query === undefined || !data) return false;
  const asked = new URLSearchParams(query);
  form.reset();
  for (const name of ["finding", "view", "split", "q", "sort"]) if (asked.has(name)) form.elements[name].value = asked.get(name);
  const [low, high] = (asked.get("presence") ?? "").split("-");
  form.elements.low.value = low ?? "";
  form.elements.high.value = high ?? "";
  takeForm("open");
  document.getElementById("gallery").scrollIntoView();
  return true;
}

/** Keep the address in step with the filters, so that it can be passed on. */
function toAddress() {
  const told = new URLSearchParams();
  for (const name of ["finding", "view", "split", "q"]) if (state[name]) told.set(name, state[name]);
  if (state.low || state.high) told.set("presence", `${state.low || 0}-${state.high || 1}`);
  if (state.sort !== "odd") told.set("sort", state.sort);
  history.replaceState(null, "", `#gallery?${told}`);
}

function takeForm(why, since) {
  for (const name of Object.keys(state)) state[name] = form.elements[name].value;
  if (!(state.sort in ORDERS)) state.sort = form.elements.sort.value = "odd";
  show(why, since);
}

let typing = 0;
form.addEventListener("input", (event) => {
  clearTimeout(typing);
  const take = () => { takeForm("filter", event.timeStamp); toAddress(); };
  // while a word is being typed, wait a moment for the rest of it
  if (event.target.type === "search" || event.target.type === "number") typing = setTimeout(take, 60);
  else take();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => { takeForm("filter"); toAddress(); }));
addEventListener("hashchange", fromAddress);

document.getElementById("pages").addEventListener("click", (event) => {
  const step = event.target.dataset.step;
  if (!step) return;
  const jump = { first: -Infinity, last: Infinity }[step] ?? Number(step);
  page = Math.min(Math.max(0, page + jump), Math.ceil(matching.length / PAGE_SIZE) - 1);
  show("page");
  document.getElementById("count").scrollIntoView({ block: "start" });
});

const cards = document.getElementById("cards");
cards.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (card) look(Number(card.dataset.plan));
});

/** Arrows go from card to card as they stand. */
cards.addEventListener("keydown", (event) => {
  const all = [...cards.querySelectorAll(".card")];
  const at = all.indexOf(event.target.closest(".card"));
  const top = all[0]?.getBoundingClientRect().top;
  const across = all.filter((card) => card.getBoundingClientRect().top === top).length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  if (at < 0 || by === undefined || !all[at + by]) return;
  event.preventDefault();
  all[at + by].focus();
});

addEventListener("keydown", (event) => {
  if (event.key !== "/" || dialog.open || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  form.elements.q.focus();
});
